import os

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from simclr.data import ImageFolder, SceneSource, TensorSource
from simclr.data.fitting import fit_preprocess
from simclr.data.preprocess import Preprocess
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.subject import feature_cache
from simclr.eval.subject.feature_cache import FeatureCache
from simclr.eval.subject.features import extract_features, feature_batches
from simclr.models.encoder import random_encoder


def photos(n=20, seed=0):
    images = torch.randint(0, 256, (n, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return TensorSource(images, torch.arange(n) % 2)


def encoder_for(source, seed=0):
    network = random_encoder(seed, "resnet8", in_chans=3, width=4, stem="small")
    options = {"name": "resnet8", "in_chans": 3, "width": 4, "stem": "small"}
    return FrozenEncoder(network, fit_preprocess(source), {"encoder": options, "feature_dim": network.feature_dim})


@pytest.fixture
def counted(monkeypatch):
    """The ids of every extraction, beside the two samples that a reading checks."""
    calls = []

    def extract(encoder, source, batches, device):
        calls.append(torch.cat(batches).tolist())
        return feature_batches(encoder, source, batches, device)

    monkeypatch.setattr(feature_cache, "feature_batches", extract)
    return calls


def test_samples_are_extracted_once_and_come_in_any_order(tmp_path, counted):
    source = photos()
    encoder = encoder_for(source)
    ids = torch.tensor([7, 3, 19, 0, 1])
    first = FeatureCache(tmp_path).features(encoder, source, ids)
    torch.testing.assert_close(first, extract_features(encoder, source, ids))
    cache = FeatureCache(tmp_path)
    torch.testing.assert_close(cache.features(encoder, photos(), ids.flip(0)), first.flip(0), rtol=0, atol=0)
    more = torch.tensor([19, 2, 4, 5, 3])
    found = cache.features(encoder, source, more)
    torch.testing.assert_close(found, extract_features(encoder, source, more))
    assert counted == [[0, 1, 3, 7, 19], [2, 4, 5]]
    assert [(e.read, e.extracted, e.note) for e in cache.log] == [(5, 0, None), (2, 3, None)]
    assert len(list(tmp_path.iterdir())) == 1


def test_another_encoder_preprocessing_or_source_has_another_file(tmp_path, counted):
    source, ids = photos(), torch.arange(20)
    cache = FeatureCache(tmp_path)
    encoder = encoder_for(source)
    pooled = encoder_for(source)
    pooled.preprocess.pool = 2
    scaled = encoder_for(source)
    scaled.preprocess.bias += 0.5
    statistics = encoder_for(source)
    statistics.encoder.bn1.running_mean += 0.5
    cases = [(encoder, source), (encoder_for(source, 1), source), (pooled, source), (scaled, source)]
    cases += [(statistics, source), (encoder, photos(seed=1))]
    for module, data in cases:
        expected = extract_features(module, data, ids)
        torch.testing.assert_close(cache.features(module, data, ids), expected, rtol=0, atol=0)
    assert len(list(tmp_path.iterdir())) == len(counted) == len(cases)


@pytest.mark.parametrize("damage", ["cut", "bit", "swapped", "empty"])
def test_a_file_that_cannot_be_trusted_is_extracted_anew_and_that_is_recorded(tmp_path, counted, damage):
    source, ids = photos(), torch.arange(20)
    encoder = encoder_for(source)
    cache = FeatureCache(tmp_path)
    expected = cache.features(encoder, source, ids)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(content[:-9])
    elif damage == "bit":
        content[-5] ^= 4
        file.write_bytes(content)
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        cache.features(encoder_for(source, 1), source, ids)
        (other,) = set(tmp_path.iterdir()) - {file}
        file.write_bytes(other.read_bytes())
    counted.clear()
    torch.testing.assert_close(cache.features(encoder, source, ids), expected, rtol=0, atol=0)
    assert counted == [ids.tolist()]
    words = "another encoder" if damage == "swapped" else "damaged"
    assert words in cache.log[-1].note
    assert cache.features(encoder, source, ids).equal(expected)
    assert cache.log[-1].note is None


def test_features_that_the_code_no_longer_gives_are_not_used(tmp_path):
    class Scaled(nn.Module):
        factor = 1.0

        def __init__(self, preprocess: Preprocess) -> None:
            super().__init__()
            self.preprocess = preprocess

        def forward(self, x: Tensor) -> Tensor:
            return self.factor * x.flatten(1)

    source, ids = photos(), torch.arange(20)
    encoder = Scaled(fit_preprocess(source))
    cache = FeatureCache(tmp_path)
    before = cache.features(encoder, source, ids)
    Scaled.factor = 2.0
    torch.testing.assert_close(cache.features(encoder, source, ids), 2 * before)
    assert "other features" in cache.log[-1].note


def test_damaged_images_are_known_without_reading_them_again(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    for c in range(2):
        (folder / str(c)).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).save(folder / str(c) / f"{i}.png")
    (folder / "0" / "3.png").write_bytes(b"damaged")
    source = ImageFolder(folder, max_damaged=0.1)
    encoder = encoder_for(source)
    cache = FeatureCache(tmp_path / "features")
    first = cache.features(encoder, source, torch.arange(16))
    again = ImageFolder(folder, max_damaged=0.1)
    assert cache.features(encoder, again, torch.arange(16)).equal(first)
    assert cache.log[-1].read == 16
    assert again.labels[3] == -1
    assert again.damaged == source.damaged
    os.utime(folder / "1" / "2.png", ns=(1, 1))
    cache = FeatureCache(tmp_path / "features")
    cache.features(encoder, ImageFolder(folder, max_damaged=0.1), torch.arange(16))
    assert cache.log[-1].extracted == 16


def test_the_folder_stays_within_its_limit(tmp_path):
    source, ids = photos(), torch.arange(20)
    cache = FeatureCache(tmp_path)
    for seed in range(4):
        cache.features(encoder_for(source, seed), source, ids)
        for age, entry in enumerate(cache.log):
            if (tmp_path / entry.file).exists():
                os.utime(tmp_path / entry.file, (age, age))
        cache.limit = 5 * (tmp_path / cache.log[0].file).stat().st_size // 2 if seed == 0 else cache.limit
    assert [(tmp_path / e.file).exists() for e in cache.log] == [False, False, True, True]
    small = FeatureCache(tmp_path / "small", limit=20 * encoder_for(source).feature_dim * 4 - 1)
    small.features(encoder_for(source), source, ids)
    assert "limit" in small.log[0].note
    assert not (tmp_path / "small").exists()


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = photos()
    cache = FeatureCache(None)
    cache.features(encoder_for(source), source, torch.arange(20))
    assert not list(tmp_path.iterdir())
    assert cache.log == []


def test_a_scene_is_known_by_its_cube_and_patch(tmp_path):
    cube = torch.randint(0, 255, (3, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    scenes = [SceneSource(cube, patch_size=n) for n in (3, 5)] + [SceneSource(cube.flip(1), patch_size=3)]
    encoder = encoder_for(scenes[0])
    cache = FeatureCache(tmp_path)
    for scene in scenes:
        ids = torch.arange(81)
        assert cache.features(encoder, scene, ids).equal(extract_features(encoder, scene, ids))
    assert len({e.source for e in cache.log}) == 3


def test_nan_is_never_written(tmp_path):
    source = photos()
    encoder = encoder_for(source)
    encoder.encoder.layer3[0].bn2.weight.data.fill_(torch.nan)
    with pytest.raises(InputError, match="NaN"):
        FeatureCache(tmp_path).features(encoder, source, torch.arange(20))
    assert not list(tmp_path.iterdir())


def test_an_extraction_that_is_cut_off_goes_on_in_the_same_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "SECONDS", 0.0)
    monkeypatch.setattr(feature_cache, "TIMES", 0.0)
    source, ids, seen = photos(), torch.arange(20), []
    encoder = encoder_for(source)
    extract = feature_cache.feature_batches

    def cut(encoder, source, batches, device):
        for i, h in enumerate(extract(encoder, source, batches, device)):
            if i == 3:
                raise KeyboardInterrupt
            seen.append(batches[i].tolist())
            yield h

    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path / "a", extract=cut).features(encoder, source, ids, batch_size=4)

    def count(encoder, source, batches, device):
        for ids, h in zip(batches, extract(encoder, source, batches, device)):
            seen.append(ids.tolist())
            yield h

    cache = FeatureCache(tmp_path / "a", extract=count)
    found = cache.features(encoder, source, ids, batch_size=4)
    assert seen == [list(range(i, i + 4)) for i in range(0, 20, 4)]
    assert found.equal(FeatureCache(None).features(encoder, source, ids, batch_size=4))
