"""Everything that is measured of two sets of features of one size: angles, Fréchet distance, mutual information."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from simclr.eval.metrics.frechet import frechet_distance
from simclr.eval.metrics.mutual_information import mutual_information
from simclr.eval.metrics.subspaces import directions, geodesic_distance, principal_angles


class SetMeasures(NamedTuple):
    """Measures of two sets.

    Attributes:
        angles: principal angles between the subspaces of most variance, (dims,) float64, in radians, ascending.
        grassmann: √Σθ² of them; None where there are none.
        frechet: squared Fréchet distance.
        frechet_share: the same over the most that it can be with these means and variances: 0 to 1, of no unit.
        information: of each feature and the set, in nats, (features,) float64.
    """

    angles: Tensor
    grassmann: float | None
    frechet: float
    frechet_share: float
    information: Tensor


def set_measures(pairs: Sequence[tuple[Tensor, Tensor]], dims: int) -> list[SetMeasures]:
    """Measures of several pairs of sets, whose subspaces all have as many dimensions.

    All of these measures are above 0 for samples of one distribution, too, and the fewer samples, the more: they are
    read beside those of two sets between which there is no difference, of as many samples.

    Args:
        pairs: of features (n, dim) and (n, dim), any float type; n of 4 or more.
        dims: of the subspaces; fewer where the samples of any set span fewer, and half of ``dim`` at the most, since
            larger subspaces always have directions in common.

    Raises:
        InputError: sets of two widths, of fewer than four samples, or with NaN.
    """
    bases = [(directions(a), directions(b)) for a, b in pairs]
    dims = min(dims, pairs[0][0].shape[1] // 2, *(len(basis) for both in bases for basis in both))
    found = []
    for (a, b), (of_a, of_b) in zip(pairs, bases):
        angles = principal_angles(of_a[:dims].T, of_b[:dims].T)
        frechet = frechet_distance(a, b)
        apart = (a.double().mean(0) - b.double().mean(0)).square().sum()
        most = float(a.double().var(0).sum() + b.double().var(0).sum() + apart)
        found.append(
            SetMeasures(
                angles,
                geodesic_distance(angles) if dims else None,
                frechet,
                min(1.0, frechet / most) if most > 0 else 0.0,
                mutual_information(a, b),
            )
        )
    return found
