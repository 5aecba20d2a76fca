"""Which folder is a run's, and what happens to those that are not."""

import json
import math
import shutil

import pytest

from simclr.errors import DivergenceError, InputError
from simclr.recipe.read import check_tuning, read_recipe, write_recipe
from simclr.run.checkpoint import diverged
from simclr.run.run_folder import MARK, is_run_folder, open_run_folder

RECIPE = read_recipe("digits", ["train.max_steps=2"])
OWN = """# lr from the sweep of Tuesday
description: mine
data: {source: digits}  # all of them
train: {batch_size: 64}
"""


def begin(folder, recipe=RECIPE, *, resume=False, overwrite=False):
    with open_run_folder(folder, recipe, resume=resume, overwrite=overwrite) as opened:
        opened.begin()
        opened.keep()
        return opened.id


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_a_run_leaves_its_mark_first_and_keeps_its_id(tmp_path):
    first = begin(tmp_path / "run")
    assert is_run_folder(tmp_path / "run")
    assert json.loads((tmp_path / "run" / MARK).read_text())["id"] == first
    assert begin(tmp_path / "run", resume=True) == first  # also before its first state
    assert begin(tmp_path / "run", overwrite=True) != first
    with pytest.raises(InputError, match="add --resume, or --overwrite"):
        begin(tmp_path / "run")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"resume": True, "overwrite": True},
            "--resume goes on .*, and --overwrite starts anew in its place: give one",
        ),
        ({"resume": False, "overwrite": True, "changes": ["train.lr"]}, "--change train.lr is for a run that goes on"),
        ({"resume": False, "overwrite": False, "changes": ["train.lr"]}, "--change train.lr is for a run that goes on"),
    ],
)
def test_what_contradicts_itself_is_refused_first_of_all(tmp_path, asked, said):
    with pytest.raises(InputError, match=said), open_run_folder(tmp_path / "run", RECIPE, **asked):
        pytest.fail("it was held")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "name",
    ["recipe.yaml", "metrics.jsonl", "encoder.safetensors", "encoder.json", "views.png", MARK, "checkpoints/a.pt"],
)
def test_what_no_run_wrote_is_neither_replaced_nor_removed(tmp_path, name, overwrite):
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text(OWN)
    assert not is_run_folder(tmp_path)
    with pytest.raises(InputError, match=f"holds {name.split('/')[0]}, which no run wrote"):
        begin(tmp_path, overwrite=overwrite)
    with pytest.raises(InputError, match="no run to resume"):
        begin(tmp_path, resume=True)
    assert files(tmp_path) == {name: OWN.encode()}


def test_overwrite_removes_what_runs_and_their_judges_wrote_and_nothing_else(tmp_path):
    begin(tmp_path)
    ours = ["metrics.jsonl", "encoder.json", "result.json", "report.html", "checkpoints/step-00000002.pt"]
    ours += [f"features/{'0123456789abcdef' * 2}.safetensors"]
    mine = ["notes.txt", "features/mine.npy", "checkpoints/best.pt", "views/a.png"]
    for name in [*ours, *mine]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    begin(tmp_path, overwrite=True)
    assert set(files(tmp_path)) == {MARK, "recipe.yaml", *mine}


def test_a_run_that_makes_no_step_leaves_the_one_that_it_was_to_replace(tmp_path):
    begin(tmp_path)
    for name in ("metrics.jsonl", "encoder.safetensors", "report.html", "checkpoints/step-00000002.pt", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    before = files(tmp_path)
    other = read_recipe("digits", ["train.max_steps=3"])

    def diverge():
        with open_run_folder(tmp_path, other, resume=False, overwrite=True) as opened:
            opened.begin()
            (tmp_path / "metrics.jsonl").write_text("")
            (tmp_path / "views.png").write_text("new")
            raise DivergenceError(diverged(0, math.inf, "why", tmp_path / "checkpoints"))

    with pytest.raises(DivergenceError, match=r"at step 0: why; no step was made, and .* still holds the run"):
        diverge()
    assert files(tmp_path) == {**before, "views.png": b"new"}


def test_a_folder_of_runs_is_no_run_and_neither_is_a_part_of_one(tmp_path):
    begin(tmp_path / "runs" / "first")
    with pytest.raises(InputError, match=r"is a folder of runs \(first\): give a folder in it, such as .*runs/NAME"):
        begin(tmp_path / "runs")
    for part in ("checkpoints", "checkpoints/deep", "features"):
        with pytest.raises(InputError, match=r"belongs to the run in .*first: give another --output"):
            begin(tmp_path / "runs" / "first" / part)
    assert set(files(tmp_path / "runs")) == {f"first/{MARK}", "first/recipe.yaml"}
    begin(tmp_path / "runs" / "first" / "second")
    begin(tmp_path / "runs" / "checkpoints")


def test_a_run_of_the_other_command_is_not_offered_to_be_overwritten(tmp_path):
    begin(tmp_path)
    tuning = check_tuning({"data": {"source": "digits"}, "objective": {"softmax": {}}})
    with pytest.raises(InputError, match="holds a run of simclr pretrain, and it stays: give another --output"):
        begin(tmp_path, tuning)
    begin(tmp_path / "tuned", tuning)
    with pytest.raises(InputError, match="holds a run of simclr fine-tune"):
        begin(tmp_path / "tuned")


def test_folders_of_runs_before_the_mark_are_still_runs(tmp_path):
    write_recipe(RECIPE, tmp_path / "recipe.yaml")
    assert not is_run_folder(tmp_path)  # a resolved recipe may be copied anywhere
    (tmp_path / "metrics.jsonl").write_text("")
    assert is_run_folder(tmp_path)
    begin(tmp_path, resume=True)
    assert (tmp_path / MARK).exists()
    # One's own recipe beside numbers of one's own is no run.
    other = tmp_path / "other"
    other.mkdir()
    (other / "metrics.jsonl").write_text("")
    for text in (OWN, "- a list", "a: [", "\x00"):
        (other / "recipe.yaml").write_text(text)
        assert not is_run_folder(other)
    text = "# a comment of mine\n" + (tmp_path / "recipe.yaml").read_text()
    (other / "recipe.yaml").write_text(text)
    assert not is_run_folder(other)


def test_marks_of_others_and_damaged_ones_are_none(tmp_path):
    for text in ("", "{}", "[]", "null", '{"format": "else", "id": "a"}', '{"id": 3}', "[" * 100_000):
        (tmp_path / MARK).write_text(text)
        assert not is_run_folder(tmp_path)


def fail(folder, meanwhile):
    with open_run_folder(folder, RECIPE, resume=False, overwrite=False):
        meanwhile()
        raise InputError("the reason")


def test_a_folder_that_vanishes_meanwhile_hides_no_other_error(tmp_path):
    with pytest.raises(InputError, match="the reason"):
        fail(tmp_path / "run", lambda: shutil.rmtree(tmp_path / "run"))


def test_nothing_is_left_of_a_run_that_never_began(tmp_path):
    with pytest.raises(InputError, match="the reason"):
        fail(tmp_path / "a" / "run", lambda: None)
    assert not (tmp_path / "a" / "run").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file.*cannot be written.*give another place"):
        begin(tmp_path / "file")
