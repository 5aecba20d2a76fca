"""A stranger's loss: one file and one line, and everything works with it."""

import json
import sys

import pytest
import torch
import yaml

from simclr.build import build_loss
from simclr.data.images.digits import load_digits
from simclr.errors import InputError
from simclr.losses.ntxent import nt_xent
from simclr.losses.registry import LOSSES
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe
from simclr.recipe.schema import Loss

FILE = """
import torch.nn.functional as F
from torch import Tensor


def alignment(z: Tensor, power: float = 2.0, *, weight: float = 1.0) -> Tensor:
    u = F.normalize(z.float(), dim=-1)
    return weight * (u[0] - u[1]).norm(dim=-1).pow(power).mean()
"""
MODULE = "alignment_of_a_stranger"
TINY = ["encoder.width=4", "train.batch_size=128", "train.max_steps=2", "train.checkpoint_every=1"]
OTHER = ["loss.name=alignment", "loss.temperature=0.5"]


@pytest.fixture
def alignment(tmp_path, monkeypatch):
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / f"{MODULE}.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path / "module")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setitem(LOSSES.lines, "alignment", f"{MODULE}:alignment")
    yield
    sys.modules.pop(MODULE, None)


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.usefixtures("alignment", "fresh_accelerate")
def test_an_encoder_is_pretrained_with_it(tmp_path):
    pretrain(read_recipe("digits", [*TINY, *OTHER]), tmp_path / "a")
    pretrain(read_recipe("digits", [*TINY, *OTHER, "loss.options.weight=3"]), tmp_path / "b")
    pretrain(read_recipe("digits", [*TINY, *OTHER, "train.micro_batch=64"]), tmp_path / "c")
    a, b, c = (losses(tmp_path / run) for run in "abc")
    assert len(a) == 2
    assert 0 < a[0] < 4  # squared distances of unit vectors
    assert b[0] == pytest.approx(3 * a[0], rel=1e-6)
    assert 0 < c[0] < 4  # gradient caching has other statistics in its BatchNorm, so other numbers
    pretrain(read_recipe("digits", [*TINY, *OTHER]), tmp_path / "a", resume=True)
    assert losses(tmp_path / "a") == a
    with pytest.raises(InputError, match=r"loss\.options\.weight was 3, now it is None"):
        pretrain(read_recipe("digits", [*TINY, *OTHER]), tmp_path / "b", resume=True)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_accelerate")
def test_a_run_whose_recipe_names_no_loss_is_resumed(tmp_path):
    overrides = [*TINY, "train.max_steps=4"]
    pretrain(read_recipe("digits", overrides), tmp_path / "whole")
    pretrain(read_recipe("digits", overrides), tmp_path / "old")
    (tmp_path / "old" / "checkpoints" / "step-00000004.pt").unlink()
    file = tmp_path / "old" / "recipe.yaml"
    tree = yaml.safe_load(file.read_text())
    assert tree["loss"].pop("name") == "nt-xent"
    assert tree["loss"] == {"temperature": 0.2, "decoupled": False, "negative_distance": None}
    assert tree["encoder"] == {"name": "pyramid2", "stem": "imagenet", "width": 4}
    file.write_text(yaml.safe_dump(tree))
    pretrain(read_recipe(file), tmp_path / "old", resume=True)
    assert losses(tmp_path / "old") == losses(tmp_path / "whole")


@pytest.mark.usefixtures("alignment")
def test_its_value_is_that_of_the_function_with_its_options():
    z = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    u = [[row / sum(x * x for x in row) ** 0.5 for row in view] for view in z.double()]
    expected = sum(float((a - b).norm()) for a, b in zip(*u)) / 5
    section = Loss(name="alignment", options={"power": 1.0, "weight": 2})
    assert float(build_loss(section, load_digits())(z, torch.arange(5))) == pytest.approx(2 * expected, rel=1e-6)


@pytest.mark.usefixtures("alignment")
@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"options": {"powre": 1}}, "loss.options.powre is no argument of alignment: did you mean power?"),
        ({"options": {"z": 1}}, "loss.options.z is set by the network and not among the options: leave it out"),
        (
            {"name": "alignmnet"},
            "loss.name is 'alignmnet', but must be one of nt-xent, alignment; did you mean alignment?",
        ),
    ],
)
def test_mistakes_are_said_in_one_line(section, message):
    with pytest.raises(InputError) as caught:
        build_loss(Loss(**{"name": "alignment", **section}), load_digits())
    assert str(caught.value) == message


@pytest.mark.usefixtures("alignment")
def test_a_temperature_reaches_a_loss_that_has_one_and_is_refused_for_others(monkeypatch):
    source = load_digits()
    with pytest.raises(InputError, match=r"temperature is 0.1, but alignment has none: leave it out, or set .*=0.5"):
        build_loss(Loss(name="alignment", temperature=0.1), source)
    monkeypatch.setitem(LOSSES.lines, "again", "simclr.losses.ntxent:nt_xent")
    z, ids = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0)), torch.arange(6)
    found = build_loss(Loss(name="again", temperature=0.1), source)(z, ids)
    assert torch.equal(found, nt_xent(z, 0.1))
