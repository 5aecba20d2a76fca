"""Operations on photographs against torchvision's, sample by sample, with the parameters that were drawn."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as F

from simclr.augment import OPERATIONS, RandomColorJitter, Views, build_views

# Bands of any number and spectra: their references, numpy and scipy, are in test_scene.py, test_spectral.py,
# test_morphology.py and test_elastic.py.
SPECTRAL = {"neighbour_mixture", "spectral_shift", "spectral_smoothing", "illumination", "radiation", "spectral_jitter"}
SPECTRAL |= {"band_dropout", "noise", "morphology", "elastic"}
JITTER_STEPS = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def jitter(image, row, flags):
    for step in row["order"].tolist():
        image = JITTER_STEPS[step](image, float(row["factors"][step]))
    return image


def crop(image, row, flags):
    box = [int(row[name]) for name in ("top", "left", "height", "width")]
    return F.resized_crop(image, *box, list(flags["size"]), antialias=flags["antialias"])


def cutout(image, row, flags):
    """torchvision's, but that the centre pixel, which stands for a patch, is spared."""
    side, centre = int(row["side"]), (..., image.shape[-2] // 2, image.shape[-1] // 2)
    out = F.erase(image, int(row["top"]), int(row["left"]), side, side, torch.zeros(1, dtype=image.dtype))
    out[centre] = image[centre]
    return out


def affine(image, row, flags):
    shift, shear = ([float(v) for v in row[name]] for name in ("shift", "shear"))
    angle, scale = float(row["angle"]), float(row["scale"])
    return F.affine(image, angle, shift, scale, shear, interpolation=F.InterpolationMode.BILINEAR)


TORCHVISION = {
    "affine": affine,
    "resized_crop": crop,
    "horizontal_flip": lambda image, row, flags: F.horizontal_flip(image),
    "vertical_flip": lambda image, row, flags: F.vertical_flip(image),
    "rotation90": lambda image, row, flags: F.rotate(image, 90.0 * int(row["turns"])),
    "color_jitter": jitter,
    "grayscale": lambda image, row, flags: F.rgb_to_grayscale(image, num_output_channels=3),
    "blur": lambda image, row, flags: F.gaussian_blur(image, flags["kernel_size"], [float(row["sigma"])] * 2),
    "solarize": lambda image, row, flags: F.solarize(
        image, flags["threshold"] * (255 if image.dtype == torch.uint8 else 1)
    ),
    "cutout": cutout,
}
ARGUMENTS = {
    "affine": {"degrees": 180.0, "translate": 0.4, "scale": [0.4, 2.5], "shear": 40.0, "p": 0.8},
    "resized_crop": {"size": 11, "p": 0.8},
    "horizontal_flip": {"p": 0.5},
    "vertical_flip": {"p": 0.5},
    "rotation90": {"p": 0.7},
    "color_jitter": {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2, "p": 0.8},
    "grayscale": {"p": 0.5},
    "blur": {"kernel_size": 5, "sigma": [0.1, 2.0], "p": 0.6},
    "solarize": {"threshold": 0.5, "p": 0.6},
    "cutout": {"scale": [0.02, 0.9], "p": 0.6},
}
# Noise, few levels (ties and exact greys), black, white, grey, black with one white point, half red and half cyan.
KINDS = ("noise", "levels", "black", "white", "grey", "point", "primaries", "bytes")


def photographs(n, kind, height, width, seed):
    """(n, 3, height, width) float32 in 0..1, or for "bytes" uint8."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 3, height, width, generator=generator)
    if kind == "bytes":
        return (x * 256).to(torch.uint8)
    if kind == "levels":
        return (x * 3).round() / 3
    if kind in ("black", "white", "grey"):
        return torch.full_like(x, {"black": 0.0, "white": 1.0, "grey": 0.5}[kind])
    if kind == "point":
        x.zero_()[..., height // 2, width // 3] = 1.0
    if kind == "primaries":
        x.zero_()[:, 0, :, : width // 2] = 1.0
        x[:, 1:, :, width // 2 :] = 1.0
    return x


def by_torchvision(views, images, ids, epoch):
    """(views, b, C, h, w): what ``views`` should draw of the images; its parameters, torchvision's operations."""
    images = list(images) * len(views.views)
    shape = (len(images), *images[0].shape)
    uniforms = views.address(ids, epoch).uniforms(views.request(shape))
    for name, operation in views.named().items():
        parameters = operation.forward_parameters(shape, uniforms=uniforms[name])
        applied = parameters.pop("batch_prob").bool().tolist()
        del parameters["forward_input_shape"]
        for i, image in enumerate(images):
            if applied[i]:
                row = {key: value[i] for key, value in parameters.items()}
                images[i] = TORCHVISION[name](image, row, operation.flags)
        shape = operation.output_shape(shape)
    return torch.stack(images).unflatten(0, (len(views.views), len(ids)))


def to_units(batch):
    return F.to_dtype(batch, torch.float32, scale=True)


def test_every_operation_has_a_reference():
    assert set(TORCHVISION) == set(ARGUMENTS) == set(OPERATIONS) - SPECTRAL


@pytest.mark.parametrize("name", TORCHVISION)
@settings(max_examples=16, deadline=None)
@given(st.sampled_from(KINDS), st.integers(3, 41), st.integers(3, 41), st.integers(0, 10**6))
def test_an_operation_is_torchvisions(name, kind, height, width, seed):
    """In a pipeline, and as a class with the parameters handed in."""
    width = height if name == "rotation90" else width
    operation = OPERATIONS[name](**ARGUMENTS[name])
    views = Views({name: operation}, views=2, seed=seed, before=to_units)
    batch, ids = photographs(4, kind, height, width, seed), torch.arange(seed, seed + 4)
    x = to_units(batch)
    expected = by_torchvision(views, x, ids, 3)
    torch.testing.assert_close(views(batch, ids, 3), expected, atol=2e-4, rtol=0)

    x = x.repeat(2, 1, 1, 1)
    uniforms = views.address(ids, 3).uniform(name, 1 + operation.draws(x.shape))
    alone = operation(x, params=operation.forward_parameters(x.shape, uniforms=uniforms))
    torch.testing.assert_close(alone, expected.flatten(0, 1), atol=2e-4, rtol=0)


@settings(max_examples=16, deadline=None)
@given(st.sampled_from(KINDS), st.integers(3, 41), st.integers(3, 41), st.integers(0, 10**6))
def test_simclrs_views_are_torchvisions(kind, height, width, seed):
    """Crop with antialias and flips in one resampling, then jitter, grey, blur and solarise: within a grey level."""
    arguments = {**ARGUMENTS, "rotation90": None, "cutout": None}
    arguments["resized_crop"] = {"size": min(height, width), "p": 0.9}
    arguments["blur"] = {"kernel_size": 3, "p": 0.5}
    views = build_views(arguments, size=(height, width), in_chans=3, views=2, seed=seed, before=to_units)
    batch, ids = photographs(6, kind, height, width, seed), torch.arange(seed, seed + 6)
    difference = (views(batch, ids, 0) - by_torchvision(views, to_units(batch), ids, 0)).abs()
    assert difference.max() <= 1 / 255


@settings(max_examples=16, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 13),
    st.integers(1, 13),
    st.tuples(*[st.sampled_from([0.0, 0.2, 1.0, 1.8, 4.0])] * 3, st.sampled_from([-0.5, -0.2, 0.0, 0.1, 0.5])),
    st.integers(0, 10**6),
)
def test_the_jitter_is_torchvisions_in_each_of_the_24_orders(kind, height, width, factors, seed):
    orders = torch.tensor(list(itertools.permutations(range(4))))
    x = to_units(photographs(24, kind, height, width, seed))
    operation = RandomColorJitter(0.8, 0.8, 0.8, 0.2, p=1.0)
    drawn = operation.forward_parameters(x.shape) | {"order": orders, "factors": torch.tensor([factors] * 24)}
    expected = [jitter(image, {"order": order, "factors": factors}, {}) for image, order in zip(x, orders)]
    torch.testing.assert_close(operation(x, params=drawn), torch.stack(expected), atol=2e-4, rtol=0)


JITTERS = {step: {step: 0.5, "p": 0.9} for step in ("brightness", "contrast", "saturation", "hue")}


@pytest.mark.parametrize("name", [*(name for name in TORCHVISION if name != "color_jitter"), *JITTERS])
def test_bytes_are_as_torchvisions_integer_arithmetic_has_them(name):
    """Which rounds, or cuts, to whole grey levels: once, and for contrast and saturation the grey value too."""
    kind, arguments = ("color_jitter", JITTERS[name]) if name in JITTERS else (name, ARGUMENTS[name])
    views = Views({kind: OPERATIONS[kind](**arguments)}, views=1, seed=0, before=to_units)
    batch, ids = photographs(16, "bytes", 23, 23, 0), torch.arange(16)
    difference = (views(batch, ids, 0) * 255 - by_torchvision(views, batch, ids, 0)).abs().max()
    assert difference <= (1.5 if name in ("contrast", "saturation") else 1.0) + 1e-3
