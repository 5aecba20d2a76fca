"""What needs no training, against NumPy."""

import numpy as np
import pytest
import torch

from benchmarks.quality.baselines import unit_spectra, untrained
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.eval.splits.labelled import LabelledData


def scene(bands=7, side=12):
    g = np.random.default_rng(0)
    cube = torch.from_numpy(g.uniform(1, 9, (bands, side, side)).astype(np.float32))
    return SceneSource(cube, torch.from_numpy(g.integers(1, 3, (side, side))), patch_size=9)


def test_unit_spectra_have_length_one_before_bands_are_standardised():
    cube = scene().cube
    spectra = cube.numpy().reshape(7, -1).T.astype(np.float64)
    unit = spectra / np.linalg.norm(spectra, axis=1, keepdims=True)
    expected = (unit - unit.mean(0)) / unit.std(0)
    np.testing.assert_allclose(unit_spectra(cube).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_a_gain_of_each_pixel_and_constant_bands_change_no_unit_spectrum():
    cube = scene().cube
    gain = torch.rand(12, 12) + 0.5
    torch.testing.assert_close(unit_spectra(cube * gain), unit_spectra(cube), rtol=1e-3, atol=1e-4)
    cube[:, 0, 0] = 0
    assert bool(unit_spectra(cube).isfinite().all())
    assert bool((unit_spectra(torch.ones(3, 4, 4)) == 0).all())


def test_a_scene_has_its_spectra_window_means_and_components():
    source = scene()
    ids = torch.tensor([0, 30, 77])
    found = {name: make() for name, make in untrained(LabelledData(source), ids).items()}
    assert list(found) == ["raw", "unit spectrum", "window mean", "whitened window mean", "pca"]
    cube = source.cube.numpy().astype(np.float64)
    units = (cube - cube.mean((1, 2), keepdims=True)) / cube.std((1, 2), keepdims=True)
    padded = np.pad(units, ((0, 0), (4, 4), (4, 4)), mode="reflect")
    for row, i in enumerate(ids.tolist()):
        y, x = divmod(i, 12)
        np.testing.assert_allclose(found["raw"][row], units[:, y, x], rtol=1e-3, atol=1e-4)
        mean = padded[:, y : y + 9, x : x + 9].mean((1, 2))
        np.testing.assert_allclose(found["window mean"][row], mean, rtol=1e-3, atol=1e-4)
    # Whitened: the same means along other axes, so distances by the spectra's covariance are Euclidean ones.
    covariance = np.cov(units.reshape(7, -1), bias=True)
    step = (found["window mean"][0] - found["window mean"][1]).numpy().astype(np.float64)
    distance = float((found["whitened window mean"][0] - found["whitened window mean"][1]).square().sum())
    assert distance == pytest.approx(float(step @ np.linalg.solve(covariance, step)), rel=1e-2)


def test_images_of_both_parts_are_pixels():
    images = torch.randint(0, 256, (20, 1, 28, 28), dtype=torch.uint8)
    labels = torch.arange(20) % 2
    data = LabelledData(TensorSource(images[:12], labels[:12]), TensorSource(images[12:], labels[12:]))
    found = {name: make() for name, make in untrained(data, torch.tensor([3, 15])).items()}
    shapes = {"raw": (2, 256), "pixels": (2, 784), "pca": (2, 11), "gradient histograms": (2, 8 * 7**2)}
    assert {name: tuple(x.shape) for name, x in found.items()} == shapes
    scaled = images[[3, 15]].flatten(1).double()
    centred = found["pixels"].double()
    slope = (centred[0, 5] - centred[0, 9]) / (scaled[0, 5] - scaled[0, 9])
    torch.testing.assert_close(centred - centred[0, 5], (scaled - scaled[0, 5]) * slope, rtol=1e-3, atol=1e-3)
