"""A run that is stopped goes on where it was; what cannot be done is said in a line."""

import pytest

import benchmarks.quality.__main__ as program
from benchmarks.quality.contenders import Contender
from benchmarks.quality.entries import Cell, EntryFile
from benchmarks.quality.scenes import NotAtHandError
from benchmarks.quality.sets import Prepared
from benchmarks.quality.training import Trained
from simclr.errors import InputError

SCENE = Contender("scene", "scene", "good", "indian-pines")
OTHER = Contender("other", "scene", "good", "indian-pines")


@pytest.fixture
def made(monkeypatch):
    """What was done, in order; recipes and digests as a test sets them."""
    done: list[str] = []

    def prepare(name, data, folder):
        if name == "samson-noise":
            raise NotAtHandError("nothing is there")
        return Prepared(name, "scene", name, None, folder, f"digest of {name}")

    def train(contender, prepared, seed, folder):
        done.append(f"train {contender.name} on {prepared.name}, seed {seed}")
        if contender.recipe == "broken":
            raise InputError("the recipe is broken")
        return Trained(folder, 1.0, 0.5 if contender is SCENE else None, 4)

    def cells(what, representation, level):
        def judge(*_):
            done.append(what)
            return [Cell(representation, "ridge", "block", "5", "accuracy", (level,) * 3)]

        return judge

    monkeypatch.setattr(program, "prepare", prepare)
    monkeypatch.setattr(program, "train", train)
    monkeypatch.setattr(program, "ground_of", lambda prepared, seeds: prepared)
    monkeypatch.setattr(program, "recipe_digest", lambda contender, prepared, seed: f"{contender} {prepared.digest}")
    monkeypatch.setattr(program, "judge_untrained", cells("judge baselines", "raw", 0.5))
    monkeypatch.setattr(program, "judge_encoder", cells("judge encoder", "ours", 0.75))
    return done


def plan(tmp_path, *contenders, sets=("samson",), keep=False, seed=0):
    return program.Plan(list(sets), list(contenders), (0, 1, 2), seed, None, tmp_path, keep)


def test_what_is_there_is_not_done_again(made, tmp_path):
    path = tmp_path / "quality.json"
    program.measure(plan(tmp_path, SCENE), EntryFile(path))
    assert made == ["judge baselines", "train scene on samson, seed 0", "judge encoder"]
    made.clear()
    found = program.measure(plan(tmp_path, SCENE, OTHER, sets=("samson", "jasper-ridge")), EntryFile(path))
    assert made[:2] == ["train other on samson, seed 0", "judge encoder"]
    assert made[2:] == [
        "judge baselines",
        *("train scene on jasper-ridge, seed 0", "judge encoder"),
        *("train other on jasper-ridge, seed 0", "judge encoder"),
    ]
    assert [(entry.set, entry.contender) for entry in found] == [
        (name, contender) for name in ("samson", "jasper-ridge") for contender in ("untrained", "scene", "other")
    ]


def test_a_run_that_is_stopped_keeps_what_it_had(made, tmp_path, monkeypatch):
    path = tmp_path / "quality.json"

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(program, "judge_encoder", stop)
        with pytest.raises(KeyboardInterrupt):
            program.measure(plan(tmp_path, SCENE), EntryFile(path))
    made.clear()
    assert len(program.measure(plan(tmp_path, SCENE), EntryFile(path))) == 2
    assert "judge baselines" not in made


def test_another_recipe_of_the_same_name_is_run_anew_unless_told_to_keep(made, tmp_path):
    path = tmp_path / "quality.json"
    program.measure(plan(tmp_path, SCENE), EntryFile(path))
    made.clear()
    changed = SCENE._replace(overrides=("train.epochs=3",))
    program.measure(plan(tmp_path, changed, keep=True), EntryFile(path))
    assert made == []
    program.measure(plan(tmp_path, changed), EntryFile(path))
    assert made == ["train scene on samson, seed 0", "judge encoder"]


def test_another_seed_of_pretraining_is_another_contender(made, tmp_path):
    path = tmp_path / "quality.json"
    program.measure(plan(tmp_path, SCENE), EntryFile(path))
    program.measure(plan(tmp_path, SCENE, seed=1), EntryFile(path))
    names = [entry.contender for entry in EntryFile(path).entries]
    assert names == ["untrained", "scene", "scene@1"]
    assert [entry.contender for entry in program.known(plan(tmp_path, SCENE), EntryFile(path))] == names


def test_what_is_not_at_hand_and_what_fails_is_said_in_a_line(made, tmp_path, capsys):
    broken = Contender("broken", "scene", "good", "broken")
    found = program.measure(plan(tmp_path, broken, SCENE, sets=("samson-noise", "samson")), EntryFile(tmp_path / "q"))
    assert [entry.contender for entry in found] == ["untrained", "scene"]
    lines = capsys.readouterr().out.splitlines()
    assert "samson-noise is left out: nothing is there" in lines
    assert "samson, broken is left out: the recipe is broken" in lines


def test_tables_of_what_is_known_and_a_page(made, tmp_path, capsys):
    file = EntryFile(tmp_path / "quality.json")
    program.measure(plan(tmp_path, SCENE), file)
    seeds = tuple(program.CHOOSING)
    for entry in file.entries:
        cells = tuple(Cell(**{**vars(cell), "test": cell.test[:1] * 10}) for cell in entry.cells)
        file.add(type(entry)(**{**vars(entry), "seeds": seeds, "cells": cells, "contender": entry.contender}))
    for entry in file.entries:
        if entry.contender == "scene":
            file.add(type(entry)(**{**vars(entry), "contender": "indian-pines"}))
    made.clear()
    page = tmp_path / "page.md"
    words = [
        "--tables",
        "--cells",
        "--choose",
        "--recipes",
        "indian-pines",
        "--output",
        str(file.path),
        "--markdown",
        str(page),
    ]
    program.main(words)
    assert made == []
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if line.startswith("samson, block, 5"))
    assert row.split()[3:8] == ["raw,", "ridge", "50.0", "75.0", "ridge"]
    assert row.split()[8:] == ["75.0", "+25.0", "+25.0..+25.0", "pays", "+25.0", "+25.0..+25.0"]
    assert "same sign in 100% of 1 runs" in shown
    cells = [line.split() for line in shown.splitlines() if line.startswith("block, 5, accuracy")]
    assert cells == [["block,", "5,", "accuracy,", "raw", "50.0"], ["block,", "5,", "accuracy,", "ours", "75.0"]]
    line = "samson, block, 5 | raw, ridge | 50.0 | 75.0 | ridge | 75.0 |  | +25.0 | +25.0..+25.0 | pays"
    assert f"| {line} | +25.0 | +25.0..+25.0 |" in page.read_text().splitlines()


def test_ctrl_c_says_that_the_same_command_goes_on(made, tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "train", stop)
    words = ["--only", "samson", "--recipes", "indian-pines", "--output", str(tmp_path / "q.json")]
    with pytest.raises(SystemExit) as ended:
        program.main([*words, "--work", str(tmp_path)])
    assert ended.value.code == 130
    assert capsys.readouterr().err.strip().startswith("stopped: the same command goes on")
    assert [entry.contender for entry in EntryFile(tmp_path / "q.json").entries] == ["untrained"]


@pytest.mark.parametrize("words", [["--only", "pavia"], ["--recipes", "brilliant"]])
def test_words_that_mean_nothing_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        program.main(words)
    assert "there is no" in capsys.readouterr().err.splitlines()[-1]
