"""Whatever a program hands over works as it is meant, or is refused in one line."""

import numpy as np
import pytest
import scipy.sparse
import torch

from simclr.data.images.digits import load_digits
from simclr.errors import InputError
from simclr.eval.few_shot import few_shot
from simclr.eval.linear_eval import linear_eval
from simclr.eval.results.compare import compare
from simclr.eval.results.result_file import as_result
from simclr.eval.subject.given import classes_of, ids_of

Y = np.arange(60) % 3
X = np.random.default_rng(0).normal(size=(60, 8)) + 2 * np.eye(3, 8)[Y]
QUICK = {"shots": [5], "seeds": [0], "probes": ["ridge"]}


def first(features=X, classes=Y, **asked):
    return linear_eval(features, classes, **{**QUICK, **asked})


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (Y + 20240101, ["20240101", "20240102", "20240103"]),
        (Y * 500_000, ["0", "500000", "1000000"]),
        (Y.astype(np.uint64) + np.uint64(2**63), [str(2**63 + k) for k in range(3)]),
        (Y.astype(float), ["0", "1", "2"]),
        (torch.tensor(Y, dtype=torch.int8), ["0", "1", "2"]),
        (Y[:, None], ["0", "1", "2"]),
        (np.array(["a", "b", "c"])[Y], ["a", "b", "c"]),
        ([["x", "y", "z"][k] for k in Y], ["x", "y", "z"]),
    ],
)
def test_classes_are_numbered_as_they_occur_and_give_the_same_numbers(classes, names):
    found = first(classes=classes)
    assert found["source"]["classes"] == dict.fromkeys(names, 20)
    assert [row["per_seed"] for row in found["rows"]] == [row["per_seed"] for row in first()["rows"]]


def test_negative_classes_are_unlabelled():
    found = classes_of(np.array([-7, 900, -1, 5, 900]))
    assert (found.labels.tolist(), found.names) == ([-1, 1, -1, 0, 1], ("5", "900"))
    assert first(classes=np.where(Y == 0, -7, Y))["source"]["labelled"] == 40


def test_unknown_classes_are_named_by_the_callers_numbers():
    found = few_shot(X, Y + 20240101, **QUICK, unknown=[20240103], episodes=0)
    assert {name for split in found["splits"] for name in split["unknown"]} == {"20240103"}
    with pytest.raises(InputError, match="unknown class 2 has no sample in features: it has 20240101"):
        few_shot(X, Y + 20240101, **QUICK, unknown=[2], episodes=0)


def test_any_float_type_and_a_mask_are_taken():
    expected = first(np.float32(X))["rows"]
    assert first(torch.tensor(np.float32(X), requires_grad=True))["rows"] == expected
    assert first(X.tolist(), Y.tolist())["rows"] == expected
    assert ids_of(Y == 1, 60, "exclude").tolist() == ids_of(range(1, 60, 3), 60, "exclude").tolist()
    assert first(exclude=Y == 5)["excluded"]["samples"] == 0
    assert first(exclude=torch.arange(60) < 4)["excluded"]["samples"] == 4


NAN = np.where(np.arange(480).reshape(60, 8) == 30, np.nan, X)
REFUSED = [
    ({"features": NAN}, "NaN or infinity for 1 of 60 samples, first id 3"),
    ({"features": X[:, :0]}, r"features are \(60, 0\): give \(N, dim\)"),
    ({"features": X[:, 0]}, r"features are \(60,\)"),
    ({"features": X[:1], "classes": Y[:1]}, "one class only"),
    ({"features": X[:0], "classes": Y[:0]}, r"features are \(0, 8\)"),
    ({"features": X.astype(object)}, "features are of object: give real numbers"),
    ({"features": X + 1j}, "features are of complex128"),
    ({"features": scipy.sparse.csr_matrix(X)}, r"features are a sparse matrix: give a dense one, as of .toarray\(\)"),
    ({"features": torch.tensor(X).to_sparse()}, "features are a sparse matrix"),
    ({"features": "runs/digits"}, "the model is a str: give an encoder"),
    ({"features": None}, "the model is a NoneType"),
    ({"features": torch.nn.Linear(2, 2)}, "the encoder has no preprocess"),
    ({"features": [[1.0], [1.0, 2.0]]}, "features cannot be read as an array"),
    ({"classes": Y * 0}, "one class only"),
    ({"classes": Y + 0.5}, "a class is 0.5: give whole numbers"),
    ({"classes": np.where(Y == 0, np.nan, Y)}, "a class is nan"),
    ({"classes": np.array(["a", None], dtype=object)[Y % 2]}, "classes are of object"),
    ({"classes": np.eye(3)[Y]}, r"classes are of shape \(60, 3\)"),
    ({"classes": Y[:-1]}, r"features are \(60, 8\), but there are 59 classes"),
    ({"classes": load_digits()}, "or a matrix of features with its classes"),
    ({"test_source": X}, "test_source is a source beside an encoder's"),
    ({"device": "foo"}, "device is 'foo', which this machine does not have"),
    ({"device": 7}, "device is 7"),
    ({"exclude": 5}, "exclude is 5: give ids from 0 to 59"),
    ({"exclude": "abc"}, "exclude is 'abc'"),
    ({"exclude": [1.5]}, r"exclude is \[1.5\]"),
    ({"exclude": [60]}, "exclude names 60, but the samples are 0 to 59"),
    ({"cache": "folder"}, "cache is 'folder': give FeatureCache"),
    ({"transductive": "maybe"}, "transductive is 'maybe': give True or False"),
    ({"progress": 3}, "progress is 3: give a function"),
    ({"command": 7}, "command is 7: give a text"),
    ({"splits": 5}, "splits is 5: give random"),
    ({"splits": [5]}, r"splits is \[5\]"),
    ({"splits": []}, "no split is given"),
    ({"probes": 5}, "probes is 5: give names"),
    ({"probes": [None]}, "there is no probe None"),
    ({"seeds": [10**30]}, "seeds names 10+: give numbers up to"),
    ({"shots": [True]}, r"shots is \[True\]"),
    ({"standardise": "yes"}, "standardise is 'yes': give True or False."),
    ({"supervised": "yes"}, "supervised is 'yes'"),
    ({"validation": "20%"}, "validation is '20%': give a share"),
    ({"validation": float("nan")}, "validation is nan"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_is_wrong_is_refused_in_one_line(change, message):
    with pytest.raises(InputError, match=message) as caught:
        first(**change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"fine_tune_options": {"stepz": 3}}, "fine_tune_options is .*: give a dict of some of steps, batch_size"),
        ({"fine_tune_options": {"steps": "a"}}, "fine_tune_options has steps='a': give one like 200"),
        ({"head": 5}, "head is 5: give the projection head"),
        ({"fine_tune": "no"}, "fine_tune is 'no'"),
        ({"episodes": None}, "episodes is None: give a whole number, 0 or more"),
        ({"episodes": 10**12}, r"0 or more \(up to 1,000,000\)"),
    ],
)
def test_so_it_is_with_few_labels(asked, message):
    with pytest.raises(InputError, match=message):
        few_shot(X, Y, **{**QUICK, "episodes": 0, **asked})


def test_results_are_compared_as_records():
    found = first()
    ours = as_result(found)
    assert all(row.mean == 0 for row in compare([ours, ours]).rows)
    for results, names, message in (
        ([found, found], None, "make one of a dict with as_result"),
        (["a", "b"], None, "compare takes results as of read_result"),
        (None, None, "one result alone"),
        ([ours, ours], ["x"], "there are 1 names for 2 results"),
    ):
        with pytest.raises(InputError, match=message):
            compare(results, names)
