import pytest
import torch

from simclr.losses.softmax import Softmax, softmax


def test_equals_its_formula():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0, 3, 3, 1, 0, 2])
    for smoothing in (0.0, 0.2):
        p = logits.exp() / logits.exp().sum(1, keepdim=True)
        target = (1 - smoothing) * torch.eye(4, dtype=torch.float64)[y] + smoothing / 4
        expected = -(target * p.log()).sum(1).mean()
        assert softmax(logits, y, label_smoothing=smoothing).item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.autograd.gradcheck(lambda logits: softmax(logits, y), logits)


def test_one_sample_and_one_class_are_no_mistake():
    assert softmax(torch.zeros(1, 2), torch.tensor([0])).item() == pytest.approx(0.693147, abs=1e-6)


def test_the_module_has_a_classifier_of_its_own():
    term = Softmax(3, 5)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 4, 1, 1])
    assert torch.equal(term(x, y), softmax(term.linear(x), y))
    assert term.logits(x).shape == (4, 5)
    assert len(list(term.parameters())) == 2


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="labels hold 5, but there are 5 classes: number them from 0 to 4"):
        softmax(torch.zeros(2, 5), torch.tensor([0, 5]))
    with pytest.raises(ValueError, match=r"label_smoothing is 1\.5"):
        Softmax(3, 5, label_smoothing=1.5)
    with pytest.raises(ValueError, match="label_smoothing is -1"):
        softmax(torch.zeros(2, 5), torch.tensor([0, 1]), label_smoothing=-1)
