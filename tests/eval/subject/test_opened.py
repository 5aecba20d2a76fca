import numpy as np
import pytest
import torch

from simclr.data.fitting import fit_preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.encoder_file import FrozenEncoder, load_encoder, save_encoder
from simclr.errors import InputError
from simclr.eval.subject.opened import data_section, open_subject
from simclr.eval.subject.seen import may_be_own
from simclr.eval.subject.subject import subject_of
from simclr.models.encoder import random_encoder
from simclr.recipe.read import check_recipe


@pytest.fixture
def run(tmp_path):
    """A folder with an encoder of 60 grey pictures in an array, beside another array of as many."""
    g = np.random.default_rng(0)
    for name, n in (("mine", 60), ("other", 61)):
        labels = np.arange(n) % 3
        np.savez(tmp_path / f"{name}.npz", images=g.integers(0, 255, (n, 6, 6), dtype=np.uint8), labels=labels)
    checked = check_recipe({"data": {"source": "arrays", "path": str(tmp_path / "mine.npz")}})
    options = {"name": "resnet8", "in_chans": 1, "stem": "small", "width": 4}
    encoder = random_encoder(0, **options)
    source = TensorSource(torch.arange(2160, dtype=torch.uint8).view(60, 1, 6, 6), torch.arange(60) % 3)
    metadata = {
        "encoder": options,
        "feature_dim": encoder.feature_dim,
        "data": checked.data.model_dump(mode="json"),
        "source": {"name": "mine", "samples": 60, "classes": ["0", "1", "2"], "patch_size": None},
        "monitor_ids": [4, 7],
        "created": "today",
        "git": None,
    }
    (tmp_path / "run").mkdir()
    save_encoder(tmp_path / "run" / "encoder.safetensors", encoder, fit_preprocess(source), metadata)
    return tmp_path / "run"


def test_its_own_data_leaves_out_what_the_monitor_saw_and_an_old_file_says_no_more(run):
    opened = open_subject(run)
    assert opened.folder == run
    assert (opened.subject.seen, opened.subject.excluded.tolist()) == ((True, None, None), [4, 7])
    assert len(opened.subject.usable()) == 58
    assert open_subject(run / "encoder.safetensors", ["data.workers=0"]).folder == run


def test_other_data_needs_a_folder_of_its_own(run, tmp_path):
    other = [f"data.path={tmp_path / 'other.npz'}"]
    with pytest.raises(InputError, match="is not what the encoder was pretrained on: give --output"):
        open_subject(run, other)
    opened = open_subject(run, other, output=tmp_path / "out")
    assert opened.folder == tmp_path / "out"
    assert (opened.subject.seen, opened.subject.excluded.tolist()) == ((False, None, None), [])
    # The same number of samples and the same classes may be those of other pictures.
    with pytest.raises(InputError, match="may be other data than the encoder was pretrained on: give --output"):
        open_subject(run, [f"data.path={tmp_path / 'mine.npz'}"])


def test_a_scene_is_its_pixels_whatever_their_labels_are_called(run):
    encoder = load_encoder(run)
    seen = {"samples": 16, "classes": ["corn"], "patch_size": 3}
    encoder = FrozenEncoder(encoder.encoder, encoder.preprocess, encoder.metadata.with_entries(source=seen))
    truth = torch.arange(16).view(4, 4) % 3
    assert may_be_own(encoder, SceneSource(torch.rand(2, 4, 4), truth, patch_size=3))
    assert not may_be_own(encoder, SceneSource(torch.rand(2, 4, 5), None, patch_size=3))


def test_overrides_are_of_the_data_alone(run):
    encoder = load_encoder(run)
    with pytest.raises(InputError, match=r"'train.epochs=3' is no override of the data: .*data.path=FOLDER"):
        data_section(encoder, ["train.epochs=3"])
    switched = data_section(encoder, ["data.source=digits"])
    assert switched.source == "digits"


def test_a_scenes_patches_must_be_of_the_size_that_the_encoder_knows():
    source = SceneSource(torch.rand(4, 12, 12), torch.arange(144).view(12, 12) % 3, patch_size=9)
    options = {"name": "spectral_spatial", "in_chans": 4, "width": 4}
    network = random_encoder(0, **options)
    metadata = {"encoder": options, "feature_dim": network.feature_dim, "source": {"patch_size": 9, "samples": 144}}
    encoder = FrozenEncoder(network, fit_preprocess(source, pool=3), metadata)
    ids = torch.arange(5)
    assert len(encoder(encoder.preprocess(source[ids]))) == 5
    assert subject_of(encoder, source, exclude=()).model is encoder
    smaller = SceneSource(source.cube, source.ground_truth, patch_size=3)
    with pytest.raises(InputError, match=r"patches of 9x9 pixels, but those of scene are 3x3: set data.patch_size=9"):
        subject_of(encoder, smaller, exclude=())
    with pytest.raises(
        InputError, match=r"has shape \(5, 4, 3, 3\), but .* patches of 9x9 pixels: give \(batch, 4, 9, 9\)"
    ):
        encoder(encoder.preprocess(smaller[ids]))
