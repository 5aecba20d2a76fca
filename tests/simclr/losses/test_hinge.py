import pytest
import torch

from simclr.losses.hinge import Hinge, hinge


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("margin", [0.3, 1.0])
def test_equals_loops(squared, margin):
    generator = torch.Generator().manual_seed(0)
    s = torch.randn(6, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    y = [0, 3, 3, 1, 0, 2]
    terms = [
        torch.stack([(margin - s[i, y[i]] + s[i, j]).clamp_min(0) ** (1 + squared) for j in range(4) if j != y[i]])
        for i in range(6)
    ]
    expected = torch.stack([term.sum() / 4 for term in terms]).mean()
    found = hinge(s, torch.tensor(y), margin=margin, squared=squared)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(torch.autograd.grad(found, s), torch.autograd.grad(expected, s))
    assert torch.autograd.gradcheck(lambda s: hinge(s, torch.tensor(y), margin=margin, squared=squared), s)


def test_the_module_has_a_classifier_of_its_own():
    term = Hinge(3, 5, margin=0.5, squared=True)
    x, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 4, 1, 1])
    assert torch.equal(term(x, y), hinge(term.linear(x), y, margin=0.5, squared=True))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="margin is 0, but must be a number of at least"):
        Hinge(3, 5, margin=0)
    with pytest.raises(ValueError, match="squared is 2, but must be True or False"):
        hinge(torch.zeros(2, 5), torch.tensor([0, 1]), squared=2)
