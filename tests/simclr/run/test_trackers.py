"""wandb that refuses, cannot be reached, or goes on."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from wandb.errors import AuthenticationError, CommError

from simclr.errors import InputError
from simclr.recipe.read import read_recipe
from simclr.run.trackers import start_trackers

RECIPE = read_recipe("digits", ["log.trackers=[wandb]"])


class Accelerator:
    """Stands in for accelerate, whose first ``errors`` starts fail as wandb's would."""

    log_with = ("wandb",)

    def __init__(self, *errors):
        self.errors, self.started, self.trackers = list(errors), [], []

    def init_trackers(self, project, config, init_kwargs):
        self.started.append(init_kwargs["wandb"])
        self.trackers.append(SimpleNamespace())
        if self.errors:
            (Path(init_kwargs["wandb"]["dir"]) / "wandb").mkdir(exist_ok=True)
            raise self.errors.pop(0)


def start(accelerator, folder, said=None):
    return start_trackers(accelerator, RECIPE, folder, "0123456789ab", (said if said is not None else []).append)


@pytest.fixture
def online(monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr("simclr.run.trackers._has_wandb_key", lambda: True)


def test_a_run_goes_on_in_the_same_run_of_wandb(tmp_path, online):
    accelerator = Accelerator()
    start(accelerator, tmp_path)
    (options,) = accelerator.started
    assert options == {"mode": "online", "dir": str(tmp_path), "id": "0123456789ab", "resume": "allow"}


@pytest.mark.parametrize("error", [AuthenticationError("the key is wrong\nmore"), ValueError("the key is wrong")])
def test_a_refusal_is_one_line_and_leaves_nothing(tmp_path, online, error):
    accelerator = Accelerator(error)
    with pytest.raises(InputError, match=r"wandb, which does not start: the key is wrong; .*WANDB_MODE=offline"):
        start(accelerator, tmp_path)
    assert accelerator.trackers == []
    assert list(tmp_path.iterdir()) == []


def test_what_other_runs_of_wandb_wrote_stays(tmp_path, online):
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "run").write_text("old")
    with pytest.raises(InputError):
        start(Accelerator(AuthenticationError("no")), tmp_path)
    assert (tmp_path / "wandb" / "run").read_text() == "old"


def test_without_a_network_it_runs_offline_and_says_so(tmp_path, online, monkeypatch):
    accelerator, said = Accelerator(CommError("no such host")), []
    start(accelerator, tmp_path, said)
    assert [options["mode"] for options in accelerator.started] == ["online", "offline"]
    assert len(accelerator.trackers) == 1
    assert said == ["wandb cannot be reached (no such host): it runs offline, and wandb sync uploads it later"]
    monkeypatch.setenv("WANDB_MODE", "online")  # who asks for it is not given anything else
    with pytest.raises(InputError, match="no such host"):
        start(Accelerator(CommError("no such host")), tmp_path)
