"""Views that differ in their operations or sizes, and the record of what was drawn."""

import pytest
import torch

from simclr.augment import RandomGaussianBlur, ViewGroups, Views, build_views, trace

BASE = {
    "resized_crop": {"size": 12, "scale": [0.2, 1.0]},
    "horizontal_flip": {"p": 0.5},
    "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "p": 0.8},
    "grayscale": {"p": 0.2},
    "blur": {"kernel_size": 3, "p": 0.5},
}
X, IDS = torch.rand(32, 3, 16, 16, generator=torch.Generator().manual_seed(3)), torch.arange(50, 82)


def views(operations, which):
    return build_views(operations, size=16, in_chans=3, views=which, seed=4)


def test_a_view_is_the_same_in_whatever_group_it_is_drawn():
    together = views(BASE, 4)(X, IDS, 2)
    apart = ViewGroups([views(BASE, [1, 3]), views(BASE, [0]), views(BASE, [2])])
    assert apart.views == (0, 1, 2, 3)
    assert torch.equal(apart(X, IDS, 2), together)


def test_views_differ_in_their_operations_alone():
    strong = {**BASE, "blur": None, "solarize": {"threshold": 0.5, "p": 1.0}}
    both = ViewGroups([views(BASE, [0]), views(strong, [1])])
    assert torch.equal(both(X, IDS, 0)[0], views(BASE, 2)(X, IDS, 0)[0])
    plain = views({**BASE, "blur": None}, 2)(X, IDS, 0)[1]
    assert torch.equal(both(X, IDS, 0)[1], torch.where(plain >= 0.5, 1 - plain, plain))
    lines = both.describe()
    assert "horizontal_flip: p=0.5" in lines
    assert "solarize: threshold=0.5, p=1.0 (view 1)" in lines


def test_neighbours_replace_all_views_but_view_0_in_every_group():
    samples = torch.rand(10, 3, 6, 6)
    ids = torch.tensor([4, 9])

    def neighbours(address):
        return samples[(address.ids + address.views) % 10]

    groups = ViewGroups([Views({}, views=which, seed=0, neighbours=neighbours) for which in ([0, 2], [1])])
    assert torch.equal(groups(samples[ids], ids, 0), torch.stack([samples[(ids + v) % 10] for v in range(3)]))


def test_what_is_mixed_in_comes_from_the_source():
    samples = torch.rand(10, 2, 5, 5)
    mixed = build_views({"neighbour_mixture": {"alpha": [0.3, 0.3], "p": 1.0}}, size=5, in_chans=2, views=2, seed=0)
    mixed.before = lambda x: x * 2
    mixed.mixed_in = lambda address: samples[(address.ids + address.views + 1) % 10]
    ids = torch.tensor([4, 9])
    expected = torch.stack([2 * (0.3 * samples[ids] + 0.7 * samples[(ids + v + 1) % 10]) for v in range(2)])
    torch.testing.assert_close(mixed(samples[ids], ids, 0), expected)


def test_the_trace_says_what_was_done():
    drawn = ViewGroups([views(BASE, [0]), views({**BASE, "blur": None, "noise": {"sd": 0.1, "p": 1.0}}, [1])])
    notes = trace(drawn, IDS, 3, X.shape[1:])
    assert [list(rows[0]) for rows in notes] == [list(BASE), [*list(BASE)[:2], "noise", *list(BASE)[2:4]]]
    # Done by hand from the record, a view without colour is what was drawn.
    simple = views({"resized_crop": BASE["resized_crop"], "blur": {"kernel_size": 3, "p": 0.5}}, [0, 5])
    out = simple(X, IDS, 1)
    blurred = 0
    for view, rows in enumerate(trace(simple, IDS, 1, X.shape[1:])):
        for row, note in enumerate(rows):
            box = note["resized_crop"]
            piece = X[row : row + 1, :, box["top"] :, box["left"] :][:, :, : box["height"], : box["width"]]
            expected = torch.nn.functional.interpolate(piece, (12, 12), mode="bilinear", antialias=True)
            if note["blur"]:
                blurred += 1
                blur = RandomGaussianBlur(3, (note["blur"]["sigma"],) * 2, p=1.0)
                expected = blur(expected)
            torch.testing.assert_close(out[view, row : row + 1], expected, atol=2e-3, rtol=0)
    assert 15 < blurred < 50


def test_the_trace_names_the_steps_of_the_jitter_in_their_order():
    notes = [note["color_jitter"] for rows in trace(views(BASE, 2), IDS, 0, X.shape[1:]) for note in rows]
    applied = [note for note in notes if note is not None]
    assert 30 < len(applied) < 64
    assert {tuple(sorted(note)) for note in applied} == {("brightness", "contrast", "hue", "saturation")}
    assert len({tuple(note) for note in applied}) > 10
    assert all(0.6 <= note["brightness"] <= 1.4 and -0.1 <= note["hue"] <= 0.1 for note in applied)


@pytest.mark.parametrize("which", [[], [1, 0], [0, 0], [256], [-1]])
def test_view_numbers_ascend_from_0(which):
    with pytest.raises(ValueError, match="views"):
        Views({}, views=which, seed=0)


def test_a_view_belongs_to_one_group():
    with pytest.raises(ValueError, match="exactly one group"):
        ViewGroups([Views({}, views=2, seed=0), Views({}, views=[1], seed=0)])
