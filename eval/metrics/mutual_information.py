"""How much each feature tells about which of two sets a sample is of."""

from __future__ import annotations

import torch
from sklearn.feature_selection import mutual_info_classif
from torch import Tensor

from simclr.eval.metrics.two_sets import check_two_sets

NEIGHBOURS = 3


def mutual_information(a: Tensor, b: Tensor, seed: int = 0) -> Tensor:
    """Mutual information of each feature and the set, in nats, (dim,) float64: 0 where a feature tells nothing.

    With sets of one size it is at most log 2. Estimated from nearest neighbours, so a little off for small sets.

    Args:
        a: features, (n, dim), any float type, n above ``NEIGHBOURS``.
        b: features, (m, dim), m above ``NEIGHBOURS``.
        seed: of the tiny noise that tells equal values apart.

    Raises:
        InputError: sets of two widths, of too few samples, or with NaN.

    Source: Ross, "Mutual information between discrete and continuous data sets", PLoS ONE 2014; scikit-learn's
        mutual_info_classif.
    """
    check_two_sets(a, b, NEIGHBOURS + 1)
    features = torch.cat([a.double(), b.double()]).cpu().numpy()
    of_set = [0] * len(a) + [1] * len(b)
    return torch.from_numpy(
        mutual_info_classif(features, of_set, discrete_features=False, n_neighbors=NEIGHBOURS, random_state=seed)
    )
