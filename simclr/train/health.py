"""Is the representation alive? Numbers that need no labels, each from its paper, and a sentence when it collapses."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_ENOUGH = 8  # images, of which a RankMe below 2 says something


def rankme(h: Tensor, eps: float = 1e-7) -> float:
    """Effective rank of a representation: the exponential of the entropy of its singular values.

    A value near 1 means collapse; the most that it can be is ``min(h.shape)``.

    Args:
        h: representations, (n, dim), any float type; computed in float32.
        eps: added to the normalised singular values, as in the paper.

    Raises:
        ValueError: if ``h`` is not 2-D or holds NaN or infinity.

    Source: Garrido et al., "RankMe", ICML 2023, eq. 1.
    """
    if h.ndim != 2 or not torch.isfinite(h).all():
        raise ValueError(f"h has shape {tuple(h.shape)}, but must be (n, dim) without NaN or infinity")
    singular = torch.linalg.svdvals(h.float())
    total = singular.sum()
    if total == 0:
        return 1.0
    p = singular / total + eps
    return math.exp(-(p * p.log()).sum().item())


def alignment(z: Tensor) -> float:
    """Mean squared distance of positive pairs on the unit sphere: 0 is perfect, 2 is what random pairs have.

    Args:
        z: (views, batch, dim); the first two views are compared.

    Source: Wang & Isola, "Alignment and uniformity", ICML 2020, with α=2.
    """
    z = F.normalize(z.float(), dim=-1)
    return (z[0] - z[1]).square().sum(-1).mean().item()


def uniformity(z: Tensor, t: float = 2.0) -> float:
    """Log of the mean Gaussian potential of pairs of different rows: 0 is collapse, −4 is near the sphere's best.

    Args:
        z: (n, dim).
        t: sharpness of the potential.

    Source: Wang & Isola, "Alignment and uniformity", ICML 2020.
    """
    z = F.normalize(z.float(), dim=-1)
    return torch.pdist(z).square().mul(-t).exp().mean().log().item()


def z_std(z: Tensor) -> float:
    """Mean over dimensions of the standard deviation of unit rows, times √dim: 1 when spread evenly, 0 collapsed.

    Args:
        z: (n, dim).

    Source: Chen & He, "Exploring simple Siamese representation learning", CVPR 2021, section 4.1.
    """
    z = F.normalize(z.float(), dim=-1)
    return z.std(0).mean().item() * math.sqrt(z.shape[1])


def contrastive_accuracy(z: Tensor) -> float:
    """Share of rows whose most similar other row is one of their positives.

    Args:
        z: (views, batch, dim).
    """
    views, batch, _ = z.shape
    rows = F.normalize(z.float(), dim=-1).flatten(0, 1)
    similarity = rows @ rows.T
    similarity.fill_diagonal_(-torch.inf)
    image = torch.arange(batch, device=z.device).repeat(views)
    return (image[similarity.argmax(1)] == image).float().mean().item()


def health(h: Tensor, z: Tensor, most: int = 1024) -> dict[str, float]:
    """All of the above for one batch, as far as it can tell: of a single image only the alignment.

    Args:
        h: representations of the first view, (batch, feature_dim).
        z: projections, (views, batch, dim).
        most: images looked at; keeps the cost of a look constant.

    Returns:
        Finite numbers by name; one that cannot be computed is left out: all, of what is not finite itself.
    """
    h, z = h[:most].detach(), z[:, :most].detach()
    if not (h.isfinite().all() and z.isfinite().all()):
        return {}
    found = {"alignment": alignment(z)}
    if len(h) > 1:
        found = {
            "rankme": rankme(h),
            **found,
            "uniformity": uniformity(z[0]),
            "z_std": z_std(z[0]),
            "contrastive_accuracy": contrastive_accuracy(z),
        }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def collapse_warning(numbers: dict[str, float], images: int) -> str | None:
    """A plain sentence when the representation has collapsed, else None; also where that cannot be told.

    Args:
        numbers: of :func:`health`.
        images: that they are of: RankMe can be no more, so that of a few it is small whatever the representation.
    """
    if numbers.get("z_std", 1.0) < 0.05:
        return (
            f"the projections have collapsed: all images get nearly the same z (spread {numbers['z_std']:.3f} of 1). "
            "Lower train.lr, lengthen train.warmup_epochs, or check that the views are not constant (views.png)."
        )
    if images >= _ENOUGH and numbers.get("rankme", 2.0) < 2:
        return (
            f"the representation has collapsed to {numbers['rankme']:.1f} dimensions (RankMe of {images:,} images). "
            "Lower train.lr or weight decay, raise train.batch_size, or make the augmentation stronger."
        )
    return None
