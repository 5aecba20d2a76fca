import numpy as np
import pytest
import torch

from simclr.data.images.digits import load_digits
from simclr.data.scenes.scene import SceneSource
from simclr.encoder_file import load_encoder, save_encoder
from simclr.errors import InputError
from simclr.eval.set_words import named_pair
from simclr.eval.subject.sets import chosen, drawn, open_pair


def test_halves_and_classes_of_a_scene_without_what_was_not_measured():
    truth = torch.tensor([[1, 1, 2], [2, 2, 0], [0, 0, 7], [7, 7, 7], [1, 1, 1]])
    scene = SceneSource(torch.randn(3, 5, 3), truth, patch_size=1, class_names=["corn", "oats", "road"])
    assert chosen(scene).tolist() == list(range(15))
    assert chosen(scene, "west").tolist() == [0, 3, 6, 9, 12]
    assert chosen(scene, "east").tolist() == [1, 2, 4, 5, 7, 8, 10, 11, 13, 14]
    assert chosen(scene, "north").tolist() == list(range(6))
    assert chosen(scene, "south").tolist() == list(range(6, 15))
    assert chosen(scene, "Road").tolist() == chosen(scene, "7").tolist() == [8, 9, 10, 11]
    scene.no_data = torch.zeros(5, 3, dtype=torch.bool)
    scene.no_data[0] = True
    assert chosen(scene, "west").tolist() == [3, 6, 9, 12]
    assert chosen(scene, "corn").tolist() == [12, 13, 14]
    with pytest.raises(InputError, match="'wheat' is no class of scene: give names or numbers of corn, oats, road"):
        chosen(scene, "wheat")
    with pytest.raises(InputError, match="has no labels, and so no class corn: give north, south, west, east or a"):
        chosen(SceneSource(torch.randn(3, 5, 3)), "corn")


def test_classes_of_pictures():
    digits = load_digits()
    assert torch.equal(chosen(digits, "3"), (digits.labels == 3).nonzero().flatten())
    with pytest.raises(InputError, match="'west' is no class of digits"):
        chosen(digits, "west")


def test_other_samples_are_drawn_of_the_second_set():
    ids = torch.arange(100, 400)
    first, second = drawn(ids, 50, 3), drawn(ids, 50, 3, second=True)
    assert len(first) == len(second) == 50
    assert not torch.equal(first, second)
    assert bool(torch.isin(first, ids).all())
    assert torch.equal(first, first.unique())
    assert torch.equal(first, drawn(ids, 50, 3))
    assert torch.equal(drawn(ids, 500, 3), ids)


def test_a_run_stands_for_its_own_data_and_a_path_for_data_that_is_read_alike(scene_run, tmp_path):
    other = tmp_path / "other.npy"
    np.save(other, np.load(tmp_path / "cube.npy")[:, :10] + 1)
    pair = open_pair(named_pair(f"{scene_run}:oats", str(other)))
    assert (pair.a.name, len(pair.a.ids)) == (f"{scene_run}:oats", 49)
    assert (pair.b.source.width, pair.b.source.patch_size, pair.b.source.labels) == (10, 3, None)
    both = open_pair(named_pair(f"{scene_run}:oats", f"{scene_run}:road"))
    assert both.a.source is both.b.source
    own = open_pair(named_pair(f"{tmp_path / 'cube.npy'}:5", f"{other}:west", str(scene_run)))
    assert torch.equal(own.a.ids, pair.a.ids)
    np.save(tmp_path / "classes.npy", np.repeat(np.arange(1, 11), 16).reshape(10, 16).T)
    labelled = open_pair(named_pair(str(scene_run), f"{other}:3"), [f"data.ground_truth={tmp_path / 'classes.npy'}"])
    assert labelled.b.ids.tolist() == list(range(2, 160, 10))


def test_the_data_of_another_run_is_seen_through_patches_of_the_encoders_own(scene_run, tmp_path):
    other = load_encoder(scene_run)
    other.metadata["data"]["patch_size"] = 5
    (tmp_path / "other").mkdir()
    file = tmp_path / "other" / "encoder.safetensors"
    save_encoder(file, other.encoder, other.preprocess, other.metadata, saw=other.saw)
    pair = open_pair(named_pair(str(scene_run), str(tmp_path / "other")))
    assert (pair.a.source.patch_size, pair.b.source.patch_size) == (3, 3)


def test_what_does_not_fit_is_named(scene_run, tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((9, 9, 5), dtype=np.float32) + np.arange(9)[:, None, None])
    for b, overrides, message in (
        (str(tmp_path / "wide.npy"), (), "the encoder takes 4 bands, but .* has 5"),
        (str(tmp_path), (), "is a folder, but the encoder sees scenes: give a .mat, .npy or .npz file"),
        (f"{scene_run}:test", (), ":test: the data has no test part"),
        (str(scene_run), ["data.patch_size=5"], "data.patch_size=5 is of no use: A and B are runs"),
        (str(tmp_path / "cube.npy"), ["data.patch_size=5"], "was pretrained on patches of 3x3 pixels"),
        (str(tmp_path / "cube.npy"), ["patch_size=5"], "'patch_size=5' is no override of the data"),
    ):
        with pytest.raises(InputError, match=message):
            open_pair(named_pair(str(scene_run), b), overrides)
