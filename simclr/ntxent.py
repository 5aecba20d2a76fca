"""NT-Xent, the loss of SimCLR, exact over all processes."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor


def nt_xent(z: Tensor, temperature: float = 0.5) -> Tensor:
    """Normalised temperature-scaled cross entropy over the global batch.

    Every row is a query; its positives are the other views of the same image, everything else in the global batch
    is a negative. The value is the mean over queries (and over a query's positives when there are more than two
    views), which is half of what the authors' code prints, since that adds the means of the two directions.

    With several processes each one gives its own part, of the same shape everywhere, and receives the loss of the
    global batch. Its gradient is W times that of the global loss with respect to its own rows, because
    DistributedDataParallel averages gradients over W processes: after averaging, parameters have exactly the
    gradient of one process that holds the whole batch.

    Args:
        z: projections, (views, batch, dim), any float type; rows are normalised here; computed in float32 at least.
        temperature: divides the cosine similarities.

    Returns:
        The loss of the global batch, a scalar.

    Raises:
        ValueError: ``z`` is not 3-D, has fewer than two views, or the temperature is not positive.

    Source: Chen et al., "A simple framework for contrastive learning", ICML 2020, eq. 1.
    """
    if z.ndim != 3 or z.shape[0] < 2:
        raise ValueError(f"z has shape {tuple(z.shape)}, but must be (views, batch, dim) with at least two views")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, but must be positive")
    with torch.autocast(z.device.type, enabled=False):
        z = F.normalize(z if z.dtype == torch.float64 else z.float(), dim=-1)
        world_size = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        if world_size > 1:
            z = _gather_batch(z)
        loss = _nt_xent(z, temperature)
        # The value is the global loss; only the gradient is multiplied by W.
        return loss.detach() + world_size * (loss - loss.detach()) if world_size > 1 else loss


def _nt_xent(z: Tensor, temperature: float) -> Tensor:
    views = z.shape[0]
    rows = z.flatten(0, 1)
    logits = rows @ rows.T / temperature
    logits.fill_diagonal_(-torch.inf)  # a row is no negative of itself
    log_normaliser = torch.logsumexp(logits, dim=1)
    # Σ of a row's positive logits: its product with the sum of all views of its image, less that with itself.
    positives = (z * (z.sum(dim=0, keepdim=True) - z)).sum(-1).flatten() / (temperature * (views - 1))
    return (log_normaliser - positives).mean()


def _gather_batch(z: Tensor) -> Tensor:
    """All processes' z along the batch axis; only this process's part carries a graph."""
    parts = [torch.empty_like(z) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, z.detach().contiguous())
    parts[dist.get_rank()] = z
    return torch.cat(parts, dim=1)
