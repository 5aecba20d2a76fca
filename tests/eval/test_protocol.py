import pytest

from simclr.errors import InputError
from simclr.eval.asked import few_shot_request, linear_request
from simclr.eval.protocol import FewShotRequest, LinearRequest
from simclr.eval.splits.open_split import SHOTS


def test_words_become_numbers():
    words = {"split": "random, block", "shots": "5,20", "labels": "1%, 0.1", "probes": "knn, ridge", "seeds": 3}
    asked = linear_request({**words, "validation": "20%", "standardise": False})
    assert asked == LinearRequest(
        splits=("random", "block"),
        shots=(5, 20),
        shares=(0.01, 0.1),
        seeds=(0, 1, 2),
        probes=("knn", "ridge"),
        standardise=False,
        validation=0.2,
    )
    assert asked.headline == "knn"  # the usual one, logistic, does not run
    few = few_shot_request({**words, "steps": 7, "unknown_classes": 2}, unknown=[])
    assert few.fine_tune_options == {"steps": 7}
    assert (few.shots, few.unknown_classes, few.headline) == ((5, 20), 2, "ridge")


def test_what_is_not_said_is_as_the_evaluation_has_it():
    asked = linear_request({})
    assert (asked.seeds, asked.names, asked.headline) == ((0, 1, 2, 3, 4), ("ridge", "logistic", "knn"), "logistic")
    assert (asked.splits, asked.shots, asked.shares, asked.validation) == (None, None, (), 0.0)
    few = few_shot_request({}, unknown=[])
    assert (few.seeds, few.few, few.kinds) == (tuple(range(10)), SHOTS, ("random",))
    assert few.names == (*(f"prototype {d}" for d in ("euclidean", "standardized", "cosine", "mahalanobis")), "ridge")


def test_a_request_is_checked_once_and_then_frozen():
    asked = LinearRequest(seeds=[3, 1, 3], probes="knn", shots=range(1, 3))
    assert (asked.seeds, asked.names, asked.shots) == ((3, 1), ("knn",), (1, 2))
    with pytest.raises(AttributeError):
        asked.seeds = (0,)  # type: ignore[misc]
    assert FewShotRequest(seeds=range(5)).tuned_seeds == (0, 1, 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"shots": "many"}, "--shots is 'many': give numbers of labels per class, such as 5,20"),
        ({"shots": "5,0"}, "--shots is '5,0'"),
        ({"labels": "150%"}, "--labels is '150%': give shares of each class's labels, such as 1%,10%"),
        ({"labels": "0"}, "--labels is '0'"),
        ({"validation": "all"}, "--validation is 'all'"),
        ({"validation": "10%,20%"}, "--validation is '10%,20%': give one share, such as 20%"),
        ({"validation": ""}, "--validation is '': give one share"),
        ({"probes": "svm"}, "no probe 'svm'"),
        ({"seeds": 0}, "seeds is empty"),
    ],
)
def test_what_cannot_be_read_is_one_line(words, message):
    with pytest.raises(InputError, match=message) as error:
        linear_request(words)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"shares": 0.1}, "shares is 0.1: give a list of numbers"),
        ({"shares": "10%"}, "shares is '10%'"),
        ({"shares": ["a"]}, "shares is"),
        ({"unknown": 2}, "unknown is 2: give a list of whole numbers"),
        ({"fine_tune_seeds": -1}, "fine_tune_seeds is -1: give a whole number, 0 or more"),
        ({"episodes": -1}, "episodes is -1"),
        ({"episodes": 1.5}, "episodes is 1.5"),
        ({"ways": 1}, "ways is 1: give a whole number, 2 or more"),
        ({"queries": 0}, "queries is 0: give a whole number, 1 or more"),
    ],
)
def test_what_a_program_asks_for_is_checked_before_anything_runs(asked, message):
    with pytest.raises(InputError, match=message):
        FewShotRequest(**asked)


def test_a_single_kind_of_split_is_a_list_of_one():
    assert LinearRequest(splits="random").splits == ("random",)
