"""A stranger's augmentation, source, encoder, loss, probe and metric: each is one file, and one line in a registry.

A copy of the packages gets those files and lines, and is then used as anybody would use it: on the command line.
"""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
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
from simclr.augment.base import IntensityOperation, per_sample

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
        '"dimming": "simclr.augment.dimming:RandomDimming",',
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
    images = (phase % (data.period + labels[:, None]) == 0).to(torch.uint8)[:, None, None, :] * 55
    noise = torch.randint(0, 200, (120, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
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
import torch
import torch.nn.functional as F

def apart(z, weight: float = 1.0):
    u = F.normalize(z.float(), dim=-1)
    together = (u[0] - u[1]).square().sum(-1).mean()
    return together + weight * torch.pdist(u[0]).square().mul(-2).exp().mean().log()
""",
        "simclr/losses/registry.py",
        '"apart": "simclr.losses.apart:apart",',
        ("loss.name=apart", "loss.options.weight=0.5", "loss.temperature=0.5"),
    ),
    "probe": Stranger(
        "eval/probes/nearest_in_l1.py",
        """
import torch

from simclr.eval.probes.prediction import Prediction, Probe, classes_of

def nearest_in_l1(train_x, train_y, test_x):
    classes_of(train_y)
    return Prediction(train_y[torch.cdist(test_x.float(), train_x.float(), p=1).argmin(1)], None, {"norm": 1})

PROBE = Probe(nearest_in_l1, "nearest in L1")
""",
        "eval/probes/registry.py",
        '"l1": "simclr.eval.probes.nearest_in_l1:PROBE",',
        judge=("--probes", "l1,ridge"),
    ),
    "metric": Stranger(
        "eval/metrics/worst_class.py",
        """
from simclr.eval.metrics.accuracy import per_class_recall
from simclr.eval.metrics.judgement import Metric

def worst_class(judged):
    return min(per_class_recall(judged.truth, judged.classes).values())

WORST = Metric(worst_class, "worst class")
""",
        "eval/metrics/registry.py",
        '"worst_class": "simclr.eval.metrics.worst_class:WORST",',
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
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, house / package, symlinks=True, ignore=ignored)
    return house


def simclr(house: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simclr", *arguments]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, timeout=300)


def pretrained(house: Path, *strangers: Stranger) -> None:
    told = [text for stranger in strangers for text in stranger.pretrain]
    done = simclr(house, "pretrain", "digits", *QUICK, *told, "--output", "run")
    assert done.returncode == 0, done.stderr
    assert f"in {house}" in simclr(house, "recipes").stdout  # it is the copy that runs


def judged(house: Path, *strangers: Stranger) -> None:
    told = [text for stranger in strangers for text in stranger.judge] or ["--probes", "ridge"]
    done = simclr(house, "linear-eval", "run", "--shots", "5", "--seeds", "1", "--no-supervised", "--all-scores", *told)
    assert done.returncode == 0, done.stderr
    (house / "run" / "printed.txt").write_text(done.stdout, encoding="utf-8")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """The copy with all six, after pretraining and evaluation."""
    house = copied(tmp_path_factory.mktemp("house"))
    settle(house, *STRANGERS.values())
    pretrained(house, *STRANGERS.values())
    judged(house, *STRANGERS.values())
    return house


def read(house: Path, name: str) -> str:
    return (house / "run" / name).read_text(encoding="utf-8")


# What only the stranger can have made, in a copy of the packages after pretraining, or evaluation.


def made_by_the_augmentation(house: Path) -> None:
    assert re.search(r"dimming:\n +least: 0.25\n +p: 0.5\n", read(house, "recipe.yaml"))
    drawn = simclr(house, "views", "run/recipe.yaml", "augment.dimming.p=1", "--samples", "1")
    assert drawn.returncode == 0, drawn.stderr
    assert "dimming: least=0.25, p=1.0" in drawn.stdout
    notes = json.loads((house / "views.json").read_text(encoding="utf-8"))
    factors = [view["operations"]["dimming"]["factor"] for view in notes["samples"][0]["views"]]
    assert len(set(factors)) == 2
    assert all(0.25 <= factor <= 1 for factor in factors)


def made_by_the_source(house: Path) -> None:
    assert "source: stripes" in read(house, "recipe.yaml")
    metadata = json.loads(read(house, "encoder.json"))
    assert metadata["source"] == {"name": "stripes", "samples": 120, "classes": ["0", "1", "2"], "patch_size": None}
    assert metadata["data"]["period"] == 3


def made_by_the_encoder(house: Path) -> None:
    code = (
        "from simclr import load_encoder; e = load_encoder('run'); print(type(e.encoder).__name__, len(e.encoder.more))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=house, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Mixer", "4"]


def made_by_the_loss(house: Path) -> None:
    steps = [json.loads(line) for line in read(house, "metrics.jsonl").splitlines()]
    assert len(steps) == 2
    for step in steps:
        # A run measures both terms by itself; the second one weighs a half as it was asked, and not 1.
        assert step["loss"] == pytest.approx(step["alignment"] + 0.5 * step["uniformity"], abs=1e-4)
        assert abs(step["uniformity"]) > 0.1
    assert "name: apart" in read(house, "recipe.yaml")


def made_by_the_probe(house: Path) -> None:
    theirs = [row for row in json.loads(read(house, "result.json"))["rows"] if row["probe"] == "l1"]
    accuracies = {row["representation"]: row["mean"] for row in theirs if row["metric"] == "oa"}
    assert accuracies.keys() >= {"pretrained", "random", "raw", "pca"}
    assert all(0 <= accuracy <= 1 for accuracy in accuracies.values())
    assert all(row["selected"] == [{"norm": 1}] for row in theirs)
    assert "nearest in L1" in read(house, "printed.txt")


def made_by_the_metric(house: Path) -> None:
    result = json.loads(read(house, "result.json"))
    worst = {(r["representation"], r["probe"]): r["mean"] for r in result["rows"] if r["metric"] == "worst_class"}
    average = {(r["representation"], r["probe"]): r["mean"] for r in result["rows"] if r["metric"] == "aa"}
    recall = {(r["representation"], r["probe"]): r["recall"].values() for r in result["per_class"]}  # of one probe
    assert worst.keys() == average.keys() >= recall.keys() > set()
    assert {key: worst[key] for key in recall} == pytest.approx({key: min(recall[key]) for key in recall})
    assert any(worst[key] < average[key] for key in worst)
    assert re.search(r"\bworst\b", read(house, "printed.txt"))


MADE = {
    "augmentation": made_by_the_augmentation,
    "source": made_by_the_source,
    "encoder": made_by_the_encoder,
    "loss": made_by_the_loss,
    "probe": made_by_the_probe,
    "metric": made_by_the_metric,
}


# Those that start another process are left to all tests.
@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=pytest.mark.slow) if k in ("augmentation", "encoder") else k for k in STRANGERS],
)
def test_all_six_together(kind, house):
    MADE[kind](house)


@pytest.mark.slow
def test_a_probe_and_a_metric_in_few_shot_a_report_and_a_comparison(house):
    commands = {
        "few-shot": ("run", "--shots", "3", "--seeds", "1", "--episodes", "0", "--probes", "l1"),
        "report": ("run", "--output", "page.html"),
        "compare": ("run", "run", "--probe", "l1", "--metric", "worst_class"),
    }
    with ThreadPoolExecutor() as pool:  # none reads what another one needs to have written
        ended = dict(zip(commands, pool.map(lambda name: simclr(house, name, *commands[name]), commands)))
    assert [done.returncode for done in ended.values()] == [0, 0, 0], [done.stderr for done in ended.values()]
    assert "nearest in L1" in ended["few-shot"].stdout
    page = (house / "page.html").read_text(encoding="utf-8")
    assert "nearest in L1" in page
    assert "worst class" in page
    assert "nearest in L1 probe" in ended["compare"].stdout
    assert "worst class" in ended["compare"].stdout


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("augment.dimming.leest=0.2", "unknown key augment.dimming.leest: did you mean augment.dimming.least?"),
        pytest.param("data.perod=2", "unknown key data.perod: did you mean data.period?", marks=pytest.mark.slow),
        pytest.param("encoder.options.dpth=2", "did you mean depth?", marks=pytest.mark.slow),
        pytest.param("loss.options.wieght=2", "did you mean weight?", marks=pytest.mark.slow),
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
        judged(house, stranger)
    MADE[kind](house)
