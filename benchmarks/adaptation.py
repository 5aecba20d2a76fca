"""Accuracy on a target domain whose labels are never seen: without adaptation, with DDC and with DAN."""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import InterpolationMode, rotate

from benchmarks.harness import Report
from simclr import load_encoder
from simclr.data.images.digits import load_digits
from simclr.data.open import open_source
from simclr.data.scenes.indian_pines import load_indian_pines
from simclr.eval.metrics.statistics import interval
from simclr.finetune import fine_tune
from simclr.recipe.read import check_tuning
from simclr.run.checkpoint import load_run_state
from simclr.views.encoder_inputs import plain_inputs

SEEDS, CHOSEN_ON = range(5), range(100, 102)
NOTHING = "nothing"


class Method(NamedTuple):
    """How the target is used: by further terms of the objective, and by its own statistics in preprocessing."""

    terms: Mapping[str, Mapping[str, Any]]
    own: bool = False


# Nothing but the target's presence in batch normalisation.
PRESENT = {"ddc": {"weight": 1e-9}}
# Of DDC and DAN; chosen on seeds 100 to 103; `python -m benchmarks.adaptation` tries others on the first two.
WEIGHTS = {"digits": 1.0, "Indian Pines": 0.3}


def methods_of(task: str) -> dict[str, Method]:
    """What is compared on a task; statistics of single bands only where there are bands."""
    weight = next(weight for name, weight in WEIGHTS.items() if task.startswith(name))
    ddc, dan = ({term: {"weight": weight}} for term in ("ddc", "dan"))
    methods = {NOTHING: Method({}), "BatchNorm of both": Method(PRESENT), "DDC": Method(ddc), "DAN": Method(dan)}
    if task.startswith("digits"):
        return methods
    return {**methods, "own statistics": Method(PRESENT, own=True), "own statistics, DDC": Method(ddc, own=True)}


class Task(NamedTuple):
    """Two domains in files.

    Attributes:
        data: section of a recipe, of samples with labels.
        target: section of the samples that are adapted to.
        test: section of samples of the target with labels, on which accuracy is measured.
        recipe: further sections.
    """

    data: dict[str, Any]
    target: dict[str, Any]
    test: dict[str, Any]
    recipe: dict[str, Any]


def inverted(images: Tensor, seed: int) -> Tensor:
    return 240 - images


def noisy(images: Tensor, seed: int) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return (images + 80 * noise).round().clamp(0, 240).to(torch.uint8)


def rotated(images: Tensor, seed: int) -> Tensor:
    return rotate(images, 20, InterpolationMode.BILINEAR)


def digits(shift: Callable[[Tensor, int], Tensor], folder: Path, seed: int) -> Task:
    """40 % of the digits as they are; 30 % shifted, to adapt to; 30 % shifted, to judge: three sets of other digits."""
    source = load_digits()
    assert source.labels is not None
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed))
    first, second = int(0.4 * len(order)), int(0.7 * len(order))
    sections = {}
    for name, ids in (("data", order[:first]), ("target", order[first:second]), ("test", order[second:])):
        images = source.images[ids] if name == "data" else shift(source.images[ids], seed)
        np.save(folder / f"{name}.npy", images[:, 0].numpy())
        np.save(folder / f"{name}-labels.npy", source.labels[ids].numpy())
        sections[name] = {"source": "arrays", "path": str(folder / f"{name}.npy"), "name": f"digits, {name}"}
        if name != "target":
            sections[name]["labels"] = str(folder / f"{name}-labels.npy")
    affine = {"degrees": 10, "translate": 0.06, "scale": [0.85, 1.15], "shear": 10}
    train = {"batch_size": 64, "max_steps": 220, "lr": 2e-3, "warmup_epochs": 2, "checkpoint_every": 220}
    recipe = {
        "augment": {"affine": affine, "noise": {"sd": 0.1, "p": 0.5}},
        "encoder": {"name": "pyramid2", "width": 16},
        "embedding": {"dim": 32, "normalize": False},
        "train": train,
    }
    return Task(**sections, recipe=recipe)


def another_sensor(cube: Tensor) -> Tensor:
    """A cube (bands, height, width) as a sensor would see it with other band centres, gains and offsets.

    Centres lie 0.7 bands further on, gains go smoothly from 0.8 to 1.2 and back, offsets are up to 5 % of the mean.
    """
    bands = torch.arange(len(cube), dtype=torch.float64)
    place = (bands + 0.7).clamp(max=len(cube) - 1)
    low, share = place.floor().long(), place - place.floor()
    moved = torch.lerp(cube[low].double(), cube[(low + 1).clamp(max=len(cube) - 1)].double(), share[:, None, None])
    turn = (2 * torch.pi * bands / len(cube))[:, None, None]
    return (1 + 0.2 * turn.sin()) * moved + 0.05 * cube.double().mean() * turn.cos()


def indian_pines(sensor: bool, folder: Path, seed: int) -> Task:
    """Columns 0 to 71 with labels, the rest to adapt to and to judge; classes with 20 pixels or more on both sides."""
    scene = load_indian_pines()
    assert scene.ground_truth is not None
    halves = {"data": slice(0, 72), "target": slice(73, None)}
    counts = [scene.ground_truth[:, part].flatten().bincount(minlength=17) for part in halves.values()]
    shared = (counts[0] >= 20) & (counts[1] >= 20) & (torch.arange(17) > 0)
    truth = torch.where(shared[scene.ground_truth], scene.ground_truth, 0)
    section = {"source": "scene", "patch_size": 9, "pool": 3, "normalize": "standardize", "layout": "CHW"}
    for name, part in halves.items():
        cube = scene.cube[:, :, part].double()
        cube = another_sensor(cube) if sensor and name == "target" else cube
        np.save(folder / f"{name}.npy", cube.float().numpy())
        np.save(folder / f"{name}-truth.npy", truth[:, part].numpy())
    data, target = ({**section, "path": str(folder / f"{name}.npy"), "name": name} for name in halves)
    of_data, of_target = ({"ground_truth": str(folder / f"{name}-truth.npy")} for name in halves)
    recipe = {
        "augment": {"horizontal_flip": {"p": 0.5}, "rotation90": {"p": 1.0}},
        "encoder": {"name": "spectral_spatial", "width": 64},
        "train": {"batch_size": 128, "max_steps": 120, "lr": 2e-3, "warmup_epochs": 1, "checkpoint_every": 120},
    }
    return Task({**data, **of_data}, target, {**target, **of_target}, recipe)


TASKS: dict[str, Callable[[Path, int], Task]] = {
    "digits inverted": lambda folder, seed: digits(inverted, folder, seed),
    "digits noisy": lambda folder, seed: digits(noisy, folder, seed),
    "digits rotated by 20°": lambda folder, seed: digits(rotated, folder, seed),
    "Indian Pines, west to east": lambda folder, seed: indian_pines(False, folder, seed),
    "Indian Pines, west to east, another sensor": lambda folder, seed: indian_pines(True, folder, seed),
}


def accuracy(task: Task, method: Method, seed: int, folder: Path) -> float:
    """Of the classifier on the target's test samples, after the last step, in percent."""
    tree = {**task.recipe, "seed": seed, "data": task.data, "objective": {"softmax": {}, **method.terms}}
    if method.terms:
        tree["target"] = {**task.target, "statistics": "own" if method.own else "data"}
    fine_tune(check_tuning(tree), folder, overwrite=True, say=lambda line: None)
    encoder = load_encoder(folder / f"encoder{'-target' if method.own else ''}.safetensors")
    state = load_run_state(max((folder / "checkpoints").glob("*.pt")))["model"]
    weight, bias = (state[f"objective.modules_of_terms.softmax.linear.{part}"] for part in ("weight", "bias"))
    test = open_source(**task.test)
    assert test is not None
    assert test.labels is not None
    ids = test.labelled_ids()
    inputs = plain_inputs(encoder, test, "cpu")
    with torch.no_grad():
        found = [F.linear(encoder(inputs(part)), weight, bias).argmax(1) for part in ids.split(512)]
    names = encoder.metadata.labels.classes
    classes = torch.tensor([test.class_names.index(name) for name in names])
    return 100 * (classes[torch.cat(found)] == test.labels[ids]).double().mean().item()


def measure(name: str, methods: Mapping[str, Method], seeds: Sequence[int]) -> dict[str, list[float]]:
    """Accuracies in percent on a task, one a seed: method → values."""
    found: dict[str, list[float]] = {method: [] for method in methods}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            task = TASKS[name](Path(folder), seed)
            for method, how in methods.items():
                found[method].append(accuracy(task, how, seed, Path(folder) / "run"))
    return found


def run(report: Report, quick: bool) -> None:
    """The table of the documentation."""
    report.machine("torch")
    seeds = list(SEEDS)[: 1 if quick else None]
    for name in list(TASKS)[: 1 if quick else None]:
        found = measure(name, methods_of(name), seeds)
        rows = []
        for method, values in found.items():
            gains = [value - base for value, base in zip(values, found[NOTHING])]
            between = interval(gains)
            shown = "" if between is None or method == NOTHING else f"{between[0]:+.1f} to {between[1]:+.1f}"
            each = " ".join(f"{value:.1f}" for value in values)
            rows.append([method, f"{fmean(values):.1f}", f"{fmean(gains):+.1f}", shown, each])
        report.table(name, [f"{len(seeds)} seeds", "accuracy, %", "paired gain", "95 %", "each"], rows)


def choose(names: Iterable[str], seeds: Sequence[int]) -> None:
    """Prints accuracies by weight, on seeds that no table reports."""
    methods = {NOTHING: Method({}), "BatchNorm of both": Method(PRESENT)}
    for term, weight in itertools.product(("ddc", "dan"), (0.3, 1.0, 3.0)):
        methods[f"{term} {weight:g}"] = Method({term: {"weight": weight}})
    for name in names:
        for method, values in measure(name, methods, seeds).items():
            print(f"{name}: {method:16} {fmean(values):5.1f}  {[round(value, 1) for value in values]}", flush=True)


if __name__ == "__main__":
    choose(sys.argv[1:] or TASKS, CHOSEN_ON)
