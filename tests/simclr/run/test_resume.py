"""A run goes on with its own recipe and its own data, wherever these lie."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from simclr.data import open_source
from simclr.errors import InputError
from simclr.recipe.read import check_tuning, read_experiment, read_recipe
from simclr.run.resume import (
    as_stored,
    check_changes,
    check_remembered,
    check_same_recipe,
    check_steps_left,
    identify,
    remember,
)

RECIPE = read_recipe("digits")


def photos(folder, n=80, seed=0):
    rng = np.random.default_rng(seed)
    for i in range(n):
        (folder / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (6, 7, 3), dtype=np.uint8)).save(folder / "ab"[i % 2] / f"{i:03}.png")
    return folder


def of_folder(folder, feed):
    data = read_recipe("image-folder", [f"data.path={folder}", f"data.feed={feed}", "data.image_size=null"]).data
    return identify(open_source(data))


@pytest.mark.parametrize("feed", ["resident", "stream"])
def test_photographs_are_known_by_what_they_show_and_not_by_where_or_when(tmp_path, feed):
    before = of_folder(photos(tmp_path / "here"), feed)
    assert before.samples == 80
    shutil.copytree(tmp_path / "here", tmp_path / "there", copy_function=shutil.copyfile)
    assert of_folder(tmp_path / "there", feed) == before
    for change in ("more", "fewer", "other", "name", "class"):
        changed = photos(tmp_path / change, n=81 if change == "more" else 80, seed=1 if change == "other" else 0)
        if change == "fewer":
            (changed / "a" / "000.png").unlink()
        if change == "name":  # another order
            (changed / "a" / "000.png").rename(changed / "a" / "zzz.png")
        if change == "class":
            (changed / "a").rename(changed / "c")
        assert of_folder(changed, feed) != before, change


def test_arrays_of_equal_number_and_size_are_told_apart(tmp_path):
    def identity(images, labels):
        np.savez(tmp_path / "x.npz", x=images, y=labels)
        os.utime(tmp_path / "x.npz", (0, 0))
        changes = ["data.source=arrays", f"data.path={tmp_path / 'x.npz'}", "data.key=x", "data.labels_key=y"]
        data = read_recipe("digits", [*changes, "data.layout=NHW"]).data
        return identify(open_source(data))

    images, labels = np.random.default_rng(0).integers(0, 255, (50, 6, 6), dtype=np.uint8), np.arange(50) % 2
    before = identity(images, labels)
    assert identity(images, labels) == before
    assert identity(255 - images, labels) != before
    assert identity(images[::-1], labels) != before
    assert identity(images, 1 - labels) != before


def test_a_scene_is_known_by_its_raw_values():
    data = read_recipe("indian-pines").data
    raw = open_source(data)
    assert identify(as_stored(data, raw.mapped(lambda cube: cube.float() * 2))) == identify(raw)


def test_what_a_state_remembers_is_plain_and_compared(tmp_path):
    data = identify(open_source(RECIPE.data))
    torch.save(remember(RECIPE, data), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    check_remembered(state, RECIPE, data, "runs/a")
    check_remembered({}, RECIPE, data, "runs/a")  # a state of an older version
    free = ["train.checkpoint_every=3", "train.checkpoint_minutes=1", "monitor.every=7", "log.trackers=[wandb]"]
    check_remembered(state, read_recipe("digits", free), data, "runs/a")
    with pytest.raises(
        InputError, match=r"runs/a holds the run of another recipe: train\.lr was 0\.002, now it is 0\.5"
    ):
        check_remembered(state, read_recipe("digits", ["train.lr=0.5"]), data, "runs/a")
    with pytest.raises(InputError, match=f"1,797 samples with hash {data.content} then, 9 with hash abc now"):
        check_remembered(state, RECIPE, data._replace(samples=9, content="abc"), "runs/a")


def test_data_that_were_moved_may_lie_elsewhere_if_their_content_is_known():
    here, there = (read_recipe("image-folder", [f"data.path={path}"]) for path in ("here", "there"))
    check_same_recipe(here, there, "runs/a", moved=True)
    with pytest.raises(InputError, match=r"data\.path was here, now it is there"):
        check_same_recipe(here, there, "runs/a")


def test_a_run_of_pretraining_is_no_run_of_fine_tuning():
    tuning = read_experiment("digits-triplet")
    with pytest.raises(
        InputError, match="here holds a run of pretraining: go on with it by simclr pretrain here/recipe"
    ):
        check_same_recipe(RECIPE, tuning, "here")
    with pytest.raises(
        InputError, match="here holds a run of fine-tuning: go on with it by simclr fine-tune here/recipe"
    ):
        check_same_recipe(tuning, RECIPE, "here")


def test_a_term_without_arguments_is_a_key_too():
    here, there = (
        check_tuning({"data": {"source": "digits"}, "encoder": {"name": "resnet8"}, "objective": {term: {}}})
        for term in ("sup-con", "triplet")
    )
    with pytest.raises(InputError, match="the run of another recipe"):
        check_same_recipe(here, there, "runs/a", changes=["objective.triplet"])


@pytest.mark.parametrize("key", ["monitor.held_out", "train.batch_size", "train.optimizer", "train.", "encoder.width"])
def test_what_no_change_can_be_asked_for(key):
    with pytest.raises(InputError, match=f"--change {key}: only keys of"):
        check_changes([key])
    check_changes(["train.epochs", "monitor.every", "loss.temperature"])


def test_a_change_needs_steps_that_are_left():
    check_steps_left(4, 4, [])
    check_steps_left(4, 5, ["train.lr"])
    with pytest.raises(InputError, match=r"no step is left for train.lr to change"):
        check_steps_left(4, 4, ["train.lr"])
    with pytest.raises(InputError, match=r"has made 4 steps already, more than the 3"):
        check_steps_left(4, 3, ["train.max_steps"])
