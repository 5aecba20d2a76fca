"""A classifier on top of an encoder, to be trained with it: its parts, layers and modes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from simclr.models.head import ProjectionHead
from simclr.models.simclr import Projected
from simclr.train.layer_groups import Layer, layers_of

NORMS = (nn.modules.batchnorm._BatchNorm,)
BATCH_NORM = ("frozen", "affine", "train")
BATCH_SIZE = 512
"""Samples that go through a model at once where nothing is learned."""


def build_classifier(
    encoder: nn.Module,
    head: ProjectionHead | None,
    plain: Callable[[Tensor], Tensor],
    train: Tensor,
    classes: int,
    batch_norm: str,
    device: torch.device | str,
) -> nn.Sequential:
    """Copies of the encoder and the head's first layer, and a classifier that starts at zero on standardised inputs.

    Args:
        encoder: inputs (b, C, h, w) -> representations (b, dim); it stays as it is.
        head: whose first layer (linear, BatchNorm, ReLU) follows; none when None.
        plain: ids (b,) -> inputs of the encoder.
        train: ids of the samples that the standardisation is fitted on.
        classes: outputs of the classifier.
        batch_norm: one of ``BATCH_NORM``; ``frozen`` takes the gradient from normalisation layers.
        device: where the model is to be.

    Returns:
        Four parts: encoder, first layer of the head, standardisation, classifier; all others require gradients.
    """
    body = _trainable(encoder, batch_norm, device)
    first: nn.Module = nn.Identity()
    if head is not None:
        first = nn.Sequential(*copy.deepcopy(list(head)[:3])).to(device)
        first = _trainable(first, batch_norm, device)
        body = Projected(body) if hasattr(body, "with_projected") else body
    model = nn.Sequential(body, first)
    features = scores_of(model, plain, train)
    scale = _Standardise(features.mean(0), features.std(0, correction=0)).to(device)
    classifier = nn.Linear(features.shape[1], classes, device=device)
    nn.init.zeros_(classifier.weight)
    nn.init.zeros_(classifier.bias)
    return nn.Sequential(body, first, scale, classifier)


class Embedder(nn.Module):
    """x (b, C, H, W) -> h of ``body`` -> shifted and scaled by ``scale`` -> ``embedding`` (b, ``feature_dim``)."""

    def __init__(self, body: nn.Module, scale: nn.Module, embedding: nn.Module, feature_dim: int) -> None:
        super().__init__()
        self.body, self.scale, self.embedding, self.feature_dim = body, scale, embedding, feature_dim

    def forward(self, x: Tensor) -> Tensor:
        e: Tensor = self.embedding(self.scale(self.body(x)))
        return e


def build_embedder(
    encoder: nn.Module,
    plain: Callable[[Tensor], Tensor],
    train: Tensor,
    length: float,
    dim: int | None,
    device: torch.device | str,
    batch_norm: str = "frozen",
) -> Embedder:
    """A copy of the encoder whose embeddings have a given length at first, whatever its own scale.

    h is standardised on the samples ``train`` and scaled. The weights of the embedding layer come from torch's global
    generator.

    Args:
        encoder, plain, train, device, batch_norm: as of :func:`build_classifier`.
        length: the root of the mean square over ``train``.
        dim: width of a linear layer that follows, which about halves the length; none when None.
    """
    body = _trainable(encoder, batch_norm, device)
    h = scores_of(body, plain, train)
    width = h.shape[1]
    std = h.std(0, correction=0)
    scale = _Standardise(h.mean(0), std.where(std > 1e-6, 1.0) * (width**0.5 / length)).to(device)
    embedding = nn.Identity() if dim is None else nn.Linear(width, dim).to(device)
    return Embedder(body, scale, embedding, dim or width)


def _trainable(module: nn.Module, batch_norm: str, device: torch.device | str) -> nn.Module:
    """A copy with gradients; ``frozen`` takes them from normalisation layers."""
    copied = copy.deepcopy(module).to(device).requires_grad_(True)
    if batch_norm == "frozen":
        for part in copied.modules():
            if isinstance(part, NORMS):
                part.requires_grad_(False)
    return copied


class _Standardise(nn.Module):
    """Fixed shift and scale, taken from the features of the training samples before training."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", torch.where(std > 1e-6, std, torch.ones_like(std)))

    def forward(self, h: Tensor) -> Tensor:
        return (h.float() - self.mean) / self.std


def tuned_layers(model: nn.Sequential) -> list[Layer]:
    """Layers of :func:`build_classifier` from the input to the classifier, for ``layer_groups``."""
    layers = layers_of(model[0])
    if any(True for _ in model[1].parameters()):
        layers.append(("head", list(model[1].parameters())))
    return [*layers, ("classifier", list(model[3].parameters()))]


def set_mode(model: nn.Module, batch_norm: str) -> None:
    """Training mode; normalisation layers only where their statistics follow the batches."""
    model.train()
    if batch_norm != "train":
        for module in model.modules():
            if isinstance(module, NORMS):
                module.eval()


@torch.no_grad()
def scores_of(model: nn.Module, plain: Callable[[Tensor], Tensor], ids: Tensor) -> Tensor:
    """Outputs of the model in eval mode, on the CPU."""
    model.eval()
    return torch.cat([model(plain(part)).float().cpu() for part in ids.split(BATCH_SIZE)])
