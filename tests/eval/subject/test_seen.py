"""Whose samples these are is told by their content, never by how many there are or what they are called."""

import numpy as np
import pytest
import torch
from PIL import Image

from simclr.data import ImageFolder, SceneSource, open_source
from simclr.data.fitting import fit_preprocess
from simclr.data.source import Source, TensorSource
from simclr.encoder_file import FrozenEncoder, load_encoder, save_encoder
from simclr.errors import InputError
from simclr.eval.few_shot import few_shot
from simclr.eval.linear_eval import linear_eval
from simclr.eval.subject.opened import open_subject
from simclr.eval.subject.seen import what_was_seen
from simclr.models.encoder import random_encoder
from simclr.pretrain import pretrain
from simclr.recipe.read import check_recipe, read_recipe

QUICK = {"shots": (3,), "seeds": (0,), "probes": ["ridge"]}


def pictures(seed: int, n: int = 30) -> torch.Tensor:
    return torch.randint(0, 256, (n, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def labelled(images: torch.Tensor) -> TensorSource:
    return TensorSource(images, torch.arange(len(images)) % 3)


def encoder_of(source: Source, monitor_ids: list[int], saw: bool = True) -> FrozenEncoder:
    bands = source.in_chans
    options = {"name": "resnet8", "in_chans": bands, "stem": "small", "width": 4}
    module = random_encoder(0, **options)
    size = {"name": source.name, "samples": len(source), "classes": list(source.class_names)}
    patch = source.patch_size if isinstance(source, SceneSource) else None
    metadata = {"encoder": options, "feature_dim": module.feature_dim, "source": size | {"patch_size": patch}}
    metadata["monitor_ids"] = monitor_ids
    return FrozenEncoder(module, fit_preprocess(source), metadata, source.sample_hashes() if saw else None)


def judged(encoder, *parts):
    found = linear_eval(encoder, *parts, **QUICK, supervised=False)
    return found["transductive"], found["pretraining_saw"], found["excluded"]["samples"]


def test_the_same_pictures_are_known_in_any_order_with_any_labels_and_others_of_equal_count_are_not():
    mine = labelled(pictures(0))
    encoder = encoder_of(mine, [0, 4, 8])
    assert judged(encoder, mine) == (True, {"samples": 18, "of": 18}, 3)
    # Pretrained without labels, judged with them; and in another order, where sample 29 - i is what was sample i.
    unlabelled = encoder_of(TensorSource(pictures(0)), [])
    assert judged(unlabelled, mine)[0] is True
    turned = what_was_seen(encoder, labelled(pictures(0).flip(0)))
    assert (turned.own, turned.labelled.tolist()) == (True, [21, 25, 29])
    other = labelled(pictures(1))
    assert judged(encoder, other) == (False, {"samples": 0, "of": 21}, 0)
    assert what_was_seen(encoder, other).own is False


def test_the_same_pictures_and_one_more_before_them_are_recognised_one_by_one():
    encoder = encoder_of(labelled(pictures(0)), [0, 4, 8])
    more = labelled(torch.cat([pictures(1, 1), pictures(0)]))
    seen = what_was_seen(encoder, more)
    assert (seen.own, seen.labelled.tolist()) == (False, [1, 5, 9])
    assert seen.samples.tolist() == [False] + [True] * 30
    split = few_shot(encoder, more, shots=(3,), seeds=(0,), probes=["ridge"], episodes=0)
    of = 28 - 9
    assert split["pretraining_saw"] in ({"samples": of, "of": of}, {"samples": of - 1, "of": of})
    half = labelled(torch.cat([pictures(0, 15), pictures(1, 15)]))
    saw = judged(encoder, half)[1]
    assert 0 < saw["samples"] < saw["of"] == 30 - 3 - 9


def test_of_a_test_part_only_its_own_samples_count():
    train, test = labelled(pictures(0)), labelled(pictures(1))
    assert judged(encoder_of(train, [0, 4, 8]), train, test) == (False, {"samples": 0, "of": 30}, 0)
    # Pretraining saw the test part too, and the labels of two of its samples.
    both = encoder_of(labelled(torch.cat([pictures(0), pictures(1)])), [3, 31, 37])
    assert judged(both, train, test) == (True, {"samples": 28, "of": 28}, 2)


def test_a_folder_is_its_files_wherever_they_lie_however_they_are_called_and_at_any_size(tmp_path):
    for k, image in enumerate(pictures(0, 12)):
        for name in (f"a/{k % 2}/{k}.png", f"b/{k % 2}/{11 - k}-again.png"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0].numpy()).save(tmp_path / name)
    source = ImageFolder(tmp_path / "a")
    encoder = encoder_of(source, [0])
    for again in (source.load(), ImageFolder(tmp_path / "b"), ImageFolder(tmp_path / "b", image_size=4).load()):
        seen = what_was_seen(encoder, again)
        assert (seen.own, seen.samples.all(), len(seen.labelled)) == (True, True, 1)
    assert source.files[0].endswith("0.png")
    (again,) = what_was_seen(encoder, ImageFolder(tmp_path / "b")).labelled.tolist()
    assert ImageFolder(tmp_path / "b").files[again].endswith("11-again.png")


@pytest.mark.parametrize("bands", [3, 20])
def test_a_scene_is_its_pixels_whatever_ground_truth_lies_on_it_and_so_is_a_part_of_it(bands):
    cube = torch.rand(bands, 12, 10, generator=torch.Generator().manual_seed(0))
    truth = torch.arange(120).view(12, 10) % 3
    encoder = encoder_of(SceneSource(cube, None, patch_size=3), [])
    whole = what_was_seen(encoder, SceneSource(cube, truth, patch_size=5))
    assert (whole.own, int(whole.samples.sum())) == (True, 120)
    half = what_was_seen(encoder, SceneSource(cube[:, 2:8], truth[:6], patch_size=3))
    # Of few bands, a pixel is known by its neighbours too, which the rows at the cut have lost.
    assert (half.own, int(half.samples.sum())) == (False, 60 if bands == 20 else 40)
    other = torch.rand(bands, 12, 10, generator=torch.Generator().manual_seed(1))
    assert not bool(what_was_seen(encoder, SceneSource(other, truth)).samples.any())


def test_where_content_cannot_tell_number_and_classes_do_and_the_result_says_unknown():
    mine = labelled(pictures(0))
    old = encoder_of(mine, [0, 4, 8], saw=False)
    assert judged(old, mine) == (None, None, 3)
    assert judged(old, labelled(pictures(1, 31))) == (None, None, 0)
    # A folder's files say nothing about an array's values.
    encoder = encoder_of(mine, [0, 4, 8])
    encoder.saw = encoder.saw._replace(kind="files")
    assert judged(encoder, mine) == (None, None, 3)


def test_what_the_caller_says_is_taken():
    mine = labelled(pictures(0))
    found = linear_eval(encoder_of(mine, [0, 4]), mine, **QUICK, supervised=False, exclude=(), transductive=False)
    assert (found["transductive"], found["pretraining_saw"], found["excluded"]["samples"]) == (False, None, 0)


def test_a_result_goes_into_the_run_for_its_own_samples_alone_at_whatever_place(tmp_path):
    for name, images in (("mine", pictures(0)), ("other", pictures(1)), ("more", pictures(0, 31))):
        np.savez(tmp_path / f"{name}.npz", images=images[:, 0].numpy(), labels=np.arange(len(images)) % 3)
    (tmp_path / "moved.npz").write_bytes((tmp_path / "mine.npz").read_bytes())
    recipe = check_recipe({"data": {"source": "arrays", "path": str(tmp_path / "mine.npz")}})
    source = open_source(recipe.data)
    encoder = encoder_of(source, [2])
    metadata = {**encoder.metadata, "data": recipe.data.model_dump(mode="json")}
    run = tmp_path / "run"
    run.mkdir()
    save_encoder(run / "encoder.safetensors", encoder.encoder, encoder.preprocess, metadata, saw=encoder.saw)
    loaded = load_encoder(run)
    assert torch.equal(loaded.saw.values, encoder.saw.values)
    assert loaded.saw.kind == encoder.saw.kind == "values uint8 (1, 6, 6)"
    assert loaded.metadata["saw"]["sha256"] == encoder.saw.digest()

    for override in ([], ["data.workers=0"], [f"data.path={tmp_path / 'moved.npz'}"]):
        opened = open_subject(run, override)
        assert (opened.folder, opened.subject.excluded.tolist()) == (run, [2])
    with pytest.raises(InputError, match=r"other.npz is not what the encoder was pretrained on: give --output"):
        open_subject(run, [f"data.path={tmp_path / 'other.npz'}"])
    with pytest.raises(InputError, match=r"not what the encoder was pretrained on \(30 of 31 samples are\): give"):
        open_subject(run, [f"data.path={tmp_path / 'more.npz'}"])
    with pytest.raises(InputError, match=r"data.test_path=.*other.npz changes what is judged: give --output FOLDER"):
        open_subject(run, [f"data.test_path={tmp_path / 'other.npz'}"])
    # The file at the recipe's own place is another one now.
    (tmp_path / "mine.npz").write_bytes((tmp_path / "other.npz").read_bytes())
    with pytest.raises(InputError, match=r"is not what the encoder was pretrained on: give --output"):
        open_subject(run)


@pytest.mark.usefixtures("fresh_accelerate")
@pytest.mark.parametrize("recipe", ["digits", "indian-pines"])
def test_a_run_knows_its_own_samples_again_in_whatever_units_it_learned(tmp_path, recipe):
    options = ["train.max_steps=1", "train.batch_size=32", "encoder.width=8"]
    pretrain(read_recipe(recipe, options), tmp_path / "run", say=lambda line: None)
    subject = open_subject(tmp_path / "run").subject
    assert subject.seen.own is True
    assert bool(subject.seen.samples.all())
    assert subject.transductive is None or subject.transductive
