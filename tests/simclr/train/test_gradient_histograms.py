"""Which way edges run, against a loop over pixels."""

import math

import numpy as np
import pytest
import torch

from simclr.train.gradient_histograms import DIRECTIONS, gradient_histograms


def by_loop(x, cells):
    """Of an image whose side is a multiple of the cells."""
    wide = np.pad(x, 1, mode="edge")
    found = np.zeros((DIRECTIONS, cells, cells))
    side = len(x) // cells
    for row in range(len(x)):
        for column in range(len(x)):
            across = wide[row + 1, column + 2] - wide[row + 1, column]
            down = wide[row + 2, column + 1] - wide[row, column + 1]
            turns = (math.atan2(down, across) / (2 * math.pi) * DIRECTIONS) % DIRECTIONS
            first = int(turns) % DIRECTIONS
            length = math.hypot(across, down)
            found[first, row // side, column // side] += length * (1 - turns % 1)
            found[(first + 1) % DIRECTIONS, row // side, column // side] += length * (turns % 1)
    return np.sqrt(found / found.sum()).ravel()


def test_as_a_loop_over_pixels_has_it():
    x = np.random.default_rng(0).random((12, 12)).astype(np.float32)
    found = gradient_histograms(torch.from_numpy(x)[None], 3)[0]
    assert found.numpy() == pytest.approx(by_loop(x, 3), abs=1e-5)
    assert float(found.norm()) == pytest.approx(1, abs=1e-5)


def test_a_ramp_runs_one_way_and_light_says_nothing():
    ramp = torch.arange(16.0).expand(16, 16)[None]
    found = gradient_histograms(ramp, 1)[0]
    assert found.tolist() == pytest.approx([1, *[0] * (DIRECTIONS - 1)], abs=1e-3)
    turned = gradient_histograms(ramp.mT, 1)[0]
    assert int(turned.argmax()) == DIRECTIONS // 4
    assert torch.allclose(gradient_histograms(3 * ramp + 7, 1)[0], found, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 8, 8), (2, 5, 90)])
def test_any_size_and_no_edges(shape):
    found = gradient_histograms(torch.ones(shape), 4)
    assert found.shape == (2, 16 * DIRECTIONS)
    assert not found.any()
