"""NT-Xent, the loss of SimCLR: exact over all processes, in memory linear in the batch."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.gather import gather, parts_of
from simclr.similarity_tiles import Similarities

PairWeight = Callable[[Tensor, Tensor], Tensor]

# In float32, exp(±1/T) must stay a normal number, and rounding is multiplied by 1/T: float64 serves down to the least.
FLOAT32_TEMPERATURE = 0.03
LEAST_TEMPERATURE = 0.002


def nt_xent(
    z: Tensor,
    temperature: float = 0.5,
    *,
    decoupled: bool = False,
    labels: Tensor | None = None,
    keys: Tensor | None = None,
    negative_weight: PairWeight | None = None,
    tile: int | None = None,
    check: bool = True,
) -> Tensor:
    """Normalised temperature-scaled cross entropy over the global batch.

    Every row is a query; its positives are the other views of the same image, everything else in the global batch
    is a negative. The value is the mean over queries (and over a query's positives when there are more than two
    views), which is half of what the authors' code prints, since that adds the means of the two directions.

    With several processes each one gives its own part and receives the loss of the global batch. Its gradient is W
    times that of the global loss with respect to its own rows, because DistributedDataParallel averages gradients over
    W processes: after averaging, parameters have exactly the gradient of one process that holds the whole batch. Parts
    may hold different numbers of images. Every process of the default group has to call it.

    Similarities are computed tile by tile, and once more in backward, so memory grows with the rows and not with their
    pairs. Everything is computed in float32 at least, in float64 for a float64 ``z`` and for temperatures below 0.03;
    only the operands of the products are in the precision of a bfloat16 or float16 ``z``, where that is faster.

    Args:
        z: projections, (views, batch, dim), any float type; rows are normalised here. At least two views, and two
            images over all processes.
        temperature: divides the cosine similarities; at least 0.002.
        decoupled: leave positives out of the denominator (DCL).
        labels: classes of the images, (batch,) int64; all views of all images of a class are then positives of each
            other (SupCon, the mean over positives outside of the logarithm).
        keys: what ``negative_weight`` looks at, a row for each image: (batch,) or (batch, k), such as the position of
            a patch in its scene; gathered over the processes.
        negative_weight: weight of pairs in the denominator, against false negatives: from keys of m rows and keys of
            n rows to (m, n), bool or float ≥ 0; 0 where two images are no negatives of each other. It has to be
            symmetric. Views of one image count in full, whatever it says.
        tile: rows and columns of a tile; by default what was fastest on the device.
        check: find NaN, infinity and rows of zeros in ``z``, and parts that do not fit together, at the cost of one
            wait for the device. Without it all processes have to give the same shape, and NaN gives NaN.

    Returns:
        The loss of the global batch, a scalar: float32, or float64 for a float64 ``z``. It has a first derivative; a
        second one is a RuntimeError.

    Raises:
        ValueError: in every process when one of them gives a bad shape, a bad value or another dtype than the others,
            when there are fewer than two images, or when an argument is out of range.

    Example:
        >>> z = torch.randn(2, 8, 128, requires_grad=True)
        >>> nt_xent(z, 0.5).backward()

    Source: Chen et al., "A simple framework for contrastive learning", ICML 2020, eq. 1; Yeh et al., "Decoupled
    contrastive learning", ECCV 2022, eq. 6; Khosla et al., "Supervised contrastive learning", NeurIPS 2020, eq. 2.
    """
    if not temperature >= LEAST_TEMPERATURE:
        raise ValueError(f"temperature is {temperature}, but must be at least {LEAST_TEMPERATURE}")
    if (keys is None) != (negative_weight is None):
        raise ValueError("keys and negative_weight go together: give both or neither")
    if tile is not None and tile < 1:
        raise ValueError(f"tile is {tile}, but must be at least 1")
    loss: Tensor = _NTXent.apply(z, temperature, decoupled, labels, keys, negative_weight, tile, check)
    return loss


class _NTXent(torch.autograd.Function):
    """With unit rows u, E_ij = exp(u_i·u_j / T) and the positives P(i) of row i, of which there are N:

    loss = mean_i [log ℓ_i − mean_{p ∈ P(i)} u_i·u_p / T],   ℓ_i = Σ_j w_ij E_ij,   w_ii = 0;
    ∂loss/∂u_k = 1/(N·T) · [Σ_j w_kj E_kj (1/ℓ_k + 1/ℓ_j) u_j − 2 mean_{p ∈ P(k)} u_p].

    E is symmetric and so is |P| within a class: once u and ℓ are gathered, the gradient of a process's own rows is
    complete, and backward needs no collective.
    """

    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        temperature: float,
        decoupled: bool,
        labels: Tensor | None,
        keys: Tensor | None,
        negative_weight: PairWeight | None,
        tile: int | None,
        check: bool,
    ) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            parts = parts_of(z, {"labels": labels, "keys": keys}, check)  # images of each process, its own first
            views, batch, dim = z.shape
            rows = [views * images for images in parts]
            dtype = torch.float64 if temperature < FLOAT32_TEMPERATURE else torch.promote_types(z.dtype, torch.float32)
            unit = F.normalize(gather(z.reshape(-1, dim), rows).to(dtype), dim=1)
            row_labels = None if labels is None else _of_rows(gather(labels, parts), parts, views)
            row_keys = None if keys is None else _of_rows(gather(keys, parts), parts, views)
            positive = _mean_positive(unit, views, batch, row_labels)
            similarities = Similarities(
                unit,
                batch,
                temperature,
                own=rows[0],
                keep_positives=not decoupled,
                weight=_pair_weight(row_labels if decoupled else None, row_keys, negative_weight),
                low=z.dtype if z.dtype.itemsize == 2 and dtype == torch.float32 else None,
                tile=tile,
            )
            attraction = (unit[: rows[0]] * positive).sum(1) / temperature
            denominator, attraction = gather(torch.stack((similarities.row_sums(), attraction), 1), rows).unbind(1)
            if check and not bool((denominator > 0).all()):
                raise ValueError("a row has no negatives left: let negative_weight or labels leave it some")
            loss = denominator.double().log().mean() - attraction.double().mean()
        ctx.save_for_backward(z, denominator, positive)
        ctx.similarities, ctx.world_size = similarities, len(parts)
        return loss.to(torch.promote_types(z.dtype, torch.float32))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError("nt_xent has no second derivative: differentiate it without create_graph=True")
        z, denominator, positive = ctx.saved_tensors
        similarities: Similarities = ctx.similarities
        with torch.autocast(z.device.type, enabled=False):
            own = similarities.weighted_neighbours(1 / denominator) - 2 * positive
            own *= ctx.world_size / (len(denominator) * similarities.temperature)
            # Through the normalisation: what is left is at right angles to the row.
            u = similarities.unit[: len(own)]
            own -= u * (own * u).sum(1, keepdim=True)
            length = z.reshape(len(own), -1).to(own.dtype).norm(dim=1, keepdim=True).clamp_min(1e-12)
            own *= grad.to(own.dtype) / length
        return own.view_as(z).to(z.dtype), *[None] * 7


def _mean_positive(unit: Tensor, views: int, batch: int, row_labels: Tensor | None) -> Tensor:
    """Mean of the positives of each own row, (own, dim)."""
    own = unit[: views * batch]
    if row_labels is None:
        total = own.view(views, batch, -1).sum(0).repeat(views, 1)
        return (total - own) / (views - 1)
    classes, place, count = row_labels.unique(return_inverse=True, return_counts=True)
    totals = unit.new_zeros(len(classes), unit.shape[1]).index_add_(0, place, unit)
    place = place[: len(own)]
    return (totals[place] - own) / (count[place] - 1).unsqueeze(1)


def _of_rows(of_images: Tensor, parts: list[int], views: int) -> Tensor:
    """What belongs to images, for rows: the images of each process once for each view."""
    return torch.cat([part.repeat(views, *[1] * (part.ndim - 1)) for part in of_images.split(parts)])


def _pair_weight(
    row_labels: Tensor | None, row_keys: Tensor | None, negative_weight: PairWeight | None
) -> Callable[[slice, slice], Tensor] | None:
    """Weights of a tile of pairs of rows: none for the same label, else by the keys."""
    if row_labels is None and row_keys is None:
        return None

    def weight(rows: slice, columns: slice) -> Tensor:
        found = None
        if row_keys is not None:
            assert negative_weight is not None
            found = negative_weight(row_keys[rows], row_keys[columns])
        if row_labels is not None:
            other = row_labels[rows, None] != row_labels[columns]
            found = other if found is None else found * other
        assert found is not None
        return found

    return weight
