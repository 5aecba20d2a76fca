import math
import random
import time

import pytest

from simclr.run.unusual import LossSpikes, noting_stalls


def test_a_jump_is_noted_and_scatter_is_not():
    rng, spikes = random.Random(0), LossSpikes()
    losses = [5 * math.exp(-step / 300) + rng.gauss(0, 0.05) for step in range(1000)]
    losses[600] += 2.0
    said = {step: line for step, loss in enumerate(losses) if (line := spikes.note(step, loss))}
    assert list(said) == [600]
    assert said[600].startswith("step 600: the loss jumped to ")


def test_a_loss_that_hardly_changes_has_no_spikes_of_rounding():
    spikes = LossSpikes()
    assert not any(spikes.note(step, 2.0 + 1e-6 * (step % 2)) for step in range(500))


def test_a_run_of_spikes_is_not_repeated_for_ever():
    spikes = LossSpikes()
    said = [spikes.note(step, 1.0 if step < 200 else 50.0) for step in range(300)]
    assert sum(line is not None for line in said) == 5


def test_samples_that_do_not_come_are_told_of():
    def slow():
        yield 1
        time.sleep(0.3)
        yield 2

    said: list[str] = []
    assert list(noting_stalls(slow(), said.append, seconds=0.1)) == [1, 2]
    assert len(said) == 1
    assert said[0].startswith("the next samples have not come for 0 s")


def test_an_error_of_the_feed_stays_what_it_is():
    def broken():
        yield 1
        raise OSError("gone")

    feed = noting_stalls(broken(), print)
    assert next(feed) == 1
    with pytest.raises(OSError, match="gone"):
        next(feed)
