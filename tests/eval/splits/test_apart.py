import torch

from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.eval.splits.apart import held_apart
from simclr.eval.splits.block_split import block_split
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.split import Split, k_shot


def scene(height=40, width=40, patch=3):
    """Four fields of 20 x 20 pixels."""
    rows, columns = torch.arange(height)[:, None] // 20, torch.arange(width)[None] // 20
    return SceneSource(torch.rand(4, height, width), rows * 2 + columns + 1, patch_size=patch)


def gaps(ids, groups, width):
    """Least distance, in rows or columns, of pixels of different groups."""
    place = torch.stack([ids // width, ids % width], 1)
    far = (place[:, None] - place[None]).abs().amax(2)
    other = groups[:, None] != groups[None]
    return int(far[other].min())


def test_areas_of_a_block_split_lie_as_far_apart_as_test_samples_do():
    source = scene()
    data = LabelledData(source)
    for seed in range(2):
        split = block_split(source.labels.view(40, 40), seed, 3, shots=30)
        apart = held_apart(data, split)
        assert (apart.unit, apart.alike) == ("area", False)
        assert len(apart.groups) == len(split.train)
        assert gaps(split.train, apart.groups, 40) >= 3
        assert "3 pixels or more" in apart.why


def test_steps_lead_from_pixel_to_pixel_of_an_area():
    source = scene()
    at = [(0, 0), (0, 3), (0, 6), (9, 9), (12, 12), (30, 30)]
    train = torch.tensor(sorted(r * 40 + c for r, c in at))
    test = torch.tensor([25 * 40 + 5])  # 13 rows from the nearest: steps of up to 12
    apart = held_apart(LabelledData(source), Split("block", train, test))
    assert apart.groups.tolist() == [0, 0, 0, 0, 0, 1]
    test = torch.tensor([16 * 40 + 8])  # 4 rows
    apart = held_apart(LabelledData(source), Split("block", train, test))
    assert apart.groups.tolist() == [0, 0, 0, 1, 1, 2]


def test_samples_of_random_splits_and_photographs_stand_for_themselves():
    source = scene()
    found = held_apart(LabelledData(source), k_shot(source.labels, 5, 0))
    assert (found.groups, found.unit, found.alike) == (None, "sample", True)
    photographs = TensorSource(torch.rand(20, 1, 2, 2), torch.arange(20) % 2)
    data = LabelledData(photographs, TensorSource(torch.rand(20, 1, 2, 2), torch.arange(20) % 2))
    found = held_apart(data, Split("given", torch.arange(20), torch.arange(20, 40)))
    assert (found.groups, found.alike) == (None, False)
    assert "source of its own" in found.why
    given = held_apart(LabelledData(photographs), Split("given", torch.arange(10), torch.arange(10, 20)))
    assert (given.groups, given.alike) == (None, False)


def test_fields_of_a_map_are_connected_and_of_one_class():
    source = scene()
    ids = torch.arange(1600).view(40, 40)
    # Two fields of class 0, one of them beside a field of class 1; what is tested adjoins.
    train = torch.cat([ids[0:4, 0:5].flatten(), ids[10:14, 15:25].flatten()]).sort().values
    test = torch.cat([ids[4:10, 0:20].flatten(), ids[20:40].flatten()])
    apart = held_apart(LabelledData(source), Split("map", train, test))
    assert apart.unit == "field"
    together = {(int(g), int(source.labels[i])) for g, i in zip(apart.groups, train)}
    assert len(together) == int(apart.groups.max()) + 1 == 3
    # As if drawn at random: half of the test pixels touch a training pixel.
    mixed = held_apart(LabelledData(source), Split("map", ids[:, ::2].flatten(), ids[:, 1::2].flatten()))
    assert (mixed.groups, mixed.alike) == (None, False)
