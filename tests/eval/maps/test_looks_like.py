import pytest
import torch
from PIL import Image

from simclr.data.preprocess import Preprocess
from simclr.data.source import TensorSource
from simclr.eval.maps import looks_like
from simclr.eval.splits.split import Split
from simclr.eval.subject.subject import subject_of
from simclr.frozen_encoder import FrozenEncoder
from simclr.models.encoder import random_encoder
from simclr.train.protopnet import push
from simclr.train.tuned import Learned

ARCHITECTURE = {"name": "pyramid2", "in_chans": 1, "width": 4}
NAMES = ["coat", "shoe", "bag"]


@pytest.fixture
def judged():
    """A subject of twelve samples; the labels of the first six were learned, of classes in another order."""
    images = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    source = TensorSource(images, torch.arange(12) % 3, name="things", class_names=NAMES)
    preprocess = Preprocess(1, normalize="unit")
    prototypes = {"classes": 2, "per_class": 2, "dim": 5, "level": 1}
    layer = random_encoder(0, **ARCHITECTURE, prototypes=prototypes).eval()
    learned = torch.tensor([[-1, 1, 0][i % 3] if i < 6 else -1 for i in range(12)])
    push(layer, Learned((learned >= 0).nonzero()[:, 0], learned, lambda ids: preprocess(source[ids])))
    metadata = {
        "encoder": {**ARCHITECTURE, "prototypes": prototypes},
        "feature_dim": 4,
        "source": {"name": "things", "samples": 12},
        "labels": {"ids": [1, 2, 4, 5], "classes": ["bag", "shoe"]},
    }
    return subject_of(FrozenEncoder(layer, preprocess, metadata), source, exclude=[1, 2, 4, 5])


def test_test_images_are_explained_by_training_images(judged, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(looks_like, "draw_explained", lambda *given: drawn.update(given=given))
    split = Split("given", train=torch.tensor([0, 3]), test=torch.arange(6, 12))
    said = looks_like.draw_looks_like(judged, split, tmp_path / "looks-like.png", {})
    assert said.drawn
    explained, about, classes, _, caption, _ = drawn["given"]
    truth = {6: -1, 7: 1, 8: 0, 9: -1, 10: 1, 11: 0}
    assert all(truth[sample] == c for sample, c in about)
    assert list(classes) == ["bag", "shoe"]
    encoder = judged.encoder
    decided = encoder.encoder.logits(encoder(encoder.preprocess(judged.data.source[torch.arange(6, 12)]))).argmax(1)
    right = sum(int(d) == truth[i] for i, d in zip(range(6, 12), decided))
    assert all(f"take {100 * right / 6:.1f} % of 6 test images" in text for text in (caption, said.notes[0]))
    for one, (sample, _) in zip(explained, about):
        assert int(one.points.argmax()) == int(decided[sample - 6])
        assert all(like.sample in (1, 2, 4, 5) for like in one.likenesses)


def test_other_data_than_the_prototypes_are_from_is_noticed(judged, tmp_path):
    with torch.no_grad():
        judged.encoder.encoder.prototypes += 0.1  # as if the images had changed
    split = Split("given", train=torch.tensor([0, 3]), test=torch.arange(6, 12))
    drawn, notes = looks_like.draw_looks_like(judged, split, tmp_path / "looks-like.png", {})
    assert not drawn
    assert (
        notes[1] == "looks-like.png is not drawn: these are not the training images that the prototypes are places of"
    )
    assert not (tmp_path / "looks-like.png").exists()


@pytest.mark.slow
def test_the_picture_says_which_result_it_was_drawn_for(judged, tmp_path):
    split = Split("given", train=torch.tensor([0, 3]), test=torch.arange(6, 12))
    looks_like.draw_looks_like(judged, split, tmp_path / "looks-like.png", {"simclr-result": "7"})
    with Image.open(tmp_path / "looks-like.png") as opened:
        assert opened.info["simclr-result"] == "7"
