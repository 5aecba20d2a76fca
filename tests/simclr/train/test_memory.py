import re

import pytest
import torch

import simclr.train.step
from simclr.errors import InputError
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe
from simclr.train.memory import is_out_of_memory, memory_explained

KEY = "train.micro_batch"
WORDS = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"


def take(most):
    def step(images):
        if images > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    return step


@pytest.mark.parametrize(
    ("most", "said"),
    [
        (100, "out of memory with 256 images at once; 64 fit: set train.micro_batch=64"),
        (128, "out of memory with 256 images at once; 128 fit: set train.micro_batch=128"),
        (1, "out of memory with 256 images at once, and with two: take a smaller encoder or smaller images"),
    ],
)
def test_what_would_fit_is_found_by_halving(most, said):
    with (
        pytest.raises(InputError, match=f"^{re.escape(said)}$"),
        memory_explained(256, take(most), "train.micro_batch"),
    ):
        take(most)(256)


def test_on_several_processes_it_is_only_advised():
    with (
        pytest.raises(InputError, match=r"set train.micro_batch=16, or less$"),
        memory_explained(32, None, "train.micro_batch"),
    ):
        raise RuntimeError(WORDS)


def test_other_errors_are_let_through():
    for error in (RuntimeError("shapes differ"), ValueError("out of memory")):
        assert not is_out_of_memory(error)
        with pytest.raises(type(error), match=str(error)), memory_explained(8, take(4), KEY):
            raise error
    assert all(map(is_out_of_memory, (MemoryError(), RuntimeError(WORDS), torch.OutOfMemoryError("CUDA"))))


@pytest.mark.usefixtures("fresh_accelerate")
def test_a_run_that_does_not_fit_says_so_and_goes_on_with_less(tmp_path, monkeypatch):
    real = simclr.train.step.TrainingStep._project

    def project(self, part):
        if len(part.images) > 40:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, part)

    monkeypatch.setattr(simclr.train.step.TrainingStep, "_project", project)
    tiny = ["encoder.width=4", "train.batch_size=128", "train.max_steps=2", "monitor.knn=false"]
    with pytest.raises(InputError, match=r"128 images at once; 32 fit: set train.micro_batch=32; no run state"):
        pretrain(read_recipe("digits", tiny), tmp_path / "run")
    smaller = read_recipe("digits", [*tiny, "train.micro_batch=32"])
    assert pretrain(smaller, tmp_path / "run", resume=True, changes=["train.micro_batch"])["steps"] == 2
