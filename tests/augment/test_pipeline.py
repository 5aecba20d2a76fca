import pytest
import torch

from simclr.augment import (
    OPERATIONS,
    Address,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Views,
    build_views,
)

PHOTO = {
    "affine": {"degrees": 20.0, "p": 0.7},
    "elastic": {"p": 0.7},
    "resized_crop": {"size": 17, "scale": [0.2, 1.0], "ratio": [0.75, 1.3333]},
    "horizontal_flip": {"p": 0.5},
    "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "p": 0.8},
    "grayscale": {"p": 0.2},
    "blur": {"kernel_size": 5, "sigma": [0.1, 2.0], "p": 0.5},
    "solarize": {"threshold": 0.5, "p": 0.2},
}
SCENE = {
    "horizontal_flip": {"p": 0.5},
    "vertical_flip": {"p": 0.5},
    "rotation90": {"p": 1.0},
    "morphology": {"size": 3, "p": 0.5},
    "spectral_shift": {"shift": 0.7, "p": 0.5},
    "spectral_smoothing": {"sigma": [0.5, 2.0], "p": 0.5},
    "radiation": {"alpha": [0.9, 1.1], "beta": 0.04, "p": 0.9},
    "spectral_jitter": {"gain": 0.1, "offset": 0.1, "order": 3, "p": 0.8},
    "band_dropout": {"fraction": 0.1, "window": 2, "p": 0.5},
    "noise": {"sd": 0.05, "p": 0.5},
    "cutout": {"scale": [0.02, 0.3], "p": 0.5},
}
CASES = {"photo": (PHOTO, 3, 19), "scene": (SCENE, 13, 9)}


def case(name, n=64, views=2, seed=0):
    operations, bands, size = CASES[name]
    built = build_views(operations, size=size, in_chans=bands, views=views, seed=seed)
    return (
        built,
        torch.rand(n, bands, size, size, generator=torch.Generator().manual_seed(1)),
        torch.arange(100, 100 + n),
    )


@pytest.mark.parametrize("name", CASES)
def test_a_view_does_not_depend_on_its_batch(name):
    views, x, ids = case(name)
    whole = views(x, ids, 3)
    assert whole.shape[:2] == (2, 64)
    assert whole.dtype == torch.float32
    for size in (1, 7):
        parts = [views(b, i, 3) for b, i in zip(x.split(size), ids.split(size))]
        assert torch.equal(torch.cat(parts, 1), whole)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(5))
    torch.rand(10)
    assert torch.equal(views(x[order], ids[order], 3), whole[:, order])
    assert torch.equal(case(name, views=3)[0](x, ids, 3)[:2], whole)


@pytest.mark.parametrize("name", CASES)
def test_views_differ_between_views_epochs_ids_and_seeds(name):
    views, x, ids = case(name)
    x = x[:1].expand_as(x).contiguous()
    first = views(x, ids, 0)
    seeds = case(name, seed=1)[0]
    for other in (first.flip(0), views(x, ids, 1), views(x, ids + 1, 0), seeds(x, ids, 0), first.roll(1, 1)):
        assert ((first - other).flatten(2).abs().amax(2) > 1e-3).float().mean() > 0.9


def test_operations_draw_independently_of_each_other():
    x, ids = torch.rand(8, 3, 9, 9), torch.arange(8)
    alone = build_views({"horizontal_flip": {}}, size=9, in_chans=3, views=2, seed=0)(x, ids, 0)
    both = build_views({"horizontal_flip": {}, "vertical_flip": {"p": 0.0}}, size=9, in_chans=3, views=2, seed=0)
    assert torch.equal(alone, both(x, ids, 0))


@pytest.mark.parametrize("name", CASES)
def test_views_are_the_operations_on_the_addressed_uniforms(name):
    views, x, ids = case(name, n=16)
    expected = x.repeat(2, 1, 1, 1)
    address = Address(0, 5, ids.repeat(2), torch.arange(2).repeat_interleave(16))
    for name, operation in views.operations.items():
        uniforms = address.uniform(name, 1 + operation.draws(expected.shape))
        expected = operation(expected, params=operation.forward_parameters(expected.shape, uniforms=uniforms))
    torch.testing.assert_close(views(x, ids, 5).flatten(0, 1), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_views_do_not_depend_on_the_parts_in_which_they_are_drawn(name, monkeypatch):
    views, x, ids = case(name, n=9)
    whole = views(x, ids, 0)
    monkeypatch.setattr("simclr.augment.execute._CPU_VALUES", 2 * 2 * x[0].numel())
    assert torch.equal(views(x, ids, 0), whole)
    assert whole.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    assert views(x[:0], ids[:0], 0).shape == (2, 0, *whole.shape[2:])


def test_flips_cancel_in_the_crop_as_they_do_alone():
    crop, flips = RandomResizedCrop(7), [RandomHorizontalFlip(), RandomVerticalFlip(), RandomHorizontalFlip()]
    x, ids = torch.rand(32, 3, 9, 9), torch.arange(32)
    names = ("crop", "first", "second", "third")
    views = Views(dict(zip(names, [crop, *flips])), views=1, seed=0)
    address, expected = views.address(ids, 0), x
    for name, operation in zip(names, [crop, *flips]):
        u = address.uniform(name, 1 + operation.draws(x.shape))
        expected = operation(expected, params=operation.forward_parameters(expected.shape, uniforms=u))
    torch.testing.assert_close(views(x, ids, 0)[0], expected, atol=1e-6, rtol=0)


def test_before_and_after_frame_the_operations():
    x = torch.randint(0, 256, (4, 3, 6, 6), dtype=torch.uint8)
    views = Views({}, views=3, seed=0, before=lambda b: b.float() / 255, after=lambda v: (v - 0.5) * 2)
    assert torch.equal(views(x, torch.arange(4), 0), ((x.float() / 255 - 0.5) * 2).expand(3, -1, -1, -1, -1))
    assert torch.equal(Views({}, views=1, seed=0)(x, torch.arange(4), 0)[0], x.float())


def test_neighbours_take_the_place_of_the_sample_in_all_views_but_the_first():
    samples = torch.rand(10, 3, 6, 6)
    seen = []

    def neighbours(address):
        seen.append((address.ids.tolist(), address.views.tolist(), address.epoch))
        return samples[(address.ids + address.views) % 10]

    views = Views({}, views=3, seed=0, before=lambda x: x * 2, neighbours=neighbours)
    ids = torch.tensor([4, 9])
    expected = torch.stack([samples[(ids + v) % 10] for v in range(3)]) * 2
    assert torch.equal(views(samples[ids], ids, 7), expected)
    assert seen == [([4, 9, 4, 9], [1, 1, 2, 2], 7)]


def test_the_batch_is_neither_changed_nor_kept():
    views, x, ids = case("photo", n=4)
    before = x.clone()
    views(x, ids, 0)
    assert torch.equal(x, before)
    for operation in views.operations.values():
        held = [v for v in vars(operation).values() if isinstance(v, torch.Tensor)]
        assert not held
        assert operation._params == {}
        assert operation._lazy_matrix_args is None


def test_build_views_orders_describes_and_classifies():
    views = build_views(dict(reversed(SCENE.items())), size=9, in_chans=13, views=2, seed=0)
    assert list(views.operations) == [name for name in OPERATIONS if name in SCENE]
    lines = views.describe()
    assert len(lines) == len(SCENE)
    assert lines[0] == "horizontal_flip: p=0.5"
    assert views.band_operations
    geometry = {k: v for k, v in SCENE.items() if k in ("rotation90", "vertical_flip")}
    assert not build_views(geometry, size=9, in_chans=13, views=2, seed=0).band_operations
    assert list(build_views({"noise": None}, size=9, in_chans=3, views=2, seed=0).operations) == []


def test_a_per_pixel_linear_map_commutes_unless_there_are_band_operations():
    operations = {k: SCENE[k] for k in ("horizontal_flip", "rotation90")}
    operations |= {"resized_crop": {"size": 9}, "blur": {"kernel_size": 3}}
    views = build_views(operations, size=9, in_chans=13, views=2, seed=0)
    assert not views.band_operations
    x, ids = torch.rand(6, 13, 9, 9), torch.arange(6)
    matrix, bias = torch.randn(4, 13), torch.randn(4, 1, 1)

    def linear(t):
        return torch.einsum("kc,...chw->...khw", matrix, t) + bias

    torch.testing.assert_close(views(linear(x), ids, 0), linear(views(x, ids, 0)), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("operations", "size", "bands", "message"),
    [
        ({"colour": {}}, 9, 3, "augment.colour is not an operation: use one of neighbour_mixture"),
        ({"noise": {"sigma": 1}}, 9, 3, "augment.noise.sigma is not an argument: use some of sd, p"),
        ({"resized_crop": {}}, 15, 3, "augment.resized_crop.size is missing"),
        ({"noise": {"p": 1.2}}, 9, 3, "augment.noise: p is 1.2"),
        ({"resized_crop": {"size": 8, "scale": [1.0, 0.2]}}, 9, 3, "augment.resized_crop: scale"),
        ({"resized_crop": {"size": 10}}, 9, 3, "augment.resized_crop: size is 10x10, but the samples are 9x9"),
        ({"spectral_shift": {"wavelengths": [1.0, 2.0]}}, 9, 3, "augment.spectral_shift: .*2 wavelengths, but 3 bands"),
        ({"noise": {"sd": [0.1, 0.2]}}, 9, 3, "augment.noise: sd has 2 values"),
        ({"resized_crop": {"size": 11}, "blur": {"kernel_size": 23}}, 64, 3, "too long for 11x11 images"),
        ({"color_jitter": {"hue": 0.1}}, 9, 200, "augment.color_jitter: it takes images of 3 bands.*have 200"),
        ({"grayscale": {}}, 9, 200, "augment.grayscale: it takes RGB images.*200 bands: leave it out"),
        ({"solarize": {}}, 9, 200, "augment.solarize: it takes photographs"),
        ({"band_dropout": {"window": 9}}, 9, 3, "augment.band_dropout: window is 9"),
    ],
)
def test_bad_recipes_are_refused_in_one_line(operations, size, bands, message):
    with pytest.raises(ValueError, match=message) as error:
        build_views(operations, size=size, in_chans=bands, views=2, seed=0)
    assert "\n" not in str(error.value)


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="views is 0"):
        Views({}, views=0, seed=0)
    with pytest.raises(ValueError, match="the batch has 4 samples"):
        Views({}, views=1, seed=0)(torch.rand(4, 1, 2, 2), torch.arange(3), 0)
    for shape in ((4, 9, 9), (4, 1, 3, 9, 9), (9,)):
        with pytest.raises(ValueError, match=r"must be \(samples, bands, height, width\)"):
            case("photo")[0](torch.rand(shape), torch.arange(shape[0]), 0)
    with pytest.raises(ValueError, match=r"ids are torch.float32, but must be torch.int64"):
        Views({}, views=1, seed=0)(torch.rand(4, 1, 2, 2), torch.rand(4), 0)
    with pytest.raises(ValueError, match="uniforms are"):
        RandomHorizontalFlip().forward_parameters((2, 1, 4, 4), uniforms=torch.rand(2, 2))


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operations_result_may_be_written_to_and_shares_no_memory_with_its_input(name):
    arguments = {"resized_crop": {"size": 6}, "blur": {"kernel_size": 1}}
    operation = OPERATIONS[name](**arguments.get(name, {}), p=1.0)
    x = torch.rand(32, 3, 6, 6)
    before, out = x.clone(), operation(x)
    out.zero_()
    assert torch.equal(x, before)
    # What follows it in the views may work in place.
    views = Views({name: operation, "then": OPERATIONS["cutout"](p=0.5)}, views=1, seed=0)
    assert (views(x, torch.arange(32), 0) == 0).any()
