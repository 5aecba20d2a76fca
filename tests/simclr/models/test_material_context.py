"""Parts of h side by side: what each depends on, and what the head takes."""

import math

import numpy as np
import pytest
import torch

from simclr.errors import InputError
from simclr.models.encoder import build_encoder, for_channels, notes_on_size
from simclr.models.material_context import MaterialContext, bilateral_weights
from simclr.models.simclr import Projected, projected_dim

# Five components, then spectra of six bands twice.
CHANNELS, COMPONENTS, BANDS = 17, 5, 6


def network(**options):
    torch.manual_seed(0)
    return MaterialContext(CHANNELS, width=8, components=COMPONENTS, **options).eval()


def patches(side=9):
    return torch.rand(4, CHANNELS, side, side, generator=torch.Generator().manual_seed(1))


def test_the_spectrum_is_in_h_as_means_over_runs_of_bands():
    x = patches()
    h = network(bins=3)(x)
    unit, own = x[:, 5:11, 4, 4], x[:, 11:, 4, 4]
    torch.testing.assert_close(h[:, -4:-1], unit.unflatten(1, (3, 2)).mean(2))
    torch.testing.assert_close(h[:, -1], own.mean(1))
    assert h.shape == (4, 16 + 3 + 1)


def test_no_more_bins_than_bands():
    x = patches()
    h = network(bins=100)(x)
    torch.testing.assert_close(h[:, -8:-2], x[:, 5:11, 4, 4])
    torch.testing.assert_close(h[:, -2:], x[:, 11:, 4, 4].unflatten(1, (2, 3)).mean(2))


def test_the_mean_of_a_square_of_components_is_in_h():
    x = patches()
    h = network(bins=2, mean=5)(x)
    torch.testing.assert_close(h[:, 16:21], 1.5 * x[:, :COMPONENTS, 2:7, 2:7].mean((2, 3)))
    assert h.shape == (4, 16 + 5 + 3)
    small = x[..., 3:6, 3:6]
    torch.testing.assert_close(network(bins=0, mean=5)(small)[:, 16:], 1.5 * small[:, :COMPONENTS].mean((2, 3)))


def test_a_pixel_counts_by_how_its_surroundings_differ_from_the_centres():
    x = patches(side=5)[:, :COMPONENTS]
    weights = bilateral_weights(x, 0.2)
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate").double()
    smooth = torch.stack([padded[..., i : i + 3, j : j + 3].mean((2, 3)) for i in range(5) for j in range(5)], 2)
    squares = ((smooth - smooth[..., 12:13]) ** 2).sum(1) / COMPONENTS
    torch.testing.assert_close(weights.flatten(1).double(), torch.exp(-squares / 0.08))
    assert (weights[..., 2, 2] == 1).all()
    assert weights.min() < 0.9


def test_the_mean_is_weighted():
    x = patches()
    h = network(bins=0, mean=5, bilateral=0.2)(x)[:, 16:]
    square, weights = x[:, :COMPONENTS, 2:7, 2:7], bilateral_weights(x[:, :COMPONENTS], 0.2)[..., 2:7, 2:7]
    expected = [np.average(s.flatten(1), axis=1, weights=w.flatten()) for s, w in zip(square, weights)]
    torch.testing.assert_close(h, 1.5 * torch.from_numpy(np.stack(expected)))


def test_what_another_material_is_does_not_matter():
    one, other = patches(), patches()
    one[..., :3] += 5  # beyond an edge
    other[..., :3] += 7
    wide, narrow = network(bins=0, mean=9), network(bins=0, mean=9, bilateral=0.3)
    torch.testing.assert_close(narrow(one), narrow(other), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(wide(one), wide(other), atol=1e-2)


@pytest.mark.parametrize("bad", [-1.0, math.inf, math.nan, True, "x", "nan", 1e300])
def test_how_far_a_pixel_may_be_is_a_number(bad):
    with pytest.raises(
        InputError, match=r"encoder\.options\.bilateral is .*, but must be a number between 0 and 1,000"
    ):
        network(bilateral=bad)


@pytest.mark.parametrize("name", ["mean", "bins"])
@pytest.mark.parametrize("bad", [-1, 2.5, True, "x", 10**7])
def test_sides_and_runs_of_bands_are_whole_numbers(name, bad):
    with pytest.raises(
        InputError, match=rf"encoder\.options\.{name} is .*, but must be an integer between 0 and 1,000"
    ):
        network(**{name: bad})


def test_material_does_not_see_the_surroundings_nor_context_the_spectrum():
    one, other = patches(), patches()
    other[:, :, 0, 0] += 1  # a corner
    material = network(learn="material", spectral=True, bins=0)
    assert torch.equal(material(one), material(other))
    context = network(learn="context", bins=0)
    assert not torch.equal(context(one), context(other))
    other = one.clone()
    other[:, COMPONENTS:] += 1
    assert torch.equal(context(one), context(other))
    assert not torch.equal(material(one), material(other))


def test_the_head_takes_what_is_learned_and_h_what_is_kept():
    encoder = network(learn="both", keep="material")
    h, projected = encoder.with_projected(patches())
    assert projected.shape == (4, 32)
    assert projected_dim(encoder) == 32
    assert torch.equal(h, encoder(patches()))
    assert h.shape == (4, 16 + 8) == (4, encoder.feature_dim)
    torch.testing.assert_close(h[:, :16], projected[:, 16:])
    assert torch.equal(Projected(encoder)(patches()), projected)
    plain = torch.nn.Flatten()
    assert torch.equal(Projected(plain)(patches()), plain(patches()))


def test_views_of_components_alone_are_taken():
    encoder, x = network(), patches()
    h, projected = encoder.with_projected(x[:, :COMPONENTS])
    torch.testing.assert_close(projected, encoder.with_projected(x)[1])
    assert torch.equal(h, projected)


@pytest.mark.parametrize("side", [1, 3, 7, 9, 11, 15])
def test_patches_of_any_size(side):
    assert network()(patches(side)).isfinite().all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"components": 4}, "leave it to the data"),
        ({"components": 0}, "leave it to the data"),
        ({"learn": "all"}, "learn is 'all'"),
        ({"learn": "context", "keep": "both"}, "learn both"),
        ({"bins": -1}, "bins is -1"),
        ({"mean": 4}, "mean is 4"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        MaterialContext(CHANNELS, **{"components": COMPONENTS, **options})


def test_the_data_say_how_many_components_there_are():
    section = {"name": "material_context", "stem": "imagenet", "width": 8, "options": {"bins": 2}}
    arguments = for_channels(section, CHANNELS, COMPONENTS)
    assert arguments["options"] == {"components": COMPONENTS, "bins": 2}
    assert build_encoder(**arguments).feature_dim == 19
    resnet = for_channels({"name": "resnet8", "stem": "small", "width": 8, "options": {}}, CHANNELS, COMPONENTS)
    assert resnet["options"] == {}


def test_a_mean_over_more_than_a_patch_is_that_of_the_patch_and_said_so():
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    means = [MaterialContext(4, width=2, mean=side).eval()(x)[:, 4:] for side in (5, 99)]
    assert torch.equal(*means)
    assert notes_on_size("material_context", {"mean": 99, "width": 2}, (5, 5)) == [
        "encoder.options.mean is 99, but a patch is 5x5: the mean is that of the whole patch"
    ]
    for options in ({}, {"mean": 5}, {"mean": "x"}):
        assert notes_on_size("material_context", options, (5, 5)) == []
    assert notes_on_size("resnet18", {}, (5, 5)) == []
