"""NT-Xent, the loss of SimCLR: exact over all processes, in memory linear in the batch."""

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.losses.gather import Part, agree, gather
from simclr.losses.similarity_tiles import Similarities, complaint_of_weight
from simclr.losses.tensors import complaint_of_beside, complaint_of_floats, shape_of

PairWeight = Callable[[Tensor, Tensor], Tensor]

# In float32, exp(±1/T) must stay a normal number, and rounding is multiplied by 1/T: float64 serves down to the least.
FLOAT32_TEMPERATURE = 0.03
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.002, 1e6
# Between these, the length of a row neither vanishes nor overflows in float32.
LEAST, MOST = 1e-12, 1e17


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
    pairs. Everything is computed in float32 at least, in float64 for a float64 ``z`` and for temperatures up to 0.03;
    only the operands of the products are in the precision of a bfloat16 or float16 ``z``, where that is faster, or in
    what ``torch.set_float32_matmul_precision`` allows.

    Args:
        z: projections, (views, batch, dim), any float type; rows are normalised here. At least two views, or one with
            labels, and two images over all processes.
        temperature: divides the cosine similarities; 0.002 to 1e6; a number, for it gets no gradient.
        decoupled: leave positives out of the denominator (DCL).
        labels: classes of the images, (batch,) integers; all views of all images of a class are then positives of each
            other (SupCon, the mean over positives outside of the logarithm). A negative one says that the class is not
            known: only the other views of the same image are then positives, as without labels. Of a single view, an
            image without positives is a negative of others and no query.
        keys: what ``negative_weight`` looks at, a row for each image: (batch,) or (batch, k), such as the position of
            a patch in its scene; gathered over the processes.
        negative_weight: weight of pairs in the denominator, against false negatives: from keys of m rows and keys of
            n rows to (m, n), bool or float ≥ 0; 0 where two images are no negatives of each other. It has to be
            symmetric. Views of one image count in full, whatever it says.
        tile: rows and columns of a tile; by default what was fastest on the device.
        check: find NaN, infinity and rows of zeros in ``z``, weights that are negative or not symmetric, and processes
            that do not fit together, at the cost of waiting for the device. Without it all processes have to give the
            same shapes, and NaN gives NaN.

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
    if not isinstance(check, bool):
        raise ValueError(f"check is a {type(check).__name__}, but must be True or False")
    complaint = _complaint_of_options(temperature, decoupled, tile)
    complaint = complaint or _complaint_of_tensors(z, labels, keys, negative_weight, check)
    common = {}
    if not complaint:
        common = {
            "z": shape_of(z, 1),
            "temperature": str(temperature),
            "decoupled": str(decoupled),
            "labels": shape_of(labels, 0),
            "keys": shape_of(keys, 0),
        }
    images = agree(Part(0 if complaint else z.shape[1], complaint, common), check)
    loss: Tensor = _NTXent.apply(z, temperature, decoupled, labels, keys, negative_weight, tile, check, images)
    return loss


class _NTXent(torch.autograd.Function):
    """With unit rows u, E_ij = exp(u_i·u_j / T) and the positives P(i) of row i, of N:

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
        images: list[int],
    ) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            views, batch, dim = z.shape
            rows = [views * n for n in images]  # of each process, this one first
            dtype = torch.float64 if temperature <= FLOAT32_TEMPERATURE else torch.promote_types(z.dtype, torch.float32)
            unit = F.normalize(gather(z.reshape(-1, dim), rows).to(dtype), dim=1)
            row_labels = None if labels is None else _of_rows(_classes(gather(labels, images)), images, views)
            row_keys = None if keys is None else _of_rows(gather(keys, images), images, views)
            similarities = partial(
                Similarities,
                batch=batch,
                temperature=temperature,
                own=rows[0],
                keep_positives=not decoupled,
                weight=_pair_weight(row_labels if decoupled else None, row_keys, negative_weight),
                low=z.dtype if z.dtype.itemsize == 2 and dtype == torch.float32 else None,
                tile=tile,
            )
            positive = _mean_positive(unit, views, batch, row_labels)
            attraction = (unit[: rows[0]] * positive).sum(1) / temperature
            faults = unit.new_zeros(2) if check and negative_weight is not None else None
            own_terms = torch.stack((similarities(unit).row_sums(faults), attraction), 1)
            if faults is not None:  # along with what is gathered anyway, so that every process hears of them
                own_terms = torch.cat((own_terms, faults.expand(len(own_terms), 2)), 1)
            denominator, attraction, *found = gather(own_terms, rows).unbind(1)  # attraction for the value alone
            if check:
                _check_weights(denominator, found)
            exact = dtype if z.device.type == "mps" else torch.float64
            queries: Tensor | int = len(unit)
            if row_labels is not None and views == 1:
                alone = _class_sizes(row_labels) == 1
                if check and bool(alone.all()):
                    raise ValueError("the batch has no two images of one class, and so no positives")
                queries = (~alone).sum().to(dtype)
                loss = (denominator.to(exact).log() - attraction.to(exact)).masked_fill(alone, 0.0).sum() / queries
                denominator = denominator.masked_fill(alone, torch.inf)  # its reciprocal is what backward takes
            else:
                loss = denominator.to(exact).log().mean() - attraction.to(exact).mean()
        ctx.save_for_backward(z, unit, denominator, None if labels is None else positive)
        ctx.similarities, ctx.world_size, ctx.queries = similarities, len(images), queries
        return loss.to(torch.promote_types(z.dtype, torch.float32))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError("nt_xent has no second derivative: differentiate it without create_graph=True")
        z, unit, denominator, positive = ctx.saved_tensors
        with torch.autocast(z.device.type, enabled=False):
            similarities: Similarities = ctx.similarities(unit)
            # Repulsion and attraction of a solved batch nearly cancel, so they meet before anything is summed.
            same_image = -2 / (z.shape[0] - 1) if positive is None else 0.0
            grad_u = similarities.weighted_neighbours(1 / denominator, same_image)
            if positive is not None:
                grad_u -= 2 * positive
            grad_u *= ctx.world_size / (ctx.queries * similarities.temperature)
            # Through the normalisation: what is left is at right angles to the row.
            u = unit[: len(grad_u)]
            grad_u -= u * (grad_u * u).sum(1, keepdim=True)
            length = z.reshape(len(u), -1).to(u.dtype).norm(dim=1, keepdim=True).clamp_min(1e-12)
            grad_u *= grad.to(u.dtype) / length
        return grad_u.view_as(z).to(z.dtype), *[None] * 8


def _complaint_of_options(temperature: object, decoupled: object, tile: object) -> str | None:
    """What is wrong with the numbers and the switch, in a line."""
    if isinstance(temperature, Tensor):
        return "temperature is a tensor, but must be a number: it gets no gradient"
    if isinstance(temperature, bool) or not isinstance(temperature, Real):
        return f"temperature is a {type(temperature).__name__}, but must be a number of at least {LEAST_TEMPERATURE}"
    if not LEAST_TEMPERATURE <= temperature <= MOST_TEMPERATURE:  # type: ignore[operator]
        bound = f"at most {MOST_TEMPERATURE:g}" if temperature > 1 else f"at least {LEAST_TEMPERATURE}"  # type: ignore[operator]
        return f"temperature is {temperature!r:.40}, but must be {bound}"
    if tile is not None and (isinstance(tile, bool) or not isinstance(tile, Integral)):
        return f"tile is a {type(tile).__name__}, but must be an integer of at least 1, or None"
    if tile is not None and tile < 1:
        return f"tile is {tile}, but must be at least 1"
    if not isinstance(decoupled, bool):
        return f"decoupled is a {type(decoupled).__name__}, but must be True or False"
    return None


def _complaint_of_tensors(
    z: Tensor, labels: Tensor | None, keys: Tensor | None, negative_weight: PairWeight | None, check: bool
) -> str | None:
    """What is wrong with z and with what comes beside it, in a line."""
    if (keys is None) != (negative_weight is None):
        return "keys and negative_weight go together: give both or neither"
    if wrong := complaint_of_floats("z", z):
        return wrong
    if z.ndim != 3:
        return f"z has {z.ndim} axes, but must be (views, batch, dim): z.unflatten(0, (views, -1)) splits stacked views"
    if 0 in z.shape or (z.shape[0] < 2 and labels is None):
        return f"z has shape {tuple(z.shape)}, but must be (views, batch, dim) with at least two views"
    for name, beside in (("labels", labels), ("keys", keys)):
        if beside is not None and (wrong := complaint_of_beside(name, beside, z, 1, "z", "images")):
            return wrong
    if negative_weight is not None and not callable(negative_weight):
        return f"negative_weight is a {type(negative_weight).__name__}, but must be a function of two parts of the keys"
    if check:
        if keys is not None and negative_weight is not None:
            rows, columns = keys[:2], keys[:3]
            if wrong := complaint_of_weight(negative_weight(rows, columns), (len(rows), len(columns)), z.device):
                return wrong
        largest = z.detach().abs().amax(-1)
        finite, directed = torch.stack(((largest < MOST).all(), (largest > LEAST).all())).tolist()
        if not finite:
            return f"z holds NaN, infinity or values beyond {MOST:g}: the encoder has diverged"
        if not directed:
            return "z holds a row of zeros, which has no direction: the projection head has collapsed"
    return None


def _check_weights(denominator: Tensor, faults: list[Tensor]) -> None:
    """Raise a ValueError for what `Similarities.row_sums` found, of the rows of all processes."""
    usable = (denominator.isfinite() & (denominator > 0)).all()
    fine, *bad = torch.stack([usable, *(fault.any() for fault in faults)]).tolist()
    if any(bad):
        how = "below 0" if bad[0] else "not symmetric: that of a pair has to be the same both ways"
        raise ValueError(f"negative_weight gives weights that are {how}")
    if not fine:
        raise ValueError("a row has no negatives left, or one of weight NaN: look at negative_weight and labels")


def _classes(labels: Tensor) -> Tensor:
    """Labels of the global batch, (batch,), with a class of its own for each image that has none."""
    labels = labels.to(torch.int64)
    return torch.where(labels < 0, -1 - torch.arange(len(labels), device=labels.device), labels)


def _mean_positive(unit: Tensor, views: int, batch: int, row_labels: Tensor | None) -> Tensor:
    """Mean of the positives of each own row, (own, dim)."""
    own = unit[: views * batch]
    if row_labels is None:
        total = own.view(views, batch, -1).sum(0).repeat(views, 1)
        return (total - own) / (views - 1)
    place = _classes_from_0(row_labels)
    totals = torch.zeros_like(unit).index_add_(0, place, unit)
    count = _class_sizes(row_labels)[: len(own)].to(unit.dtype)
    return (totals[place[: len(own)]] - own) / (count - 1).clamp_min(1).unsqueeze(1)


def _classes_from_0(row_labels: Tensor) -> Tensor:
    """Classes numbered from 0, without the wait for the device of torch.unique."""
    ordered, order = row_labels.sort()
    place = torch.empty_like(order)
    place[order] = (ordered.diff(prepend=ordered[:1]) != 0).cumsum(0)
    return place


def _class_sizes(row_labels: Tensor) -> Tensor:
    """How many rows have the class of each row."""
    place = _classes_from_0(row_labels)
    return torch.zeros_like(place).index_add_(0, place, torch.ones_like(place))[place]


def _of_rows(of_images: Tensor, images: list[int], views: int) -> Tensor:
    """What belongs to images, for rows: the images of each process once for each view."""
    return torch.cat([part.repeat(views, *[1] * (part.ndim - 1)) for part in of_images.split(images)])


def _pair_weight(
    row_labels: Tensor | None, row_keys: Tensor | None, negative_weight: PairWeight | None
) -> Callable[[slice, slice], Tensor] | None:
    """Weights of a tile of pairs of rows: by their keys, none for the same label."""

    def by_keys(rows: slice, columns: slice) -> Tensor:
        assert row_keys is not None and negative_weight is not None  # noqa: PT018
        return negative_weight(row_keys[rows], row_keys[columns])

    def by_labels(rows: slice, columns: slice) -> Tensor:
        assert row_labels is not None
        return row_labels[rows, None] != row_labels[columns]

    if row_keys is None:
        return None if row_labels is None else by_labels
    if row_labels is None:
        return by_keys
    return lambda rows, columns: by_keys(rows, columns) * by_labels(rows, columns)
