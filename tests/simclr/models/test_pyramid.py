import pytest
import torch
import torch.nn.functional as F

from simclr.errors import InputError
from simclr.models.pyramid import Pyramid, cell_means


@pytest.mark.parametrize("grid", [1, 2, 3])
@pytest.mark.parametrize("size", [(7, 7), (3, 3), (1, 1), (8, 5), (2, 6)])
def test_cells_are_averaged_as_torch_pools_adaptively(size, grid):
    x = torch.rand(2, 3, *size)
    torch.testing.assert_close(cell_means(x, grid), F.adaptive_avg_pool2d(x, grid).flatten(2))


def test_h_is_the_last_stages_side_by_side_averaged_over_cells():
    encoder = Pyramid(2, width=4, stages=3, levels=2, grid=2).eval()
    x = torch.randn(5, 2, 12, 12)
    first = encoder.stages[0](x)
    second = encoder.stages[1](F.max_pool2d(first, 2))
    third = encoder.stages[2](F.max_pool2d(second, 2))
    expected = torch.cat([F.avg_pool2d(second, 3).flatten(1), F.adaptive_avg_pool2d(third, 2).flatten(1)], 1)
    assert encoder.feature_dim == expected.shape[1] == 4 * (8 + 16)
    torch.testing.assert_close(encoder(x), expected)


def test_the_input_itself_stands_before_the_stages_if_it_is_asked_for():
    encoder, x = Pyramid(2, width=4, stages=2, pixels=3).eval(), torch.randn(5, 2, 9, 9)
    h = encoder(x)
    assert h.shape == (5, encoder.feature_dim) == (5, 9 * 2 + 4 * (4 + 8))
    torch.testing.assert_close(h[:, :18], F.avg_pool2d(x, 3).flatten(1))


def test_the_smallest_images_are_no_longer_halved():
    assert Pyramid(1, width=2).eval()(torch.randn(2, 1, 1, 5)).isfinite().all()


@pytest.mark.parametrize(
    "options", [{"stages": 0}, {"stages": 2, "levels": 3}, {"grid": 0}, {"grid": True}, {"pixels": -1}]
)
def test_numbers_that_make_no_sense_are_refused(options):
    with pytest.raises(InputError, match=rf"encoder\.options\.{list(options)[-1]} is"):
        Pyramid(1, **options)
