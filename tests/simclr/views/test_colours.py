import numpy as np
import torch

from simclr.views.colours import scene_colours


def test_a_scenes_colours_are_stretched_between_percentiles():
    cube = torch.arange(16 * 100).reshape(16, 10, 10)
    image = scene_colours(cube)
    band = cube[4].float().numpy()
    low, high = np.percentile(band, (2, 98))
    np.testing.assert_allclose(image[..., 0], np.clip((band - low) / (high - low), 0, 1), atol=1e-6)
    assert scene_colours(torch.rand(1, 4, 5)).shape == (4, 5, 3)
