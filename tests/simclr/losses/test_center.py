import pytest
import torch

from simclr.losses.center import Center, center, center_steps


@pytest.mark.parametrize(("count", "moved"), [(1, 0.5), (3, 0.75), (60, 60 / 61)])
def test_a_centre_moves_by_n_over_n_plus_1_whatever_the_others_do(count, moved):
    x = torch.cat([torch.full((count, 2), 1.0), torch.full((5, 2), -7.0)])
    y = torch.tensor([1] * count + [0] * 5)
    steps = center_steps(x, y, torch.zeros(3, 2))
    assert (-steps[1]).tolist() == pytest.approx([moved] * 2, rel=1e-6)
    assert steps[2].tolist() == [0.0, 0.0]


def test_a_step_in_loops():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(4, (20,), generator=generator)
    c = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    for k, step in enumerate(center_steps(x, y, c)):
        own = [c[k] - x[i] for i in range(20) if y[i] == k]
        expected = sum(own) / (1 + len(own)) if own else torch.zeros(4, dtype=torch.float64)
        torch.testing.assert_close(step, expected)


def test_the_loss_is_half_the_mean_squared_distance_and_pulls_samples_alone():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    c = torch.tensor([[0.0, 0.0], [1.0, 1.0]], requires_grad=True)
    loss = center(x, torch.tensor([1, 0]), c)
    assert loss.item() == pytest.approx((0 + 1 + 9 + 16) / 4)
    loss.backward()
    assert x.grad.tolist() == [[0.0, 0.5], [1.5, 2.0]]
    assert c.grad is None


def test_the_module_moves_its_centres_in_training_alone_and_after_the_loss():
    term = Center(2, 3, alpha=0.5)
    assert not list(term.parameters())
    x, y = torch.tensor([[2.0, 0.0], [4.0, 0.0]], requires_grad=True), torch.tensor([1, 1])
    loss = term(x, y)
    assert loss.item() == pytest.approx((4 + 16) / 4)
    loss.backward()
    assert term.centers.tolist() == [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]  # 0.5 · (2 + 4) / 3
    term.eval()(x, y)
    assert term.centers[1].tolist() == [1.0, 0.0]
    again = Center(2, 3)
    again.load_state_dict(term.state_dict())
    assert torch.equal(again.centers, term.centers)


def test_gradcheck():
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: center(x, torch.tensor([0, 1, 1, 2, 0]), torch.ones(3, 3)), x)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="alpha is 2, but must be a probability"):
        Center(2, 3, alpha=2)
    with pytest.raises(ValueError, match="labels hold 3, but there are 3 classes"):
        Center(2, 3)(torch.zeros(1, 2), torch.tensor([3]))
