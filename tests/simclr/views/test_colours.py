import numpy as np
import pytest
import torch

from simclr.views.colours import PALETTE, REJECTED_COLOUR, UNKNOWN_COLOUR, UNLABELLED_COLOUR, scene_colours

# What eyes without red or green cones see of linear sRGB (Machado, Oliveira, Fernandes 2009, severity 1).
SEEN = {
    "all cones": np.eye(3),
    "no red cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)


def lab(colours, eyes):
    """CIE 1976 Lab (D65) of colours as "#rrggbb"."""
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = (linear @ np.transpose(SEEN[eyes])).clip(0, 1) @ TO_XYZ.T / [0.95047, 1, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def ciede2000(first, second):
    """Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula", 2005, equations 2 to 22; of two Lab triples."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1 + 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25**7)))
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    h = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    low, c = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 + sum(
        k * np.cos(np.radians(n * h + p)) for k, n, p in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    )
    dl = (l2 - l1) / (1 + 0.015 * (low - 50) ** 2 / np.sqrt(20 + (low - 50) ** 2))
    dc = (c2 - c1) / (1 + 0.045 * c)
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * c * t)
    twist = -2 * np.sqrt(c**7 / (c**7 + 25**7)) * np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    return np.sqrt(dl**2 + dc**2 + dh**2 + twist * dc * dh)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
    ],
)
def test_the_difference_is_that_of_the_published_pairs(first, second, expected):
    assert ciede2000(first, second) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("eyes", "least"),
    [
        ("all cones", {8: 24, 16: 18, 20: 16, 30: 13.5}),
        ("no red cones", {8: 13, 16: 10, 20: 9, 30: 7}),
        ("no green cones", {8: 13, 16: 10, 20: 9, 30: 7}),
    ],
)
def test_the_colours_of_a_map_are_told_apart_by_every_eye(eyes, least):
    seen = lab([UNLABELLED_COLOUR, UNKNOWN_COLOUR, REJECTED_COLOUR, *PALETTE], eyes)
    assert len(set(PALETTE)) == 30
    for classes, wanted in least.items():
        differences = {(i, k): ciede2000(seen[i], seen[k]) for k in range(3 + classes) for i in range(k)}
        closest = min(differences, key=differences.get)
        assert differences[closest] >= wanted, (classes, closest)


def test_a_scenes_colours_are_stretched_between_percentiles():
    cube = torch.arange(16 * 100).reshape(16, 10, 10)
    image = scene_colours(cube)
    band = cube[4].float().numpy()
    low, high = np.percentile(band, (2, 98))
    np.testing.assert_allclose(image[..., 0], np.clip((band - low) / (high - low), 0, 1), atol=1e-6)
    assert scene_colours(torch.rand(1, 4, 5)).shape == (4, 5, 3)
