"""Run by test_pretrain_processes.py, alone or in several processes: pretrains digits in float64."""

import sys
from pathlib import Path

import torch

import simclr.build
import simclr.pretrain
import simclr.views.inputs
from simclr.recipe.read import read_recipe

build_model = simclr.build.build_model
simclr.build.build_model = lambda *arguments: build_model(*arguments).double()
simclr.views.inputs._DTYPES["fp32"] = torch.float64
simclr.pretrain.pretrain(read_recipe("digits", sys.argv[2:]), Path(sys.argv[1]))
