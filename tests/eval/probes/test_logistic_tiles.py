import re

import numpy as np
import pytest
import torch

from simclr.errors import InputError
from simclr.eval.probes import logistic_tiles
from simclr.eval.probes.logistic_path import logistic_path
from simclr.eval.probes.logistic_probe import logistic
from simclr.eval.probes.logistic_problem import Problem
from simclr.eval.probes.logistic_tiles import TiledProblem, check_size, problem_of
from simclr.eval.subject.rows import Rows

PENALTIES = torch.logspace(3, -3, 7, dtype=torch.float64)


def data(n=200, dim=7, classes=3, seed=0):
    """Not centred: what is read is only less the mean of the samples that are fitted to."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, dim)) * np.linspace(0.5, 3, dim) + rng.normal(size=(classes, dim))[y] + 5
    return x.astype(np.float32), torch.tensor(y)


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    """Rows of a mapped file, read in tiles of few rows however small they are."""
    monkeypatch.setattr(logistic_tiles, "IN_MEMORY", 0)
    monkeypatch.setattr(logistic_tiles, "NUMBERS_AT_ONCE", 7 * 64)

    def save(x):
        np.save(tmp_path / "x.npy", x)
        return Rows([np.load(tmp_path / "x.npy", mmap_mode="r")])

    return save


def double(rows):
    return rows.mapped(lambda tile: tile.double())


def test_it_is_the_problem_in_memory(on_disk):
    x, y = data()
    tiled, whole = problem_of(double(on_disk(x)), y, 3), Problem(torch.tensor(x).double(), y, 3)
    assert isinstance(tiled, TiledProblem)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(2, 7, 3, generator=generator, dtype=torch.float64)
    intercepts = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    ridge = torch.tensor([0.1, 0.01], dtype=torch.float64)
    found = []
    for problem in (tiled, whole):
        objective, gradient, bound, kept = problem.evaluate(problem.inner(weights, intercepts), ridge)
        curved = problem.hessian_product(problem.inner(weights.flip(0), intercepts)[..., 1:], kept, 1, ridge[1:])
        # Axes may point the other way: gradients are compared along the features as given.
        turned = [torch.einsum("dr,rka->dka", problem.axes, one[:-1]) for one in (gradient, curved)]
        found.append((objective, *turned, gradient[-1], curved[-1], bound, kept, problem.moments))
    for mine, theirs in zip(*found):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    for mine, theirs in ((found[0][0], found[1][0]), (found[0][5], found[1][5]), (found[0][3], found[1][3])):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("side_by_side", [1, 3])
def test_the_path_is_that_of_features_in_memory(on_disk, monkeypatch, side_by_side):
    x, y = data()
    whole = logistic_path(torch.tensor(x).double(), y, 3, PENALTIES, 1e-12)
    monkeypatch.setattr(logistic_tiles, "MOST_PROBABILITIES", side_by_side * 200 * 3)
    tiled = logistic_path(double(on_disk(x)), y, 3, PENALTIES, 1e-12)
    assert float(tiled.gaps.max()) <= 1e-12
    torch.testing.assert_close(tiled.weights, whole.weights, atol=1e-5, rtol=0)
    torch.testing.assert_close(tiled.intercepts, whole.intercepts, atol=1e-4, rtol=0)
    torch.testing.assert_close(tiled.objectives, whole.objectives, atol=0, rtol=1e-11)


@pytest.mark.parametrize("validation", [None, torch.arange(150, 200)])
def test_the_probe_chooses_and_answers_as_for_features_in_memory(on_disk, validation):
    x, y = data()
    test, _ = data(100, seed=1)
    lines = []
    whole = logistic(torch.tensor(x), y, torch.tensor(test), validation=validation, say=lines.append)
    assert lines == []
    found = logistic(on_disk(x), y, Rows([test]), validation=validation, say=lines.append)
    assert len(lines) == 1
    assert re.fullmatch(r"logistic: 200 x 7 features stay on disk; a pass .* about \d+ s", lines[0])
    numbers = ("gap", "sweep_gap", "validation_loss", "temperature")
    same = [{key: v for key, v in one.selected.items() if key not in numbers} for one in (found, whole)]
    assert same[0] == same[1]
    assert found.selected["temperature"] == pytest.approx(whole.selected["temperature"], rel=1e-3)
    assert torch.equal(found.classes, whole.classes)
    torch.testing.assert_close(found.scores, whole.scores, atol=1e-3, rtol=1e-3)
    assert torch.equal(found.classify(torch.tensor(test[:9])), whole.classes[:9])


def test_few_samples_on_disk_have_the_fixed_penalty_and_a_temperature(on_disk):
    x, y = data(90)
    whole, found = logistic(torch.tensor(x), y, torch.tensor(x)), logistic(on_disk(x), y, torch.tensor(x))
    assert found.selected["C"] == 1
    assert found.selected["temperature"] == pytest.approx(whole.selected["temperature"], rel=1e-3)
    torch.testing.assert_close(found.scores, whole.scores, atol=1e-3, rtol=1e-3)


def test_few_numbers_and_more_features_than_samples_are_taken_into_the_memory(on_disk, monkeypatch):
    x, y = data(6, 7)
    assert type(problem_of(double(on_disk(x)), y, 3)) is Problem
    monkeypatch.undo()
    assert type(problem_of(double(Rows([data()[0]])), data()[1], 3)) is Problem


@pytest.mark.parametrize(("dim", "most"), [(512, 268), (64, 268), (4096, 33)])
def test_what_would_take_hours_is_refused_in_one_line(dim, most):
    rows = Rows([np.broadcast_to(np.float32(0), (1_000_000, dim))])
    check_size(rows, most)
    with pytest.raises(
        InputError, match=rf"takes up to {most} classes, and these are {most + 1}: leave it out"
    ) as told:
        check_size(rows, most + 1)
    assert "\n" not in str(told.value)


def test_some_of_the_samples_are_those_at_even_distances(on_disk, monkeypatch):
    monkeypatch.setattr(logistic_tiles, "SOME", 50)
    x, y = data(203)
    tiled, whole = problem_of(double(on_disk(x)), y, 3), Problem(torch.tensor(x).double(), y, 3)
    assert tiled.stride == 4
    torch.testing.assert_close(tiled.some.abs(), whole.features32[::4].abs(), rtol=1e-4, atol=1e-4)
