import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from simclr.errors import InputError
from simclr.losses.center import center
from simclr.losses.objectives import OBJECTIVES, build_objective, check_objective
from simclr.losses.softmax import softmax
from simclr.losses.triplet import triplet_measured

ALL = list(OBJECTIVES)
NAMES = [name for name in ALL if not OBJECTIVES[name].needs]
PAIRS = [name for name in NAMES if OBJECTIVES[name].batches == "pairs"]
UNIT = [name for name in NAMES if OBJECTIVES[name].unit]
X = torch.randn(12, 6, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4])


def objective(section, seed=0):
    torch.manual_seed(0)
    return build_objective(section, feature_dim=6, classes=5, seed=seed)


def test_every_objective_is_there_and_says_what_it_wants():
    names = {"softmax", "hinge", "center", "contrastive", "triplet", "n-pair", "angular", "ranked-list", "margin"}
    assert set(NAMES) == names | {"prototypical", "sup-con"}
    assert set(ALL) - set(NAMES) == {"reconstruction", "adversarial", "ddc", "dan"}
    assert UNIT == ["angular", "ranked-list", "margin"]
    assert set(NAMES) - set(PAIRS) == {"softmax", "hinge", "center"}


@pytest.mark.parametrize("name", NAMES)
def test_each_gives_a_scalar_and_a_finite_gradient_in_every_precision(name):
    values = {}
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        term = objective({name: {}})
        if dtype == torch.float64:
            term = term.double()
        x = X.to(dtype).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype.itemsize == 2):
            value = term(x, Y)
        (gradient,) = torch.autograd.grad(value.total, x)
        assert value.total.shape == ()
        assert value.total.dtype == torch.promote_types(dtype, torch.float32)
        assert gradient.dtype == dtype
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0
        values[dtype] = value.total.item()
    exact = values[torch.float64]
    assert values[torch.float32] == pytest.approx(exact, rel=1e-5)
    assert values[torch.bfloat16] == pytest.approx(exact, rel=0.1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_each_on_the_gpu_gives_the_numbers_of_the_cpu(name):
    found = []
    for device in ("cpu", "cuda"):
        x = X.to(device).requires_grad_()
        value = objective({name: {}}).to(device)(x, Y.to(device))
        numbers = [value.total, torch.autograd.grad(value.total, x)[0], *value.metrics.values()]
        found.append([number.detach().cpu() for number in numbers])
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_equal_embeddings_have_finite_gradients(name):
    """A collapsed encoder: all distances are 0."""
    x = torch.ones(12, 6, requires_grad=True)
    value = objective({name: {}})(x, Y)
    assert value.total.isfinite()
    assert torch.autograd.grad(value.total, x)[0].isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_a_step_along_the_gradient_lowers_it(name):
    term = objective({name: {}}).eval()
    x = X.double().requires_grad_()
    term.double()
    value = term(x, Y).total
    (gradient,) = torch.autograd.grad(value, x)
    assert term(x - 1e-4 * gradient / gradient.norm(), Y).total < value


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_are_one_line_with_the_name_of_the_term(name):
    term = objective({name: {}})
    nan = X.clone()
    nan[3, 2] = torch.nan
    cases = [(nan, Y, "NaN"), (X, Y[:5], "labels have the shape"), (X, Y - 1, "labels hold -1")]
    if name in PAIRS:
        cases += [(X, torch.arange(12), "no positives"), (X, 0 * Y, "no negatives")]
    for x, y, words in cases:
        with pytest.raises(ValueError, match=words) as caught:
            term(x, y)
        assert str(caught.value).startswith(f"objective {name}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", UNIT)
def test_what_wants_unit_rows_refuses_others_by_itself_and_gets_them_in_a_sum(name):
    function = OBJECTIVES[name].function
    alone = function(6, 5) if isinstance(function, type) else function
    with pytest.raises(ValueError, match="must be of length 1"):
        alone(X, Y)
    together = objective({name: {}})
    expected = (function(6, 5) if isinstance(function, type) else function)(normalize(X, dim=1), Y)
    assert together(5 * X, Y).total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_terms_add_up_by_their_weights():
    both = objective(
        {"softmax": {}, "center": {"weight": 0.003, "alpha": 0.1}, "triplet": {"margin": 0.5, "weight": 2}}
    )
    linear = both.classifier.linear
    value = both(X, Y)
    mined = triplet_measured(X, Y, margin=0.5)
    terms = {
        "softmax": softmax(linear(X), Y).item(),
        "center": center(X, Y, torch.zeros(5, 6)).item(),
        "triplet": mined.loss.item(),
    }
    assert {name: term.item() for name, term in value.terms.items()} == pytest.approx(terms)
    assert value.total.item() == pytest.approx(terms["softmax"] + 0.003 * terms["center"] + 2 * terms["triplet"])
    assert value.metrics == {f"triplet/{share}": of for share, of in mined.metrics.items()}
    assert both.weights == {"softmax": 1.0, "center": 0.003, "triplet": 2.0}
    assert both.wants_pairs
    assert not objective({"softmax": {}, "center": {}}).wants_pairs
    assert objective({"center": {}}).classifier is None
    assert len(list(both.parameters())) == 2
    assert set(both.state_dict()) == {
        "modules_of_terms.softmax.linear.weight",
        "modules_of_terms.softmax.linear.bias",
        "modules_of_terms.center.centers",
    }


def test_the_seed_of_the_run_reaches_what_draws():
    values = [objective({"margin": {}}, seed)(X, Y).total.item() for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "objective is {}, but must hold a term, such as softmax: {}"),
        ("softmax", "objective is 'softmax', but must hold a term, such as softmax: {}"),
        (
            {"tripelt": {}},
            f"there is no objective 'tripelt' (a term of objective): choose from {', '.join(ALL)}; "
            "did you mean triplet?",
        ),
        ({"triplet": {"margn": 1}}, "objective.triplet.margn is no argument of triplet: did you mean margin?"),
        ({"triplet": {"margin": -1}}, "objective.triplet.margin is -1, but must be a number of at least 0.0"),
        ({"sup-con": {"temperature": "low"}}, "objective.sup-con.temperature is 'low', but must be a number between "),
        ({"center": {"alpha": 3}}, "objective.center.alpha is 3, but must be a probability between 0 and 1"),
        ({"center": {"weight": -1}}, "objective.center.weight is -1, but must be a number above 0"),
        ({"center": {"weight": 0}}, "objective.center.weight is 0, but must be a number above 0"),
        ({"center": {"weight": True}}, "objective.center.weight is True, but must be a number above 0"),
        ({"center": {"weight": float("nan")}}, "objective.center.weight is nan, but must be a number above 0"),
        ({"softmax": 3}, "objective.softmax is 3, but must be arguments and their values: {} for none"),
        ({"softmax": None}, "objective.softmax is None, but must be arguments and their values: {} for none"),
        (
            {"center": {"classes": 3}},
            "objective.center.classes is set by the labels and not among the options: leave it out",
        ),
        ({"margin": {"seed": 3}}, "objective.margin.seed is set by the run and not among the options: leave it out"),
    ],
)
def test_mistakes_in_a_recipe_are_said_in_one_line(section, message):
    with pytest.raises(InputError) as caught:
        objective(section)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_one_file_and_one_line_add_an_objective(monkeypatch, tmp_path):
    (tmp_path / "spread_of_classes.py").write_text(
        "from simclr.losses.batch import whole_batch\n"
        "from simclr.losses.distances import distances\n"
        "from simclr.losses.term import Term\n"
        "def spread(embeddings, labels, *, power=2.0, check=True):\n"
        "    x, y = whole_batch(embeddings, labels, check=check)\n"
        "    return distances(x, x).pow(power)[y[:, None] == y].mean()\n"
        "SPREAD = Term('spread of classes', spread)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(OBJECTIVES.lines, "spread", "spread_of_classes:SPREAD")
    net = nn.Linear(6, 2)
    value = objective({"softmax": {}, "spread": {"power": 3.0}})(torch.cat([net(X)] * 3, 1), Y)
    value.total.backward()
    assert value.terms["spread"] > 0
    assert net.weight.grad.isfinite().all()


def test_a_term_that_tells_no_classes_apart_needs_another_beside_it():
    """The least value of the ones that may stand alone is not reached where all embeddings are one point."""
    point, apart = torch.ones(8, 6), 9.0 * torch.eye(6)[torch.arange(8) // 2]
    labels = torch.arange(8) // 2
    lone = [name for name in OBJECTIVES if not OBJECTIVES[name].alone]
    for name in NAMES:
        term = build_objective({name: {}}, feature_dim=6, classes=4).eval()
        if term.classifier is not None:
            nn.init.eye_(term.classifier.linear.weight)
        collapsed, separated = (term(rows, labels).total.item() for rows in (point, apart))
        assert (collapsed <= separated) == (name in lone), name
    assert lone == ["center", "ddc", "dan"]
    with pytest.raises(InputError, match=r"objective has center alone, .* such as objective.softmax={}"):
        check_objective({"center": {}})
    check_objective({"center": {}, "hinge": {}})


def test_all_that_an_objective_lacks_is_said_at_once():
    apart, target = (
        r"such as objective.softmax={}",
        r"compares the data with a target, and the recipe has none: set one",
    )
    for name in ("ddc", "dan"):
        with pytest.raises(InputError, match=f"^objective has {name} alone, .*{apart}; and {name} of the .*{target}"):
            check_objective({name: {}}, target=False)
        with pytest.raises(InputError, match=f"^{name} of the objective {target}"):
            check_objective({"softmax": {}, name: {}}, target=False)
        with pytest.raises(InputError, match=f"{apart}$"):
            check_objective({name: {}}, target=True)
    check_objective({"softmax": {}}, target=False)
