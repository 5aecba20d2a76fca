"""Arrays from .npy and .npz: layouts, labels, dtypes, and what is refused."""

import numpy as np
import pytest
import torch

from simclr.data.images.arrays import Arrays
from simclr.errors import InputError

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
        (np.int64, torch.float32, None),
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
    assert "set data.layout=NHWC or NCHW" in message("square.npy")
    assert "data.layout is 'CHWN': choose one of" in message("square.npy", layout="CHWN")
    np.save(tmp_path / "y.npy", np.arange(8))
    assert "has 9 samples, but labels of shape (8,)" in message(key="one", labels=tmp_path / "y.npy")
    np.save(tmp_path / "nan.npy", np.full((3, 4, 5), np.nan))
    assert "NaN or infinite" in message("nan.npy")
    np.save(tmp_path / "empty.npy", np.zeros((0, 4, 5)))
    assert "it has no samples" in message("empty.npy")
