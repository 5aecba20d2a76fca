import hashlib

import pytest
import torch
from torch import Tensor, nn

from simclr.data.fitting import fit_preprocess
from simclr.data.preprocess import Preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.errors import InputError
from simclr.eval.subject.baselines import raw_features
from simclr.eval.subject.features import extract_features, fingerprint


class Small(nn.Module):
    """Mean over the image, BatchNorm, linear."""

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.norm = nn.BatchNorm1d(preprocess.out_chans)
        self.linear = nn.Linear(preprocess.out_chans, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(x.mean((2, 3))))


def photos(n=20):
    images = torch.randint(0, 256, (n, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return TensorSource(images, torch.arange(n) % 2)


def test_features_are_the_encoders_in_the_order_of_the_ids():
    source = photos()
    encoder = Small(fit_preprocess(source)).eval()
    ids = torch.tensor([7, 3, 19, 0, 1])
    with torch.no_grad():
        expected = torch.stack([encoder(encoder.preprocess(source.images[i : i + 1]))[0] for i in ids.tolist()])
    torch.testing.assert_close(extract_features(encoder, source, ids, batch_size=2), expected)


@pytest.mark.parametrize("normalize", ["unit", "standardize"])
def test_the_same_pictures_with_8_and_with_16_bits_give_the_same(normalize):
    narrow = photos()
    wide = TensorSource(narrow.images.to(torch.int32) * 257, narrow.labels, value_max=65535)
    ids = torch.arange(20)
    for trained_on in (narrow, wide):
        preprocess = fit_preprocess(trained_on, normalize)
        encoder = Small(preprocess).eval()
        features = [extract_features(encoder, source, ids) for source in (narrow, wide)]
        torch.testing.assert_close(features[0], features[1], atol=1e-5, rtol=1e-4)
        raw = [raw_features(preprocess, source, ids) for source in (narrow, wide)]
        torch.testing.assert_close(raw[0], raw[1], atol=1e-5, rtol=1e-4)


def test_a_scene_gives_the_same_as_preprocessing_every_patch():
    cube = torch.randint(0, 4000, (8, 9, 7), generator=torch.Generator().manual_seed(0)).float()
    source = SceneSource(cube, torch.ones(9, 7), patch_size=3)
    encoder = Small(fit_preprocess(source, whiten=4)).eval()
    ids = torch.arange(0, 63, 5)
    with torch.no_grad():
        expected = encoder(encoder.preprocess(source[ids]))
    torch.testing.assert_close(extract_features(encoder, source, ids), expected, rtol=1e-4, atol=1e-5)


def test_batchnorm_left_in_train_mode_neither_leaks_nor_changes():
    source = photos()
    encoder = Small(fit_preprocess(source))
    ids = torch.arange(20)
    expected = extract_features(encoder.eval(), source, ids)
    encoder.train()
    encoder.linear.eval()
    before = fingerprint(encoder)
    torch.testing.assert_close(extract_features(encoder, source, ids), expected)
    assert fingerprint(encoder) == before
    assert encoder.norm.training
    assert not encoder.linear.training


def test_an_encoder_that_changes_on_the_way_is_caught():
    class Learning(Small):
        def forward(self, x: Tensor) -> Tensor:
            self.linear.bias.data += 1e-6
            return super().forward(x)

    source = photos()
    with pytest.raises(RuntimeError, match="not frozen"):
        extract_features(Learning(fit_preprocess(source)), source, torch.arange(20))


def test_nan_is_named_with_its_first_sample():
    class Broken(Small):
        def forward(self, x: Tensor) -> Tensor:
            h = super().forward(x)
            return torch.where(torch.arange(len(h))[:, None] >= 2, torch.nan, h)

    source = photos()
    with pytest.raises(InputError, match="2 of 4 samples, first id 9"):
        extract_features(Broken(fit_preprocess(source)), source, torch.tensor([5, 1, 9, 2]))


def test_the_fingerprint_is_of_every_byte():
    module = nn.Module()
    module.register_parameter("w", nn.Parameter(torch.tensor([1.0, 2.0])))
    module.register_buffer("steps", torch.tensor(3), persistent=False)
    expected = hashlib.sha256(
        b"steps torch.int64 ()\n" + (3).to_bytes(8, "little") + b"w torch.float32 (2,)\n" + b"\0\0\x80\x3f\0\0\0\x40"
    )
    assert fingerprint(module) == expected.hexdigest()
    module.steps += 1
    assert fingerprint(module) != expected.hexdigest()
