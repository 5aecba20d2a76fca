"""Representations of samples without augmentation, while an encoder is still in training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from simclr.views.inputs import Inputs

_AT_ONCE = 512


def embed(encoder: nn.Module, inputs: Inputs, ids: Tensor, device: torch.device) -> Tensor:
    """Representations (n, feature_dim) of the samples ``ids`` (n,), on the CPU; the encoder stays in training mode."""
    parts = (inputs.embed(inputs.plain[part].to(device)) for part in ids.split(_AT_ONCE))
    return torch.cat([encode(encoder, device, x) for x in parts])


@torch.no_grad()
def encode(encoder: nn.Module, device: torch.device, x: Tensor) -> Tensor:
    """Inputs of the encoder (n, C, H, W) → representations (n, feature_dim) on the CPU, in eval mode for once."""
    encoder.eval()
    h: Tensor = encoder(x.to(device)).float().cpu()
    encoder.train()
    return h
