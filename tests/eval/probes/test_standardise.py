import numpy as np
import torch
from sklearn.preprocessing import StandardScaler

from simclr.eval.probes.prediction import fit_standardisation


def test_equals_scikit_learns_scaler_also_where_a_feature_is_constant():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 5)) * [1, 1e-3, 1e3, 1, 1] + [0, 5, -2, 0, 0]
    x[:, 3], x[:, 4] = 0.1, 0.0
    test = rng.normal(size=(7, 5))
    scaler = StandardScaler().fit(x)
    units = fit_standardisation(torch.tensor(x))
    for values in (x, test):
        np.testing.assert_allclose(units(torch.tensor(values)).numpy(), scaler.transform(values), atol=1e-9)


def test_the_switch_leaves_scales_and_inputs_alone():
    x = torch.rand(20, 3) * 10
    kept = x.clone()
    units = fit_standardisation(x, scale=False)
    train, test = units(x), units(x[:2])
    torch.testing.assert_close(train, (x - x.mean(0)).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(test, train[:2])
    fit_standardisation(x.double())(x.double())
    assert torch.equal(x, kept)
