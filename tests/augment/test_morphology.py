"""Thicker and thinner strokes, against scipy."""

import numpy as np
import pytest
import torch
from scipy.ndimage import grey_dilation, grey_erosion

from simclr.augment import RandomMorphology
from simclr.augment.morphology import dilate, erode


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_dilation_and_erosion_are_scipys(size):
    x = torch.randn(2, 3, 9, 11, generator=torch.Generator().manual_seed(size))
    for ours, theirs in ((dilate, grey_dilation), (erode, grey_erosion)):
        # Beyond the edge scipy repeats the last pixels, which changes no extreme of a square that has them.
        expected = [[theirs(band.numpy(), size=(size, size), mode="nearest") for band in image] for image in x]
        assert torch.equal(ours(x, size), torch.from_numpy(np.array(expected)))


def test_each_sample_has_a_size_and_a_direction_of_its_own():
    torch.manual_seed(0)
    operation, x = RandomMorphology(4, p=1.0), torch.rand(600, 1, 8, 8)
    drawn = operation.forward_parameters(x.shape)
    assert drawn["size"].bincount(minlength=5)[2:].min() > 150
    assert 250 < int(drawn["grows"].sum()) < 350
    expected = [
        (dilate if grows else erode)(image[None], int(size))[0]
        for image, grows, size in zip(x, drawn["grows"], drawn["size"])
    ]
    assert torch.equal(operation(x, params=drawn), torch.stack(expected))


@pytest.mark.parametrize("size", [1, 2.5, 16, True])
def test_a_size_that_makes_no_sense_is_refused(size):
    with pytest.raises(ValueError, match="size is"):
        RandomMorphology(size)
