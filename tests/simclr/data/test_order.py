"""The order of samples: a permutation each epoch, shared out without gap or overlap, a pure function of the step."""

import re

import pytest
import torch

from simclr.data.order import SampleOrder
from simclr.errors import InputError


def test_an_epoch_shows_every_sample_once():
    order = SampleOrder(60, 12, seed=3)
    assert order.steps_per_epoch == 5
    for epoch in range(3):
        shown = torch.cat([order.at(epoch * 5 + i) for i in range(5)])
        assert sorted(shown.tolist()) == list(range(60))


def test_a_remainder_is_left_out_without_repeats():
    order = SampleOrder(63, 12, seed=3)
    shown = torch.cat([order.at(t) for t in range(5)])
    assert len(set(shown.tolist())) == 60
    assert [order.epoch(t) for t in (0, 4, 5, 9, 10)] == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_slices_of_all_processes_are_the_global_batch(world_size):
    whole = SampleOrder(100, 8, seed=1)
    parts = [SampleOrder(100, 8, seed=1, rank=r, world_size=world_size) for r in range(world_size)]
    for step in (0, 5, 11, 12, 40):
        slices = [part.at(step) for part in parts]
        assert all(len(s) == 8 // world_size for s in slices)
        assert torch.equal(torch.cat(slices), whole.at(step))


def test_the_order_depends_on_the_step_alone():
    walked = SampleOrder(50, 10, seed=7)
    forward = {t: walked.at(t).clone() for t in range(30)}
    for t in (29, 3, 17, 0, 28):
        assert torch.equal(SampleOrder(50, 10, seed=7).at(t), forward[t])
        assert torch.equal(walked.at(t), forward[t])
    torch.manual_seed(123)
    assert torch.equal(SampleOrder(50, 10, seed=7).at(12), forward[12])


def test_epochs_and_seeds_differ():
    order = SampleOrder(200, 200, seed=7)
    assert not torch.equal(order.at(0), order.at(1))
    assert not torch.equal(order.at(0), SampleOrder(200, 200, seed=8).at(0))


@pytest.mark.parametrize(
    ("n", "batch_size", "world_size", "expected"),
    [
        (
            1797,
            4096,
            1,
            "train.batch_size is 4096, but the source has 1797 samples: set train.batch_size=1024, or at most 1797.",
        ),
        (100, 10, 4, "train.batch_size is 10, which 4 processes cannot share evenly: set a multiple of 4"),
        (100, 0, 1, "train.batch_size is 0: set it to 1 or more"),
    ],
)
def test_batches_that_cannot_be_made(n, batch_size, world_size, expected):
    with pytest.raises(InputError, match="(?s)^" + expected.replace(".", r"\.")):
        SampleOrder(n, batch_size, seed=0, world_size=world_size)


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 7, 8, 12, 33])
def test_the_batch_that_is_advised_can_be_made(n, world_size):
    for batch_size in (2, 3, 6, 64):
        if batch_size <= n and batch_size % world_size == 0:
            continue
        with pytest.raises(InputError) as caught:
            SampleOrder(n, batch_size, seed=0, world_size=world_size)
        advised = [int(size) for size in re.findall(r"train\.batch_size=(\d+)", str(caught.value))]
        for size in advised:
            assert size >= 2
            SampleOrder(n, size, seed=0, world_size=world_size)
        # There is none where a batch of two, or one that every process has a part in, is larger than the source.
        assert bool(advised) == (n >= max(2, world_size))
        assert bool(advised) != ("give more samples" in str(caught.value))


@pytest.mark.parametrize("micro_batches", [1, 2, 3])
def test_a_micro_batch_holds_the_same_samples_on_any_number_of_processes(micro_batches):
    """Of 24 in three parts: 8, 8, 8 on one process, and 4 + 4 or 2 + 2 + 2 + 2 of the same on others."""
    alone = SampleOrder(60, 24, seed=5).at(3)
    for world_size in (1, 2, 4):
        sizes = [24 // world_size // micro_batches] * micro_batches
        parts = [SampleOrder(60, 24, 5, rank, world_size).cut(sizes).at(3).split(sizes) for rank in range(world_size)]
        together = [torch.cat(part) for part in zip(*parts)]
        assert [part.tolist() for part in together] == [part.tolist() for part in alone.chunk(micro_batches)]
