import copy

import pytest
import timm.layers
import torch
from torch import nn

from simclr.errors import InputError
from simclr.train.sync_batchnorm import convert_sync_batchnorm


def test_conversion_keeps_parameters_names_and_mode():
    inner = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), inner).eval()
    before = copy.deepcopy(model.state_dict())
    weight = model[1].weight
    convert_sync_batchnorm(model, torch.device("cpu"))
    converted = model
    assert converted[1].weight is weight
    assert list(converted.state_dict()) == list(before)
    assert not converted[1].training
    assert not isinstance(converted[1], nn.BatchNorm2d)


def test_a_batchnorm_that_does_more_is_refused_rather_than_cut_down():
    model = nn.Sequential(timm.layers.BatchNormAct2d(4))
    with pytest.raises(InputError, match="BatchNormAct2d"):
        convert_sync_batchnorm(model, torch.device("cpu"))


def test_alone_it_is_torchs_batchnorm():
    plain = nn.BatchNorm2d(4)
    converted = nn.Sequential(copy.deepcopy(plain))
    convert_sync_batchnorm(converted, torch.device("cpu"))
    x = torch.randn(8, 4, 5, 5)
    torch.testing.assert_close(converted(x), plain(x))
    torch.testing.assert_close(converted[0].running_var, plain.running_var)
