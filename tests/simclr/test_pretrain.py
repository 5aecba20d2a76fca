"""The loop, run for real on the digits."""

import json
import math

import matplotlib.image
import numpy as np
import pytest
import torch
from PIL import Image

from simclr import load_encoder
from simclr.errors import DivergenceError, InputError
from simclr.pretrain import OnlineProbe, pretrain
from simclr.recipe.read import read_recipe
from simclr.run.checkpoint import run_states

pytestmark = pytest.mark.usefixtures("fresh_accelerate")
TINY = ["encoder.width=4", "train.batch_size=128", "train.checkpoint_every=4"]


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_is_a_folder_that_explains_itself(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=9", "monitor.every=3"])
    said: list[str] = []
    seen = []

    def score(h, labels):
        seen.append((h.shape, labels.tolist()))
        return 0.5

    probe = OnlineProbe(choose=lambda labels: torch.tensor([3, 5, 8]), score=score)
    numbers = pretrain(recipe, tmp_path, probe=probe, say=said.append)

    assert read_recipe(tmp_path / "recipe.yaml") == recipe
    lines = metrics(tmp_path)
    assert [line["step"] for line in lines] == list(range(9))
    assert all(line["loss"] > 0 for line in lines)
    assert [line["step"] for line in lines if "rankme" in line] == [2, 5, 8]
    assert [line["step"] for line in lines if "knn" in line] == [3, 7, 8]
    assert seen == [((3, 32), [3, 5, 8])] * 3
    assert [path.name for path in run_states(tmp_path / "checkpoints")] == ["step-00000008.pt", "step-00000009.pt"]
    assert matplotlib.image.imread(tmp_path / "views.png").std() > 0.05
    assert any("weight decay" in line for line in said)

    encoder = load_encoder(tmp_path)
    assert encoder.metadata["monitor_ids"] == [3, 5, 8]
    assert encoder.metadata["numbers"]["loss"] == numbers["loss"] == lines[-1]["loss"]
    state = torch.load(tmp_path / "checkpoints" / "step-00000009.pt", weights_only=True)
    assert torch.equal(state["model"]["encoder.conv1.weight"], encoder.encoder.conv1.weight)
    raw = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    assert encoder(encoder.preprocess(raw)).shape == (2, 32)


def test_the_saved_recipe_runs_again_to_the_same_numbers(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=3"])
    pretrain(recipe, tmp_path / "a")
    pretrain(read_recipe(tmp_path / "a" / "recipe.yaml"), tmp_path / "b")
    assert [m["loss"] for m in metrics(tmp_path / "a")] == [m["loss"] for m in metrics(tmp_path / "b")]


@pytest.mark.parametrize("optimizer", ["adamw", "lars"])
def test_a_run_that_was_cut_off_resumes_to_the_same_numbers(tmp_path, optimizer):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=12", f"train.optimizer={optimizer}"])
    pretrain(recipe, tmp_path / "whole")

    class PowerCutError(Exception):
        pass

    calls = []

    def cut(h, labels):
        calls.append(1)
        if len(calls) == 2:  # at step 8, before its run state is written
            raise PowerCutError
        return 0.0

    with pytest.raises(PowerCutError):
        pretrain(recipe, tmp_path / "cut", probe=OnlineProbe(lambda labels: torch.arange(2), cut))
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')  # the line that was being written
    pretrain(recipe, tmp_path / "cut", resume=True)
    assert [(m["step"], m["loss"]) for m in metrics(tmp_path / "cut")] == [
        (m["step"], m["loss"]) for m in metrics(tmp_path / "whole")
    ]


def test_a_folder_that_holds_a_run_is_not_touched_unasked(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=2"])
    with pytest.raises(InputError, match="holds no run to resume"):
        pretrain(recipe, tmp_path, resume=True)
    pretrain(recipe, tmp_path)
    with pytest.raises(InputError, match="holds a run already"):
        pretrain(recipe, tmp_path)
    other = read_recipe("digits", [*TINY, "train.max_steps=2", "train.lr=1e-3"])
    with pytest.raises(InputError, match=r"train\.lr was 0\.002, now it is 0\.001"):
        pretrain(other, tmp_path, resume=True)
    pretrain(other, tmp_path, overwrite=True)
    assert load_encoder(tmp_path).metadata["recipe"]["train"]["lr"] == 0.001


def test_a_mistake_that_the_data_show_costs_nothing_and_leaves_nothing(tmp_path):
    run = tmp_path / "run"
    pretrain(read_recipe("digits", [*TINY, "train.max_steps=2"]), run)
    before = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    colour = read_recipe("digits", [*TINY, "augment.grayscale={}"])
    for folder, overwrite in ((run, True), (tmp_path / "new", False)):
        with pytest.raises(InputError, match="1 band"):
            pretrain(colour, folder, overwrite=overwrite)
    assert {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()} == before
    assert not (tmp_path / "new").exists()


def test_divergence_names_step_cause_and_run_state(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=50", "train.optimizer=sgd", "train.lr=1e30"])
    with pytest.raises(DivergenceError, match=r"at step \d+: .*lower train\.lr.*run state"):
        pretrain(recipe, tmp_path)


def test_more_views_and_bf16(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=2", "augment.views=3", "train.precision=bf16"])
    assert pretrain(recipe, tmp_path)["loss"] > 0


def test_asymmetric_and_small_views_are_trained_on(tmp_path):
    """Two large views of which the second is blurred and without noise, and two small ones."""
    different = "augment.overrides=[{views: [1], blur: {kernel_size: 3, p: 1.0}, noise: null}]"
    small = "augment.small_views={count: 2, resized_crop: {size: 4, scale: [0.1, 0.3]}}"
    lines: list[str] = []
    numbers = pretrain(
        read_recipe("digits", [*TINY, "train.max_steps=2", different, small]), tmp_path, say=lines.append
    )
    assert numbers["steps"] == 2
    assert math.isfinite(numbers["loss"])
    said = [line.strip() for line in lines]
    assert "blur: kernel_size=3, sigma=0.1..2.0, p=1.0 (view 1)" in said
    assert "noise: sd=0.1, p=0.5 (view 0)" in said
    assert "small: resized_crop: size=4x4, scale=0.1..0.3, ratio=0.75..1.333, p=1.0" in said
    assert (tmp_path / "views.png").stat().st_size > 10_000


@pytest.mark.parametrize("tracker", ["wandb", "tensorboard"])
def test_trackers_work_without_an_account(tmp_path, tracker):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=2", f"log.trackers=[{tracker}]"])
    pretrain(recipe, tmp_path)
    written = {path.name.split(".")[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert any(name.startswith(("events", "run-")) for name in written), written


def test_a_scene_with_neighbours_and_with_band_operations(tmp_path):
    small = ["train.max_steps=2", "train.batch_size=64", "data.whiten=8", "encoder.width=8"]
    assert pretrain(read_recipe("indian-pines", small), tmp_path / "a")["loss"] > 0
    bands = ["augment.radiation={}", "augment.spectral_jitter={}", "data.patch_size=9"]
    assert pretrain(read_recipe("indian-pines", [*small, *bands]), tmp_path / "b")["loss"] > 0
    with pytest.raises(InputError, match="RGB"):
        pretrain(read_recipe("indian-pines", [*small, "augment.grayscale={}"]), tmp_path / "c")


@pytest.mark.parametrize("feed", ["resident", "stream"])
def test_photographs_with_a_damaged_one_among_them(tmp_path, feed):
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for i in range(24):
        Image.fromarray(rng.integers(0, 255, (20, 16, 3), dtype=np.uint8)).save(photos / f"{i:02}.jpg")
    (photos / "07.jpg").write_bytes((photos / "07.jpg").read_bytes()[:200])
    options = [f"data.path={photos}", "data.image_size=16", "augment.resized_crop.size=12", f"data.feed={feed}"]
    options += ["data.max_damaged=0.1", "encoder.name=resnet10", "encoder.width=4", "encoder.stem=small"]
    options += ["train.batch_size=8", "train.max_steps=6", "train.precision=fp32", "augment.blur.kernel_size=3"]
    said: list[str] = []
    pretrain(read_recipe("image-folder", options), tmp_path / "run", say=said.append)
    assert said[-1] == "1 damaged image was skipped: 07.jpg"
    encoder = load_encoder(tmp_path / "run")
    h = encoder(encoder.preprocess(torch.randint(0, 256, (3, 3, 40, 30), dtype=torch.uint8)))
    assert h.shape == (3, 32)


def test_resuming_a_finished_run_keeps_its_numbers(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=4"])
    before = pretrain(recipe, tmp_path)
    after = pretrain(recipe, tmp_path, resume=True)
    assert (after["loss"], after["rankme"]) == (before["loss"], before["rankme"])
    assert len(metrics(tmp_path)) == 4


def test_a_view_picture_of_two_bands(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((40, 12, 12, 2)).astype(np.float32))
    options = ["data.source=arrays", f"data.path={tmp_path / 'x.npy'}", "data.layout=NHWC", "train.max_steps=1"]
    pretrain(read_recipe("digits", [*options, "train.batch_size=16", "encoder.width=4"]), tmp_path / "run")
    assert (tmp_path / "run" / "views.png").exists()


def test_what_deserves_a_look_in_the_data_is_said(tmp_path):
    cube = np.random.default_rng(0).integers(1, 999, (9, 8, 5)).astype(np.uint16)
    cube[0, :3] = 0
    np.save(tmp_path / "cube.npy", cube)
    said: list[str] = []
    scene = ["data.source=scene", f"data.path={tmp_path / 'cube.npy'}", "data.patch_size=3", "data.pool=1"]
    small = ["data.whiten=3", "encoder.width=4", "train.batch_size=8", "train.max_steps=1", "augment.center_shift=null"]
    pretrain(read_recipe("indian-pines", [*scene, *small]), tmp_path / "run", say=said.append)
    assert sum("3 pixels of" in line and "set data.no_data=0" in line for line in said) == 1
