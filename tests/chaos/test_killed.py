"""Runs of every kind, killed at random steps by SIGKILL and resumed: each ends as the one that was left alone.

One kill of each kind is part of all tests; ``make chaos`` makes a hundred, and says when each came.
"""

import math
import os
import random
import time

import numpy as np
import pytest
from PIL import Image

from simclr.verify_resume import Trial, run_killed, run_killed_early, run_undisturbed

pytestmark = pytest.mark.slow

SHORT = ("train.max_steps=40", "train.checkpoint_every=3", "monitor.every=7")
DIGITS = ("digits", *SHORT, "train.batch_size=128")
TRIALS = {
    "digits": Trial(DIGITS),
    "bf16": Trial((*DIGITS, "train.precision=bf16")),
    "micro batches": Trial((*DIGITS, "train.micro_batch=32")),
    "small views": Trial((*DIGITS, "augment.small_views={count: 2, resized_crop: {size: 6, scale: [0.3, 0.6]}}")),
    "held out, LARS": Trial((*DIGITS, "monitor.held_out=0.1", "train.optimizer=lars", "train.lr=0.3")),
    "streamed": Trial(
        (
            "image-folder",
            *SHORT,
            "data.path={photos}",
            "train.batch_size=16",
            "data.image_size=16",
            "augment.resized_crop.size=16",
            "data.workers=2",
            "data.feed=stream",
            "encoder.name=resnet8",
            "encoder.width=8",
        )
    ),
    "fine-tuned": Trial(("digits-triplet", *SHORT, "from=null"), command="fine-tune"),
    "two processes": Trial(DIGITS, processes=2),
    "two processes, micro batches, bf16": Trial((*DIGITS, "train.micro_batch=32", "train.precision=bf16"), processes=2),
}
KILLS = 11  # of each kind, in all 99, and one more of the first


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for i in range(64):
        (folder / f"{i % 4}").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(folder / f"{i % 4}" / f"{i:02}.png")
    return folder


@pytest.mark.parametrize("kind", TRIALS)
def test_a_killed_run_ends_as_one_that_was_left_alone(kind, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    trial = TRIALS[kind]
    trial = trial._replace(arguments=tuple(argument.replace("{photos}", str(photos)) for argument in trial.arguments))
    kills = math.ceil(float(os.environ.get("CHAOS", "0.05")) * (KILLS + (kind == "digits")))
    begun = time.perf_counter()
    run_undisturbed(trial, tmp_path / "whole")
    seconds, run = time.perf_counter() - begun, 0
    while kills:  # at most three of a run
        run += 1
        if kills == 2:  # one of eleven before the first step, whenever that is
            moment = random.Random(run).uniform(0.0, seconds / 2)
            killed = run_killed_early(trial, tmp_path / f"{run}", tmp_path / "whole", moment)
        else:
            killed = run_killed(trial, tmp_path / f"{run}", tmp_path / "whole", min(kills, 3), seed=run)
        moments = ", ".join(f"after step {kill.steps} ({kill.seconds:.1f} s)" for kill in killed.kills)
        print(f"{kind}: killed {moments or 'when it had ended'}")
        assert killed.differences == ()
        kills -= max(1, len(killed.kills))
