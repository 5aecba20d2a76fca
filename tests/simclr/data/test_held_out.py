"""What is not learned from: whole blocks of a scene, and never in any step."""

import torch

from simclr.data.held_out import held_out_ids
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.recipe.schema import Train
from simclr.train.course import set_course


def test_a_share_of_images_is_held_out():
    source = TensorSource(torch.rand(200, 1, 4, 4))
    ids = held_out_ids(source, 0.1, 0)
    assert len(ids) == 20
    assert torch.equal(ids, ids.unique())
    assert not torch.equal(ids, held_out_ids(source, 0.1, 1))
    assert len(held_out_ids(source, 0, 0)) == 0


def test_of_a_scene_whole_blocks():
    scene = SceneSource(torch.rand(2, 50, 61), patch_size=3)
    held = torch.zeros(50, 61, dtype=torch.bool)
    held.view(-1)[held_out_ids(scene, 0.2, 0)] = True
    blocks = [held[r : r + 12, c : c + 12] for r in range(0, 50, 12) for c in range(0, 61, 12)]
    whole = [bool(block.all()) for block in blocks]
    assert all(bool(block.any()) == all_of_it for block, all_of_it in zip(blocks, whole))
    assert sum(whole) == round(0.2 * len(blocks))


def test_no_step_takes_them_and_all_others_come():
    held_out = torch.tensor([3, 17, 18, 40])
    course = set_course(Train(batch_size=8, epochs=2), 44, 0, 0, 1, held_out)
    assert course.order.steps_per_epoch == 5
    for epoch in (0, 1):
        ids = torch.cat([course.order.at(epoch * 5 + i) for i in range(5)])
        assert sorted(ids.tolist()) == [i for i in range(44) if i not in held_out.tolist()]
    halves = [set_course(Train(batch_size=8, epochs=2), 44, 0, rank, 2, held_out).order.at(3) for rank in (0, 1)]
    assert torch.equal(torch.cat(halves), course.order.at(3))
