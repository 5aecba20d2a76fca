import json
import math
import subprocess
import sys

import pytest
import torch

from simclr import verify
from simclr.cli import main as cli
from simclr.losses.ntxent import nt_xent
from simclr.train.distributed import start_accelerator

pytestmark = pytest.mark.usefixtures("fresh_accelerate")


def test_the_reference_has_the_closed_form_of_orthogonal_projections():
    z = torch.eye(3, dtype=torch.float64).expand(2, 3, 3)  # positives equal, four negatives orthogonal
    assert verify.reference_loss(z, 0.5).item() == pytest.approx(math.log(math.exp(2) + 4) - 2, rel=1e-14)
    z = torch.eye(3, dtype=torch.float64).expand(3, 3, 3)  # two positives, six negatives
    assert verify.reference_loss(z, 0.5).item() == pytest.approx(math.log(2 * math.exp(2) + 6) - 2, rel=1e-14)


def test_one_process_is_right_in_every_precision():
    accelerator = start_accelerator()
    checks = {check.name: check for check in verify.verify(accelerator)}
    assert all(check.ok for check in checks.values())
    assert checks["float32: gradients of parameters"].tolerance <= 1e-6
    assert checks["float64: gradients of parameters"].tolerance <= 1e-12
    # The command asks for fp16 on a GPU only, but its code runs anywhere.
    assert verify.training_errors(accelerator, [12], autocast=torch.float16).gradients < 1e-2


@pytest.mark.parametrize("wrong", [0.5, 1.001, -1.0, math.nan])
def test_a_wrong_gradient_fails_with_exit_status_1(wrong, monkeypatch, capsys, tmp_path):
    def scaled(z, temperature):
        loss = nt_xent(z, temperature)
        return loss.detach() + wrong * (loss - loss.detach())

    monkeypatch.setattr(verify, "nt_xent", scaled)
    monkeypatch.setattr(sys, "argv", ["simclr", "verify", "--output", str(tmp_path / "verify.json")])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert "FAILED" in capsys.readouterr().out
    result = json.loads((tmp_path / "verify.json").read_text())
    assert result["ok"] is False
    failed = {check["name"] for check in result["checks"] if not check["ok"]}
    assert {"float32: gradient of z", "float64: gradients of parameters"} <= failed
    assert "float64: BatchNorm statistics" not in failed


def test_a_gradient_that_the_accelerator_divides_is_found_out(monkeypatch):
    accelerator = start_accelerator()
    monkeypatch.setattr(type(accelerator), "gradient_accumulation_steps", 4)
    checks = {check.name: check for check in verify.verify(accelerator)}
    assert not checks["float32: gradients of parameters"].ok
    assert checks["float32: gradients of parameters"].error == pytest.approx(0.75, rel=1e-4)
    assert checks["float32: loss"].ok


def test_an_output_without_a_folder_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["simclr", "verify", "--output", str(tmp_path / "nowhere" / "verify.json")])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_over_two_processes(tmp_path):
    file = tmp_path / "verify.json"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command = [*launch, "-m", "simclr", "verify", "--output", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.count("uneven batch: loss") == 2  # float32 and float64, from one process only
    result = json.loads(file.read_text())
    assert (result["processes"], result["ok"]) == (2, True)
    if not torch.cuda.is_available():
        assert (result["backend"], result["device"]) == ("gloo", "cpu")
