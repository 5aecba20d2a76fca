import json
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
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


def header_of(path):
    with safe_open(path, framework="pt") as content:
        return content.metadata()


def rewritten(path, change=lambda tensors: None, **entries):
    """The same file without a hash, as older versions wrote it, its tensors and metadata changed."""
    tensors = load_file(path)
    change(tensors)
    content = {**json.loads(header_of(path)["simclr"]), **entries}
    save_file(tensors, path, metadata={"simclr": json.dumps(content)})
    return path


def refusal(path, load=load_encoder):
    with pytest.raises(InputError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_of_an_older_version_has_no_hash_and_loads(saved):
    path, encoder = saved
    x = torch.randn(3, 200, 9, 9)
    assert torch.equal(load_encoder(rewritten(path))(x), load_encoder(path)(x))
    torch.testing.assert_close(load_encoder(path)(x), encoder.eval()(x))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "encoder.safetensors"
    options = {"name": "spectral_spatial", "in_chans": 3, "width": 4}
    encoder = random_encoder(1, **options)
    metadata = {"encoder": options, "feature_dim": encoder.feature_dim, "numbers": {"loss": 0.25}}
    save_encoder(path, encoder, Preprocess(3), metadata, ProjectionHead(encoder.feature_dim, 4, 4))
    return path


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_no_flipped_byte_passes(small, place, flip):
    whole = bytearray(small.read_bytes())
    place = int(place * len(whole))
    header = 8 + int.from_bytes(whole[:8], "little")
    before = whole[place]
    whole[place] ^= flip
    if place < header and bytes([before, whole[place]]).isspace():
        return  # another kind of space says the same
    damaged = small.with_name("damaged.safetensors")
    damaged.write_bytes(whole)
    refusal(damaged)
    refusal(damaged, load_head)


def test_a_single_changed_number_or_word_is_noticed(saved):
    path = saved[0]
    header, tensors = header_of(path), load_file(path)
    tensors["encoder.conv1.weight"][0, 0, 0, 0] += 1e-3
    save_file(tensors, path, metadata=header)
    assert "damaged or was edited" in refusal(path)
    tensors["encoder.conv1.weight"][0, 0, 0, 0] = load_file(path)["encoder.conv1.weight"][0, 0, 0, 0] - 1e-3
    content = {**json.loads(header["simclr"]), "monitor_ids": []}
    save_file(tensors, path, metadata={**header, "simclr": json.dumps(content)})
    assert "damaged or was edited" in refusal(path)


NOT_FINITE = {"NaN": math.nan, "infinity": -math.inf}


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("key", ["encoder.conv1.weight", "encoder.bn1.running_var", "preprocess.offset"])
def test_weights_that_are_no_numbers_are_refused(saved, key, value):
    path = rewritten(saved[0], lambda tensors: tensors[key].view(-1)[-1:].fill_(NOT_FINITE[value]))
    assert f"{key} holds NaN or infinity" in refusal(path)


def test_weights_that_no_training_gives_are_refused_and_large_units_are_not(saved):
    path = rewritten(saved[0], lambda tensors: tensors["encoder.conv1.weight"].view(-1)[-1:].fill_(-1e38))
    assert "encoder.conv1.weight holds 1e+38" in refusal(path)
    path = rewritten(saved[0], lambda tensors: tensors["encoder.conv1.weight"].view(-1)[-1:].fill_(0.5))
    load_encoder(rewritten(path, lambda tensors: tensors["preprocess.offset"].fill_(1e20)))


def test_a_negative_variance_is_refused(saved):
    path = rewritten(saved[0], lambda tensors: tensors["encoder.layer2.0.bn1.running_var"][3].fill_(-0.5))
    assert "encoder.layer2.0.bn1.running_var holds a negative variance" in refusal(path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.bool, torch.cfloat])
def test_weights_of_another_dtype_are_not_taken_for_floats(saved, dtype):
    def convert(tensors):
        tensors["encoder.conv1.weight"] = tensors["encoder.conv1.weight"].to(dtype)

    name = str(dtype).removeprefix("torch.")
    assert f"1 of another dtype (conv1.weight is {name}, expected float32)" in refusal(rewritten(saved[0], convert))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"encoder": {"name": "resnet152", "in_chans": 200, "stem": "small", "width": 4096}}, "conv1.weight is"),
        ({"encoder": {"name": "resnet10", "in_chans": 10**7, "stem": "small", "width": 8}}, "takes 10000000"),
        ({"encoder": {"name": "resnet10", "in_chans": 200, "stem": "tiny", "width": 8}}, "stem is 'tiny'"),
        ({"encoder": {"name": "resnet10", "in_chans": 200, "colour": 1}}, "colour"),
        ({"encoder": {"name": "resnt10", "in_chans": 200}}, "did you mean resnet10"),
        ({"encoder": {"name": "resnet10", "in_chans": 200, "options": {"depth": 3}}}, "encoder.options.depth"),
        ({"feature_dim": 63}, "says feature_dim 63, but the encoder that it describes has 64"),
        ({"preprocess": {"in_chans": 200, "normalize": "zscore"}}, "'zscore', but must be one of unit,"),
        ({"preprocess": {"in_chans": 200, "normalize": "auto"}}, "'auto', but must be one of unit,"),
        ({"preprocess": {"in_chans": 200, "normalize": "none", "whiten": 10**7}}, "matrix is (200,)"),
        ({"preprocess": {"in_chans": 200, "normalize": "none", "colour": 1}}, "colour"),
        ({"encoder": None}, "encoder in its metadata is null"),
    ],
)
def test_metadata_that_do_not_describe_the_weights_are_refused_before_memory_is_taken(saved, entries, words):
    """A ResNet-152 of width 4,096 has 240 GB of weights: it is compared, and not made."""
    path = rewritten(saved[0], **entries)
    assert words in refusal(path)


def test_a_head_that_does_not_fit_is_refused_before_memory_is_taken(small, tmp_path):
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(small.read_bytes())
    rewritten(path, head={"in_dim": 16, "hidden_dim": 10**7, "out_dim": 10**7, "layers": 900})
    assert "the projection head would take" in refusal(path, load_head)
    rewritten(path, head={"in_dim": 16, "hidden_dim": 10**4, "out_dim": 4, "layers": 2})
    assert "does not fit the head" in refusal(path, load_head)


@pytest.mark.parametrize("path", [None, 5, b"encoder.safetensors", "a\0b", "x" * 5000, ""])
def test_paths_that_are_none_are_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "encoder" in refusal(path)


def test_class_names_that_are_no_utf8_are_kept(tmp_path):
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    encoder = random_encoder(0, "spectral_spatial", in_chans=3, width=2)
    options = {"name": "spectral_spatial", "in_chans": 3, "width": 2}
    metadata = {"encoder": options, "feature_dim": 8, "source": {"name": "x", "classes": [name, "Äpfel"]}}
    save_encoder(tmp_path / "encoder.safetensors", encoder, Preprocess(3), metadata)
    assert load_encoder(tmp_path).metadata.source.classes == (name, "Äpfel")
    text = (tmp_path / "encoder.json").read_text(encoding="utf-8")
    assert "Äpfel" in text
    assert json.loads(text)["source"]["classes"] == [name, "Äpfel"]


@pytest.mark.parametrize("default", [torch.bfloat16, torch.float64])
def test_torchs_defaults_do_not_matter(saved, default):
    path, x = saved[0], torch.randn(2, 200, 9, 9)
    expected = load_encoder(path)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(default)
        with torch.device("meta"):
            loaded, twin = load_encoder(path), expected.random_twin(3)
        assert torch.get_default_dtype() == default
    finally:
        torch.set_default_dtype(before)
    assert torch.equal(loaded(loaded.preprocess(x)), expected(expected.preprocess(x)))
    assert torch.equal(twin(x), expected.random_twin(3)(x))
