import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from simclr.errors import InputError
from simclr.eval.set_words import named_pair, named_set
from simclr.eval.subject.features import extract_features
from simclr.eval.subject.set_features import FeaturePair, feature_pairs, first_components, read_features
from simclr.eval.subject.sets import open_pair


def test_an_encoders_features_are_those_of_its_ids(scene_run):
    pair = open_pair(named_pair(f"{scene_run}:corn", f"{scene_run}:road"))
    told = []
    pairs = list(feature_pairs(pair, 0, torch.device("cpu"), lambda what, done, total: told.append((done, total))))
    assert torch.equal(pairs[0].a, extract_features(pair.encoder, pair.a.source, pair.a.ids))
    assert torch.equal(pairs[0].b, extract_features(pair.encoder, pair.b.source, pair.b.ids))
    assert not torch.allclose(pairs[0].a, pairs[1].a)
    assert [len(one.a) for one in pairs] == [49] * 4
    assert told[0][1] == 98
    assert (98, 98) in told


def test_the_plane_is_that_of_both_sets_together():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(30, 6, generator=generator) * 2, torch.randn(20, 6, generator=generator) + 1
    view = first_components(FeaturePair("raw", None, a, b))
    library = PCA(2).fit(torch.cat([a, b]))
    expected = library.transform(torch.cat([a, b]))
    np.testing.assert_allclose(np.abs(np.concatenate([view.a, view.b])), np.abs(expected), atol=1e-4)
    assert view.shares == pytest.approx(library.explained_variance_ratio_.tolist(), abs=1e-5)
    one = first_components(FeaturePair("raw", None, a[:, :1], b[:, :1]))
    assert one.shares == (pytest.approx(1.0), 0.0)
    assert first_components(FeaturePair("raw", None, a * 0, b * 0)).shares == (0.0, 0.0)


def test_files_of_features(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    h = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    np.save("h.npy", h)
    np.savez("both.npz", one=h, two=2 * h, names=np.array(["a"]))
    np.savez("single.npz", h=h, labels=np.arange(9))
    np.save("integers.npy", np.arange(12).reshape(6, 2))
    assert torch.equal(read_features(named_set("h.npy")), torch.from_numpy(h))
    assert torch.equal(read_features(named_set("both.npz:two")), 2 * torch.from_numpy(h))
    assert torch.equal(read_features(named_set("single.npz")), torch.from_numpy(h))
    assert read_features(named_set("integers.npy")).dtype == torch.float64
    np.save("images.npy", np.zeros((3, 4, 4)))
    np.save("none.npy", np.zeros((0, 4)))
    np.save("huge.npy", np.full((3, 4), 1e200))
    (tmp_path / "folder").mkdir()
    for name, message in (
        ("both.npz", "both.npz holds several matrices: name one behind a colon, of one, two"),
        ("both.npz:three", "the part behind the colon is 'three', but"),
        ("h.npy:one", "h.npy:one is a .npy file, which has no part one: leave the colon out"),
        ("images.npy", r"images.npy is of shape \(3, 4, 4\): give features \(N, dim\). Images need an encoder"),
        ("none.npy", r"none.npy is of shape \(0, 4\): it holds no samples"),
        ("huge.npy", "huge.npy holds numbers up to 1e\\+200: scale features to at most"),
        ("folder", "folder is a folder: name the encoder that sees its images, such as --encoder RUN"),
    ):
        with pytest.raises(InputError, match=message):
            read_features(named_set(name))
