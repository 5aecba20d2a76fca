"""Reconstruction: what the encoder took has to be there in the embedding; beside a classifier, this is MDL4OW."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from simclr.augment.checks import integer
from simclr.losses.batch import part_lengths
from simclr.losses.classifier import mean_over_processes
from simclr.losses.decoder import Decoder
from simclr.losses.term import Seen, Term


def reconstruction_errors(pictures: Tensor, inputs: Tensor) -> Tensor:
    """Mean of |x̂ − x| over all values of a sample, (batch,); float32 at least.

    Args:
        pictures: x̂, (batch, C, H, W), any float type.
        inputs: x, of the same shape.

    Raises:
        ValueError: two shapes.
    """
    if pictures.shape != inputs.shape:
        raise ValueError(f"pictures have shape {tuple(pictures.shape)}, but inputs have {tuple(inputs.shape)}")
    dtype = torch.promote_types(torch.promote_types(pictures.dtype, inputs.dtype), torch.float32)
    return (pictures.to(dtype) - inputs.to(dtype)).abs().flatten(1).mean(1)


class Reconstruction(nn.Module):
    """Mean L1 distance of a decoder's pictures of embeddings from the inputs, over the global batch.

    With ``{softmax: {weight: 0.5}, reconstruction: {weight: 0.5}}`` this is MDL4OW with any encoder; what it cannot
    reconstruct is of a class that nobody labelled (`simclr.eval.open_set.rejection`).

    Args:
        feature_dim: of the embeddings.
        classes: how many; labels are not looked at.
        input_shape: (C, H, W) of the inputs.
        width: channels of the decoder's maps.

    Raises:
        ValueError: no input shape, or a width that is no integer above 0.

    Source: Liu, Shi & Zhang, "Few-shot hyperspectral image classification with unknown classes using multitask deep
        learning", TGRS 2021, section III.
    """

    def __init__(
        self, feature_dim: int, classes: int, *, input_shape: Sequence[int] | None = None, width: int = 64
    ) -> None:
        super().__init__()
        integer("width", width, 1)
        if input_shape is None:
            raise ValueError("input_shape is None, but a decoder has to know (C, H, W) of what the encoder takes")
        self.decoder = Decoder(feature_dim, input_shape, width)

    def forward(self, embeddings: Tensor, labels: Tensor, *, seen: Seen, check: bool = True) -> Tensor:
        """The loss of the global batch, a scalar."""
        lengths = part_lengths(embeddings, labels, check=check)
        return mean_over_processes(self.errors(embeddings, seen.inputs), lengths)

    def errors(self, embeddings: Tensor, inputs: Tensor) -> Tensor:
        """`reconstruction_errors` of each sample by its embedding, (batch,)."""
        return reconstruction_errors(self.decoder(embeddings), inputs)


RECONSTRUCTION = Term("reconstruction", Reconstruction, batches="any", needs=frozenset({"inputs"}))
