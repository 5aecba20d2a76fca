"""Run by test_grad_cache.py, alone or in several processes: pretrains with micro batches and without BatchNorm."""

import sys
from pathlib import Path

from torch import nn

import simclr.build
import simclr.pretrain
from simclr.recipe.read import read_recipe


def without_batchnorm(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(module, name, nn.GroupNorm(1, child.num_features))
        else:
            without_batchnorm(child)
    return module


build_model = simclr.build.build_model
simclr.build.build_model = lambda *arguments: without_batchnorm(build_model(*arguments))
simclr.pretrain.pretrain(read_recipe("digits", sys.argv[2:]), Path(sys.argv[1]))
