"""Noise from neighbours, and components in its units, against brute force and SciPy's generalised eigenproblem."""

import numpy as np
import pytest
import scipy.linalg
import torch

from simclr.data.fitting import fit_preprocess
from simclr.data.moments import moments_of
from simclr.data.scenes.neighbour_noise import (
    calm_covariance,
    neighbour_differences,
    noise_components,
    scene_components,
)
from simclr.data.scenes.scene import SceneSource


def fields(bands=12, side=40, noise=0.1, seed=0):
    """Quarters of a scene of one material each, with noise that grows with the band."""
    generator = torch.Generator().manual_seed(seed)
    materials = torch.rand(4, bands, generator=generator) * 5 + 3
    at = torch.arange(side) * 2 // side
    truth = materials[at[:, None] * 2 + at[None]].permute(2, 0, 1)
    sd = noise * torch.linspace(0.5, 2, bands)
    return truth + sd[:, None, None] * torch.randn(truth.shape, generator=generator), sd


def test_differences_are_those_of_pixels_that_touch():
    cube = torch.rand(3, 4, 5)
    found = neighbour_differences(SceneSource(cube, patch_size=1))
    brute = [cube[:, r, c] - cube[:, r, c + 1] for r in range(4) for c in range(4)]
    brute += [cube[:, r, c] - cube[:, r + 1, c] for r in range(3) for c in range(5)]
    torch.testing.assert_close(found, torch.stack(brute).double())


def test_pixels_without_data_take_no_part():
    scene = SceneSource(torch.rand(2, 4, 4), patch_size=1)
    scene.no_data = torch.zeros(4, 4, dtype=torch.bool)
    scene.no_data[1, 1] = True
    assert len(neighbour_differences(scene)) == 24 - 4


def test_noise_is_found_in_fields_whatever_their_edges():
    cube, sd = fields()
    found = calm_covariance(neighbour_differences(SceneSource(cube, patch_size=1))).diagonal().sqrt()
    # The calmer half of Gaussian differences is a little calmer than all.
    ratio = found / sd
    assert float(ratio.min()) > 0.7
    assert float(ratio.max()) < 1.0
    assert float(sd.max() / sd.min()) > 3
    assert float(ratio.max() / ratio.min()) < 1.35


def test_components_solve_the_generalised_eigenproblem():
    cube, _ = fields()
    pixels = cube.flatten(1).double()
    covariance = torch.from_numpy(np.cov(pixels.numpy(), bias=True))
    noise = calm_covariance(neighbour_differences(SceneSource(cube, patch_size=1)))
    found = noise_components(covariance, noise, least=2.0)
    level = float(torch.trace(noise)) / 12 * 1e-6
    values = scipy.linalg.eigh(covariance.numpy(), noise.numpy() + level * np.eye(12), eigvals_only=True)[::-1]
    np.testing.assert_allclose(found.ratios, values[: len(found.ratios)], rtol=1e-6)
    assert len(found.ratios) == max(3, int((values > 2).sum()))
    in_noise = found.directions @ (noise + level * torch.eye(12)) @ found.directions.T
    torch.testing.assert_close(in_noise, torch.eye(len(found.ratios), dtype=torch.float64), rtol=1e-6, atol=1e-8)
    assert bool((found.directions.gather(1, found.directions.abs().argmax(1, keepdim=True)) > 0).all())


def test_three_materials_beside_a_fourth_span_three_components():
    cube, _ = fields(noise=0.02)
    scene = SceneSource(cube, patch_size=1)
    assert len(scene_components(scene, moments_of(scene, covariance=True)).ratios) == 3


@pytest.mark.parametrize("change", ["units", "dead band", "constant band", "scale of bands"])
def test_components_do_not_depend_on_units_or_on_dead_bands(change):
    cube, _ = fields()
    other = cube.clone()
    bad = []
    if change == "units":
        other = cube * 1000
    if change == "scale of bands":
        other = cube * torch.linspace(1, 50, 12)[:, None, None]
    if change == "dead band":
        other, bad = torch.cat([cube, torch.rand(1, 40, 40)]), [12]
    if change == "constant band":
        other = torch.cat([cube, torch.full((1, 40, 40), 7.0)])
    one = fit_preprocess(SceneSource(cube, patch_size=1), "standardize", "auto")
    two = fit_preprocess(SceneSource(other, patch_size=1, bad_bands=bad), "standardize", "auto")
    first, second = (p.scene(SceneSource(c, patch_size=1)).cube for p, c in ((one, cube), (two, other)))
    torch.testing.assert_close(first, second, rtol=1e-3, atol=2e-3)


def test_variances_are_the_roots_of_the_ratios():
    cube, _ = fields(noise=0.5)
    scene = SceneSource(cube, patch_size=1)
    found = scene_components(scene, moments_of(scene, covariance=True))
    variance = fit_preprocess(scene, "standardize", "auto").scene(scene).cube.flatten(1).double().var(1, correction=0)
    roots = found.ratios.sqrt()
    torch.testing.assert_close(variance, roots / roots.mean(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("normalize", ["standardize", "minmax", "none"])
def test_the_units_that_operations_work_in_do_not_matter(normalize):
    cube, _ = fields()
    scene = SceneSource(cube, patch_size=1)
    standard = fit_preprocess(scene, "standardize", "auto").scene(scene).cube
    torch.testing.assert_close(
        fit_preprocess(scene, normalize, "auto").scene(scene).cube, standard, rtol=1e-3, atol=2e-3
    )


def test_components_of_unit_length_are_no_more_than_twice_those_of_the_spectra():
    # Three materials, a third of them in the dark, where the length is mostly noise.
    generator = torch.Generator().manual_seed(0)
    means = 1 + torch.rand(3, 40, generator=generator)
    place = torch.arange(45) // 15
    light = torch.tensor([1.0, 0.5, 0.003])[place]
    cube = (means[place] * light[:, None]).T[:, None, :].expand(-1, 45, -1)
    cube = cube + 0.01 * torch.rand(40, 45, 45, generator=generator)
    fitted = fit_preprocess(SceneSource(cube, patch_size=1), "standardize", "auto", spectrum=True)
    assert fitted.whiten is not None
    assert fitted.components <= 3 * fitted.whiten
    assert fitted.out_chans == fitted.components + 2 * 40
    spectra = fitted.scene(SceneSource(cube, patch_size=1)).cube[fitted.whiten : fitted.components]
    assert spectra.flatten(1).std(1).min() > 0
