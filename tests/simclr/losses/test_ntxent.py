import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cosine_similarity
from torch.utils._python_dispatch import TorchDispatchMode

from simclr.losses.ntxent import nt_xent


def one_pair_at_a_time(z: torch.Tensor, temperature: float) -> torch.Tensor:
    """Equation 1 of the paper, in loops."""
    views, batch, _ = z.shape
    rows = [(v, b) for v in range(views) for b in range(batch)]

    def s(i, j):
        return torch.exp(cosine_similarity(z[i], z[j], dim=0) / temperature)

    losses = []
    for i in rows:
        denominator = sum(s(i, k) for k in rows if k != i)
        losses += [-torch.log(s(i, j) / denominator) for j in rows if j != i and j[1] == i[1]]
    return torch.stack(losses).mean()


def brute_force(z, temperature, *, decoupled=False, labels=None, weight=None):
    """All pairs at once in float64, by masks; checked against the loops below.

    ``weight`` is the (batch, batch) matrix of pairs of images.
    """
    views, batch, _ = z.shape
    image = torch.arange(batch).repeat(views)
    label = image if labels is None else torch.where(labels < 0, -1 - torch.arange(batch), labels.long())[image]
    rows = torch.nn.functional.normalize(z.double().flatten(0, 1), dim=1)
    logits = rows @ rows.T / temperature
    self_pair = torch.eye(len(rows), dtype=torch.bool)
    positive = (label[:, None] == label) & ~self_pair
    w = torch.ones_like(logits) if weight is None else weight.double()[image][:, image]
    w = torch.where(image[:, None] == image, 1.0, w)
    w = torch.where(self_pair | (positive if decoupled else self_pair), 0.0, w)
    normaliser = torch.logsumexp(logits + w.log(), dim=1, keepdim=True)
    terms = (normaliser - logits).masked_fill(~positive, 0.0).sum(1) / positive.sum(1)
    return terms.mean()


def random_z(views, batch, dim, seed=0, dtype=torch.float64):
    z = torch.randn(views, batch, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return z.to(dtype).requires_grad_()


def errors(z, temperature, expected, **options):
    """Relative errors of loss and gradient."""
    (expected_grad,) = torch.autograd.grad(expected, z)
    loss = nt_xent(z, temperature, **options)
    (grad,) = torch.autograd.grad(loss, z)
    assert grad.dtype == z.dtype
    difference = (grad.double() - expected_grad.double()).norm() / expected_grad.double().norm()
    return abs(loss.item() / expected.item() - 1), difference.item()


@pytest.mark.parametrize(("views", "batch", "dim"), [(2, 5, 8), (3, 4, 16), (4, 2, 2)])
@pytest.mark.parametrize("temperature", [0.05, 0.5, 3.0])
def test_equals_the_papers_equation(views, batch, dim, temperature):
    z = random_z(views, batch, dim)
    expected = one_pair_at_a_time(z, temperature)
    assert max(errors(z, temperature, expected)) < 1e-10
    assert brute_force(z, temperature).item() == pytest.approx(expected.item(), rel=1e-12)


shapes = st.tuples(st.integers(2, 5), st.integers(2, 40), st.integers(2, 70))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(shapes, st.floats(0.03, 10), st.integers(0, 9), st.sampled_from([None, 1, 3, 16]))
def test_float32_is_as_exact_as_promised(shape, temperature, seed, tile):
    # A solved batch has next to no loss and no gradient: then 1/T times what float32 can say of a cosine is left.
    # At higher temperatures no batch is solved, and none is left.
    floor = torch.finfo(torch.float32).eps / 2 / temperature if temperature < 0.2 else 0.0
    compare(random_z(*shape, seed, torch.float32), temperature, floor, 4 * floor, tile=tile)


def compare(z, temperature, loss_floor, grad_floor, **options):
    expected = brute_force(z, temperature)
    (expected_grad,) = torch.autograd.grad(expected, z)
    loss = nt_xent(z, temperature, **options)
    (grad,) = torch.autograd.grad(loss, z)
    assert abs(loss.item() - expected.item()) <= 1e-6 * expected.item() + loss_floor
    assert (grad - expected_grad).norm() <= 1e-5 * expected_grad.norm() + grad_floor


@settings(max_examples=40, deadline=None)
@given(shapes, st.floats(0.005, 0.03), st.integers(0, 9))
def test_low_temperatures_are_as_exact(shape, temperature, seed):
    compare(random_z(*shape, seed, torch.float32), temperature, 1e-7, 1e-7)


@pytest.mark.parametrize(
    ("dtype", "loss_bound", "grad_bound"), [(torch.bfloat16, 1e-3, 1e-2), (torch.float16, 1e-3, 2e-3)]
)
def test_half_precision_gives_float32_results_close_by(dtype, loss_bound, grad_bound):
    z = random_z(2, 300, 128, dtype=dtype)
    assert nt_xent(z, 0.1).dtype == torch.float32
    loss, grad = errors(z, 0.1, brute_force(z, 0.1))
    assert loss < loss_bound
    assert grad < grad_bound


def test_autocast_outside_changes_nothing():
    z = random_z(2, 20, 32, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = nt_xent(z, 0.1)
    assert inside.item() == nt_xent(z, 0.1).item()


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(2, 4), st.integers(3, 30), st.integers(2, 20)),
    tile=st.sampled_from([None, 1, 4, 7]),
    seed=st.integers(0, 9),
    decoupled=st.booleans(),
    labelled=st.booleans(),
    weighted=st.sampled_from([None, "mask", "float"]),
)
def test_decoupled_supervised_and_weighted_equal_their_formulas(shape, tile, seed, decoupled, labelled, weighted):
    generator = torch.Generator().manual_seed(seed)
    batch = shape[1]
    labels = torch.randint(3, (batch,), generator=generator) * 7 if labelled else None
    if labels is not None:
        labels[:2] = torch.tensor([7, 14])  # two classes at least, so that each row has a negative
    keys = torch.rand(batch, 2, generator=generator)
    keys[0], keys[1] = -1.0, 2.0  # far from everything
    weight = {
        None: None,
        "mask": lambda a, b: (a[:, None] - b).abs().amax(-1) > 0.3,
        "float": lambda a, b: (a[:, None] - b).square().sum(-1),
    }[weighted]
    z = random_z(*shape, seed)
    matrix = None if weight is None else weight(keys, keys)
    expected = brute_force(z, 0.3, decoupled=decoupled, labels=labels, weight=matrix)
    options = {} if weight is None else {"keys": keys, "negative_weight": weight}
    loss, grad = errors(z, 0.3, expected, decoupled=decoupled, labels=labels, tile=tile, **options)
    assert loss < 1e-10
    assert grad < 1e-10


def one_positive_at_a_time(z, temperature, labels):
    """Equation 2 of SupCon in loops, where an image without a label (below 0) is known by its own views alone."""
    views, batch, _ = z.shape
    rows = [(v, b) for v in range(views) for b in range(batch)]
    u = torch.nn.functional.normalize(z, dim=2)

    def s(i, j):
        return (u[i] * u[j]).sum() / temperature

    losses = []
    for i in rows:
        positives = [
            j for j in rows if j != i and (j[1] == i[1] or (labels[i[1]] >= 0 and labels[j[1]] == labels[i[1]]))
        ]
        normaliser = torch.stack([s(i, k) for k in rows if k != i]).logsumexp(0)
        losses.append(torch.stack([normaliser - s(i, j) for j in positives]).mean())
    return torch.stack(losses).mean()


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8])
@pytest.mark.parametrize("unlabelled", [-1, -100])
def test_images_without_a_label_are_positives_of_nobody_but_their_own_views(views, dtype, unlabelled):
    labels = torch.tensor([0, unlabelled, 1, unlabelled, 0, unlabelled, 1], dtype=dtype)
    z = random_z(views, 7, 6)
    expected = one_positive_at_a_time(z, 0.4, labels)
    assert max(errors(z, 0.4, expected, labels=labels)) < 1e-10
    assert brute_force(z, 0.4, labels=labels).item() == pytest.approx(expected.item(), rel=1e-12)


def test_without_a_single_label_it_is_the_loss_without_labels():
    z = random_z(2, 200, 8, dtype=torch.float32)
    labels = torch.full((200,), -1, dtype=torch.int8)  # more images than int8 has numbers
    assert nt_xent(z, 0.2, labels=labels).item() == pytest.approx(nt_xent(z, 0.2).item(), rel=1e-6)
    decoupled = nt_xent(z, 0.2, labels=labels, decoupled=True).item()
    assert decoupled == pytest.approx(nt_xent(z, 0.2, decoupled=True).item(), rel=1e-6)


@pytest.mark.parametrize("tile", [None, 3])
def test_gradcheck(tile):
    z = random_z(3, 4, 5)
    assert torch.autograd.gradcheck(lambda z: nt_xent(z, 0.2, tile=tile), z)
    assert torch.autograd.gradcheck(lambda z: nt_xent(z, 0.2, decoupled=True, labels=torch.tensor([0, 1, 1, 0])), z)


def test_a_second_derivative_is_refused():
    z = random_z(2, 4, 5)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(nt_xent(z, 0.2), z, create_graph=True)


def test_two_images_with_orthogonal_projections_have_a_closed_form():
    z = torch.eye(2).expand(2, 2, 2)  # positives equal, negatives orthogonal
    assert nt_xent(z, 0.5).item() == pytest.approx(math.log(math.exp(2) + 2) - 2, rel=1e-6)


@pytest.mark.parametrize("temperature", [0.002, 0.005, 0.0299, 0.03, 10.0])
@pytest.mark.parametrize("kind", ["equal", "opposite"])
def test_extreme_similarities_stay_finite(temperature, kind):
    z = torch.ones(2, 6, 4)
    if kind == "opposite":
        z[1] *= -1
    z = (z + 1e-3 * torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))).requires_grad_()
    loss = nt_xent(z, temperature)
    (grad,) = torch.autograd.grad(loss, z)
    assert loss.isfinite()
    assert grad.isfinite().all()


def test_the_length_of_a_row_does_not_matter():
    z = random_z(2, 16, 32, dtype=torch.float32)
    assert nt_xent(z * 1e10, 0.2).item() == pytest.approx(nt_xent(z, 0.2).item(), rel=1e-6)


class Largest(TorchDispatchMode):
    """The largest tensor that any operation returns."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for t in result if isinstance(result, tuple | list) else [result]:
            if isinstance(t, torch.Tensor):
                self.numel = max(self.numel, t.numel())
        return result


@pytest.mark.parametrize("weighted", [False, True])
def test_no_tensor_grows_with_the_pairs(weighted):
    options = {}
    if weighted:
        options = {"keys": torch.arange(512), "negative_weight": lambda a, b: (a[:, None] - b).abs() > 3}
    z = random_z(2, 512, 16, dtype=torch.float32)
    with Largest() as largest:
        nt_xent(z, 0.2, tile=128, **options).backward()
    assert largest.numel == z.numel()  # 1024 x 16; all pairs would be 1024 x 1024


@pytest.mark.parametrize("change", [lambda z: z.fill_(math.nan), lambda z: z[0, 3].fill_(math.inf)])
def test_unchecked_bad_values_show_in_the_loss(change):
    z = random_z(2, 8, 4).detach()
    change(z)
    assert nt_xent(z, 0.5, check=False).isnan()


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (torch.randn(5, 8), r"2 axes, but must be \(views, batch, dim\)"),
        (torch.randn(2, 2, 2, 2), "4 axes"),
        (torch.randn(1, 4, 8), r"shape \(1, 4, 8\).*two views"),
        (torch.randn(2, 0, 8), "two views"),
        (torch.randn(2, 1, 8), "one image, which has no negatives"),
        (torch.ones(2, 4, 8, dtype=torch.int64), "no float tensor"),
        (torch.full((2, 4, 8), math.nan), "NaN"),
        (torch.tensor([1.0, math.inf]).expand(2, 4, 2), "infinity"),
        (torch.tensor([[1.0], [0.0]]).expand(2, 2, 3), "row of zeros"),
        (np.zeros((2, 4, 8), dtype=np.float32), "no float tensor"),
        (None, "no float tensor"),
        (torch.randn(2, 4, 8).to(torch.cfloat), "no float tensor"),
        (torch.randn(2, 4, 8).to_sparse(), "z is sparse"),
        (torch.empty(2, 4, 8, device="meta"), "z is on the meta device"),
    ],
)
def test_bad_projections_are_named(z, message):
    with pytest.raises(ValueError, match=message):
        nt_xent(z)


def distance(a, b):
    return (a[:, None] - b).abs()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": 0.001}, "at least 0.002"),
        ({"tile": 0}, "tile is 0"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"temperature": torch.tensor(0.5)}, "it gets no gradient"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"labels have the shape \(3,\), but z has 4 images"),
        ({"labels": torch.zeros(4)}, "must be integers"),
        ({"labels": torch.zeros(4, 2, dtype=torch.int64)}, "must be integers"),
        ({"decoupled": True, "labels": torch.zeros(4, dtype=torch.int64)}, "no negatives left"),
        (
            {"decoupled": True, "keys": torch.zeros(4), "negative_weight": lambda a, b: a[:, None] != b},
            "no negatives left",
        ),
        ({"keys": torch.zeros(4)}, "go together"),
        ({"keys": torch.zeros(5), "negative_weight": lambda a, b: 1}, r"keys have the shape \(5,\)"),
        ({"keys": torch.zeros(4), "negative_weight": lambda a, b: a[:, None]}, "for .* pairs"),
        ({"keys": torch.zeros(4), "negative_weight": lambda a, b: a[:, None] / b}, "weight NaN"),
        ({"temperature": True}, "temperature is a bool, but must be a number"),
        ({"temperature": "0.5"}, "temperature is a str"),
        ({"temperature": None}, "temperature is a NoneType"),
        ({"temperature": 0.5j}, "temperature is a complex"),
        ({"tile": 4.0}, "tile is a float, but must be an integer"),
        ({"tile": True}, "tile is a bool"),
        ({"tile": "4"}, "tile is a str"),
        ({"decoupled": "no"}, "decoupled is a str, but must be True or False"),
        ({"check": 1}, "check is a int, but must be True or False"),
        ({"labels": [0, 1, 1, 0]}, "labels are a list, but must be a tensor"),
        ({"labels": np.arange(4)}, r"labels are a ndarray, but must be a tensor: torch.as_tensor\(labels\)"),
        ({"labels": torch.zeros(4, dtype=torch.cfloat)}, "must be integers"),
        ({"labels": torch.arange(4).to_sparse()}, "labels are sparse"),
        ({"labels": torch.zeros(4, dtype=torch.int64, device="meta")}, "labels are on meta, but z is on cpu"),
        ({"keys": np.zeros(4), "negative_weight": distance}, "keys are a ndarray"),
        ({"keys": torch.zeros(4, device="meta"), "negative_weight": distance}, "keys are on meta"),
        ({"keys": torch.zeros(4), "negative_weight": 0.5}, "negative_weight is a float, but must be a function"),
        ({"keys": torch.zeros(4), "negative_weight": lambda a, b: 0.5}, "gives a float, but must give a tensor"),
        ({"keys": torch.zeros(4), "negative_weight": lambda a, b: a[:, None] * b * 1j}, "gives complex numbers"),
        ({"keys": torch.zeros(4), "negative_weight": lambda a, b: distance(a, b).to("meta")}, "weights on meta"),
        ({"keys": torch.arange(4), "negative_weight": lambda a, b: 1 - distance(a, b)}, "weights that are below 0"),
        ({"keys": torch.arange(4), "negative_weight": lambda a, b: a[:, None] <= b}, "weights that are not symmetric"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        nt_xent(torch.randn(2, 4, 8), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tile", [None, 1, 3, 5])
@pytest.mark.parametrize("what", ["below 0", "not symmetric"])
def test_one_bad_pair_in_any_tile_is_found(tile, what):
    table = torch.rand(9, 9, generator=torch.Generator().manual_seed(0))
    table = table + table.T
    z, keys = torch.randn(2, 9, 8), torch.arange(9)
    weigh = {"keys": keys, "negative_weight": lambda a, b: table[a][:, b], "tile": tile}
    assert nt_xent(z, 0.3, **weigh).isfinite()
    table[7, 2] = table[2, 7] = -0.1 if what == "below 0" else 0.3
    if what == "not symmetric":
        table[2, 7] = 0.31
    with pytest.raises(ValueError, match=f"weights that are {what}"):
        nt_xent(z, 0.3, **weigh)


def test_weights_that_differ_by_rounding_are_symmetric():
    keys = torch.rand(64, 5, generator=torch.Generator().manual_seed(0))
    loss = nt_xent(torch.randn(2, 64, 8), keys=keys, negative_weight=lambda a, b: torch.cdist(a, b), tile=16)
    assert loss.isfinite()


@pytest.mark.parametrize(("views", "bound"), [(2, 1e-5), (3, 5e-5)])
def test_the_gradient_of_a_nearly_solved_batch_keeps_its_digits(views, bound):
    """What attracts and what repels a row are nearly equal; a plain cross entropy in float32 has 3e-6 and 1.9e-5."""
    generator = torch.Generator().manual_seed(0)
    images = torch.nn.functional.normalize(torch.randn(1, 256, 128, generator=generator), dim=-1)
    z = (images + 0.01 * torch.randn(views, 256, 128, generator=generator)).requires_grad_()
    _, grad = errors(z, 0.1, brute_force(z, 0.1))
    assert grad < bound


def test_weights_may_be_views_of_what_the_caller_keeps():
    keys, half = torch.arange(6), torch.full((6, 6), 0.5)
    z = random_z(2, 6, 8)
    expected = brute_force(z, 0.3, weight=half)

    def kept(a, b):
        return half.float()[a][:, b]

    for weight in (lambda a, b: torch.tensor(0.5).expand(len(a), len(b)), kept):
        assert nt_xent(z, 0.3, keys=keys, negative_weight=weight).item() == pytest.approx(expected.item(), rel=1e-6)


def test_threads_leave_the_precision_of_products_as_it_was():
    before = torch.backends.mkldnn.matmul.fp32_precision
    z = random_z(2, 64, 32, dtype=torch.bfloat16).detach()
    with ThreadPoolExecutor(4) as pool:
        losses = list(pool.map(lambda _: nt_xent(z, 0.2).item(), range(40)))
    assert torch.backends.mkldnn.matmul.fp32_precision == before
    assert max(losses) - min(losses) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"labels": torch.tensor([0, 1, 0, 1, 2, 0])}])
@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_works_inside_a_compiled_function(backend, options):
    z = random_z(2, 6, 8, dtype=torch.float32)
    compiled = torch.compile(lambda z: nt_xent(z * 2, 0.2, **options) * 3, backend=backend)
    (grad,) = torch.autograd.grad(compiled(z), z)
    (expected,) = torch.autograd.grad(brute_force(z * 2, 0.2, **options) * 3, z)
    torch.testing.assert_close(grad, expected, rtol=1e-4, atol=1e-6)
