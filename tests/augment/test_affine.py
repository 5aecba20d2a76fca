"""Turns, shifts, scales and shears: what is drawn, what comes in from beyond the edge. The pixels: test_parity.py."""

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from simclr.augment import RandomAffine
from simclr.augment.affine import affine, linear_part


def test_what_comes_in_is_the_fill_and_the_rest_is_torchvisions():
    """With a fill, torchvision's edge fades twice; without one, it is this on images whose background is 0."""
    x, operation = torch.rand(20, 2, 15, 19), RandomAffine(40.0, 0.3, (0.5, 1.5), 20.0, fill=0.7)
    drawn = operation.forward_parameters(x.shape)
    expected = []
    for i, image in enumerate(x - 0.7):
        shift, shear = drawn["shift"][i].tolist(), drawn["shear"][i].tolist()
        angle, scale = float(drawn["angle"][i]), float(drawn["scale"][i])
        bilinear = F.InterpolationMode.BILINEAR
        expected.append(F.affine(image, angle, shift, scale, shear, interpolation=bilinear) + 0.7)
    torch.testing.assert_close(operation(x, params=drawn), torch.stack(expected), atol=1e-5, rtol=0)


def test_a_map_that_is_none_changes_nothing_and_a_shift_by_pixels_moves_them():
    x = torch.rand(3, 1, 7, 8)
    one = linear_part(torch.zeros(3), torch.ones(3), torch.zeros(3, 2))
    torch.testing.assert_close(affine(x, one, torch.zeros(3, 2)), x, atol=1e-5, rtol=0)
    moved = affine(x, one, torch.tensor([2.0, -1.0]).expand(3, 2), fill=0.5)
    torch.testing.assert_close(moved[..., :-1, 2:], x[..., 1:, :-2], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[..., :2], torch.full((3, 1, 7, 2), 0.5), atol=1e-5, rtol=0)


def test_parameters_are_distributed_as_torchvisions():
    torch.manual_seed(0)
    image = torch.zeros(1, 200, 200)
    theirs = v2.RandomAffine(30, translate=(0.2, 0.2), scale=(0.6, 1.4), shear=[-10, 10, -10, 10])
    plans = [theirs.make_params([image]) for _ in range(4000)]
    ours = RandomAffine(30.0, 0.2, (0.6, 1.4), 10.0).forward_parameters((4000, 1, 200, 200))
    columns = {
        "angle": (ours["angle"], [plan["angle"] for plan in plans]),
        "x": (ours["shift"][:, 0], [plan["translate"][0] for plan in plans]),
        "y": (ours["shift"][:, 1], [plan["translate"][1] for plan in plans]),
        "scale": (ours["scale"], [plan["scale"] for plan in plans]),
        "shear": (ours["shear"][:, 1], [plan["shear"][1] for plan in plans]),
    }
    for name, (a, b) in columns.items():
        a, b = a.double().sort().values, torch.tensor(b, dtype=torch.float64).sort().values
        # Quantiles of uniform numbers: within five standard deviations of the difference.
        assert (a - b).abs().max() < 5 * 0.5 * float(b.max() - b.min()) * (2 / 4000) ** 0.5, name


def test_labels_of_a_mask_are_kept():
    from kornia.augmentation import AugmentationSequential

    labels = torch.randint(0, 5, (6, 1, 20, 20)).float()
    _, mask = AugmentationSequential(RandomAffine(), data_keys=["input", "mask"])(labels, labels.clone())
    assert set(mask.unique().tolist()) <= set(range(5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"degrees": 181}, "degrees is 181, but must be a number between 0.0 and 180.0"),
        ({"shear": 90}, "shear is 90, but must be a number between 0.0 and 80.0"),
        ({"scale": (0.0, 1.0)}, "scale is .*above 0.0"),
        ({"translate": 2}, "translate is 2"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomAffine(**arguments)
