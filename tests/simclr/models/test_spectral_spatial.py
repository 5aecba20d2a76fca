import pytest
import torch

from simclr.models.spectral_spatial import SpectralSpatial, square_means


@pytest.mark.parametrize(
    ("side", "sides"), [(7, [1, 3, 5, 7]), (3, [1, 3, 3, 3]), (1, [1, 1, 1, 1]), (6, [2, 4, 6, 6])]
)
def test_squares_are_averaged_around_the_centre(side, sides):
    x = torch.rand(side, side)
    expected = []
    for square in sides:
        first = (side - square) // 2
        expected.append(x[first : first + square, first : first + square].mean())
    torch.testing.assert_close(square_means(side, side, (1, 3, 5), x.device) @ x.flatten(), torch.stack(expected))


def test_flips_and_turns_do_not_change_h():
    encoder = SpectralSpatial(6, width=8).eval()
    x = torch.randn(5, 6, 7, 7)
    torch.testing.assert_close(encoder(x.flip(-1)), encoder(x))
    torch.testing.assert_close(encoder(x.rot90(1, (-2, -1))), encoder(x))
