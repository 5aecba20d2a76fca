import copy

import pytest
import timm.layers
import torch
from torch import nn

from simclr.errors import InputError
from simclr.train.batchnorm import convert_batchnorm

CPU = torch.device("cpu")
SHAPES = {
    "plain": (509, 7),
    "sequence": (15, 4, 9),
    "images": (504, 4, 8, 8),
    "prime number of rows": (31, 5, 1, 1),
    "volumes": (6, 3, 4, 5, 6),
}


def batchnorm(ndim, **options):
    kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
    return lambda channels: kinds[ndim](channels, **options)


def run(norm, x, grad):
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = norm(x)
    y.backward(grad.to(y))
    return {
        "y": y.detach(),
        "x": x.grad,
        **{name: p.grad for name, p in norm.named_parameters()},
        **dict(norm.named_buffers()),
    }


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"affine": False}, {"momentum": None}, {"track_running_stats": False}], ids=str
)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_it_is_torchs_batchnorm_in_float64_to_the_last_digits_of_float32(shape, options, channels_last):
    torch.manual_seed(0)
    x = torch.randn(shape) + 3
    grad = x - 2 + torch.randn(shape)  # has a share in every parameter, so that no gradient is a sum of nothing
    norm = batchnorm(x.ndim, **options)(shape[1])
    for parameter in norm.parameters():
        nn.init.uniform_(parameter, 0.5, 2)
    model = nn.Sequential(copy.deepcopy(norm))
    convert_batchnorm(model, CPU, 1)
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if channels_last:
        x = x.contiguous(memory_format=formats.get(x.ndim, torch.contiguous_format))
    ours, reference = run(model[0], x, grad), run(norm.double(), x.double().contiguous(), grad.double())
    assert ours.keys() == reference.keys()
    for name, value in reference.items():
        scale = value.abs().max().item()
        assert ours[name].dtype == (value.dtype if name == "num_batches_tracked" else torch.float32)
        torch.testing.assert_close(ours[name].double(), value.double(), rtol=0, atol=2e-6 * scale, msg=name)


def test_many_rows_cost_no_digits():
    """Where torch's own is off by 1e-5 and more."""
    torch.manual_seed(0)
    x = (torch.randn(504, 4, 28, 28) + 3).contiguous(memory_format=torch.channels_last)
    grad = x - 2 + torch.randn(x.shape)
    model = nn.Sequential(nn.BatchNorm2d(4))
    reference = run(copy.deepcopy(model[0]).double(), x.double().contiguous(), grad)
    convert_batchnorm(model, CPU, 1)
    ours = run(model[0], x, grad)
    for name in ("y", "x", "weight", "bias"):
        torch.testing.assert_close(
            ours[name].double(), reference[name], rtol=0, atol=1e-6 * reference[name].abs().max().item()
        )


def test_a_far_mean_costs_no_more_than_the_input_has():
    torch.manual_seed(0)
    x = torch.randn(64, 3, 8, 8) + 1000
    model = nn.Sequential(nn.BatchNorm2d(3))
    reference = copy.deepcopy(model[0]).double()(x.double())
    convert_batchnorm(model, CPU, 1)
    torch.testing.assert_close(model(x).double(), reference, rtol=0, atol=2e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_dtypes_come_out_as_they_went_in(dtype):
    torch.manual_seed(0)
    x = (torch.randn(64, 3, 8, 8) + 3).to(dtype)
    model = nn.Sequential(nn.BatchNorm2d(3)).to(torch.float32 if dtype == torch.bfloat16 else dtype)
    reference = copy.deepcopy(model).double()(x.double())
    convert_batchnorm(model, CPU, 1)
    assert model(x).dtype == dtype
    torch.testing.assert_close(model(x), reference.to(dtype))


def test_conversion_keeps_parameters_names_and_mode():
    inner = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), inner).eval()
    before = copy.deepcopy(model.state_dict())
    weight, expected = model[1].weight, model[1](torch.ones(2, 4, 3, 3))
    convert_batchnorm(model, CPU, 2)
    assert model[1].weight is weight
    assert list(model.state_dict()) == list(before)
    assert not model[1].training
    assert not isinstance(model[1], nn.BatchNorm2d)
    torch.testing.assert_close(model[1](torch.ones(2, 4, 3, 3)), expected)


def test_a_batchnorm_that_does_more_is_refused_over_processes_rather_than_cut_down():
    model = nn.Sequential(timm.layers.BatchNormAct2d(4))
    with pytest.raises(InputError, match="BatchNormAct2d"):
        convert_batchnorm(model, CPU, 2)
    convert_batchnorm(model, CPU, 1)
    assert isinstance(model[0], timm.layers.BatchNormAct2d)


def test_one_value_of_a_channel_has_no_variance():
    model = nn.Sequential(nn.BatchNorm1d(4))
    convert_batchnorm(model, CPU, 1)
    with pytest.raises(ValueError, match="two values of a channel"):
        model(torch.randn(1, 4))
