"""One picture in several types and ranges: the same input of the encoder, or a refusal that says why."""

import json

import pytest
import torch

from simclr.data.fitting import fit_preprocess
from simclr.data.preprocess import Preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.errors import InputError

BYTES = torch.randint(0, 256, (40, 1, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
WORDS = BYTES.to(torch.int32) * 257  # the same pictures with 16 bits


def on_bytes(normalize: str = "auto") -> Preprocess:
    return fit_preprocess(TensorSource(BYTES), normalize)


def on_words(normalize: str = "auto") -> Preprocess:
    return fit_preprocess(TensorSource(WORDS, value_max=65535), normalize)


def refusal(preprocess: Preprocess, batch, value_max: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        preprocess(batch, value_max)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def unit_zscore(batch: torch.Tensor) -> torch.Tensor:
    """The z-score that both encoders make of the pictures, from the 8-bit ones."""
    units = BYTES.double()
    return ((batch.double() - units.mean()) / units.std(correction=0)).float()


@pytest.mark.parametrize("normalize", ["auto", "unit", "standardize", "minmax"])
def test_8_and_16_bits_of_one_picture_give_the_same(normalize):
    expected = unit_zscore(BYTES)
    for preprocess in (on_bytes(normalize), on_words(normalize)):
        again = Preprocess.from_config(json.loads(json.dumps(preprocess.config())))
        again.load_state_dict(preprocess.state_dict())
        for made in (preprocess, again):
            for batch, value_max in (
                (BYTES, None),
                (BYTES, 255),
                (WORDS.to(torch.uint16), None),
                (WORDS, 65535),
            ):
                torch.testing.assert_close(made(batch, value_max), expected, atol=2e-5, rtol=1e-5)


def test_values_as_pretrained_on_may_be_held_in_any_type():
    for dtype in (torch.int16, torch.int32, torch.int64):
        torch.testing.assert_close(on_bytes()(BYTES.to(dtype)), on_bytes()(BYTES))
        torch.testing.assert_close(on_bytes("standardize")(BYTES.to(dtype)), unit_zscore(BYTES), atol=2e-5, rtol=1e-5)
    for dtype in (torch.int32, torch.int64, torch.float32, torch.float64):
        torch.testing.assert_close(on_words()(WORDS.to(dtype)), unit_zscore(BYTES), atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(on_bytes()(BYTES.to(torch.int16), 32767), on_bytes()(BYTES))  # of an int16 source


@pytest.mark.parametrize("normalize", ["unit", "standardize", "minmax"])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_wide_integers_beyond_8_bits_are_refused_on_an_8_bit_encoder(normalize, dtype):
    said = refusal(on_bytes(normalize), WORDS.to(dtype))
    assert "from 0 to 65,535, but this encoder was pretrained on values from 0 to 255" in said
    assert "uint8 or uint16, which say what they are" in said
    assert "from -5 to" in refusal(on_bytes(normalize), BYTES.to(dtype) - 5)


@pytest.mark.parametrize("normalize", ["unit", "standardize"])
def test_8_bit_values_that_are_called_16_bit_are_refused(normalize):
    for preprocess in (on_bytes(normalize), on_words(normalize)):
        for batch, value_max in ((BYTES.to(torch.int32), None), (BYTES.to(torch.uint16), None)):
            if preprocess.value_max == 255 and batch.dtype == torch.int32:
                continue  # which are just the encoder's own
            if preprocess.value_max == 65535 and batch.dtype == torch.uint16:
                continue  # dark 16-bit pictures, as far as anybody knows
            assert "look like 8-bit pixels: give those as uint8" in refusal(preprocess, batch, value_max)
    black = torch.zeros(2, 1, 6, 5, dtype=torch.uint16)
    torch.testing.assert_close(on_bytes(normalize)(black), on_bytes(normalize)(black.to(torch.uint8)))


def test_fractions_are_refused_where_pixels_are_taken_as_they_are():
    fractions = BYTES.float() / 255
    torch.testing.assert_close(on_bytes("unit")(fractions), unit_zscore(BYTES), atol=2e-5, rtol=1e-5)
    for preprocess in (on_bytes("standardize"), on_words("standardize"), on_words("minmax")):
        said = refusal(preprocess, fractions)
        assert "floats from 0 to 1, but this encoder was pretrained on values from 0 to" in said
        assert said.endswith("give such values, not divided.")
    assert on_bytes("standardize")(BYTES.float()).shape == BYTES.shape
    assert on_bytes("standardize")(torch.zeros(1, 1, 6, 5)).shape == (1, 1, 6, 5)  # black is black


def test_pixels_on_an_encoder_of_fractions():
    fractions = BYTES.float() / 255
    for normalize in ("unit", "standardize"):
        preprocess = fit_preprocess(TensorSource(fractions), normalize)
        torch.testing.assert_close(preprocess(BYTES), unit_zscore(BYTES), atol=2e-5, rtol=1e-5)
        said = refusal(preprocess, BYTES.float())
        assert said.endswith("by the largest possible value.")
        assert "int32 up to 255, but this encoder was pretrained on values from 0 to 1" in refusal(
            preprocess, BYTES.to(torch.int32)
        )
        assert "no natural end" in refusal(preprocess, BYTES.to(torch.int16), 32767)
    unit = fit_preprocess(TensorSource(fractions), "unit")
    torch.testing.assert_close(unit(WORDS.to(torch.uint16)), unit_zscore(BYTES), atol=2e-5, rtol=1e-5)
    standardize = fit_preprocess(TensorSource(fractions), "standardize")
    assert "no natural end" in refusal(standardize, WORDS.to(torch.uint16))  # reflectance, stored as 0..10,000 say


def test_numbers_of_a_sensor_are_taken_in_their_own_units():
    """12 bits in a 16-bit type: neither is full, so an 8-bit copy cannot be told from them."""
    cube = torch.randint(0, 4096, (5, 20, 20), generator=torch.Generator().manual_seed(1), dtype=torch.int32)
    preprocess = fit_preprocess(SceneSource(cube, value_max=65535))
    expected = preprocess(cube[None], 65535)
    for same, value_max in ((cube.to(torch.int16), 32767), (cube.float(), None), (cube.to(torch.int64), None)):
        torch.testing.assert_close(preprocess(same[None], value_max), expected)
        scene = preprocess.scene(SceneSource(same, patch_size=1, value_max=value_max))
        torch.testing.assert_close(scene.cube, expected[0])
    said = refusal(preprocess, (cube[None] / 16).to(torch.uint8))
    assert "holds 8-bit pixels, but this encoder was pretrained on values from 2 to 4,094" in said
    with pytest.raises(InputError, match="8-bit pixels"):
        preprocess.scene(SceneSource((cube / 16).to(torch.uint8), value_max=255))
    small = fit_preprocess(SceneSource(cube % 200, value_max=65535))
    torch.testing.assert_close(small((cube[None] % 200).to(torch.uint8)), small(cube[None] % 200, 65535))


def test_files_of_older_versions():
    config = {k: v for k, v in on_bytes().config().items() if k != "value_range"}
    old = Preprocess.from_config(config)
    old.load_state_dict(on_bytes().state_dict())
    assert old.value_range is None
    torch.testing.assert_close(old(BYTES), unit_zscore(BYTES), atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(old(WORDS, 65535), unit_zscore(BYTES), atol=2e-5, rtol=1e-5)
    assert "from 0 to 65,535, but this encoder was pretrained on integers up to 255" in refusal(old, WORDS)
    words = Preprocess(1, "standardize", value_max=65535)
    assert "pretrained on integers up to 65,535, and how the two relate is not known" in refusal(words, BYTES)
    assert words(WORDS, 65535).shape == WORDS.shape


@pytest.mark.parametrize("value_range", [5, [1], [1, 2, 3], ["0", "1"], [0, float("nan")], {"low": 0}, [True, 1]])
def test_a_record_that_is_none(value_range):
    with pytest.raises(InputError, match=r"preprocess.value_range is .*, but must be two numbers, or null"):
        Preprocess.from_config({**on_bytes().config(), "value_range": value_range})


def test_what_is_no_batch_of_numbers():
    assert "a ndarray: give a tensor" in refusal(on_bytes(), BYTES.numpy())
    assert "the batch is bool" in refusal(on_bytes(), BYTES > 9)
    assert "the batch is complex64" in refusal(on_bytes(), BYTES.to(torch.complex64))
    assert on_bytes()(BYTES[:0]).shape == (0, 1, 6, 5)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("fitted_on", [torch.rand(8, 1, 6, 5), 1000 * torch.rand(8, 1, 6, 5)], ids=["unit", "raw"])
def test_a_batch_with_no_numbers_is_refused(fitted_on, value):
    preprocess = fit_preprocess(TensorSource(fitted_on))
    batch = fitted_on[:2].clone()
    batch[1, 0, 2, 3] = value
    assert refusal(preprocess, batch) == "the batch holds NaN or infinity: replace such values before."


@pytest.mark.parametrize("dtype", [torch.int32, torch.float32])
def test_values_far_beyond_all_that_were_seen_are_other_units(dtype):
    cube = torch.randint(200, 4096, (6, 9, 8), generator=torch.Generator().manual_seed(0)).to(dtype)
    value_max = 65535 if dtype is torch.int32 else None
    preprocess = fit_preprocess(SceneSource(cube, value_max=value_max))
    for factor in (0.2, 1.0, 1.3, 3.0):  # darker and brighter light
        preprocess.scene(SceneSource((cube * factor).to(dtype), value_max=value_max))
    with pytest.raises(
        InputError, match=r"on average, but this encoder was pretrained on values from 2\d\d to 4,0\d\d"
    ):
        preprocess.scene(SceneSource((cube * 10).to(dtype), value_max=value_max))
