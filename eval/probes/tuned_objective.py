"""A copy of an encoder trained on a few labels under an objective, from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from torch import Tensor, nn
from torch.optim import AdamW
from typing_extensions import TypedDict

from simclr.data import SampleOrder
from simclr.data.class_order import ClassOrder
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.probes.learner import Learned, Lesson, OwnScores
from simclr.eval.probes.prediction import Selected
from simclr.losses.objectives import Objective, build_objective
from simclr.losses.term import Seen
from simclr.models.encoder import seeded
from simclr.recipe.choice import PlainValue
from simclr.train.classifier import BATCH_NORM, build_embedder, scores_of, set_mode
from simclr.train.layer_groups import layer_groups, layers_of
from simclr.train.schedule import warmup_cosine

Ask = Callable[[Source, Tensor], OwnScores]
"""(source, ids) -> what a trained network itself says of samples."""
Asking = Callable[[Lesson, nn.Module, Objective], Ask]
"""What makes it of the lesson, the network and its objective."""


@dataclass(frozen=True)
class ObjectiveTuning:
    """Settings of :func:`train_objective`: the same for every objective, so that rows differ in it alone.

    Attributes:
        steps: each with one batch; 3 % are warm-up, then a cosine to 0.
        batch_size: samples of a step at most; classes are as many as find room.
        per_class: samples of each class in a batch; those of a class with fewer are repeated, in other views.
        lr: peak rate of the objective's own parameters and of the embedding layer, under AdamW.
        layer_decay: factor for each layer of the encoder further down, see ``simclr.train.layer_groups``.
        weight_decay: of weights.
        embedding: width of a linear layer behind the encoder; None trains h itself.
        length: of embeddings at the start, the root of the mean square; None is as in :func:`length_of`.
        augment: draw views with the operations of the encoder's own recipe.
        batch_norm: as of ``simclr.eval.probes.tuned_classifier.FineTuning``.

    Raises:
        InputError: naming the first setting that is out of range, and what is allowed.
    """

    steps: int = 40
    batch_size: int = 96
    per_class: int = 4
    lr: float = 1e-3
    layer_decay: float = 0.65
    weight_decay: float = 1e-4
    embedding: int | None = None
    length: float | None = None
    augment: bool = True
    batch_norm: str = "frozen"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.per_class < 2 or self.batch_size < 2 * self.per_class:
            raise InputError(
                f"steps is {self.steps}, per_class {self.per_class} and batch_size {self.batch_size}: give at least 1 "
                "step, 2 samples of a class and 2 classes a batch."
            )
        if not 0 < self.layer_decay <= 1 or not self.lr > 0 or not self.weight_decay >= 0:
            raise InputError(
                f"layer_decay is {self.layer_decay}, lr {self.lr} and weight_decay {self.weight_decay}: give a factor "
                "above 0 and at most 1, a rate above 0 and a decay of 0 or more."
            )
        if self.batch_norm not in BATCH_NORM:
            raise InputError(f"batch_norm is {self.batch_norm!r}: choose one of {', '.join(BATCH_NORM)}.")
        if self.embedding is not None and self.embedding < 1:
            raise InputError(f"embedding is {self.embedding}: give a width of 1 or more, or None.")


class ObjectiveOptions(TypedDict, total=False):
    """The settings of :class:`ObjectiveTuning` that are to be other than usual."""

    steps: int
    batch_size: int
    per_class: int
    lr: float
    layer_decay: float
    weight_decay: float
    embedding: int | None
    length: float | None
    augment: bool
    batch_norm: str


FROM_PRETRAINED = ObjectiveTuning()
FROM_RANDOM = ObjectiveTuning(layer_decay=1.0, lr=3e-3)
"""For an encoder with random weights: nothing in it is worth keeping."""

NO_MARGIN = ("prototypical", "n-pair")
LENGTH_WITHOUT_MARGIN = 4.0


def train_objective(
    lesson: Lesson,
    terms: Mapping[str, Mapping[str, PlainValue]],
    options: ObjectiveOptions | None = None,
    ask: Asking | None = None,
) -> Learned:
    """Trains a copy of the lesson's encoder under a sum of terms, for a fixed number of steps.

    Batches are those of ``simclr.data.class_order``: classes, and samples of each; beside them, for a term that wants
    inputs without labels, as many of all samples of the source, whatever their class. Embeddings are h, less its mean
    over the samples to learn from, divided by its standard deviations there, and scaled to a length that suits the
    objective, whatever the encoder. The same lesson gives the same again.

    Args:
        lesson: what to learn, and from where.
        terms: as of ``simclr.losses.objectives.build_objective``.
        options: settings to be other than ``FROM_PRETRAINED`` or ``FROM_RANDOM``, by where the lesson starts.
        ask: what is asked of the trained network, if other than the scores named below.

    Returns:
        Embeddings; and of an objective with a classifier its own class, ``max softmax`` and ``energy`` as of
        ``simclr.eval.open_set.scores.by_logits``, called ``own max softmax`` and ``own energy``.

    Raises:
        InputError: fewer than two classes, an unknown term, or an encoder without a recipe to draw views with.
    """
    # What there is to learn from.
    settings = settings_of(lesson.pretrained, lesson.encoder, options)
    ids, targets, seed = lesson.ids, lesson.targets, lesson.seed
    classes = int(targets.max()) + 1
    plain = lesson.inputs.plain(lesson.source)
    at_once = max(2, min(classes, settings.batch_size // settings.per_class))
    order = ClassOrder(targets, at_once, settings.per_class, seed)

    # What learns.
    _, *shape = plain(ids[:1]).shape
    width = settings.embedding or lesson.encoder.feature_dim
    sizes = {"feature_dim": width, "classes": classes, "seed": seed, "input_shape": tuple(shape)}
    with seeded(seed):
        objective = build_objective(terms, **sizes).to(lesson.device)  # type: ignore[arg-type]
        length = settings.length or length_of(terms, objective, lesson.encoder.feature_dim)
        model = build_embedder(
            lesson.encoder.encoder, plain, ids, length, settings.embedding, lesson.device, settings.batch_norm
        )
    if objective.classifier is not None:  # as fine-tuning with cross entropy does: nothing is said at first
        nn.init.zeros_(objective.classifier.linear.weight)
        nn.init.zeros_(objective.classifier.linear.bias)
    layers = [*layers_of(model.body), ("objective", [*model.embedding.parameters(), *objective.parameters()])]
    optimizer = AdamW(layer_groups(layers, settings.lr, settings.layer_decay, settings.weight_decay), fused=True)
    peaks = [group["lr"] for group in optimizer.param_groups]
    warmup = max(1, settings.steps * 3 // 100)
    beside = _without_labels(lesson, order, settings.augment)

    for step, (rows, x) in enumerate(lesson.inputs.batches(lesson, order, settings.steps, settings.augment)):
        set_mode(model, settings.batch_norm)
        objective.train()
        seen = Seen(x, model, beside(step) if "unlabelled" in objective.needs else None)
        value = objective(model(x), targets[rows].to(lesson.device), seen=seen, check=False)
        value.total.backward()
        for group, peak in zip(optimizer.param_groups, peaks):
            group["lr"] = warmup_cosine(step, settings.steps, warmup, peak)
        optimizer.step()
        optimizer.zero_grad()

    model.eval()
    selected: Selected = {"classes": order.classes_per_batch, **asdict(settings)}
    if "unlabelled" in objective.needs:
        selected |= {"without_labels": "all samples of the source, those that are tested among them"}
    own = ask(lesson, model, objective) if ask else _own(lesson, model, objective)
    return Learned(_features(lesson, model), own, selected=selected)


def settings_of(pretrained: bool, encoder: FrozenEncoder, options: ObjectiveOptions | None = None) -> ObjectiveTuning:
    """Settings for an encoder that was pretrained or was not, with changes.

    Raises:
        InputError: as :class:`ObjectiveTuning`.
    """
    usual = FROM_PRETRAINED if pretrained else FROM_RANDOM
    return replace(usual, **{"augment": "recipe" in encoder.metadata, **(options or {})})  # type: ignore[arg-type]


def length_of(terms: Iterable[str], objective: Objective, feature_dim: int) -> float:
    """The length of embeddings that suits an objective: √dim for a classifier, so that a feature has the deviation 1.

    Of the others most have margins that are made for a length of 1; a few compare products or squared distances as they
    are (``NO_MARGIN``), and would hardly tell such embeddings apart.
    """
    if objective.classifier is not None:
        return feature_dim**0.5
    return LENGTH_WITHOUT_MARGIN if any(name in NO_MARGIN for name in terms) else 1.0


def _features(lesson: Lesson, model: nn.Module) -> Callable[[Source, Tensor], Tensor]:
    return lambda source, ids: scores_of(model, lesson.inputs.plain(source), ids)


def _without_labels(lesson: Lesson, order: ClassOrder, augment: bool) -> Callable[[int], Tensor]:
    """What of all samples of the source goes beside the batch of a step, (u, C, h, w); no label is read."""
    source = lesson.source
    everything = SampleOrder(len(source), min(order.batch_size, len(source)), lesson.seed)
    plain, draw = lesson.inputs.plain(source), lesson.inputs.drawn(source, lesson.seed) if augment else None

    def beside(step: int) -> Tensor:
        ids = everything.at(step)
        # Labelled samples have an address of their own for each of their places in a class.
        return draw(ids, step, ids + len(source) * order.samples_per_class) if draw else plain(ids)

    return beside


def _own(lesson: Lesson, model: nn.Module, objective: Objective) -> Ask | None:
    classifier = objective.classifier
    if classifier is None:
        return None
    network = nn.Sequential(model, classifier.linear)

    def own(source: Source, ids: Tensor) -> OwnScores:
        logits = scores_of(network, lesson.inputs.plain(source), ids).double()
        return OwnScores(logits.argmax(1), scores_of_logits(logits))

    return own


def scores_of_logits(logits: Tensor) -> dict[str, Tensor]:
    """``own max softmax`` and ``own energy`` of logits (m, K), each (m,)."""
    return {"own max softmax": 1 - logits.softmax(1).max(1).values, "own energy": -logits.logsumexp(1)}
