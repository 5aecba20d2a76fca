import torch

from simclr.augment.addressed import Address
from simclr.data import Neighbours, SceneSource


def scene(height=11, width=9, patch_size=3):
    generator = torch.Generator().manual_seed(0)
    return SceneSource(torch.rand(4, height, width, generator=generator), patch_size=patch_size)


def address(ids, view=1, epoch=0):
    return Address(0, epoch, ids, torch.full_like(ids, view))


def test_every_offset_occurs_and_none_is_too_far():
    source = scene(41, 41)
    centre = torch.full((4000,), 20 * 41 + 20)
    neighbours = Neighbours(source, source, shift=3)
    # One id has one neighbour a view, so many epochs are asked.
    found = torch.cat([neighbours.ids(address(centre[:1], epoch=e)) for e in range(2000)])
    rows, columns = found // 41 - 20, found % 41 - 20
    assert rows.abs().max() == columns.abs().max() == 3
    counts = ((rows + 3) * 7 + columns + 3).bincount(minlength=49)
    assert counts.min() > 15
    assert counts.max() < 80


def test_the_neighbour_is_a_pure_function_of_the_address():
    source = scene()
    neighbours = Neighbours(source, source, shift=4, candidates=3)
    ids = torch.arange(99)
    whole = neighbours.ids(address(ids))
    assert torch.equal(torch.cat([neighbours.ids(address(part)) for part in ids.split(7)]), whole)
    assert not torch.equal(neighbours.ids(address(ids, view=2)), whole)
    assert not torch.equal(neighbours.ids(address(ids, epoch=1)), whole)
    assert torch.equal(neighbours(address(ids)), source[whole])


def test_the_most_similar_candidate_is_taken():
    """Two fields, one of zeros and one of ones: with many candidates a pixel stays in its own."""
    cube = torch.zeros(2, 20, 20)
    cube[:, :, 10:] = 1
    source = SceneSource(cube, patch_size=1)
    ids = torch.arange(400)
    own = cube[0].flatten()
    alone = Neighbours(source, source, shift=6, candidates=1, window=1).ids(address(ids))
    chosen = Neighbours(source, source, shift=6, candidates=16, window=1).ids(address(ids))
    assert (own[alone] != own).float().mean() > 0.1
    assert torch.equal(own[chosen], own)
    # The first candidate does not depend on how many there are.
    column = alone % 20
    assert torch.equal(column[own[alone] == own], (chosen % 20)[own[alone] == own])


def test_positions_outside_are_mirrored():
    source = scene(2, 1, patch_size=1)
    found = Neighbours(source, source, shift=5).ids(address(torch.arange(2)))
    assert set(found.tolist()) <= {0, 1}
