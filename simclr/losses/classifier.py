"""A linear classifier on embeddings, for the objectives that compare logits."""

from __future__ import annotations

from torch import Tensor, nn

from simclr.losses.batch import Argument, everywhere, part_lengths


class LinearClassifier(nn.Module):
    """Logits of embeddings; ``linear`` holds the weights.

    Args:
        feature_dim: of the embeddings.
        classes: how many; labels are 0..classes-1.
    """

    def __init__(self, feature_dim: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(feature_dim, classes)

    def logits(self, embeddings: Tensor) -> Tensor:
        """(batch, dim) → (batch, classes)."""
        logits: Tensor = self.linear(embeddings)
        return logits


def lengths_for_logits(logits: Tensor, labels: Tensor, arguments: list[Argument], check: bool) -> list[int]:
    """As `part_lengths`, for logits (batch, classes) in the place of embeddings."""
    classes = logits.shape[1] if isinstance(logits, Tensor) and logits.ndim == 2 else None
    return part_lengths(logits, labels, arguments, classes=classes, check=check)


def mean_over_processes(losses: Tensor, lengths: list[int]) -> Tensor:
    """Mean of losses (batch,) of single samples over the global batch; own ones get W times its gradient."""
    return everywhere(losses, lengths).mean()
