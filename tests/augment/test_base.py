"""What every operation does as a kornia augmentation by itself: alone, in a sequence, compiled, differentiated."""

import numpy as np
import pytest
import torch
from kornia.augmentation import AugmentationSequential

from simclr.augment import OPERATIONS, Views

ARGUMENTS = {
    "resized_crop": {"size": 5},
    "blur": {"kernel_size": 3},
    "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
    "neighbour_mixture": {"alpha": (0.2, 0.8)},
}


def make(name, p=1.0, **changes):
    return OPERATIONS[name](**{**ARGUMENTS.get(name, {}), **changes, "p": p})


def images(n=6, side=6, dtype=torch.float32, bands=3):
    return torch.rand(n, bands, side, side, dtype=dtype, generator=torch.Generator().manual_seed(1))


def drawn_for(operation, x):
    torch.manual_seed(3)
    return operation.forward_parameters(x.shape)


@pytest.mark.parametrize("name", OPERATIONS)
def test_kornias_same_on_batch_draws_once_for_all_samples(name):
    x = images(1).expand(8, -1, -1, -1).contiguous()
    changed = 0
    for seed in range(12):
        torch.manual_seed(seed)
        out = AugmentationSequential(make(name, 0.5), data_keys=["input"], same_on_batch=True)(x)
        assert all(torch.equal(row, out[0]) for row in out)
        changed += not torch.equal(out, x)
    # A mixture of equal images is that image.
    assert changed > 0 or name == "neighbour_mixture"


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "neighbour_mixture"])
def test_without_it_each_sample_has_its_own(name):
    x = images(1).expand(32, -1, -1, -1).contiguous()
    torch.manual_seed(0)
    out = AugmentationSequential(make(name, 0.5), data_keys=["input"])(x)
    assert not all(torch.equal(row, out[0]) for row in out)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("p", [1.0, 0.5])
def test_the_gradient_with_respect_to_the_images_is_that_of_differences(name, p):
    x = (0.1 + 0.8 * images(2, 5, torch.float64)).requires_grad_()
    operation = make(name, p)
    drawn = drawn_for(operation, x)
    assert torch.autograd.gradcheck(lambda x: operation(x, params=drawn), x, eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", OPERATIONS)
def test_asking_for_a_gradient_changes_no_bit(name):
    x, operation = images(), make(name)
    drawn = drawn_for(operation, x)
    before = x.clone()
    out = operation(x.clone().requires_grad_(), params=drawn)
    assert out.requires_grad
    assert torch.equal(out.detach(), operation(x, params=drawn))
    assert torch.equal(x, before)


@pytest.mark.parametrize("kind", [{"mode": "fast"}, {"saturation": 0, "hue": 0}, {"brightness": 0, "contrast": 0}])
def test_every_kind_of_colour_jitter_has_a_gradient(kind):
    bands = 1 if "hue" in kind else 3
    x = (0.1 + 0.8 * images(2, 4, torch.float64, bands)).requires_grad_()
    operation = make("color_jitter", **kind)
    drawn = drawn_for(operation, x)
    assert torch.autograd.gradcheck(lambda x: operation(x, params=drawn), x, eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_gradients_of_images_of_one_colour_are_finite(name, value):
    x = torch.full((3, 3, 6, 6), value, requires_grad=True)
    operation = make(name)
    drawn = drawn_for(operation, x)
    (grad,) = torch.autograd.grad(operation(x, params=drawn).sum(), x)
    assert grad.isfinite().all()
    assert grad.abs().max() < 1e3


FAST = ("noise", "radiation", "spectral_jitter", "horizontal_flip")


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in OPERATIONS])
def test_it_compiles_as_one_graph_on_a_cpu(name):
    torch._dynamo.reset()
    x, operation = images(), make(name, 0.5)
    drawn = drawn_for(operation, x)
    compiled = torch.compile(lambda x: operation(x, params=drawn), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), operation(x, params=drawn), atol=1e-6, rtol=0)
    assert torch.compile(operation, fullgraph=True, backend="eager")(x).isfinite().all()


@pytest.mark.slow
def test_the_compiled_colour_jitter_compiles_inside_a_graph():
    torch._dynamo.reset()
    x, operation = images(), make("color_jitter", mode="compiled")
    drawn = drawn_for(operation, x)
    compiled = torch.compile(lambda x: operation(x, params=drawn), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), make("color_jitter")(x, params=drawn), atol=1e-6, rtol=0)


VALUES = {"zero": 0.0, "one": 1.0, "grey": 0.5, "denormal": 1e-42, "tiny": 1e-30, "huge": 1e30, "negative": -1e30}
SHAPES = [(9, 9), (1, 1), (1, 9), (9, 1), (2, 2)]


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("bands", [1, 3, 40])
def test_odd_images_give_finite_views_or_a_line(name, bands):
    """Images of one value, denormal and huge ones, and those of one pixel or one row."""
    given, lines = 0, []
    for height, width in SHAPES:
        for p in (1.0, 0.5):
            for value in (*VALUES.values(), None):
                x = torch.full((4, bands, height, width), value or 0.0)
                if value is None:
                    x = 1e-41 * torch.rand(4, bands, height, width)
                try:
                    operation = make(name, p)
                    out = [operation(x), Views({name: operation}, views=2, seed=0)(x, torch.arange(4), 0)]
                except ValueError as error:
                    lines.append(str(error))
                    continue
                assert all(part.isfinite().all() for part in out), (value, height, width)
                given += 1
    assert given > 0 or bands != 3
    assert not [line for line in lines if "\n" in line or len(line) > 200]


NO_IMAGES = {
    "nothing": (None, "the input is a NoneType, but must be a tensor"),
    "a list": ([1.0], "the input is a list"),
    "numpy": (np.zeros((2, 3, 9, 9), dtype=np.float32), "the input is a ndarray"),
    "uint8": (torch.zeros(2, 3, 9, 9, dtype=torch.uint8), "the input is uint8, but must be floating point"),
    "complex": (torch.zeros(2, 3, 9, 9, dtype=torch.cfloat), "the input is complex"),
    "sparse": (torch.zeros(2, 3, 9, 9).to_sparse(), "the input is sparse"),
    "meta": (torch.zeros(2, 3, 9, 9, device="meta"), "the input is on the meta device"),
    "no pixels": (torch.zeros(2, 3, 0, 9), r"the input is \(2, 3, 0, 9\), and has no bands or no pixels"),
    "no bands": (torch.zeros(2, 0, 9, 9), "no bands"),
    "axes": (torch.zeros(1, 2, 3, 9, 9), r"the input is \(1, 2, 3, 9, 9\), but must be"),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("kind", NO_IMAGES)
def test_what_is_no_image_is_refused_in_a_line(name, kind):
    x, words = NO_IMAGES[kind]
    with pytest.raises(ValueError, match=words) as caught:
        make(name)(x)
    assert "\n" not in str(caught.value)
