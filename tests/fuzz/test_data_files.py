"""Pictures, arrays, cubes and ground truths that are damaged, or are something else."""

import io
import zipfile

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from simclr.data import open_source
from simclr.recipe.read import check_recipe

DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">i2", "f2", "f4", "f8", ">f4", "c8")
DTYPES += ("?", "U3", "S3", "M8[s]")
ODD_SHAPES = (b"(-1, 8)", b"(99999999999, 9)", b"(6, 8", b"()", b"(6.5,)", b"(True,)", b"(0, 8, 8)", b"1 << 60,")
RNG = np.random.default_rng(0)


def pictures():
    colour = Image.fromarray(RNG.integers(0, 256, (20, 24, 3), dtype=np.uint8))
    found = {}
    for kind, options in (("PNG", {}), ("JPEG", {}), ("TIFF", {}), ("BMP", {}), ("GIF", {}), ("WEBP", {}), ("PPM", {})):
        for image in (colour, colour.convert("L")):
            stream = io.BytesIO()
            image.save(stream, kind, **options)
            found[f"{kind}-{image.mode}"] = (f".{kind.lower()}".replace("jpeg", "jpg"), stream.getvalue())
    for mode in ("RGBA", "P", "1", "LA"):
        stream = io.BytesIO()
        colour.convert(mode).save(stream, "PNG")
        found[f"PNG-{mode}"] = (".png", stream.getvalue())
    deep = Image.fromarray(RNG.integers(0, 65536, (20, 24)).astype(np.uint16))
    for kind in ("PNG", "TIFF"):
        stream = io.BytesIO()
        deep.save(stream, kind)
        found[f"{kind}-16"] = (f".{kind.lower()}", stream.getvalue())
    return found


PICTURES = pictures()


def read_all(**data):
    source = open_source(check_recipe({"data": data}).data)
    assert source is not None
    batch = source[torch.arange(min(4, len(source)))]
    assert batch.ndim == 4
    assert not batch.is_floating_point() or batch.isfinite().all()


def test_mutated_pictures(fuzz, tmp_path):
    def make(odd):
        name = odd.random.choice(sorted(PICTURES))
        suffix, content = PICTURES[name]
        folder = tmp_path / str(odd.seed)
        (folder / "a").mkdir(parents=True)
        (folder / "a" / f"0{suffix}").write_bytes(content)
        (folder / "a" / f"1{suffix}").write_bytes(odd.bytes(content))
        size = odd.random.choice((None, 16))
        return name, lambda: read_all(source="image-folder", path=str(folder), image_size=size)

    fuzz(400, make)


def array_files():
    def saved(save, *arguments, **named):
        stream = io.BytesIO()
        save(stream, *arguments, **named)
        return stream.getvalue()

    images, labels = RNG.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8), np.arange(6) % 3
    cube, truth = RNG.integers(0, 4000, (8, 9, 12)).astype(np.uint16), RNG.integers(0, 4, (8, 9)).astype(np.uint8)
    return {
        "images.npy": saved(np.save, images),
        "images.npz": saved(np.savez_compressed, images=images, labels=labels),
        "cube.npy": saved(np.save, cube),
        "truth.npy": saved(np.save, truth),
        "cube.mat": saved(scipy.io.savemat, {"cube": cube}),
        "cube-compressed.mat": saved(scipy.io.savemat, {"cube": cube}, do_compression=True),
        "cube-v4.mat": saved(scipy.io.savemat, {"Y": cube.reshape(-1, 12).T.astype(float)}, format="4"),
        "truth.mat": saved(scipy.io.savemat, {"gt": truth}),
        "struct.mat": saved(scipy.io.savemat, {"scene": {"data": cube, "gt": truth, "name": "x"}}),
    }


ARRAYS = array_files()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    for name, content in ARRAYS.items():
        (folder / name).write_bytes(content)
    return folder


def test_mutated_arrays(fuzz, good, tmp_path):
    def make(odd):
        name = odd.random.choice(sorted(ARRAYS))
        content = ARRAYS[name]
        if name.endswith(".npy") and odd.random.random() < 0.3:
            said = odd.random.choice(
                (b"(-1, 8)", b"(99999999999, 9)", b"(6, 8", b"()", b"(6.5,)", b"(True,)", b"(0, 8, 8)", b"1 << 60,")
            )
            start = content.index(b"(")
            content = content[:start] + said + content[start + len(said) :]
        content = odd.bytes(content) if odd.random.random() < 0.8 else content
        file = tmp_path / f"{odd.seed}-{name}"
        file.write_bytes(content)
        if name.startswith("images"):
            return name, lambda: read_all(source="arrays", path=str(file))
        if name.startswith("truth"):
            return name, lambda: read_all(
                source="scene", path=str(good / "cube.npy"), ground_truth=str(file), patch_size=3
            )
        return name, lambda: read_all(source="scene", path=str(file), patch_size=3)

    fuzz(500, make)


def test_odd_arrays(fuzz, tmp_path):

    def make(odd):
        shape = tuple(odd.random.choice((0, 1, 2, 3, 8, 9)) for _ in range(odd.random.choice((0, 1, 2, 3, 4, 5))))
        kind = odd.random.choice(DTYPES)
        values = np.zeros(shape) if odd.random.random() < 0.2 else np.round(1000 * RNG.normal(size=shape))
        array = np.asarray(values).astype(np.int64).astype(kind) if kind == "M8[s]" else np.asarray(values).astype(kind)
        if array.dtype.kind == "f" and array.size and odd.random.random() < 0.4:
            array.flat[0] = odd.random.choice((np.nan, np.inf, -9999, 1e-40, 60000))
        file, member = tmp_path / f"{odd.seed}.npz", odd.random.choice(("x", "labels", "", "é", "a/b"))
        if odd.random.random() < 0.2:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(f"{member}.npy" if odd.random.random() < 0.5 else "text.txt", "not an array")
        else:
            np.savez(file, **{member: array})
        source = odd.random.choice(("arrays", "scene"))
        options = {"patch_size": 3} if source == "scene" else {}
        return f"{kind} {shape} {member!r}", lambda: read_all(source=source, path=str(file), **options)

    fuzz(100, make)
