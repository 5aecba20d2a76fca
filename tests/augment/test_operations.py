"""What holds for every operation there is; a new one fails here until it says what it may do."""

import gc
import math
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.augmentation import AugmentationSequential

from simclr.augment import OPERATIONS, Views

ARGUMENTS = {
    "neighbour_mixture": {"alpha": (0.6, 0.9)},
    "affine": {"degrees": 30.0, "translate": 0.2, "scale": (0.6, 1.5), "shear": 20.0},
    "elastic": {"amount": 0.1, "points": 3},
    "resized_crop": {"size": 7},
    "horizontal_flip": {},
    "vertical_flip": {},
    "rotation90": {},
    "morphology": {"size": 3},
    "spectral_shift": {"shift": 1.3},
    "spectral_smoothing": {"sigma": (0.5, 2.0)},
    "illumination": {"gain": 0.3, "zero": -2.0},
    "radiation": {"alpha": (0.8, 1.3), "beta": 0.04},
    "spectral_jitter": {"gain": 0.1, "offset": 0.2, "order": 3},
    "band_dropout": {"fraction": 0.2, "window": 1},
    "noise": {"sd": 0.05},
    "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
    "grayscale": {},
    "blur": {"kernel_size": 5},
    "solarize": {"threshold": 0.5},
    "cutout": {"scale": (0.02, 0.3)},
}
PHOTOGRAPHS = {"color_jitter": (3,), "grayscale": (3,), "solarize": (1, 3)}
SPECTRAL = [name for name in OPERATIONS if name not in PHOTOGRAPHS]
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
BANDS = [1, 3, 200]


def test_every_operation_has_its_arguments_here():
    assert list(ARGUMENTS) == list(OPERATIONS)


def make(name, p=1.0, **changes):
    return OPERATIONS[name](**{**ARGUMENTS[name], **changes, "p": p})


def takes(name, bands):
    return bands in PHOTOGRAPHS.get(name, (bands,)) and not (name == "band_dropout" and bands == 1)


def inputs(bands, side=9):
    """Random images, black and white ones, numbers of 16 bits and larger, and negative ones, as standardised."""
    generator = torch.Generator().manual_seed(bands)
    unit = torch.rand(6, bands, side, side, generator=generator)
    scaled = {"uint16": unit * 65535, "huge": unit * 1e6, "standard": unit * 8 - 4}
    return {"unit": unit, "zero": unit * 0, "one": unit * 0 + 1, **scaled}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("bands", BANDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_stay_finite_and_of_their_dtype(name, bands, dtype):
    if not takes(name, bands):
        pytest.skip("the operation refuses so many bands")
    for kind, x in inputs(bands).items():
        # Half precision ends at 65504, where an illumination of 1.3 leads beyond.
        x = (x * (16384 / x.max()) if kind in ("uint16", "huge") and dtype == torch.float16 else x).to(dtype)
        for p in (1.0, 0.5):
            torch.manual_seed(1)
            before, out = x.clone(), make(name, p)(x)
            assert out.dtype == dtype, kind
            assert out.isfinite().all(), kind
            assert torch.equal(x, before), kind


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_half_and_double_precision_give_what_single_gives(name, dtype):
    x = inputs(3)["unit"].to(dtype)
    operation = make(name)
    drawn = operation.forward_parameters(x.shape)
    expected = operation(x.float(), params=drawn)
    rounding = {torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float64: 1e-5}[dtype]
    torch.testing.assert_close(operation(x, params=drawn).float(), expected, atol=rounding, rtol=0)


@pytest.mark.parametrize("name", OPERATIONS)
def test_with_probability_0_no_bit_changes(name):
    whole = {"size": 9} if name == "resized_crop" else {}
    operation = make(name, 0.0, **whole)
    views = Views({name: operation}, views=2, seed=0)
    for x in inputs(3).values():
        assert torch.equal(operation(x), x)
        assert torch.equal(views(x, torch.arange(6), 0), x.expand(2, -1, -1, -1, -1))


def hull(x):
    """Least and greatest value of each image and band."""
    return x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)


def spectral_hull(x):
    """Least and greatest value of each pixel over its bands."""
    return x.amin(1, keepdim=True), x.amax(1, keepdim=True)


def luma_hull(x):
    """The grey value's weights, torchvision's, add up to 0.9999."""
    low, high = spectral_hull(x)
    return low - 1e-4 * low.abs(), high + 1e-4 * high.abs()


def and_zero(low, high):
    return low.clamp(max=0), high.clamp(min=0)


# In which range the result lies; None where the operation is there to leave it, by as much as the next table says.
RANGE = {
    "neighbour_mixture": lambda x: (x.amin(0), x.amax(0)),
    "affine": lambda x: and_zero(*hull(x)),
    "elastic": lambda x: and_zero(*hull(x)),
    "resized_crop": hull,
    "horizontal_flip": hull,
    "vertical_flip": hull,
    "rotation90": hull,
    "morphology": hull,
    "spectral_shift": spectral_hull,
    "spectral_smoothing": spectral_hull,
    "illumination": None,
    "radiation": None,
    "spectral_jitter": None,
    "band_dropout": lambda x: and_zero(*hull(x)),
    "noise": None,
    "color_jitter": lambda x: (torch.tensor(0.0), torch.tensor(1.0)),
    "grayscale": luma_hull,
    "blur": hull,
    "solarize": lambda x: (torch.minimum(x, 1 - x), torch.maximum(x, 1 - x)),
    "cutout": lambda x: and_zero(*hull(x)),
}


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=15, deadline=None)
@given(st.integers(7, 20), st.sampled_from(list(inputs(1))), st.integers(0, 10**6))
def test_values_stay_in_the_range_that_the_operation_leaves_them(name, side, kind, seed):
    """Of a constant image, that is the constant."""
    if RANGE[name] is None or (name == "color_jitter" and kind in ("uint16", "huge", "standard")):  # defined on 0..1
        return
    x = inputs(3, side)[kind].roll(seed, 3)
    torch.manual_seed(seed)
    out, (low, high) = make(name)(x), RANGE[name](x)
    rounding = 1e-5 * max(1.0, float(x.abs().max()))
    assert (out >= low - rounding).all()
    assert (out <= high + rounding).all()


def mean_spectrum(x):
    return x.mean((2, 3))


def slope(x):
    """(B, 1): the steepest step of each mean spectrum from one band to the next."""
    return mean_spectrum(x).diff(dim=1).abs().amax(1, keepdim=True)


def share_within(k, x):
    """Share of the pixels less than k from an edge."""
    inside = math.prod(max(0, n - 2 * k) for n in x.shape[-2:])
    return 1 - inside / math.prod(x.shape[-2:])


# The largest coefficient of a curve: Box and Muller's of the least uniform number, 2^-24.
LARGEST_NORMAL = math.sqrt(2 * 24 * math.log(2))
# Of the mean of n normal numbers, in standard deviations 1/sqrt(n).
SIX_SD = 6.0


# By how much each may move the mean spectrum of an image, (B, C) or a number, from the arguments and the image alone.
# Flips and turns: not at all. A crop: as far as its piece differs, so all that is said is the range, above.
MOVES = {
    "neighbour_mixture": lambda x, a: (1 - a["alpha"][0]) * (mean_spectrum(x).amax(0) - mean_spectrum(x).amin(0)),
    "affine": lambda x, a: and_zero(*hull(x))[1].sub(and_zero(*hull(x))[0])[..., 0, 0],
    "elastic": lambda x, a: and_zero(*hull(x))[1].sub(and_zero(*hull(x))[0])[..., 0, 0],
    "resized_crop": lambda x, a: (x.amax((2, 3)) - mean_spectrum(x)).maximum(mean_spectrum(x) - x.amin((2, 3))),
    "horizontal_flip": lambda x, a: 0.0,
    "vertical_flip": lambda x, a: 0.0,
    "rotation90": lambda x, a: 0.0,
    "morphology": lambda x, a: x.amax((2, 3)) - x.amin((2, 3)),
    "spectral_shift": lambda x, a: a["shift"] * slope(x),
    "spectral_smoothing": lambda x, a: a["sigma"][1] * slope(x),
    "illumination": lambda x, a: math.expm1(a["gain"]) * (mean_spectrum(x) - a["zero"]).abs(),
    "radiation": lambda x, a: (
        max(abs(end - 1) for end in a["alpha"]) * mean_spectrum(x).abs()
        + a["beta"] * SIX_SD / math.sqrt(math.prod(x.shape[-2:]))
    ),
    "spectral_jitter": lambda x, a: (
        (a["gain"] * mean_spectrum(x).abs() + a["offset"])
        * LARGEST_NORMAL
        * (1 + math.sqrt(2) * a["order"])
        / math.sqrt(a["order"] + 1)
    ),
    "band_dropout": lambda x, a: mean_spectrum(x).abs(),
    "noise": lambda x, a: a["sd"] * SIX_SD / math.sqrt(math.prod(x.shape[-2:])),
    "blur": lambda x, a: share_within(a["kernel_size"] // 2, x) * (x.amax((2, 3)) - x.amin((2, 3))),
    # A side rounded up by half a pixel, and at least one pixel.
    "cutout": lambda x, a: (
        max(1.0, math.sqrt(a["scale"][1] * math.prod(x.shape[-2:])) + 0.5) ** 2
        / math.prod(x.shape[-2:])
        * x.abs().amax((2, 3))
    ),
}


def test_every_operation_on_spectra_says_how_far_it_moves_the_mean():
    assert list(MOVES) == SPECTRAL
    assert list(RANGE) == list(OPERATIONS)


@pytest.mark.parametrize("name", SPECTRAL)
@settings(max_examples=15, deadline=None)
@given(st.integers(2, 60), st.integers(7, 15), st.floats(0.0, 1e6), st.floats(0.1, 100), st.integers(0, 10**6))
def test_no_mean_spectrum_moves_further_than_the_arguments_say(name, bands, side, level, contrast, seed):
    torch.manual_seed(seed)
    x = (level + contrast * (torch.randn(8, bands, 1, 1).cumsum(1) + torch.randn(8, bands, side, side))).double()
    moved = (mean_spectrum(make(name)(x)) - mean_spectrum(x)).abs()
    rounding = 1e-6 * float(x.abs().max())
    assert (moved <= MOVES[name](x, ARGUMENTS[name]) + rounding).all()


@pytest.mark.parametrize("name", ["band_dropout", "cutout"])
def test_what_is_not_left_out_is_not_touched(name):
    x = inputs(200)["standard"]
    out = make(name)(x)
    assert ((out == x) | (out == 0)).all()
    assert 0 < float((out == 0).float().mean()) < 0.4


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "color_jitter"])
def test_no_operation_clamps(name):
    """On values far outside 0..1, an operation commutes with a change of units x -> 1000 x, or is an exact move."""
    scalable = {
        "illumination": {"zero": 0.0},
        "radiation": {"beta": 0.0},
        "noise": {"sd": 0.0},
        "spectral_jitter": {"offset": 0.0},
    }
    operation = make(name, 0.5, **scalable.get(name, {}))
    x = torch.randn(8, 3, 15, 15, generator=torch.Generator().manual_seed(0))
    params = operation.forward_parameters(x.shape)
    small, large = operation(x, params=params), operation(x * 1000, params=params)
    if name == "solarize":
        applied = params["batch_prob"].view(-1, 1, 1, 1) == 1
        assert torch.equal(large, torch.where(applied & (x * 1000 >= 0.5), 1 - x * 1000, x * 1000))
    else:
        torch.testing.assert_close(large, small * 1000, atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_does_in_kornias_container_what_it_does_alone(name):
    x = inputs(3)["unit"]
    operation = make(name, 0.5)
    container = AugmentationSequential(operation, data_keys=["input"])
    torch.manual_seed(2)
    out = container(x)
    torch.manual_seed(2)
    assert torch.equal(out, operation(x))


@pytest.mark.parametrize("name", OPERATIONS)
def test_autocast_changes_no_bit(name):
    x = inputs(3)["unit"]
    operation = make(name, 0.5)
    drawn = operation.forward_parameters(x.shape)
    expected = operation(x, params=drawn)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(operation(x, params=drawn), expected)


def pipeline(photographs):
    """All operations, or all on spectra."""
    return Views({n: make(n, 0.5) for n in OPERATIONS if photographs or n not in PHOTOGRAPHS}, views=2, seed=0)


@pytest.mark.parametrize("photographs", [True, False])
def test_autocast_changes_no_bit_of_a_view(photographs):
    views, x = pipeline(photographs), inputs(3)["unit"]
    expected = views(x, torch.arange(6), 0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(views(x, torch.arange(6), 0), expected)


@pytest.mark.slow
@pytest.mark.parametrize("photographs", [True, False])
def test_views_can_be_compiled(photographs):
    torch._dynamo.reset()
    views, x = pipeline(photographs), inputs(3)["unit"]
    compiled = torch.compile(views, backend="eager")
    for epoch in range(2):
        torch.testing.assert_close(compiled(x, torch.arange(6), epoch), views(x, torch.arange(6), epoch))


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_can_be_compiled(name):
    torch._dynamo.reset()
    x, operation = inputs(3)["unit"], make(name, 0.5)
    # Inductor takes long: one operation of a kind. Left alone, it would also draw its own random numbers.
    to_machine_code = name in ("resized_crop", "spectral_jitter", "noise", "grayscale")
    kind = {"backend": "inductor", "options": {"fallback_random": True}} if to_machine_code else {"backend": "eager"}
    compiled = torch.compile(operation, **kind)
    torch.manual_seed(4)
    out = compiled(x)
    torch.manual_seed(4)
    torch.testing.assert_close(out, operation(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_neither_its_input_nor_its_result(name):
    operation, x = make(name, 0.5), torch.rand(6, 3, 9, 9)
    out = operation(x)
    held = [weakref.ref(x), weakref.ref(out)]
    del x, out
    assert [ref() for ref in held] == [None, None]


@pytest.mark.parametrize("photographs", [True, False])
def test_views_keep_nothing_of_a_batch(photographs):
    views = pipeline(photographs)
    views(torch.rand(40, 3, 9, 9), torch.arange(40), 0)  # constants are kept
    gc.collect()
    gc.freeze()  # what there is now is left out below
    try:
        for size in (41, 43):
            views(torch.rand(size, 3, 9, 9), torch.arange(size), 1)
        gc.collect()
        assert [tuple(o.shape) for o in gc.get_objects() if issubclass(type(o), torch.Tensor) and o.numel() > 100] == []
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_class_refuses_what_makes_no_sense_in_one_line(name):
    wrong = [{"p": p} for p in (1.2, -0.1, math.nan, True, "often")]
    for argument, value in ARGUMENTS[name].items():
        wrong += [{argument: math.nan}, {argument: "much"}, {argument: {}}]
        wrong += [{argument: (value[0], math.nan)}] if isinstance(value, tuple) else []
    for arguments in wrong:
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} is ") as error:
            OPERATIONS[name](**{**ARGUMENTS[name], **arguments})
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"must be \(samples"):
        make(name)(torch.rand(2, 2, 3, 9, 9))
