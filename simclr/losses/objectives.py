"""What fine-tuning can minimise, by the names that recipes call it, alone or as terms of a weighted sum.

A new objective is one file and one line. The file holds a function of embeddings (batch, dim) and labels (batch,) that
gives a scalar, or a `Measured` with numbers beside it, and says what it is::

    def spread(embeddings: Tensor, labels: Tensor, *, power: float = 2.0, check: bool = True) -> Tensor:
        x, y = whole_batch(embeddings, labels, check=check)
        return distances(x, x).pow(power)[y[:, None] == y].mean()


    SPREAD = Term("spread of classes", spread)

The line stands in ``OBJECTIVES`` below::

    "spread": "simclr.losses.spread:SPREAD",

`simclr.losses.batch.whole_batch` gives it the batch of all processes. What has a state (a classifier, centres, a
learned boundary) is a module in the function's place.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr.augment.checks import is_number, shown
from simclr.errors import InputError
from simclr.losses.batch import Measured
from simclr.losses.classifier import LinearClassifier
from simclr.losses.term import Need, Seen, Term, Watched
from simclr.recipe.choice import PlainValue, check_options, no_such
from simclr.registry import Registry

OBJECTIVES: Registry[Term] = Registry(
    {
        "softmax": "simclr.losses.softmax:SOFTMAX",
        "hinge": "simclr.losses.hinge:HINGE",
        "center": "simclr.losses.center:CENTER",
        "contrastive": "simclr.losses.contrastive:CONTRASTIVE",
        "triplet": "simclr.losses.triplet:TRIPLET",
        "n-pair": "simclr.losses.n_pair:N_PAIR",
        "angular": "simclr.losses.angular:ANGULAR",
        "ranked-list": "simclr.losses.ranked_list:RANKED_LIST",
        "margin": "simclr.losses.margin:MARGIN",
        "prototypical": "simclr.losses.prototypical:PROTOTYPICAL",
        "sup-con": "simclr.losses.sup_con:SUP_CON",
        "reconstruction": "simclr.losses.reconstruction:RECONSTRUCTION",
        "adversarial": "simclr.losses.adversarial:ADVERSARIAL",
        "ddc": "simclr.losses.adaptation:DDC",
        "dan": "simclr.losses.adaptation:DAN",
    }
)

_SET_BY = {
    "feature_dim": "the network",
    "classes": "the labels",
    "embeddings": "the network",
    "labels": "the labels",
    "seed": "the run",
    "check": "the loop",
    "seen": "the loop",
    "input_shape": "the data",
}


class ObjectiveValue(NamedTuple):
    """An objective of a global batch, in every process the same.

    Attributes:
        total: the weighted sum, a scalar to differentiate.
        terms: value of each term by name, before its weight; without gradient.
        metrics: numbers that terms give beside it, as ``term/number``; without gradient.
    """

    total: Tensor
    terms: dict[str, Tensor]
    metrics: dict[str, Tensor]


class Objective(nn.Module):
    """A weighted sum of terms of embeddings and labels.

    Its parameters (of classifiers, learned boundaries) belong into the optimizer; its buffers (centres, numbers of
    draws) into a run state. Embeddings are normalised for the terms that want unit rows, and for these alone.

    Args:
        terms: what each term says of itself, by name.
        modules: what computes it.
        weights: of the terms.

    See `build_objective`.
    """

    def __init__(
        self, terms: Mapping[str, Term], modules: Mapping[str, nn.Module], weights: Mapping[str, float]
    ) -> None:
        super().__init__()
        self.modules_of_terms = nn.ModuleDict(dict(modules))
        self._terms = dict(terms)
        self.weights = dict(weights)
        self.wants_pairs = any(term.batches == "pairs" for term in terms.values())
        self.needs: frozenset[Need] = frozenset(need for term in terms.values() for need in term.needs)

    @property
    def classifier(self) -> LinearClassifier | None:
        """The classifier of the first term that has one: its ``logits`` are what the network says of a sample."""
        found = [module for module in self.modules_of_terms.values() if isinstance(module, LinearClassifier)]
        return found[0] if found else None

    @property
    def watched(self) -> Watched:
        """The layers inside the encoder that terms look at."""
        asked: list[Watched] = [getattr(module, "watched", Watched()) for module in self.modules_of_terms.values()]
        return Watched(max(one.last for one in asked), tuple(name for one in asked for name in one.modules))

    def forward(
        self, embeddings: Tensor, labels: Tensor, *, seen: Seen | None = None, check: bool = True
    ) -> ObjectiveValue:
        """The sum for this process's part of the global batch.

        Args:
            embeddings: (batch, dim), any float type.
            labels: (batch,) integers ≥ 0.
            seen: for terms that need more than these.
            check: as of `simclr.losses.batch.whole_batch`.

        Raises:
            ValueError: of a term, with its name.
        """
        values: dict[str, Tensor] = {}
        metrics: dict[str, Tensor] = {}
        for name, module in self.modules_of_terms.items():
            rows = embeddings
            if self._terms[name].unit:
                rows = F.normalize(rows.to(torch.promote_types(rows.dtype, torch.float32)), dim=1)
            try:
                more = {"seen": seen} if self._terms[name].needs else {}
                found = module(rows, labels, check=check, **more)
            except ValueError as error:
                raise ValueError(f"objective {name}: {error}") from error
            if isinstance(found, Measured):
                metrics |= {f"{name}/{number}": value.detach() for number, value in found.metrics.items()}
                found = found.loss
            values[name] = found
        total = torch.stack([self.weights[name] * value for name, value in values.items()]).sum()
        return ObjectiveValue(total, {name: value.detach() for name, value in values.items()}, metrics)


class _Function(nn.Module):
    """A term without a state, with its arguments."""

    def __init__(self, term: Term, options: Mapping[str, PlainValue]) -> None:
        super().__init__()
        self.term, self.options = term, dict(options)

    def forward(
        self, embeddings: Tensor, labels: Tensor, *, check: bool = True, **seen: Seen | None
    ) -> Tensor | Measured:
        function: Any = self.term.function
        found: Tensor | Measured = function(embeddings, labels, check=check, **self.options, **seen)
        return found


def check_objective_names(names: Iterable[str], key: str = "objective") -> None:
    """Raise an InputError if no objective has one of the names; ``key`` is that of their section in the recipe."""
    for name in names:
        if name not in OBJECTIVES:
            raise no_such("objective", str(name), OBJECTIVES, f"a term of {key}")


def check_objective(
    section: Mapping[str, Mapping[str, PlainValue]], key: str = "objective", *, target: bool = True
) -> None:
    """Whether an objective can be trained with, whatever the embeddings and classes will be.

    Args:
        section: as of `build_objective`.
        key: of the section in the recipe.
        target: whether the recipe has one.

    Raises:
        InputError: as `build_objective`; or all that is missing: a term that tells classes apart, without which all
            embeddings would become one point, and a target where a term compares with one.
    """
    build_objective(section, feature_dim=2, classes=2, input_shape=(1, 4, 4), key=key)
    missing = []
    if not any(OBJECTIVES[name].alone for name in section):
        missing.append(
            f"{key} has {' and '.join(section)} alone, which is least where all embeddings are one point: set a term "
            f"that tells classes apart beside it, such as {key}.softmax={{}}"
        )
    if comparing := [name for name in section if "target" in OBJECTIVES[name].needs and not target]:
        missing.append(
            f"{' and '.join(comparing)} of the {key} compares the data with a target, and the recipe has none: set "
            "one, a section like data, such as target={source: arrays, path: FILE}"
        )
    if missing:
        raise InputError("; and ".join(missing))


def build_objective(
    section: Mapping[str, Mapping[str, PlainValue]],
    *,
    feature_dim: int,
    classes: int,
    seed: int = 0,
    input_shape: tuple[int, int, int] | None = None,
    key: str = "objective",
) -> Objective:
    """The objective that a recipe describes.

    Args:
        section: by name, the arguments of each term and its ``weight``, 1 if that is left out:
            ``{"softmax": {}, "center": {"weight": 0.003}}``.
        feature_dim: of the embeddings.
        classes: how many; labels are 0..classes-1.
        seed: of the run, for terms that draw.
        input_shape: (C, H, W) of what the encoder takes, for terms that look at it.
        key: of the section in the recipe.

    Raises:
        InputError: no term, an unknown name or argument, a bad weight or value.

    Example:
        >>> objective = build_objective({"triplet": {"margin": 0.3}}, feature_dim=128, classes=10)
        >>> objective(torch.randn(8, 128), torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])).total.shape
        torch.Size([])
    """
    if not isinstance(section, Mapping) or not section:
        raise InputError(f"{key} is {shown(section)}, but must hold a term, such as softmax: {{}}")
    terms: dict[str, Term] = {}
    modules: dict[str, nn.Module] = {}
    weights: dict[str, float] = {}
    check_objective_names(section, key)
    for name, given in section.items():
        if not isinstance(given, Mapping):
            raise InputError(f"{key}.{name} is {shown(given)}, but must be arguments and their values: {{}} for none")
        options = dict(given)
        weight = options.pop("weight", 1.0)
        if not is_number(weight) or not 0 < float(weight) < float("inf"):
            raise InputError(f"{key}.{name}.weight is {shown(weight)}, but must be a number above 0")
        term = OBJECTIVES[name]
        check_options(f"{key}.{name}", name, term.function, options, _SET_BY, "{section}.{option}")
        terms[name], weights[name] = term, float(weight)
        try:
            modules[name] = _module_of(term, options, feature_dim, classes, {"seed": seed, "input_shape": input_shape})
        except ValueError as error:
            raise InputError(f"{key}.{name}.{str(error).rstrip('.')}") from error
    return Objective(terms, modules, weights)


def _module_of(
    term: Term, options: dict[str, PlainValue], feature_dim: int, classes: int, of_run: Mapping[str, Any]
) -> nn.Module:
    """Raises a ValueError that begins with the name of a bad argument."""
    if isinstance(term.function, type):
        takes = inspect.signature(term.function).parameters
        return term.function(feature_dim, classes, **options, **{k: v for k, v in of_run.items() if k in takes})
    module = _Function(term, options)
    nothing: Any = None
    try:
        seen = {"seen": nothing} if term.needs else {}
        module(nothing, nothing, check=False, **seen)  # arguments are looked at before embeddings are
    except ValueError as error:
        if not str(error).startswith("embeddings "):
            raise
    return module
