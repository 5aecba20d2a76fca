"""Angles between the subspaces that two sets of features lie in, on the Grassmann manifold."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.metrics.two_sets import check_two_sets


def leading_subspace(h: Tensor, dim: int) -> Tensor:
    """Orthonormal basis of the ``dim`` directions of most variance, (features, dim) float64.

    Args:
        h: features, (n, features), any float type.
        dim: below n, and at most the number of features.

    Raises:
        InputError: if the samples do not span so many directions.
    """
    vectors = directions(h)
    if not 1 <= dim <= len(vectors):
        raise InputError(
            f"a subspace of {dim} dimensions was asked for, but the samples span {len(vectors)}: give 1 to that."
        )
    return vectors[:dim].T


def directions(h: Tensor) -> Tensor:
    """Orthonormal directions that samples (n, features) span around their mean, (rank, features) float64.

    The one of most variance comes first.
    """
    centred = h.double().cpu() - h.double().cpu().mean(0)
    values, vectors = torch.linalg.svd(centred, full_matrices=False)[1:]
    return vectors[values > 1e-10 * values[0]]


def principal_angles(a: Tensor, b: Tensor) -> Tensor:
    """Principal angles between two subspaces, in radians, (dim,) float64, ascending.

    By sine and cosine together: an arc cosine has no digits near 0, an arc sine none near 90°.

    Args:
        a: orthonormal basis, (features, dim).
        b: orthonormal basis of as many dimensions.

    Source: Björck and Golub, "Numerical methods for computing angles between linear subspaces", 1973, theorem 1 and
        section 3; Knyazev and Argentati, SIAM J. Sci. Comput. 2002.
    """
    a, b = a.double(), b.double()
    cosine = torch.linalg.svdvals(a.T @ b)
    sine = torch.linalg.svdvals(b - a @ (a.T @ b)).flip(0)
    # Both are of all pairs of one order: the largest cosine belongs to the smallest sine.
    return torch.atan2(sine[: len(cosine)].clamp(0, 1), cosine.clamp(0, 1))


def grassmann_angles(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """`principal_angles` of the leading subspaces of two sets of features: (dim,) radians, ascending.

    Args:
        a: features, (n, features), any float type.
        b: features, (m, features).
        dim: of the subspaces.

    Raises:
        InputError: sets of two widths, with NaN, or that do not span so many directions.
    """
    check_two_sets(a, b)
    return principal_angles(leading_subspace(a, dim), leading_subspace(b, dim))


def geodesic_distance(angles: Tensor) -> float:
    """Length of the shortest way on the Grassmann manifold: √Σθ², in radians."""
    return float(angles.square().sum().sqrt())
