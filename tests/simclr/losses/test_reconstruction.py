import pytest
import torch
import torch.nn.functional as F
from torch import nn

from simclr.errors import InputError
from simclr.losses.objectives import build_objective
from simclr.losses.reconstruction import Reconstruction, reconstruction_errors
from simclr.losses.term import Seen

SHAPE = (2, 3, 3)


def rows(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_the_error_of_a_sample_is_the_mean_distance_of_its_values():
    x = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]], [[[0.0, 0.0]], [[0.0, 8.0]]]])
    assert reconstruction_errors(torch.zeros(2, 2, 1, 2), x).tolist() == [2.5, 2.0]
    assert reconstruction_errors(x.bfloat16(), x.bfloat16()).dtype == torch.float32
    with pytest.raises(ValueError, match=r"pictures have shape \(2, 2, 1, 1\), but inputs have \(2, 2, 1, 2\)"):
        reconstruction_errors(x[..., :1], x)


def test_mdl4ow_is_half_of_the_cross_entropy_and_half_of_the_distance():
    torch.manual_seed(0)
    halves = {"softmax": {"weight": 0.5}, "reconstruction": {"weight": 0.5}}
    objective = build_objective(halves, feature_dim=6, classes=3, input_shape=SHAPE)
    e, x, y = rows(4, 6), rows(4, *SHAPE, seed=1), torch.tensor([0, 1, 2, 2])
    value = objective(e, y, seen=Seen(x, nn.Identity()))
    entropy = F.cross_entropy(objective.classifier.linear(e), y)
    pictures = objective.modules_of_terms["reconstruction"].decoder(e)
    distance = sum(abs(a - b) for a, b in zip(pictures.flatten().tolist(), x.flatten().tolist())) / x.numel()
    assert value.total.item() == pytest.approx(0.5 * entropy.item() + 0.5 * distance, rel=1e-6)
    assert objective.needs == {"inputs"}
    assert not objective.wants_pairs


def test_gradcheck():
    torch.manual_seed(0)
    term, x = Reconstruction(3, 2, input_shape=SHAPE, width=2).double(), rows(2, *SHAPE, dtype=torch.float64)
    seen, y = Seen(x, nn.Identity()), torch.tensor([0, 1])
    e = rows(2, 3, seed=2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: term(e, y, seen=seen), e)


def test_bad_arguments_are_named():
    build = {"feature_dim": 6, "classes": 3}
    with pytest.raises(InputError, match=r"^objective\.reconstruction\.width is 0, but must be an integer of at least"):
        build_objective({"reconstruction": {"width": 0}}, input_shape=SHAPE, **build)
    with pytest.raises(InputError, match=r"^objective\.reconstruction\.input_shape is None, but a decoder has to know"):
        build_objective({"reconstruction": {}}, **build)
    with pytest.raises(InputError, match=r"input_shape is set by the data"):
        build_objective({"reconstruction": {"input_shape": 3}}, input_shape=SHAPE, **build)
