"""Recipes and overrides that nobody would write on purpose."""

import inspect

import torch
import yaml

from simclr.cli.options import tuning_to_run
from simclr.data.chosen_labels import choose_labels
from simclr.data.source import Source
from simclr.losses.objectives import OBJECTIVES
from simclr.recipe.read import read_experiment, recipe_folder, shipped_recipes
from simclr.recipe.schema import Recipe
from simclr.train.course import set_course, set_tuning_course
from simclr.views.inputs import build_inputs, build_tuning_inputs

TEXTS = {name: (recipe_folder() / f"{name}.yaml").read_text(encoding="utf-8") for name in shipped_recipes()}


def keys(tree, above=""):
    for key, value in tree.items() if isinstance(tree, dict) else ():
        yield above + key
        yield from keys(value, f"{above}{key}.")


OF_OBJECTIVES = [
    f"objective.{name}.{option}"
    for name in OBJECTIVES
    for option in ("weight", *inspect.signature(OBJECTIVES[name].function).parameters)
]
OF_TUNING = (
    "from",
    "objective",
    "embedding",
    "embedding.dim",
    "embedding.normalize",
    "train.classes",
    "train.per_class",
)
OF_TUNING += tuple(f"labels.{key}" for key in ("shots", "share", "seed", "unknown", "x"))
OF_TUNING += ("monitor.held_out", "monitor.every", "train.batch_size", "train.max_steps", "data.unknown", "seed")
KEYS = sorted({key for text in TEXTS.values() for key in keys(yaml.safe_load(text))})
MORE = ("x", "data", "train.epochs.x", "train.micro_batch", "loss.options", "encoder.options", "log.trackers")
MORE += ("augment.overrides", "augment.small_views", *(f"data.{key}" for key in ("path", "test_path", "unlabelled")))
MORE += tuple(f"data.{key}" for key in ("whiten", "normalize", "mean", "unknown", "eval_size"))
NO_OVERRIDES = ("", "=", "a", "=1", "a..b=1", ".=1", "seed", "seed==1", "SEED=1", "\0=1")


def opened(path, overrides=()):
    """As far as a run goes before it takes memory for a network: what is learnt from, how it is seen, for how long."""
    recipe = read_experiment(path, overrides)
    if isinstance(recipe, Recipe) and recipe.data.source == "digits":
        inputs = build_inputs(recipe, torch.device("cpu"))
        assert isinstance(inputs.source, Source)
        set_course(recipe.train, len(inputs.source), recipe.seed, 0, 1)


def tuned(path, overrides=()):
    """Likewise of a fine-tuning, with its labels and its objective."""
    recipe = tuning_to_run(path, overrides)
    if recipe.data.source == "digits" and recipe.start is None:
        source = build_tuning_inputs(recipe, torch.device("cpu")).source
        asked = recipe.labels
        chosen = choose_labels(
            source,
            shots=asked.shots,
            share=asked.share,
            unknown=[*asked.unknown, *recipe.data.unknown],
            held_out=recipe.monitor.held_out,
            seed=asked.seed or 0,
        )
        for pairs in (True, False):
            set_tuning_course(recipe.train, chosen.targets, pairs, recipe.seed, 0, 1).order.at(0)


def test_mutated_texts(fuzz, tmp_path):
    def make(odd):
        text = odd.text(TEXTS[odd.random.choice(sorted(TEXTS))])
        file = tmp_path / "r.yaml"
        content = text.encode("utf-8", "surrogatepass")
        file.write_bytes(odd.bytes(content) if odd.random.random() < 0.2 else content)
        return text, lambda: opened(file)

    fuzz(1000, make)


def test_mutated_trees(fuzz, tmp_path):
    def make(odd):
        tree = odd.tree(yaml.safe_load(TEXTS[odd.random.choice(sorted(TEXTS))]))
        file = tmp_path / "r.yaml"
        text = odd.json(tree)
        file.write_text(text)
        return text, lambda: opened(file)

    fuzz(1000, make)


def test_odd_overrides(fuzz):
    def make(odd):
        overrides = []
        for _ in range(odd.random.choice((1, 1, 2, 3))):
            key = odd.random.choice([*KEYS, *MORE])
            value = odd.value()
            overrides.append(f"{key}={value if isinstance(value, str) else odd.json(value)}")
        if odd.random.random() < 0.1:
            overrides.append(
                odd.random.choice(("", "=", "a", "=1", "a..b=1", ".=1", "seed", "seed==1", "SEED=1", "\0=1"))
            )
        name = odd.random.choice(sorted(TEXTS) if odd.random.random() < 0.5 else ["digits"])
        return " ".join(overrides), lambda: opened(name, overrides)

    fuzz(1000, make)


def test_odd_fine_tunings(fuzz):
    def make(odd):
        overrides = ["objective.softmax={}"] if odd.random.random() < 0.5 else []
        for _ in range(odd.random.choice((1, 1, 2, 3))):
            key = odd.random.choice(OF_TUNING if odd.random.random() < 0.5 else [*OF_OBJECTIVES, *KEYS])
            value = odd.value()
            overrides.append(f"{key}={value if isinstance(value, str) else odd.json(value)}")
        name = odd.random.choice(
            ["digits", "digits-triplet", "omniglot-prototypical", "nowhere", "runs/x", "a.yaml", ""]
        )
        return f"{name} {' '.join(overrides)}", lambda: tuned(name, overrides)

    fuzz(1000, make)
