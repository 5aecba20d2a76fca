import pytest
import torch

from simclr.train.schedule import scaled_lr, warmup_cosine


def test_equals_torchs_own_cosine_after_the_warmup():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.7)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90)
    for step in range(10, 100):
        assert warmup_cosine(step, 100, 10, 0.7) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        cosine.step()


def test_warmup_is_linear_and_ends_at_the_peak():
    assert [warmup_cosine(s, 100, 4, 2.0) for s in range(5)] == [0.5, 1.0, 1.5, 2.0, 2.0]


def test_the_papers_scalings():
    assert scaled_lr(0.3, 4096, "linear") == pytest.approx(4.8)
    assert scaled_lr(0.075, 4096, "sqrt") == pytest.approx(4.8)
    assert scaled_lr(0.3, 4096, "none") == 0.3
