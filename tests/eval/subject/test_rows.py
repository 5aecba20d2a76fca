import numpy as np
import pytest
import torch

from simclr.errors import InputError
from simclr.eval.linear_eval import linear_eval
from simclr.eval.probes.registry import PROBES, fit_probe
from simclr.eval.splits.split import given
from simclr.eval.subject import rows as rows_file
from simclr.eval.subject.rows import Rows, in_memory, tiles, unit_of, unit_rows


def on_disk(folder, array):
    np.save(folder / "x.npy", array)
    return np.load(folder / "x.npy", mmap_mode="r")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "u1", "i8", "u2"])
def test_rows_are_those_of_the_matrices_one_below_the_other(dtype, tmp_path):
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 100, (n, 5)).astype(dtype) for n in (40, 7))
    whole = torch.tensor(np.concatenate([first, second]).astype("f8"))
    rows = Rows([on_disk(tmp_path, first), second])
    assert rows.shape == (47, 5)
    ids = torch.tensor([[46, 0, 39], [40, 3, 40]])
    assert torch.equal(rows[ids].double(), whole[ids])
    assert torch.equal(torch.cat(list(rows.split(6))).double(), whole)
    assert rows[ids].dtype == (torch.float32 if dtype in ("f2", "f4") else torch.float64)
    for chosen in (torch.arange(5, 30), torch.arange(41, 47), torch.arange(30, 45), torch.tensor([9, 2, 44])):
        some = rows.rows(chosen).mapped(lambda piece: 2 * piece)
        assert torch.equal(torch.cat(list(tiles(some))).double(), 2 * whole[chosen])
        assert torch.equal(some.rows(torch.tensor([1, 0]))[torch.tensor([0])].double(), 2 * whole[chosen[1:2]])


def test_what_is_read_is_the_callers_own_and_the_file_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_file, "KEPT", 16)  # pages are given back after each piece
    array = on_disk(tmp_path, np.ones((20, 3), dtype="f4"))
    rows = Rows([array])
    for tile in rows.split(8):
        tile.zero_()
    assert np.load(tmp_path / "x.npy").min() == 1
    changed = np.load(tmp_path / "x.npy", mmap_mode="c")
    changed[0] = 5  # known to this process alone
    assert [float(tile.max()) for tile in Rows([changed]).split(10)] == [5, 1]
    assert float(changed[0, 0]) == 5


def test_scattered_rows_count_with_what_is_mapped_around_them(tmp_path, monkeypatch):
    """A tenth of the rows, evenly, would otherwise hold the whole file in memory."""
    np.save(tmp_path / "x.npy", np.zeros((40_000, 8), np.float32))
    given_back = []
    monkeypatch.setattr(rows_file, "_give_back", given_back.append)
    monkeypatch.setattr(rows_file, "KEPT", 2**19)
    rows = Rows([np.load(tmp_path / "x.npy", mmap_mode="r")])
    rows[torch.arange(10)]
    assert given_back == []
    rows[torch.arange(0, 40_000, 4_000)]
    assert len(given_back) == 1


def test_rows_that_are_wanted_at_once_must_fit(monkeypatch):
    rows = Rows([np.ones((4, 3))])
    assert in_memory(rows, "a probe").tolist() == [[1.0] * 3] * 4
    monkeypatch.setattr(rows_file, "MOST_AT_ONCE", 11)
    with pytest.raises(InputError, match=r"all features at once, but 4 x 3 are more than 11: leave it out"):
        in_memory(rows, "a probe")


@pytest.mark.parametrize("scale", [1e-30, 1e-17, 1.0, 1e18, 1e30])
def test_unit_rows_at_any_scale(scale):
    x = torch.randn(6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[2] = 0
    expected = x / x.norm(dim=1, keepdim=True).clamp_min(1e-99)
    torch.testing.assert_close(unit_rows(x * scale), expected)
    torch.testing.assert_close(unit_rows((x * scale).float()), expected.float())
    assert 0.5 <= float((x * scale / unit_of(x * scale)).abs().max()) <= 2


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == "sgd")) for name in PROBES if PROBES[name].tiles],
)
def test_a_probe_says_of_rows_on_disk_what_it_says_of_them_in_memory(name, tmp_path, monkeypatch):
    monkeypatch.setattr(rows_file, "TILE", 7 * 37)
    g = torch.Generator().manual_seed(1)
    y = torch.randint(0, 30, (700,), generator=g)
    means = torch.randn(30, 7, generator=g)
    x = (means[y] + torch.randn(700, 7, generator=g)).half()
    train, test = torch.arange(500), torch.arange(500, 700)
    validation = torch.arange(0, 500, 5) if PROBES[name].chooses else None
    rows = Rows([on_disk(tmp_path, x.numpy())])
    for held_out in dict.fromkeys((None, validation)):
        expected = fit_probe(name, x[train], y[train], x[test], validation=held_out)
        found = fit_probe(name, rows.rows(train), y[train], rows.rows(test), validation=held_out)
        assert torch.equal(found.classes, expected.classes)
        torch.testing.assert_close(found.scores, expected.scores, rtol=1e-5, atol=1e-5)
        assert found.selected == pytest.approx(expected.selected)
        assert torch.equal(found.classify(rows.rows(test)), expected.classes)


def test_an_evaluation_of_a_mapped_array_is_that_of_the_array(tmp_path):
    g = torch.Generator().manual_seed(2)
    y = torch.randint(0, 3, (120,), generator=g)
    x = (torch.randn(120, 6, generator=g) + torch.nn.functional.one_hot(y, 6)).numpy()
    numbers = torch.tensor([20240101, 10**6, 3])[y]
    asked = {"splits": [given(range(80), range(80, 120))], "probes": ["ridge", "knn", "prototype cosine", "logistic"]}
    found, expected = (linear_eval(features, numbers, **asked) for features in (on_disk(tmp_path, x), x))
    assert found["rows"] == expected["rows"]
    assert list(found["source"]["classes"]) == ["3", "1000000", "20240101"]
