import numpy as np
import pytest
import torch

from simclr.train.lars import LARS


def reference_step(w, g, v, lr, momentum, decay, eta, adapt):
    """The authors' TensorFlow update, for one tensor, in NumPy."""
    g = g + decay * w
    trust = 1.0
    if adapt:
        w_norm, g_norm = np.linalg.norm(w), np.linalg.norm(g)
        if w_norm > 0 and g_norm > 0:
            trust = eta * w_norm / g_norm
    v = momentum * v + lr * trust * g
    return w - v, v


@pytest.mark.parametrize("decay", [0.0, 1e-2])
def test_follows_the_reference_under_a_schedule(decay):
    rng = np.random.default_rng(0)
    shapes = [(4, 3), (5,), (2, 2, 3, 3), (3, 3)]
    adapt = [True, False, True, True]
    w = [rng.normal(size=s) for s in shapes]
    w[3][:] = 0  # a zero weight has trust 1
    v = [np.zeros(s) for s in shapes]
    params = [torch.nn.Parameter(torch.tensor(x)) for x in w]
    optimizer = LARS(
        [
            {"params": [p for p, a in zip(params, adapt) if a], "weight_decay": decay, "adapt": True},
            {"params": [p for p, a in zip(params, adapt) if not a], "weight_decay": 0.0, "adapt": False},
        ],
        lr=1.0,
    )
    for step in range(5):
        lr = 2.0 / (step + 1)
        for i, p in enumerate(params):
            g = rng.normal(size=shapes[i])
            p.grad = torch.tensor(g)
            w[i], v[i] = reference_step(w[i], g, v[i], lr, 0.9, decay if adapt[i] else 0.0, 1e-3, adapt[i])
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        for p, expected in zip(params, w):
            np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-12, atol=1e-14)


def test_parameters_without_gradient_stay():
    p = torch.nn.Parameter(torch.ones(3, 3))
    LARS([p], lr=1.0).step()
    assert torch.equal(p, torch.ones(3, 3))


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match=r"momentum 1\.5"):
        LARS([torch.nn.Parameter(torch.ones(1))], lr=1.0, momentum=1.5)
