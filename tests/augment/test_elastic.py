"""A sheet of rubber, against scipy's interpolation of the image at the moved places."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from simclr.augment import RandomElastic
from simclr.augment.elastic import elastic


def test_the_image_is_read_where_the_moves_lead():
    """Moves that are linear from corner to corner, which bicubic interpolation keeps near the centre of its cells."""
    x = torch.rand(3, 2, 9, 12, generator=torch.Generator().manual_seed(0)).double()
    even = torch.tensor([[1.3, -0.7], [0.0, 2.0], [-2.4, 0.25]], dtype=torch.float64)
    moves = even.view(3, 2, 1, 1).expand(3, 2, 4, 4)
    rows, columns = np.mgrid[:9, :12].astype(float)
    expected = np.stack(
        [
            [map_coordinates(np.pad(band, 3), [rows + dy + 3, columns + dx + 3], order=1) for band in image.numpy()]
            for image, (dx, dy) in zip(x, even.tolist())
        ]
    )
    torch.testing.assert_close(elastic(x, moves), torch.from_numpy(expected), atol=1e-9, rtol=0)


def test_at_the_corners_the_moves_are_those_that_were_drawn():
    x = torch.arange(81.0).view(1, 1, 9, 9).double()
    moves = torch.zeros(1, 2, 3, 3, dtype=torch.float64)
    moves[0, 0, 0, 0], moves[0, 1, 2, 2] = 2.0, -3.0
    out = elastic(x, moves)
    assert out[0, 0, 0, 0] == pytest.approx(2.0)
    assert out[0, 0, 8, 8] == pytest.approx(80.0 - 27.0)
    assert out[0, 0, 4, 4] == pytest.approx(40.0)


def test_moves_have_the_size_that_is_asked_for():
    torch.manual_seed(0)
    ramp = torch.arange(101.0).expand(2000, 1, 101, 101) + 1000
    out = RandomElastic(0.02, points=3)(ramp)
    assert float((out - ramp)[:, 0, 50, 50].std()) == pytest.approx(0.02 * 101, rel=0.06)


def test_what_comes_in_is_the_fill():
    out = RandomElastic(0.3, fill=-5.0)(torch.zeros(50, 1, 8, 8))
    assert float(out.min()) == -5.0
    assert float(out.max()) <= 1e-5


@pytest.mark.parametrize(("arguments", "message"), [({"amount": 0.6}, "amount is 0.6"), ({"points": 1}, "points is 1")])
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomElastic(**arguments)
