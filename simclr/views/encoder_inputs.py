"""Inputs of a pretrained encoder, plain or augmented, from samples that are asked for by id."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.recipe.read import check_experiment
from simclr.views.inputs import build_training_views


class Draw(Protocol):
    """(ids of samples, step) -> inputs of the encoder (b, C, h, w), augmented."""

    def __call__(self, ids: Tensor, step: int, address: Tensor | None = None) -> Tensor:
        """``address`` stands for the ids in what is drawn, so that a sample may have two views in a step."""


def plain_inputs(encoder: FrozenEncoder, source: Source, device: torch.device | str) -> Callable[[Tensor], Tensor]:
    """ids (b,) -> inputs of the encoder (b, C, h, w), without augmentation; a scene is preprocessed once."""
    preprocess = copy.deepcopy(encoder.preprocess).to(device)
    if isinstance(source, SceneSource):
        scene = preprocess.scene(copy.copy(source).to(device))
        return lambda ids: scene[ids]
    return lambda ids: preprocess(source[ids].to(device), source.value_max)


def augmented_inputs(encoder: FrozenEncoder, source: Source, seed: int, device: torch.device | str) -> Draw:
    """(ids, step) -> views drawn with the operations of the encoder's recipe, but for ``center_shift``.

    Raises:
        InputError: if the encoder's metadata holds no recipe, or the operations do not fit the source.
    """
    recipe = encoder.metadata.recipe
    if recipe is None:
        raise InputError("the encoder's metadata holds no recipe to draw views with: fine-tune without augmentation.")
    preprocess = copy.deepcopy(encoder.preprocess).to(device)
    checked = check_experiment({**recipe, "seed": seed})
    inputs = build_training_views(checked.augment, checked.seed, copy.copy(source).to(device), preprocess)

    def draw(ids: Tensor, step: int, address: Tensor | None = None) -> Tensor:
        views: Tensor = inputs.augment(inputs.source[ids].to(device), ids if address is None else address, step)
        return views[0]

    return draw
