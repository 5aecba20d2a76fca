import itertools

import numpy as np
import pytest
import torch

from simclr.data.images.digits import load_digits
from simclr.errors import InputError
from simclr.recipe.read import apply_overrides, check_tuning
from simclr.views.inputs import build_tuning_inputs
from simclr.views.unlabelled import Share, build_unlabelled, open_target

CPU, ALONE = torch.device("cpu"), Share(64, 0, 1)
TREE = {
    "data": {"source": "digits"},
    "augment": {"noise": {"sd": 0.1, "p": 0.5}},
    "encoder": {"name": "pyramid2", "width": 4},
    "objective": {"softmax": {}},
}


def stream(*overrides, needs=("unlabelled",), share=ALONE):
    recipe = check_tuning(apply_overrides(TREE, overrides))
    inputs, target = build_tuning_inputs(recipe, CPU), open_target(recipe, CPU)
    return build_unlabelled(recipe, inputs, target, needs, share)


def taken(stream, start, stop):
    return [stream.order.at(step) for step in range(start, stop)]


def test_without_a_target_all_samples_of_the_data_come_in_an_order_and_views_of_their_own():
    found = stream()
    ids = torch.cat(taken(found, 0, found.order.steps_per_epoch))
    assert len(ids.unique()) == len(ids) == 1797 // 64 * 64
    recipe = check_tuning(TREE)
    inputs = build_tuning_inputs(recipe, CPU)
    again = build_unlabelled(recipe, inputs, None, {"unlabelled"}, Share(64, 0, 1))
    views = list(found.views(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(views, again.views(3, 6), strict=True))
    labelled = inputs.augment(inputs.source[again.order.at(3)], again.order.at(3), 3)[0]
    assert views[0].shape == labelled.shape
    assert not torch.equal(views[0], labelled)  # the same samples, with random numbers of another address


def test_batches_are_the_same_on_any_number_of_processes_and_from_any_step():
    whole = stream()
    views = list(whole.views(0, 31))  # beyond an epoch
    for world_size in (2, 4):
        parts = [list(stream(share=Share(64, rank, world_size)).views(0, 31)) for rank in range(world_size)]
        assert all(torch.equal(torch.cat(part), view) for part, view in zip(zip(*parts), views, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(views[29:], whole.views(29, 31), strict=True))


def test_a_target_gives_what_the_preprocessing_of_the_data_makes_of_it(tmp_path):
    images = 240 - load_digits().images[:500]
    np.savez(tmp_path / "target.npz", images=images[:, 0].numpy(), labels=np.arange(500) % 2)
    target = f"target={{source: arrays, path: {tmp_path / 'target.npz'}}}"
    found = stream(target, "augment.noise=null", needs=("target",))
    assert (found.order.n, found.inputs.raw.labels, found.inputs.raw.class_names) == (500, None, ())
    assert torch.equal(next(found.views(2, 3)), found.inputs.preprocess(images[found.order.at(2)]))
    assert torch.equal(found.inputs.preprocess.bias, stream().inputs.preprocess.bias)  # fitted on the data


def test_a_target_smaller_than_a_batch_gives_smaller_batches(tmp_path):
    np.save(tmp_path / "few.npy", load_digits().images[:21, 0].numpy())
    found = stream(f"target={{source: arrays, path: {tmp_path / 'few.npy'}}}", share=Share(64, 1, 2))
    assert [len(view) for view in itertools.islice(found.views(0, 5), 5)] == [10] * 5


def test_nothing_is_read_where_nothing_looks_at_it():
    assert stream(needs=("inputs",)) is None


@pytest.mark.parametrize(
    ("overrides", "needs", "message"),
    [
        (["target={source: digits}"], (), "nothing looks at it: add a term that does"),
        (["target={source: indian-pines}"], ("target",), "has 200 bands, but digits has 1"),
        (["target={source: arrays, path: FILE}"], ("target",), "gives views of 9x9 pixels, but digits gives 8x8"),
        (["target={source: arrays}"], ("target",), "^target.path is not set, but target.source=arrays needs"),
        (["target={source: arrays, path: nowhere.npy}"], ("target",), "^target.path"),
        (["target={source: digits, nam: x}"], ("target",), "unknown key target.nam: did you mean target.name"),
        (["target={source: digits, path: x}"], ("target",), "^target.path belongs to target.source=image-folder"),
        (["target={source: digits, normalize: none}"], ("target",), 'target.normalize is "none", but what is done to'),
        (
            ["target={source: indian-pines, pool: 2}"],
            ("target",),
            "^target.pool is 2, but must divide target.patch_size=9",
        ),
        (["target={path: x}"], ("target",), "target.source is missing"),
        (["target=digits"], ("target",), "target is .*digits.*, but must be a section that sets source"),
    ],
)
def test_mistakes_are_said_in_one_line(tmp_path, overrides, needs, message):
    np.save(tmp_path / "large.npy", np.zeros((30, 9, 9), np.uint8) + np.arange(9, dtype=np.uint8))
    with pytest.raises(InputError, match=message) as caught:
        stream(*(text.replace("FILE", str(tmp_path / "large.npy")) for text in overrides), needs=needs)
    assert "\n" not in str(caught.value)


def test_pixels_where_nothing_was_measured_are_no_target(tmp_path):
    cube = np.random.default_rng(0).normal(50, 9, (6, 7, 20)).astype(np.float32)
    np.save(tmp_path / "west.npy", cube)
    cube[2, 3] = cube[0, 0] = -1
    np.save(tmp_path / "east.npy", cube)
    scene = {"source": "scene", "patch_size": 3}
    tree = {
        **TREE,
        "data": {**scene, "path": str(tmp_path / "west.npy")},
        "target": {**scene, "path": str(tmp_path / "east.npy"), "no_data": -1},
        "encoder": {"name": "spectral_spatial", "width": 4},
        "augment": {},
    }
    recipe = check_tuning(tree)
    inputs = build_tuning_inputs(recipe, CPU)
    found = build_unlabelled(recipe, inputs, open_target(recipe, CPU), {"target"}, Share(40, 0, 1))
    assert found.order.at(0).sort().values.tolist() == [i for i in range(42) if i not in (0, 2 * 7 + 3)]
