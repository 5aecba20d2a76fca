"""Recipes to be proven, and bad ones on purpose, so that a run's own verdict has something to be right about."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.quality.sets import IMAGE, SCENE, SETS
from simclr.recipe.read import shipped_recipes

GOOD, BAD = "good", "bad"


class Contender(NamedTuple):
    """A recipe, and what is changed in it.

    Attributes:
        name: what tables call it.
        kind: of the sets that it is for: ``scene`` or ``image``.
        group: ``good``, or ``bad`` on purpose.
        recipe: name of a shipped recipe, or a file.
        overrides: ``KEY=VALUE``.
        sets: that it is for; empty = all of its kind.
    """

    name: str
    kind: str
    group: str
    recipe: str
    overrides: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()

    def fits(self, set_name: str) -> bool:
        """Whether it is for a set."""
        return self.kind == SETS[set_name].kind and (not self.sets or set_name in self.sets)


_FEW_SCENES = ("indian-pines", "samson", "jasper-ridge", "indian-pines-west", "indian-pines-east")
_FEW_IMAGES = ("digits", "fashion-500")


# A run gives its own verdict on samples that it does not learn from.
_WATCHED = ("monitor.held_out=0.05",)


def _bad(kind: str, recipe: str, changes: dict[str, tuple[str, ...]]) -> list[Contender]:
    few = _FEW_SCENES if kind == SCENE else _FEW_IMAGES
    return [
        Contender(f"{kind}:{name}", kind, BAD, recipe, (*overrides, *_WATCHED), few)
        for name, overrides in changes.items()
    ]


CONTENDERS = [
    Contender("scene", SCENE, GOOD, "scene"),
    Contender("images", IMAGE, GOOD, "images"),
    # One recipe a set, as shipped.
    Contender("indian-pines", SCENE, GOOD, "indian-pines"),
    Contender("digits", IMAGE, GOOD, "digits", sets=("digits", "fashion-500", "fashion-4000")),
    Contender("omniglot", IMAGE, GOOD, "omniglot", sets=("omniglot",)),
    Contender("cifar10-small", IMAGE, GOOD, "cifar10-small", sets=("cifar10",)),
    Contender("fashion-mnist", IMAGE, GOOD, "fashion-mnist", sets=("fashion-500", "fashion-4000")),
    *_bad(
        SCENE,
        "indian-pines",
        {
            "whiten-3": ("data.whiten=3",),
            "no-whitening": ("data.whiten=null",),
            "jitter": ("augment.center_shift=null", "augment.spectral_jitter={gain: 0.5, offset: 1.0, p: 1.0}"),
            "one-step": ("train.max_steps=1", "train.warmup_epochs=0"),
            "cold": ("loss.temperature=0.02",),
            "hot": ("loss.temperature=5",),
            "noise": ("augment.noise={sd: 3.0, p: 1.0}",),
            "far-shift": ("augment.center_shift={shift: 20, candidates: 1}",),
        },
    ),
    *_bad(
        IMAGE,
        "digits",
        {
            "one-step": ("train.max_steps=1", "train.warmup_epochs=0"),
            "cold": ("loss.temperature=0.02",),
            "hot": ("loss.temperature=5",),
            "noise": ("augment.noise={sd: 1.0, p: 1.0}",),
            "crops": ("augment.resized_crop={scale: [0.05, 0.2]}",),
            "flips": ("augment.horizontal_flip={p: 0.5}", "augment.vertical_flip={p: 0.5}", "augment.rotation90={}"),
        },
    ),
]


def chosen_contenders(words: Sequence[str]) -> list[Contender]:
    """Contenders by name or group (``good``, ``bad``, ``all``), or recipes for all sets; without any, the good ones.

    A recipe is a shipped one or a file, and what is changed in it: ``scene``, or ``"scene train.epochs=5"``. One whose
    recipe is not shipped is left out, unless it is named.

    Raises:
        ValueError: for a word that is none of these.
    """
    shipped = shipped_recipes()
    ready = [contender for contender in CONTENDERS if contender.recipe in shipped]
    found: list[Contender] = []
    for word in words or (GOOD,):
        mine = [contender for contender in ready if word in (contender.name, contender.group, "all")]
        recipe, *overrides = shlex.split(word) or [""]
        if not mine and (recipe in shipped or Path(recipe).is_file()) and all("=" in text for text in overrides):
            place = recipe if recipe in shipped else str(Path(recipe).absolute())  # for a process that starts elsewhere
            name = " ".join([Path(recipe).stem, *overrides])
            mine = [Contender(name, kind, GOOD, place, tuple(overrides)) for kind in (SCENE, IMAGE)]
        if not mine:
            names = ", ".join(contender.name for contender in ready)
            raise ValueError(f"there is no contender {word}: choose from good, bad, all, {names}, or give a recipe.")
        found += [contender for contender in mine if contender not in found]
    return found
