"""The loop, run for real on the digits."""

import errno
import json
import math
import os
import re
import shutil
import signal

import matplotlib.image
import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image

import simclr.pretrain
import simclr.views.embedded
from simclr import load_encoder
from simclr.errors import DivergenceError, InputError, StoppedError
from simclr.pretrain import OnlineProbe, pretrain
from simclr.recipe.read import read_recipe
from simclr.run.checkpoint import run_states

pytestmark = pytest.mark.usefixtures("fresh_accelerate")
TINY = ["encoder.width=4", "train.batch_size=128", "train.checkpoint_every=4"]


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.draws
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
    assert seen == [((3, 48), [3, 5, 8])] * 3
    assert [path.name for path in run_states(tmp_path / "checkpoints")] == ["step-00000008.pt", "step-00000009.pt"]
    assert matplotlib.image.imread(tmp_path / "views.png").std() > 0.05
    assert any("weight decay" in line for line in said)

    encoder = load_encoder(tmp_path)
    assert encoder.metadata["monitor_ids"] == [3, 5, 8]
    assert encoder.metadata["numbers"]["loss"] == numbers["loss"] == lines[-1]["loss"]
    state = torch.load(tmp_path / "checkpoints" / "step-00000009.pt", weights_only=True)
    assert torch.equal(state["model"]["encoder.stages.0.0.weight"], encoder.encoder.stages[0][0].weight)
    raw = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    assert encoder(encoder.preprocess(raw)).shape == (2, 48)


@pytest.mark.slow
def test_the_saved_recipe_runs_again_to_the_same_numbers(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=3"])
    pretrain(recipe, tmp_path / "a")
    pretrain(read_recipe(tmp_path / "a" / "recipe.yaml"), tmp_path / "b")
    assert [m["loss"] for m in metrics(tmp_path / "a")] == [m["loss"] for m in metrics(tmp_path / "b")]


@pytest.mark.parametrize("optimizer", ["adamw", pytest.param("lars", marks=pytest.mark.slow)])
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


def test_a_mistake_that_the_data_show_costs_nothing_and_leaves_nothing(tmp_path, monkeypatch):
    run = tmp_path / "run"
    pretrain(read_recipe("digits", [*TINY, "train.max_steps=2"]), run)
    before = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    colour = read_recipe("digits", [*TINY, "augment.grayscale={}"])
    for folder, overwrite in ((run, True), (tmp_path / "new", False)):
        with pytest.raises(InputError, match="1 band"):
            pretrain(colour, folder, overwrite=overwrite)
    # And a loss that is infinite at once.
    monkeypatch.setattr(simclr.pretrain, "build_loss", lambda section, source: lambda z, ids: z.sum() * math.inf)
    with pytest.raises(DivergenceError, match=r"at step 0: .* still holds the run that was to be overwritten"):
        pretrain(read_recipe("digits", [*TINY, "train.max_steps=3"]), run, overwrite=True)
    assert {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()} == before
    assert not (tmp_path / "new").exists()


def test_divergence_names_step_cause_and_run_state(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=50", "train.optimizer=sgd", "train.lr=1e30"])
    with pytest.raises(DivergenceError, match=r"at step \d+: .*lower train\.lr.*run state"):
        pretrain(recipe, tmp_path)


def test_more_views_and_bf16(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=2", "augment.views=3", "train.precision=bf16"])
    assert pretrain(recipe, tmp_path)["loss"] > 0


@pytest.mark.draws
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


class PowerCutError(Exception):
    pass


def probe_that(act, at):
    """A probe that does something at its look number ``at``, counted from 1."""
    looks = []

    def score(h, labels):
        looks.append(1)
        if len(looks) == at:
            act()
        return 0.5

    return OnlineProbe(lambda labels: torch.arange(2), score)


def cut():
    raise PowerCutError


def losses(folder):
    return [line["loss"] for line in metrics(folder)]


def test_a_signal_ends_the_run_after_its_step_with_a_state_to_go_on_from(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=12", "train.checkpoint_every=5"])
    pretrain(recipe, tmp_path / "whole")
    probe = probe_that(lambda: os.kill(os.getpid(), signal.SIGTERM), at=1)
    with pytest.raises(StoppedError, match=r"SIGTERM; --resume goes on from .*step-00000005\.pt") as caught:
        pretrain(recipe, tmp_path / "cut", probe=probe)
    assert caught.value.status == 143
    assert not (tmp_path / "cut" / "encoder.safetensors").exists()
    pretrain(recipe, tmp_path / "cut", resume=True)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


@pytest.mark.slow
def test_states_come_by_time_as_well_and_change_no_number(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=6", "train.checkpoint_every=100"])
    pretrain(recipe, tmp_path / "whole")
    often = read_recipe("digits", [*TINY, "train.max_steps=6", "train.checkpoint_minutes=1e-9"])
    with pytest.raises(PowerCutError):  # at step 4, before the state that its number makes due
        pretrain(often, tmp_path / "often", probe=probe_that(cut, at=1))
    assert [path.name for path in run_states(tmp_path / "often" / "checkpoints")] == [
        "step-00000002.pt",
        "step-00000003.pt",
    ]
    pretrain(recipe, tmp_path / "often", resume=True)
    assert losses(tmp_path / "often") == losses(tmp_path / "whole")


def test_a_run_that_was_cut_off_before_its_first_state_resumes_from_the_beginning(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=6"])
    with pytest.raises(PowerCutError):
        pretrain(recipe, tmp_path / "cut", probe=probe_that(cut, at=1))
    assert run_states(tmp_path / "cut" / "checkpoints") == []
    with pytest.raises(InputError, match="add --resume, or --overwrite"):
        pretrain(recipe, tmp_path / "cut")
    pretrain(recipe, tmp_path / "cut", resume=True)
    pretrain(recipe, tmp_path / "whole")
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    files = [tmp_path / run / "encoder.safetensors" for run in ("cut", "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_runs_of_before_states_remembered_their_data_still_resume(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=6"])
    with pytest.raises(PowerCutError):
        pretrain(recipe, tmp_path / "old", probe=probe_that(cut, at=2))
    (file,) = run_states(tmp_path / "old" / "checkpoints")
    state = torch.load(file, weights_only=True)
    torch.save({key: state[key] for key in ("model", "optimizer", "step")}, file)
    (tmp_path / "old" / "run.json").unlink()
    pretrain(recipe, tmp_path / "old", resume=True)
    pretrain(recipe, tmp_path / "whole")
    assert losses(tmp_path / "old") == losses(tmp_path / "whole")


def save_photos(folder, n):
    rng = np.random.default_rng(0)
    for i in range(n):
        (folder / f"class {i % 2}").mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"class {i % 2}" / f"{i:02}.png")


def photo_recipe(folder):
    options = [f"data.path={folder}", "data.image_size=12", "augment.resized_crop.size=8", "encoder.name=resnet10"]
    options += ["encoder.width=4", "encoder.stem=small", "train.batch_size=8", "train.max_steps=4", "data.workers=0"]
    return read_recipe("image-folder", [*options, "train.precision=fp32", "augment.blur.kernel_size=3"])


def test_a_run_does_not_go_on_with_other_data(tmp_path):
    save_photos(tmp_path / "photos", 16)
    run, recipe = tmp_path / "run", photo_recipe(tmp_path / "photos")
    pretrain(recipe, run)
    (run / "encoder.safetensors").unlink()  # not quite to its end
    before = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    save_photos(tmp_path / "photos", 20)
    with pytest.raises(InputError, match=r"16 samples with hash \w{16} then, 20 with hash \w{16} now"):
        pretrain(recipe, run, resume=True)
    assert {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()} == before
    save_photos(tmp_path / "elsewhere", 16)
    pretrain(photo_recipe(tmp_path / "elsewhere"), run, resume=True)  # the same, in another place
    # The recipe that a state was trained with counts, whatever became of recipe.yaml.
    changed = run / "recipe.yaml"
    changed.write_text(changed.read_text().replace("seed: 0", "seed: 5"))
    with pytest.raises(InputError, match="seed was 0, now it is 5"):
        pretrain(read_recipe(changed), run, resume=True)


def test_a_class_folder_whose_name_no_encoder_file_can_hold_is_refused_before_the_first_step(tmp_path):
    save_photos(tmp_path / "photos", 16)
    (tmp_path / "photos" / "class 1").rename(os.fsdecode(os.fsencode(tmp_path / "photos") + b"/caf\xe9"))
    with pytest.raises(InputError, match=r"caf\\xe9, not named in UTF-8: rename"):
        pretrain(photo_recipe(tmp_path / "photos"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_vanishes_ends_the_run_and_is_not_made_again(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=6"])
    with pytest.raises(InputError, match=r"run is gone: it was removed, moved or replaced"):
        pretrain(recipe, tmp_path / "run", probe=probe_that(lambda: shutil.rmtree(tmp_path / "run"), at=1))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_says_what_to_go_on_from(tmp_path, monkeypatch):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=9"])
    save = torch.save

    def full(state, file):
        if state["step"] > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(state, file)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"step-00000008\.pt cannot be written") as caught:
        pretrain(recipe, tmp_path / "run")
    monkeypatch.undo()
    assert re.search(r"MiB|GiB", str(caught.value))
    assert str(caught.value).endswith(f"--resume goes on from {tmp_path}/run/checkpoints/step-00000004.pt")
    pretrain(recipe, tmp_path / "run", resume=True)
    pretrain(recipe, tmp_path / "whole")
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_what_the_launcher_says_of_gradient_accumulation_changes_no_number(tmp_path, monkeypatch):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=3", "train.optimizer=sgd", "train.lr=1.0"])
    pretrain(recipe, tmp_path / "a")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR")
    AcceleratorState._reset_state(reset_partial_state=True)
    said: list[str] = []
    pretrain(recipe, tmp_path / "b", say=said.append)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    assert sum("is not used" in line for line in said) == 3


@pytest.mark.slow
def test_a_resumed_run_is_the_same_run_of_wandb(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=6", "log.trackers=[wandb]"])
    with pytest.raises(PowerCutError):
        pretrain(recipe, tmp_path / "run", probe=probe_that(cut, at=2))
    pretrain(recipe, tmp_path / "run", resume=True)
    names = [path.name.rpartition("-")[2] for path in (tmp_path / "run" / "wandb").glob("offline-run-*")]
    assert len(names) >= 1
    assert set(names) == {json.loads((tmp_path / "run" / "run.json").read_text())["id"]}


@pytest.mark.parametrize("tracker", [pytest.param("wandb", marks=pytest.mark.slow), "tensorboard"])
def test_trackers_work_without_an_account(tmp_path, tracker):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=2", f"log.trackers=[{tracker}]"])
    pretrain(recipe, tmp_path)
    written = {path.name.split(".")[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert any(name.startswith(("events", "run-")) for name in written), written


@pytest.mark.slow
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


def test_a_run_killed_between_its_last_state_and_its_encoder_ends_with_the_same_encoder(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=3", "monitor.every=2"])
    pretrain(recipe, tmp_path)
    whole = (tmp_path / "encoder.safetensors").read_bytes()
    (tmp_path / "encoder.safetensors").unlink()
    pretrain(recipe, tmp_path, resume=True)
    assert (tmp_path / "encoder.safetensors").read_bytes() == whole


def content(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_that_is_resumed_says_so_and_stays_as_it_is(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=4"])
    before = pretrain(recipe, tmp_path)
    there, said = content(tmp_path), []
    after = pretrain(recipe, tmp_path, resume=True, say=said.append)
    assert {**after, "seconds": 0} == {**before, "seconds": 0}
    assert len(said) == 1
    assert said[0].startswith(f"the run in {tmp_path} is finished (4 steps), and stays as it is")
    assert content(tmp_path) == there
    # Not with an encoder that is damaged, nor with one of fewer steps.
    file = tmp_path / "encoder.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    pretrain(recipe, tmp_path, resume=True)
    assert file.read_bytes() == whole
    longer = read_recipe("digits", [*TINY, "train.max_steps=5"])
    pretrain(longer, tmp_path, resume=True, changes=["train.max_steps"])
    assert file.read_bytes() != whole
    longest = file.read_bytes()
    file.write_bytes(whole)  # as if it had been killed before
    pretrain(longer, tmp_path, resume=True)
    assert file.read_bytes() == longest


@pytest.mark.slow
def test_a_run_that_stopped_for_patience_and_was_killed_then_makes_no_step_more(tmp_path):
    patient = ["monitor.held_out=0.2", "train.patience=1", "train.checkpoint_every=1", "train.max_steps=30"]
    recipe = read_recipe("digits", ["encoder.width=4", "train.batch_size=128", *patient, "train.lr=1e-9"])
    pretrain(recipe, tmp_path)
    done, whole = len(metrics(tmp_path)), (tmp_path / "encoder.safetensors").read_bytes()
    assert done < 30
    (tmp_path / "encoder.safetensors").unlink()
    pretrain(recipe, tmp_path, resume=True)
    assert len(metrics(tmp_path)) == done
    assert (tmp_path / "encoder.safetensors").read_bytes() == whole


def test_an_online_probe_that_meets_what_is_not_finite_is_left_out_with_a_word(tmp_path, monkeypatch):
    def broken(*given):
        h = simclr.views.embedded.embed(*given)
        return torch.where(torch.arange(len(h))[:, None] == 3, torch.nan, h)

    monkeypatch.setattr(simclr.pretrain, "embed", broken)
    recipe = read_recipe("digits", [*TINY, "train.max_steps=2", "train.skip_nonfinite=2"])
    said: list[str] = []
    probe = OnlineProbe(lambda labels: torch.arange(9), lambda h, labels: pytest.fail("asked"))
    assert "knn" not in pretrain(recipe, tmp_path, probe=probe, say=said.append)
    assert "step 1: no online kNN, as 1 of the 9 representations that it looks at are not finite" in said


def test_what_changes_on_resume_is_named_by_the_user(tmp_path):
    recipe = [*TINY, "monitor.knn=false", "train.max_steps=4"]
    pretrain(read_recipe("digits", recipe), tmp_path / "run")
    longer = read_recipe("digits", [*recipe, "train.max_steps=6"])
    with pytest.raises(InputError, match=r"max_steps was 4, now it is 6; .*, or allow it by --change train.max_steps"):
        pretrain(longer, tmp_path / "run", resume=True)
    with pytest.raises(InputError, match=r"--change encoder.width: only keys of train.\*"):
        pretrain(longer, tmp_path / "run", resume=True, changes=["encoder.width"])
    pretrain(longer, tmp_path / "run", resume=True, changes=["train.max_steps"])
    assert len(metrics(tmp_path / "run")) == 6
    assert read_recipe(str(tmp_path / "run" / "recipe.yaml"), []).train.max_steps == 6
    # States of before the change are still those of the run: killed now, it goes on from them.
    (tmp_path / "run" / "checkpoints" / "step-00000006.pt").unlink()
    pretrain(longer, tmp_path / "run", resume=True)
    assert len(metrics(tmp_path / "run")) == 6


@pytest.mark.draws
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
