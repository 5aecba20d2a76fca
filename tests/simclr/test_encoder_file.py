import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from simclr import InputError, load_encoder
from simclr.data.preprocess import Preprocess
from simclr.encoder_file import load_head, read_metadata, save_encoder
from simclr.models.encoder import random_encoder
from simclr.models.head import ProjectionHead


@pytest.fixture
def saved(tmp_path):
    options = {"name": "resnet10", "in_chans": 200, "stem": "small", "width": 8}
    encoder = random_encoder(1, **options)
    encoder.train()(torch.randn(4, 200, 9, 9))  # so that BatchNorm's statistics are not the initial ones
    preprocess = Preprocess(200)
    preprocess.scale.fill_(0.5)
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, encoder, preprocess, {"encoder": options, "feature_dim": encoder.feature_dim})
    return path, encoder


def test_what_is_loaded_is_what_was_saved(saved):
    path, encoder = saved
    loaded = load_encoder(path)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    x = torch.randn(3, 200, 9, 9)
    torch.testing.assert_close(loaded(x), encoder.eval()(x))
    assert loaded(x).shape == (3, loaded.feature_dim)
    assert float(loaded.preprocess.scale[0]) == 0.5
    assert load_encoder(path.parent).metadata == loaded.metadata == read_metadata(path)
    assert json.loads(path.with_suffix(".json").read_text()) == loaded.metadata


def test_a_random_twin_differs_in_its_weights_only(saved):
    loaded = load_encoder(saved[0])
    twin, again = loaded.random_twin(5), loaded.random_twin(5)
    assert [p.shape for p in twin.encoder.parameters()] == [p.shape for p in loaded.encoder.parameters()]
    assert not torch.equal(twin.encoder.conv1.weight, loaded.encoder.conv1.weight)
    assert torch.equal(twin.encoder.conv1.weight, again.encoder.conv1.weight)
    assert not twin.training


@pytest.mark.parametrize("shape", [(2, 3, 9, 9), (200, 9, 9)])
def test_other_bands_or_ranks_are_refused(saved, shape):
    loaded = load_encoder(saved[0])
    with pytest.raises(InputError, match="200"):
        loaded.preprocess(torch.randn(shape))
    with pytest.raises(InputError, match="200"):
        loaded(torch.randn(shape))


def test_a_truncated_file_is_named(saved):
    path = saved[0]
    whole = path.read_bytes()
    for size in (0, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="damaged or cut short") as caught:
            load_encoder(path)
        assert "\n" not in str(caught.value)


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(InputError, match="no encoder file"):
        load_encoder(tmp_path / "nothing.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not an encoder file"):
        load_encoder(tmp_path / "other.safetensors")


def test_tensors_that_do_not_fit_are_listed(saved):
    path = saved[0]
    header = {"simclr": json.dumps(read_metadata(path))}
    tensors = load_file(path)
    tensors["encoder.conv1.weight"] = tensors["encoder.conv1.weight"][:, :3].contiguous()
    del tensors["encoder.bn1.weight"]
    tensors["encoder.extra"] = torch.zeros(1)
    save_file(tensors, path, metadata=header)
    with pytest.raises(InputError) as caught:
        load_encoder(path)
    for words in (
        "1 missing (bn1.weight)",
        "1 unknown (extra)",
        "conv1.weight is (8, 3, 3, 3), expected (8, 200, 3, 3)",
    ):
        assert words in str(caught.value)


def test_the_head_travels_with_the_encoder_that_was_trained_with_it(saved, tmp_path):
    encoder, head = saved[1], ProjectionHead(64, 32, 16, layers=3)
    head.train()(torch.randn(8, 64))
    metadata = {k: v for k, v in read_metadata(saved[0]).items() if k not in ("format", "preprocess")}
    path = tmp_path / "with_head.safetensors"
    save_encoder(path, encoder, Preprocess(200), metadata, head)
    loaded, h = load_head(path), torch.randn(5, 64)
    assert torch.equal(loaded(h), head.eval()(h))
    assert not loaded.training
    assert load_encoder(path).metadata["head"] == {"in_dim": 64, "hidden_dim": 32, "out_dim": 16, "layers": 3}
    assert {k for k, _ in load_encoder(path).named_parameters()} == {
        k for k, _ in load_encoder(saved[0]).named_parameters()
    }
    with pytest.raises(InputError, match="no projection head"):
        load_head(saved[0])
