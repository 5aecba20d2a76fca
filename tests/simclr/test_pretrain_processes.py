import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FLOAT64_RUN = Path(__file__).parent / "float64_run.py"
OPTIONS = ["train.max_steps=25", "train.batch_size=96", "train.warmup_epochs=1", "monitor.knn=false"]


@pytest.mark.slow
def test_in_float64_one_two_and_four_processes_have_the_same_losses(tmp_path):
    """Views, BatchNorm, loss and gradients of the global batch, step after step: rounding hides nothing here."""
    losses = {}
    for processes in (1, 2, 4):
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", str(FLOAT64_RUN)]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        subprocess.run(
            [*command, str(tmp_path / f"{processes}"), *OPTIONS],
            check=True,
            env=environment,
            timeout=600,
            capture_output=True,
        )
        lines = (tmp_path / f"{processes}" / "metrics.jsonl").read_text().splitlines()
        losses[processes] = [json.loads(line)["loss"] for line in lines]
    assert len(set(losses[1])) == 25
    for processes in (2, 4):
        assert losses[processes] == pytest.approx(losses[1], rel=1e-12)
