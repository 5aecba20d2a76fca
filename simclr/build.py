"""From the recipe's sections to objects: the only place that unpacks a recipe into plain arguments."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from simclr.choose.scenes import look_at_scene
from simclr.data import Preprocess, SceneSource, Source
from simclr.errors import InputError
from simclr.losses.ntxent import nt_xent
from simclr.losses.objectives import Objective, build_objective, check_objective
from simclr.losses.registry import LOSSES, check_loss_name
from simclr.models.encoder import build_encoder, for_channels, seeded
from simclr.models.head import ProjectionHead
from simclr.models.simclr import SimCLR, projected_dim
from simclr.recipe.choice import check_options
from simclr.recipe.schema import Encoder, Head, Loss, Optimisation, Recipe
from simclr.recipe.tuning import TuningRecipe
from simclr.run.start import Start, take_weights
from simclr.train.batchnorm import convert_batchnorm
from simclr.train.image_verdict import ImageJudge
from simclr.train.optimizer import build_optimizer
from simclr.train.scene_verdict import APART, SceneJudge, untrained_features
from simclr.train.systems import build_system
from simclr.train.tuned import Tuned
from simclr.train.verdict import Judge
from simclr.views.inputs import Inputs


def build_model(encoder: Encoder, head: Head, preprocess: Preprocess, seed: int) -> SimCLR:
    """Encoder and head with random weights that depend on the seed alone."""
    with seeded(seed):
        f = build_encoder(**for_channels(encoder.model_dump(), preprocess.out_chans, preprocess.components))
        return SimCLR(f, ProjectionHead(projected_dim(f), head.hidden_dim, head.out_dim, head.layers))


def build_loss(section: Loss, source: Source) -> Callable[[Tensor, Tensor], Tensor]:
    """From a process's projections z (views, batch, dim) and the ids of their images (batch,) to the loss.

    A NaN in z gives NaN.

    Raises:
        InputError: an unknown loss, an option that it does not take, or distances in data that is no scene.
    """
    if section.name == "nt-xent":
        return _build_nt_xent(section, source)
    check_loss_name(section.name)
    loss = LOSSES[section.name]
    takes = list(inspect.signature(loss).parameters)
    set_by = {takes[0]: "the network", "temperature": "loss.temperature"}
    check_options("loss", section.name, loss, section.options, set_by)
    options = dict(section.options)
    if "temperature" in takes:
        options["temperature"] = section.temperature
    elif section.temperature != Loss.model_fields["temperature"].default:
        raise InputError(
            f"loss.temperature is {section.temperature}, but {section.name} has none: leave it out, or set "
            f"loss.temperature={Loss.model_fields['temperature'].default}"
        )
    return lambda z, ids: loss(z, **options)


def _build_nt_xent(section: Loss, source: Source) -> Callable[[Tensor, Tensor], Tensor]:
    loss = partial(nt_xent, temperature=section.temperature, decoupled=section.decoupled, check=False)
    distance = section.negative_distance
    if distance is None:
        return lambda z, ids: loss(z)
    if not isinstance(source, SceneSource):
        raise InputError(f"loss.negative_distance is {distance}, but {source.name} is no scene: leave it out")
    if distance >= max(source.height, source.width):
        raise InputError(
            f"loss.negative_distance is {distance}, but {source.name} has {source.height}x{source.width} pixels: "
            "no two are so far apart"
        )

    def apart(a: Tensor, b: Tensor) -> Tensor:
        return ((a[:, None, 0] - b[:, 0]).abs() >= distance) | ((a[:, None, 1] - b[:, 1]).abs() >= distance)

    return lambda z, ids: loss(z, keys=source.positions(ids), negative_weight=apart)


def build_judge(inputs: Inputs, held_out: Tensor, seed: int) -> Judge | None:
    """What gives the verdict without labels on held-out samples; None where none are held out.

    Which question counts, that of the surroundings or that of the material, is decided by a look at the scene.
    """
    scene = inputs.raw
    if len(held_out) == 0:
        return None
    if not isinstance(scene, SceneSource):
        return ImageJudge(scene, inputs.preprocess, held_out, seed)
    assert isinstance(inputs.plain, SceneSource)
    features = untrained_features(scene, max(scene.patch_size, 3))
    regime = look_at_scene(scene).regime
    weights = {"context": (1.0, 0.0), "material": (0.0, 1.0), "both": (0.5, 0.5)}[regime]
    return SceneJudge(
        inputs.plain,
        features,
        held_out,
        weights=weights,
        seed=seed,
        apart=max(APART, scene.patch_size + 3),
    )


def build_learner(
    recipe: Recipe, preprocess: Preprocess, peak_lr: float, device: torch.device, world_size: int
) -> tuple[SimCLR, torch.optim.Optimizer]:
    """Encoder and head on the device, their BatchNorm synchronised over the processes, and the optimizer of both."""
    model = build_model(recipe.encoder, recipe.head, preprocess, recipe.seed)
    model.to(device).to(memory_format=torch.channels_last)
    return model, optimizer_of([model.encoder, model.head], recipe.train, peak_lr, device, world_size)


def optimizer_of(
    parts: Sequence[nn.Module], train: Optimisation, peak_lr: float, device: torch.device, world_size: int
) -> torch.optim.Optimizer:
    """The optimizer of modules on their device, whose BatchNorm is from now on synchronised over the processes."""
    for part in parts:
        convert_batchnorm(part, device, world_size)
    return build_optimizer(train.optimizer, parts, lr=peak_lr, weight_decay=train.weight_decay, momentum=train.momentum)


def tuned_architecture(recipe: TuningRecipe, preprocess: Preprocess) -> dict[str, Any]:
    """The arguments of `build_encoder` for a fine-tuning: the encoder and its embedding layer."""
    architecture = for_channels(recipe.encoder.model_dump(), preprocess.out_chans, preprocess.components)
    embedding = {} if recipe.embedding is None else {"embedding": recipe.embedding.model_dump()}
    return {**architecture, **embedding}


def build_tuned(recipe: TuningRecipe, start: Start | None, inputs: Inputs, classes: int, device: torch.device) -> Tuned:
    """What learns, on the device; what is new has random weights that depend on the seed alone.

    Raises:
        InputError: an objective that `check_objective` refuses, a system with an unknown name or argument, or an
            embedding layer that cannot be.
    """
    check_objective(recipe.terms, target=recipe.target is not None)
    shape = inputs.view_shape

    def objective_of(width: int) -> Objective:
        return build_objective(recipe.terms, feature_dim=width, classes=classes, seed=recipe.seed, input_shape=shape)

    of_run = {
        "classes": classes,
        "seed": recipe.seed,
        "samples": len(inputs.source),
        "input_shape": shape,
        "objective_of": objective_of,
    }
    with seeded(recipe.seed):
        encoder = build_encoder(**tuned_architecture(recipe, inputs.preprocess))
        objective = objective_of(encoder.feature_dim)  # type: ignore[arg-type]
        if start is not None:
            take_weights(encoder, start)
        model = build_system(recipe.system.name, recipe.system.options, encoder, objective, of_run)
    if "target" in objective.needs and type(model).forward is not Tuned.forward:
        raise InputError(
            f"the objective compares the data with a target, at which system.name={recipe.system.name} does not look: "
            "leave that term out, or set system.name=plain"
        )
    return model.to(device).to(memory_format=torch.channels_last)
