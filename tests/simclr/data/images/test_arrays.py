"""Arrays from .npy and .npz: layouts, labels, dtypes, and what is refused."""

import gzip
import os

import numpy as np
import pytest
import torch

from simclr.data.images.arrays import Arrays
from simclr.errors import InputError
from simclr.recipe.images import ArraysData

IMAGES = np.random.default_rng(0).integers(0, 256, (9, 6, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("array", "layout", "expected"),
    [
        (IMAGES, "auto", IMAGES.transpose(0, 3, 1, 2)),
        (IMAGES.transpose(0, 3, 1, 2), "auto", IMAGES.transpose(0, 3, 1, 2)),
        (IMAGES, "NCHW", IMAGES),
        (IMAGES[..., 0], "auto", IMAGES[:, None, :, :, 0]),
    ],
)
@pytest.mark.parametrize("resident", [False, True])
def test_layouts(tmp_path, array, layout, expected, resident):
    np.save(tmp_path / "a.npy", array)
    source = Arrays(tmp_path / "a.npy", layout=layout)
    ids = torch.tensor([8, 0, 3])
    got = source.load()[ids] if resident else source[ids]
    assert source.in_chans == expected.shape[1]
    np.testing.assert_array_equal(got.numpy(), expected[[8, 0, 3]])


@pytest.mark.parametrize(
    ("dtype", "held", "value_max"),
    [
        (np.uint8, torch.uint8, 255),
        (np.uint16, torch.int32, 65535),
        (np.int16, torch.int16, 32767),
        (np.dtype(">u2"), torch.int32, 65535),
        (np.float64, torch.float32, None),
        (np.float16, torch.float32, None),
        (np.int32, torch.int32, None),
        (np.uint32, torch.int32, None),
        (np.int64, torch.int32, None),
        (np.uint64, torch.int32, None),
    ],
)
def test_dtypes(tmp_path, dtype, held, value_max):
    np.save(tmp_path / "a.npy", (IMAGES // 2).astype(dtype))
    source = Arrays(tmp_path / "a.npy")
    assert (source[torch.arange(2)].dtype, source.load().images.dtype, source.value_max) == (held, held, value_max)
    np.testing.assert_array_equal(source[torch.arange(9)].numpy(), (IMAGES // 2).transpose(0, 3, 1, 2))


def test_labels(tmp_path):
    labels = np.array([0, 1, 2, 0, 1, 2, -1, -5, 1])
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=labels)
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", labels[:, None].astype(np.float32))
    for source in (Arrays(tmp_path / "a.npz"), Arrays(tmp_path / "x.npy", labels=tmp_path / "y.npy")):
        assert source.labels.tolist() == [0, 1, 2, 0, 1, 2, -1, -1, 1]
        assert source.class_names == ("0", "1", "2")
        assert source.load().labelled_ids().tolist() == [0, 1, 2, 3, 4, 5, 8]


def test_what_is_refused(tmp_path):
    def message(path="a.npz", **options):
        with pytest.raises(InputError) as caught:
            Arrays(tmp_path / path, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "does not exist: give a .npy or .npz file" in message("missing.npy")
    (tmp_path / "text.npy").write_text("no array")
    assert "is no .npy or .npz file, it is a text file" in message("text.npy")
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    assert "holds Python objects, which are never loaded" in message("objects.npy")
    np.save(tmp_path / "flat.npy", IMAGES[0, 0])
    assert "no array of 3 or 4 axes, it holds array (5, 3)" in message("flat.npy")
    np.savez(tmp_path / "a.npz", one=IMAGES, two=IMAGES)
    assert "several arrays of 3 or 4 axes, it holds one (9, 6, 5, 3), two (9, 6, 5, 3): set data.key" in message()
    assert "data.key is 'three', but" in message(key="three")
    np.save(tmp_path / "square.npy", np.zeros((2, 4, 6, 4)))
    assert "data.layout=NHWC) or of 4 channels and 6x4 pixels (data.layout=NCHW)" in message("square.npy")
    assert "data.layout is 'CHWN': choose one of" in message("square.npy", layout="CHWN")
    np.save(tmp_path / "y.npy", np.arange(8))
    assert "has 9 samples, but labels of shape (8,)" in message(key="one", labels=tmp_path / "y.npy")
    np.save(tmp_path / "nan.npy", np.full((3, 4, 5), np.nan))
    assert "NaN or infinite" in message("nan.npy")
    np.save(tmp_path / "empty.npy", np.zeros((0, 4, 5)))
    assert "it has no samples" in message("empty.npy")


@pytest.mark.parametrize(
    ("shape", "read_as"),
    [
        ((5, 32, 32, 13), "13 x 32 32"),
        ((5, 13, 32, 32), "13 x 32 32"),
        ((5, 12, 20, 3), "3 x 12 20"),
        ((5, 1, 12, 20), "1 x 12 20"),
        ((5, 32, 32, 1), "1 x 32 32"),
        ((5, 12, 20), "1 x 12 20"),
    ],
)
def test_the_layout_where_a_shape_can_mean_one_thing(tmp_path, shape, read_as):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    channels, height, width = Arrays(tmp_path / "a.npy").sample_shape
    assert f"{channels} x {height} {width}" == read_as


@pytest.mark.parametrize("shape", [(5, 200, 9, 9), (5, 9, 9, 200), (5, 200, 3, 3), (5, 40, 30, 13), (5, 8, 8, 8)])
def test_a_shape_that_can_mean_two_things_is_refused_with_both(tmp_path, shape):
    _, a, b, c = shape
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(InputError) as caught:
        Arrays(tmp_path / "a.npy")
    assert f"5 images of {c} channels and {a}x{b} pixels (data.layout=NHWC) or of {a} channels and {b}x{c}" in str(
        caught.value
    )
    assert Arrays(tmp_path / "a.npy", layout="NCHW").sample_shape == (a, b, c)
    assert Arrays(tmp_path / "a.npy", layout="NHWC").sample_shape == (c, a, b)


def test_one_colour_image_is_not_many_grey_ones(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(InputError, match=r"48 grey images of 64x3 pixels set data\.layout=NHW; for one image of 3"):
        Arrays(tmp_path / "a.npy")
    assert Arrays(tmp_path / "a.npy", layout="NHW").sample_shape == (1, 64, 3)


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64])
def test_wide_integers_keep_their_values_or_are_refused(tmp_path, dtype, resident):
    values = (IMAGES.astype(dtype) << 22) + 1  # 30 bits: float32 would round them
    np.save(tmp_path / "a.npy", values)

    def read(name):
        source = Arrays(tmp_path / name)
        return source.load()[torch.arange(9)] if resident else source[torch.arange(9)]

    np.testing.assert_array_equal(read("a.npy").numpy(), values.transpose(0, 3, 1, 2))
    if np.dtype(dtype).itemsize == 8:
        np.save(tmp_path / "b.npy", values << 8)
        with pytest.raises(InputError, match="which 32 bits do not hold: save it as float32"):
            read("b.npy")


def test_class_numbers_of_any_size_are_numbered(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", np.array([20240103, 20240101, -1, 7, 7, 20240101, 20240103, 7, 7]))
    source = Arrays(tmp_path / "x.npy", labels=tmp_path / "y.npy")
    assert source.class_names == ("7", "20240101", "20240103")
    assert source.labels.tolist() == [2, 1, -1, 0, 0, 1, 2, 0, 0]
    assert source.load().class_names == source.class_names


@pytest.mark.parametrize(("mark", "dtype"), [(-9999, np.int16), (-9999, np.float32), (-32768, np.int16)])
def test_a_mark_for_missing_values_is_no_pixel(tmp_path, mark, dtype):
    values = IMAGES.astype(dtype)
    values[3, 2, 1] = mark
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=f"has 3 values of {mark}, far below all others"):
        Arrays(tmp_path / "a.npy").load()
    values = np.linspace(mark, -mark - 1, IMAGES.size).round().reshape(IMAGES.shape).astype(dtype)
    np.save(tmp_path / "b.npy", values)  # the lowest of many that are as low
    assert Arrays(tmp_path / "b.npy").load().images.min() == mark


def test_a_fifo_and_other_formats_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"is a named pipe \(FIFO\)"):
        Arrays(tmp_path / "a.npy")
    np.save(tmp_path / "x.npy", IMAGES)
    (tmp_path / "y.csv.gz").write_bytes(gzip.compress(b"1\n2\n"))
    with pytest.raises(InputError, match=r"y.csv.gz is no .npy or .npz file, it is compressed \(gzip\)"):
        Arrays(tmp_path / "x.npy", labels=tmp_path / "y.csv.gz")


def test_names_of_arrays_are_not_passed_over_where_arrays_have_none(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    np.save(tmp_path / "y.npy", np.arange(9) % 3)
    with pytest.raises(InputError, match=r"data.key is 'x', but .*a.npy is a .npy file, .*: leave it out \(data.key="):
        Arrays(tmp_path / "a.npy", key="x")
    for labels in (None, tmp_path / "y.npy"):
        with pytest.raises(InputError, match=r"data.labels_key is 'y', but .*.npy is a .npy file"):
            Arrays(tmp_path / "a.npy", labels=labels, labels_key="y")
    with pytest.raises(InputError, match=r"data.test_labels belongs to data.test_path=FILE"):
        ArraysData(source="arrays", path="a.npy", test_labels="y.npy").named_files()


def test_a_mapped_file_that_is_written_to_is_refused_before_it_is_read_and_one_that_is_replaced_stays(tmp_path):
    file = tmp_path / "a.npy"
    np.save(file, IMAGES)
    source = Arrays(file)
    first = source.read([0])[0]
    np.save(tmp_path / "b.npy", 255 - IMAGES)
    os.replace(tmp_path / "b.npy", file)
    assert torch.equal(source.read([0])[0], first)
    file.unlink()
    assert torch.equal(source.read([0])[0], first)
    np.save(file, IMAGES)
    source = Arrays(file)
    os.truncate(file, 200)  # to read what it had would end the process by SIGBUS
    with pytest.raises(InputError, match=r"a.npy was changed while it was read \(938 bytes then, 200 now\): put"):
        source.read([8])
