import pytest

from simclr.errors import InputError
from simclr.recipe.read import (
    apply_overrides,
    check_experiment,
    check_recipe,
    check_tuning,
    read_experiment,
    read_recipe,
    write_recipe,
)
from simclr.recipe.tuning import TuningRecipe

DIGITS = {"data": {"source": "digits"}}


def recipe(*overrides):
    return check_tuning(apply_overrides(DIGITS, overrides))


def test_terms_are_written_and_read_again(tmp_path):
    asked = recipe("objective={softmax: {}, center: {weight: 0.003}}", "objective.triplet.mining=hard", "from=runs/x")
    assert asked.terms == {"softmax": {}, "center": {"weight": 0.003}, "triplet": {"mining": "hard"}}
    assert asked.start == "runs/x"
    write_recipe(asked, tmp_path / "recipe.yaml")
    again = read_experiment(tmp_path / "recipe.yaml")
    assert isinstance(again, TuningRecipe)
    assert again == asked
    assert read_experiment(tmp_path / "recipe.yaml", ["objective.softmax=null", "from=null"]).model_dump()[
        "objective"
    ] == {"softmax": None, "center": {"weight": 0.003}, "triplet": {"mining": "hard"}}


def test_an_objective_tells_the_two_kinds_apart(tmp_path):
    assert isinstance(check_experiment({**DIGITS, "objective": {"softmax": {}}}), TuningRecipe)
    assert check_experiment(DIGITS) == check_recipe(DIGITS)
    (tmp_path / "r.yaml").write_text("data: {source: digits}\nobjective: {softmax: {}}\n")
    with pytest.raises(InputError, match=r"^this is a recipe of fine-tuning.*simclr fine-tune$"):
        read_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "objective=softmax",
            "softmax., but must be terms and their arguments, such as {softmax: {}}",
        ),
        ("objective.softmax=3", "objective.softmax is 3, but must be arguments and their values: {} for none"),
        (
            "objective.softmax.smooth=[1]",
            r"^objective.softmax.smooth is .*, but must be true or false, a number or text",
        ),
        ("objective.softmax.weight=.nan", "^objective.softmax.weight is nan, but must be a finite number$"),
        ("objective.softmax=null", "objective has no term that is not null: set one"),
        ("objective={}", "^objective is {}, but must be terms and their arguments, such as {softmax: {}}"),
        ("train.micro_batch=3", "unknown key train.micro_batch"),
        ("loss.temperature=3", "unknown key loss"),
        ("form=runs/x", "unknown key form: did you mean from?"),
        ("labels={shots: 3, share: 0.5}", "labels.shots is 3 and labels.share is 0.5: set one of the two"),
        ("labels.share=0", r"labels.share is 0\S*, but must be above 0 and at most 1"),
        ("train.classes=1", "train.classes is 1, but must be at least 2"),
        ("augment.center_shift.shift=1", "augment.center_shift takes pixels near by in a scene"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(override, message):
    with pytest.raises(InputError, match=message) as caught:
        recipe("objective.softmax={}", override)
    assert "\n" not in str(caught.value)


def test_an_objective_has_to_be_given():
    with pytest.raises(InputError, match=r"fine-tuning needs an objective: set one, such as objective.softmax={}"):
        recipe()
