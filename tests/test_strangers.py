"""A stranger's augmentation, source, encoder, loss, probe and metric: each is one file, and one line in a registry.

A copy of the packages gets those files and lines, and is then used as anybody would use it: on the command line.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]


class Stranger(NamedTuple):
    """One file, the registry that gets one line, that line, and what the command line is told to take it."""

    file: str
    content: str
    registry: str
    line: str
    pretrain: tuple[str, ...] = ()
    judge: tuple[str, ...] = ()


STRANGERS = {
    "augmentation": Stranger(
        "augment/dimming.py",
        """
from augment.base import IntensityOperation, per_sample

class RandomDimming(IntensityOperation):
    def __init__(self, least: float = 0.5, p: float = 0.5, keepdim: bool = False) -> None:
        super().__init__(p, keepdim, least=least)

    def draws(self, shape):
        return 1

    def compute_parameters(self, u, shape):
        return {"factor": self.flags["least"] + (1 - self.flags["least"]) * u[:, 0]}

    def operate(self, x, parameters, flags):
        return x * per_sample(parameters["factor"], x)
""",
        "augment/registry.py",
        '"dimming": "augment.dimming:RandomDimming",',
        ("augment.dimming.least=0.25",),
    ),
    "source": Stranger(
        "simclr/data/images/stripes.py",
        """
from typing import Literal

import torch
from pydantic import Field

from simclr.data.source import TensorSource
from simclr.recipe.images import PhotoData

class StripesData(PhotoData):
    source: Literal["stripes"] = "stripes"
    period: int = Field(2, description="pixels between two stripes")

def open_stripes(data, part):
    if part == "test":
        return None
    labels = torch.arange(120) % 3
    phase = torch.arange(8)[None, :] + labels[:, None]
    images = (phase % (data.period + labels[:, None]) == 0).to(torch.uint8)[:, None, None, :] * 200
    noise = torch.randint(0, 55, (120, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return TensorSource(images.expand(-1, 1, 8, 8) + noise, labels, name="stripes")
""",
        "simclr/recipe/sources.py",
        '"stripes": SourceKind("simclr.data.images.stripes:StripesData", "simclr.data.images.stripes:open_stripes"),',
        ("data.source=stripes", "data.period=3"),
    ),
    "encoder": Stranger(
        "simclr/models/mixer.py",
        """
from torch import nn

class Mixer(nn.Module):
    def __init__(self, in_chans: int, depth: int = 1) -> None:
        super().__init__()
        self.feature_dim = 24
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * in_chans, 24), nn.ReLU())
        self.more = nn.Sequential(*[layer for _ in range(depth) for layer in (nn.Linear(24, 24), nn.ReLU())])

    def forward(self, x):
        return self.more(self.layers(x))
""",
        "simclr/models/registry.py",
        '"mixer": "simclr.models.mixer:Mixer",',
        ("encoder.name=mixer", "encoder.options.depth=2"),
    ),
    "loss": Stranger(
        "simclr/losses/apart.py",
        """
import torch.nn.functional as F

def apart(z, weight: float = 1.0):
    u = F.normalize(z.float(), dim=-1)
    together = (u[0] - u[1]).square().sum(-1).mean()
    return together + weight * u[0].mean(0).square().sum()
""",
        "simclr/losses/registry.py",
        '"apart": "simclr.losses.apart:apart",',
        ("loss.name=apart", "loss.options.weight=0.5", "loss.temperature=0.5"),
    ),
    "probe": Stranger(
        "eval/probes/nearest_in_l1.py",
        """
import torch

from eval.probes.prediction import Prediction, Probe, classes_of

def nearest_in_l1(train_x, train_y, test_x):
    classes_of(train_y)
    return Prediction(train_y[torch.cdist(test_x.float(), train_x.float(), p=1).argmin(1)], None, {})

PROBE = Probe(nearest_in_l1, "nearest in L1")
""",
        "eval/probes/registry.py",
        '"l1": "eval.probes.nearest_in_l1:PROBE",',
        judge=("--probes", "l1,ridge"),
    ),
    "metric": Stranger(
        "eval/metrics/worst_class.py",
        """
from eval.metrics.accuracy import per_class_recall
from eval.metrics.judgement import Metric

def worst_class(judged):
    return min(per_class_recall(judged.truth, judged.classes).values())

WORST = Metric(worst_class, "worst class")
""",
        "eval/metrics/registry.py",
        '"worst_class": "eval.metrics.worst_class:WORST",',
    ),
}
QUICK = ("train.max_steps=2", "train.batch_size=32", "monitor.every=1")


def settle(house: Path, *strangers: Stranger) -> None:
    """Writes each stranger's file, and its one line as the first of the registry's."""
    for stranger in strangers:
        file, registry = house / stranger.file, house / stranger.registry
        assert not file.exists()
        file.write_text(stranger.content, encoding="utf-8")
        text = registry.read_text(encoding="utf-8")
        # The first entry of the table, behind the docstring.
        code = text.index('"""', 3)
        first = re.search(r'"[\w -]+": ("[\w.]+:\w+"|SourceKind\()', text[code:])
        assert first is not None
        place = code + first.start()
        registry.write_text(f"{text[:place]}{stranger.line}\n        {text[place:]}", encoding="utf-8")


def copied(house: Path) -> Path:
    for package in ("augment", "simclr", "eval", "recipes"):
        shutil.copytree(ROOT / package, house / package, ignore=shutil.ignore_patterns("__pycache__"))
    return house


def simclr(house: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simclr", *arguments]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, timeout=300)


def pretrained(house: Path, *strangers: Stranger) -> None:
    told = [text for stranger in strangers for text in stranger.pretrain]
    done = simclr(house, "pretrain", "digits", *QUICK, *told, "--output", "run")
    assert done.returncode == 0, done.stderr
    assert f"in {house}" in simclr(house, "recipes").stdout  # it is the copy that runs


def judged(house: Path, *strangers: Stranger) -> list[dict]:
    told = [text for stranger in strangers for text in stranger.judge] or ["--probes", "ridge"]
    done = simclr(house, "linear-eval", "run", "--shots", "5", "--seeds", "1", "--no-supervised", *told)
    assert done.returncode == 0, done.stderr
    (house / "run" / "printed.txt").write_text(done.stdout, encoding="utf-8")
    return json.loads((house / "run" / "result.json").read_text(encoding="utf-8"))["rows"]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """The copy with all six, after pretraining and evaluation."""
    house = copied(tmp_path_factory.mktemp("house"))
    settle(house, *STRANGERS.values())
    pretrained(house, *STRANGERS.values())
    judged(house, *STRANGERS.values())
    return house


def recipe(house: Path) -> str:
    return (house / "run" / "recipe.yaml").read_text(encoding="utf-8")


def test_an_augmentation(house):
    assert re.search(r"dimming:\n +least: 0.25\n +p: 0.5\n", recipe(house))
    drawn = simclr(house, "views", "run/recipe.yaml", "augment.dimming.p=1", "--samples", "1")
    assert drawn.returncode == 0, drawn.stderr
    assert "dimming: least=0.25, p=1.0" in drawn.stdout
    notes = json.loads((house / "views.json").read_text(encoding="utf-8"))
    factors = [view["operations"]["dimming"]["factor"] for view in notes["samples"][0]["views"]]
    assert all(0.25 <= factor <= 1 for factor in factors)


def test_a_source(house):
    assert "source: stripes" in recipe(house)
    metadata = json.loads((house / "run" / "encoder.json").read_text(encoding="utf-8"))
    assert metadata["source"] == {"name": "stripes", "samples": 120, "classes": ["0", "1", "2"], "patch_size": None}
    assert metadata["data"]["period"] == 3


def test_an_encoder(house):
    code = (
        "from simclr import load_encoder; e = load_encoder('run'); print(type(e.encoder).__name__, len(e.encoder.more))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=house, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Mixer", "4"]


def test_a_loss(house):
    lines = [json.loads(line) for line in (house / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    # Unit vectors are at most 2 apart, and half a mean direction adds 0.5 at most; NT-Xent of 64 rows begins near 4.
    assert all(0 <= line["loss"] <= 4.5 for line in lines)
    assert lines[0]["loss"] == pytest.approx(lines[0]["alignment"], abs=0.5)
    assert "name: apart" in recipe(house)


def test_a_probe(house):
    rows = json.loads((house / "run" / "result.json").read_text(encoding="utf-8"))["rows"]
    theirs = [row for row in rows if row["probe"] == "l1" and row["metric"] == "oa"]
    assert {row["representation"] for row in theirs} >= {"pretrained", "random", "raw", "pca"}
    assert all(0 <= row["mean"] <= 1 for row in theirs)
    few = simclr(house, "few-shot", "run", "--shots", "3", "--seeds", "1", "--episodes", "0", "--probes", "l1")
    assert few.returncode == 0, few.stderr
    assert "nearest in L1" in few.stdout


def test_a_metric(house):
    rows = json.loads((house / "run" / "result.json").read_text(encoding="utf-8"))["rows"]
    worst = {(r["representation"], r["probe"]): r["mean"] for r in rows if r["metric"] == "worst_class"}
    average = {(r["representation"], r["probe"]): r["mean"] for r in rows if r["metric"] == "aa"}
    assert worst.keys() == average.keys()
    assert all(worst[key] <= average[key] for key in worst)
    assert "worst" in (house / "run" / "printed.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("augment.dimming.leest=0.2", "unknown key augment.dimming.leest: did you mean augment.dimming.least?"),
        ("data.perod=2", "unknown key data.perod: did you mean data.period?"),
        ("encoder.options.dpth=2", "did you mean depth?"),
        ("loss.options.wieght=2", "did you mean weight?"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_nearest(house, told, words):
    done = simclr(house, "pretrain", "run/recipe.yaml", told, "--output", "other")
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", STRANGERS)
def test_each_alone(kind, tmp_path):
    stranger = STRANGERS[kind]
    house = copied(tmp_path)
    settle(house, stranger)
    pretrained(house, stranger)
    if kind in ("probe", "metric"):
        rows = judged(house, stranger)
        assert any(row["probe"] == "l1" or row["metric"] == "worst_class" for row in rows)
