import pytest
import torch

from simclr.losses.decoder import Decoder, halved


def test_sides_are_halved_until_none_is_above_four():
    assert halved(9, 9) == [(9, 9), (5, 5), (3, 3)]
    assert halved(28, 5) == [(28, 5), (14, 3), (7, 2), (4, 1)]
    assert halved(3, 1) == [(3, 1)]


@pytest.mark.parametrize("shape", [(60, 3, 3), (5, 9, 9), (1, 1, 1), (2, 28, 5)])
def test_a_picture_has_the_shape_of_the_input_and_depends_on_its_own_embedding_alone(shape):
    torch.manual_seed(0)
    decoder, e = Decoder(6, shape, width=4), torch.randn(3, 6, requires_grad=True)
    pictures = decoder(e)
    assert pictures.shape == (3, *shape)
    (gradient,) = torch.autograd.grad(pictures[1].sum(), e)
    assert gradient[1].abs().sum() > 0
    assert gradient[[0, 2]].abs().sum() == 0
