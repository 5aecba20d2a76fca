"""The parameters of a run, drawn at their addresses, are distributed as those of torchvision's transforms."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from simclr.augment import OPERATIONS, Views

N = 4000
# SimCLR's, of strength 1 (Chen et al. 2020, appendix A); all gates open, but where gates are what is looked at.
JITTER = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}


def drawn(name, shape, views=2, epoch=5, seed=7, n=N, **arguments):
    """Parameters of ``n`` samples' views, rows of a view after those of the view before."""
    pipeline = Views({name: OPERATIONS[name](**arguments)}, views=views, seed=seed)
    address = pipeline.address(torch.arange(10**6, 10**6 + n), epoch)
    shape = (n * views, *shape)
    return pipeline.named()[name].forward_parameters(shape, uniforms=address.uniforms(pipeline.request(shape))[name])


def alike(ours, theirs):
    return stats.ks_2samp(np.asarray(ours), np.asarray(theirs)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("height", "width", "scale", "ratio"),
    [
        (224, 224, (0.08, 1.0), (3 / 4, 4 / 3)),
        (32, 32, (0.08, 1.0), (3 / 4, 4 / 3)),
        (40, 150, (0.25, 1.0), (3 / 4, 4 / 3)),
    ],
)
def test_crops_are_torchvisions_those_that_find_no_place_included(height, width, scale, ratio):
    box = drawn("resized_crop", (3, height, width), views=1, size=8, scale=scale, ratio=ratio)
    ours = np.stack([box[side].numpy() for side in ("top", "left", "height", "width")], 1)
    torch.manual_seed(3)
    reference, image = v2.RandomResizedCrop(8, scale, ratio), [torch.empty(3, height, width)]
    params = [reference.make_params(image) for _ in range(N)]
    theirs = np.array([[p[side] for side in ("top", "left", "height", "width")] for p in params])
    for a, b in zip(ours.T, theirs.T):
        assert alike(a, b)
    assert alike(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3])
    assert alike(np.log(ours[:, 3] / ours[:, 2]), np.log(theirs[:, 3] / theirs[:, 2]))
    # The fallback, a central box of full height, is drawn as often; in the wide image most of the time.
    fallback = np.array([0, (width - round(height * ratio[1])) // 2, height, round(height * ratio[1])])
    counts = [int((boxes == fallback).all(1).sum()) for boxes in (ours, theirs)]
    if width > 2 * height:
        assert min(counts) > N / 10
        assert stats.chi2_contingency([[c, N - c] for c in counts]).pvalue > 1e-3
    else:
        assert max(counts) == 0


def test_jitters_factors_and_orders_are_torchvisions():
    ours = drawn("color_jitter", (3, 8, 8), p=1.0, **JITTER)
    torch.manual_seed(4)
    reference = v2.ColorJitter(**JITTER)
    params = [reference.make_params([]) for _ in range(N)]
    for i, name in enumerate(("brightness", "contrast", "saturation", "hue")):
        assert alike(ours["factors"][:, i], [p[f"{name}_factor"] for p in params])
    orders = {order: i for i, order in enumerate(itertools.permutations(range(4)))}
    counts = [np.zeros(24, dtype=int), np.zeros(24, dtype=int)]
    for order in ours["order"].tolist():
        counts[0][orders[tuple(order)]] += 1
    for p in params:
        counts[1][orders[tuple(int(i) for i in p["fn_idx"])]] += 1
    assert stats.chisquare(counts[0]).pvalue > 1e-3
    assert stats.chi2_contingency(counts).pvalue > 1e-3
    # No factor says anything of another, of the order, or of the other view's.
    numbers = torch.cat([ours["factors"], ours["order"][:, :1]], 1).double()
    numbers = torch.cat(numbers.split(N), 1)
    assert torch.corrcoef(numbers.T).fill_diagonal_(0).abs().max() < 4 / N**0.5


def test_sigma_is_torchvisions():
    torch.manual_seed(5)
    reference = v2.GaussianBlur(23, (0.1, 2.0))
    theirs = [reference.make_params([])["sigma"][0] for _ in range(N)]
    assert alike(drawn("blur", (3, 64, 64), kernel_size=23, sigma=(0.1, 2.0))["sigma"], theirs)


REQUIRED = {"resized_crop": {"size": 4, "scale": (0.1, 0.5)}, "blur": {"kernel_size": 3}}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("p", [0.0, 0.2, 0.8, 1.0])
def test_gates_open_at_their_rate(name, p):
    parameters = drawn(name, (3, 9, 9), n=1000, p=p, **REQUIRED.get(name, {}))
    # A closed gate of the crop takes the whole image.
    opened = parameters["height"] < 9 if name == "resized_crop" else parameters["batch_prob"] == 1
    assert stats.binomtest(int(opened.sum()), len(opened), p).pvalue > 1e-3


def test_gates_are_independent_of_each_other_over_operations_and_views():
    names = [name for name in OPERATIONS if name != "resized_crop"]
    views = Views({name: OPERATIONS[name](**REQUIRED.get(name, {})) for name in names}, views=2, seed=11)
    address, shape = views.address(torch.arange(N), 2), (2 * N, 3, 9, 9)
    uniforms = address.uniforms(views.request(shape))
    gates = torch.stack([(uniforms[name][:, 0] < 0.5).double() for name in names])
    gates = torch.cat(gates.split(N, 1))  # operations of view 0, then of view 1
    assert torch.corrcoef(gates).fill_diagonal_(0).abs().max() < 4.5 / N**0.5
