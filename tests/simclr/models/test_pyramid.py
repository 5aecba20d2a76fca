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


def test_a_finer_h_is_made_of_roots_of_the_same_stages_and_the_head_sees_the_old_one():
    plain, fine = (Pyramid(2, width=4, stages=3, pixels=4, fine=count).eval() for count in (0, 2))
    fine.load_state_dict(plain.state_dict())
    x = torch.randn(5, 2, 16, 16)
    second = plain.stages[1](F.max_pool2d(plain.stages[0](x), 2))
    third = plain.stages[2](F.max_pool2d(second, 2))
    pixels = F.avg_pool2d(x, 4).flatten(1)
    parts = [
        pixels - pixels.min(1, keepdim=True)[0],
        F.avg_pool2d(second, 2).flatten(1),
        F.avg_pool2d(third, 2).flatten(1),
    ]
    roots = [part.sqrt() for part in parts]
    expected = torch.cat([root / root.norm(dim=1, keepdim=True) for root in roots], 1)
    h, projected = fine.with_projected(x)
    torch.testing.assert_close(h, expected)
    torch.testing.assert_close(fine(x), h)
    assert h.shape[1] == fine.feature_dim
    torch.testing.assert_close(projected, plain(x))
    assert projected.shape[1] == fine.projected_dim == plain.feature_dim == plain.projected_dim
    assert [part.shape[1] for part in plain.with_projected(x)] == [plain.feature_dim] * 2


def test_a_finer_h_of_an_even_image_is_finite_and_so_are_gradients():
    encoder = Pyramid(1, width=4, pixels=4, fine=4)
    h, projected = encoder.with_projected(torch.zeros(3, 1, 8, 8))
    (projected.sum() + encoder(torch.zeros(3, 1, 8, 8)).sum()).backward()
    assert h.isfinite().all()
    assert all(value.grad.isfinite().all() for value in encoder.parameters())


def test_the_smallest_images_are_no_longer_halved():
    assert Pyramid(1, width=2).eval()(torch.randn(2, 1, 1, 5)).isfinite().all()


@pytest.mark.parametrize(
    "options",
    [{"stages": 0}, {"stages": 2, "levels": 3}, {"grid": 0}, {"grid": True}, {"pixels": -1}, {"stages": 2, "fine": 3}],
)
def test_numbers_that_make_no_sense_are_refused(options):
    with pytest.raises(InputError, match=rf"encoder\.options\.{list(options)[-1]} is"):
        Pyramid(1, **options)
