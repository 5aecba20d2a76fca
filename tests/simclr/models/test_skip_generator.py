import pytest
import torch

from simclr.models.encoder import random_encoder
from simclr.models.skip_generator import SkipGenerator


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (9, 9), (8, 5)])
def test_it_represents_and_draws_inputs_of_any_size(size):
    generator = random_encoder(0, "skip_generator", in_chans=5, width=4).eval()
    x = torch.randn(3, 5, *size, generator=torch.Generator().manual_seed(0))
    assert generator.draw(x).shape == x.shape
    assert generator(x).shape == (3, generator.feature_dim) == (3, 2 * 3 * 4)


def test_h_is_the_centre_and_the_mean_of_every_stage():
    generator = SkipGenerator(5, width=4).eval()
    x = torch.randn(2, 5, 9, 9, generator=torch.Generator().manual_seed(0))
    maps = [x]
    for stage in generator.down:
        maps.append(stage(maps[-1]))
    one, two, three = maps[1:]
    assert [tuple(m.shape[2:]) for m in (one, two, three)] == [(9, 9), (5, 5), (3, 3)]
    means = [m.mean((2, 3)) for m in (one, two, three)]
    expected = torch.cat([one[..., 4, 4], two[..., 2, 2], three[..., 1, 1], *means], 1)
    torch.testing.assert_close(generator(x), expected)


def test_pictures_come_of_the_middle_stage_too_and_of_the_first_by_way_of_it_alone():
    generator = SkipGenerator(2, width=3).eval()
    x = torch.randn(1, 2, 9, 9, generator=torch.Generator().manual_seed(0))
    whole = generator.draw(x)
    silenced = {1: False, 2: False}
    for stage in silenced:
        with torch.no_grad():
            handle = generator.down[stage].register_forward_hook(lambda module, given, out: out * 0)
            silenced[stage] = not torch.allclose(generator.draw(x), whole)
            handle.remove()
    assert silenced == {1: True, 2: True}
    with torch.no_grad():
        handle = generator.down[1].register_forward_hook(lambda module, given, out: out * 0 + 1)
        assert torch.equal(generator.draw(x), generator.draw(-x))
        handle.remove()
