"""What a step that went wrong tells of its cause: the first thing on the way that is not finite."""

import math

import pytest
import torch
from torch import nn

from simclr.train.divergence import Left, explain_divergence


def left(loss=math.nan, **changes):
    whole = {"views": torch.zeros(2, 3, 1, 4, 4), "h": torch.zeros(2, 3, 5), "updated": 6, "lr": 0.5}
    return Left(**{**whole, "loss": loss, "named": lambda places: f"samples at {places.tolist()}", **changes})


def broken(name):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        dict([*model.named_parameters(), *model.named_buffers()])[name][0] = torch.inf
    return model


VIEWS, H = torch.zeros(2, 3, 1, 4, 4), torch.zeros(2, 3, 5)
VIEWS[1, 2, 0, 3, 3], VIEWS[0, 0, 0, 0, 0], H[1, 1, 1] = torch.nan, torch.inf, torch.inf


@pytest.mark.parametrize(
    ("model", "found", "text", "sure"),
    [
        (broken("0.weight"), left(views=VIEWS), "views hold NaN or infinity, of samples at [0, 2], so", True),
        (broken("1.bias"), left(h=H), "1.bias and 0 other parameters became non-finite in the update of step 6", True),
        (broken("1.running_var"), left(), "activations overflow (as 1.running_var shows) at learning rate 0.5", False),
        (nn.Linear(1, 1), left(h=H), "activations overflow at learning rate 0.5", False),
        (nn.Linear(1, 1), left(loss=0.25), "gradients overflow at learning rate 0.5", False),
        (nn.Linear(1, 1), left(), "the projections are zero or overflow", False),
    ],
)
def test_the_first_on_the_way_is_named(model, found, text, sure):
    cause = explain_divergence(model, found)
    assert cause.text.startswith(text)
    assert cause.sure == sure
