"""The feed: the same batches whether resident or streamed, by any number of workers, from any step."""

import numpy as np
import pytest
import torch
from PIL import Image

from simclr.data.feed import batches, in_place_of_damaged
from simclr.data.images.image_folder import ImageFolder
from simclr.data.order import SampleOrder
from simclr.data.source import TensorSource
from simclr.errors import InputError

N = 23


@pytest.fixture
def folder(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (N, 9, 7, 3), dtype=np.uint8)
    for k in range(N):
        (tmp_path / str(k % 2)).mkdir(exist_ok=True)
        Image.fromarray(values[k]).save(tmp_path / str(k % 2) / f"{k:02}.png")
    return tmp_path


def assert_same(got, expected):
    for (step, ids, batch), (other_step, other_ids, other_batch) in zip(got, expected, strict=True):
        assert step == other_step
        assert torch.equal(ids, other_ids)
        assert torch.equal(batch, other_batch)


def test_resident_batches_are_those_of_the_order():
    images = torch.arange(N).reshape(N, 1, 1, 1)
    order = SampleOrder(N, 5, seed=2)
    steps = list(batches(TensorSource(images), order, 3, 11))
    assert [step for step, _, _ in steps] == list(range(3, 11))
    for step, ids, batch in steps:
        assert torch.equal(ids, order.at(step))
        assert torch.equal(batch.flatten(), order.at(step))


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_equals_resident(folder, workers):
    stream = ImageFolder(folder)
    order = SampleOrder(N, 5, seed=2)
    # From the middle of the first epoch to the middle of the third, as after a resume.
    got = list(batches(stream, order, 2, 10, workers=workers))
    assert [step for step, _, _ in got] == list(range(2, 10))
    assert_same(got, batches(stream.load(), order, 2, 10))
    assert_same(batches(stream, order, 6, 10, workers=workers), got[4:])


@pytest.mark.parametrize("workers", [0, 2])
def test_damaged_images_are_counted_in_the_main_process(folder, workers):
    (folder / "0" / "04.png").write_bytes(b"no image")
    stream = ImageFolder(folder)
    order = SampleOrder(N, N, seed=0)
    ((_, ids, batch),) = batches(stream, order, 0, 1, workers=workers)
    assert stream.damaged == ["0/04.png"]
    assert torch.equal(ids, order.at(0))
    rows = {int(i): row for row, i in enumerate(ids)}
    assert torch.equal(batch[rows[2]], batch[rows[3]])  # 0/04.png is number 2, replaced by number 3


def test_what_could_not_be_read_gives_its_row_to_another_of_its_class(folder):
    """Number 2 is read as number 3, which may be of any class."""
    targets = torch.arange(N) % 2
    stream = ImageFolder(folder)
    stream.labels, whole = targets.clone(), stream.load()
    ids = torch.tensor([3, 2, 1, 4])
    assert in_place_of_damaged(stream, ids, stream[ids], targets)[0] is ids
    (folder / "0" / "04.png").write_bytes(b"no image")
    for given, held in (([3, 2, 1, 4], [3, 4, 1, 4]), ([3, 2, 1], [3, 3, 1]), ([2, 2], [2, 2])):
        batch = stream[torch.tensor(given)]
        found, rows = in_place_of_damaged(stream, torch.tensor(given), batch, targets)
        assert found.tolist() == held
        if held != given:
            assert torch.equal(rows, whole.images[held])


@pytest.mark.parametrize("workers", [0, 2])
def test_mistakes_come_out_of_workers_as_one_line(folder, workers):
    order = SampleOrder(N, N, seed=0)
    Image.new("RGB", (8, 9)).save(folder / "0" / "04.png")
    with pytest.raises(InputError, match=r"04\.png has 8x9 pixels") as caught:
        list(batches(ImageFolder(folder), order, 0, 2, workers=workers))
    assert "\n" not in str(caught.value)
    for k in (4, 6, 8):
        (folder / "0" / f"{k:02}.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="damaged images of 23"):
        list(batches(ImageFolder(folder), order, 0, 2, workers=workers))


def test_no_steps_need_no_worker(folder):
    assert list(batches(ImageFolder(folder), SampleOrder(N, 5, seed=0), 4, 4)) == []


def test_loading_with_processes_equals_loading_alone(folder):
    stream = ImageFolder(folder)
    assert torch.equal(stream.load(workers=2).images, stream.load(workers=0).images)
