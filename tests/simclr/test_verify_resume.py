import json
import shutil

import pytest
import torch

from simclr.errors import InputError
from simclr.run.checkpoint import save_run_state
from simclr.verify_resume import Trial, differences, run_undisturbed, run_verify_resume


def finished(folder, loss=0.5, seconds=1.0, weight=1.0, step=2, encoder=b"encoder"):
    """What a run leaves, as far as it is compared."""
    folder.mkdir()
    lines = [{"step": k, "loss": loss if k else 1.0, "seconds": k * seconds} for k in range(2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "encoder.safetensors").write_bytes(encoder)
    model = {"w": torch.tensor([weight, float("nan")], dtype=torch.bfloat16), "n": torch.tensor(3)}
    save_run_state(folder / "checkpoints", step, {"model": model, "optimizer": {"groups": [{"betas": (0.9, 0.99)}]}})
    return folder


def test_equal_runs_differ_in_nothing_but_their_seconds(tmp_path):
    assert differences(finished(tmp_path / "a"), finished(tmp_path / "b", seconds=2.0)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loss": 0.5000001}, "metrics from step 1 on"),
        ({"weight": 1.0078125}, "content of step-00000002.pt"),
        ({"step": 3}, "the last run state is step-00000002.pt, step-00000003.pt in the other"),
        ({"encoder": b"Encoder"}, "encoder.safetensors"),
    ],
)
def test_every_difference_is_found(tmp_path, change, said):
    assert differences(finished(tmp_path / "a"), finished(tmp_path / "b", **change)) == [said]


def test_missing_lines_and_states_are_found(tmp_path):
    one, other = finished(tmp_path / "a"), finished(tmp_path / "b")
    (one / "metrics.jsonl").write_text("")
    shutil.rmtree(one / "checkpoints")
    assert differences(one, other) == ["0 lines of metrics, 2 in the other", "run states are missing"]


def test_several_processes_are_launched_by_the_trial_itself(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="start it alone, with --processes N"):
        run_verify_resume(1, 2)


@pytest.mark.slow
def test_a_run_that_fails_by_itself_is_no_verdict_on_resuming(tmp_path):
    with pytest.raises(InputError, match=r"the run itself fails with exit status 2: simclr: .*train.nonsense"):
        run_undisturbed(Trial(("digits", "train.nonsense=1")), tmp_path / "run")
