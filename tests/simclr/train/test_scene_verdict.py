"""The verdict without labels on scenes whose truth was made, and its measures against brute force."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from simclr.data.held_out import held_out_ids
from simclr.data.scenes.scene import SceneSource
from simclr.train.best_encoder import BestEncoder
from simclr.train.scene_verdict import UNIT, SceneJudge, untrained_features
from simclr.train.verdict import Verdict
from tests.simclr.data.scenes.test_neighbour_noise import fields

HEIGHT, WIDTH = 44, 48


def judge(weights, spectra=None, seed=0):
    generator = torch.Generator().manual_seed(5)
    spectra = torch.randn(HEIGHT * WIDTH, 6, generator=generator) if spectra is None else spectra
    scene = SceneSource(spectra.T.reshape(-1, HEIGHT, WIDTH), patch_size=1)
    return SceneJudge(scene, {UNIT: spectra}, held_out_ids(scene, 0.1, 0), weights=weights, seed=seed)


def test_surroundings_are_the_share_of_distant_pixels_that_are_less_similar_than_the_partner():
    one = judge((1.0, 0.0))
    x = torch.randn(HEIGHT * WIDTH, 4, generator=torch.Generator().manual_seed(0))
    found = one.measure(x[one.ids])
    gallery = x[one._gallery].numpy()
    standard = (x.numpy() - gallery.mean(0)) / (gallery.std(0, ddof=1) + 1e-6)
    less = far = 0
    for query, partner in zip(one._queries.tolist(), one._partners.tolist()):
        assert abs(query // WIDTH - partner // WIDTH) == 11
        assert query % WIDTH == partner % WIDTH
        distance = cdist(standard[[query]], standard, "cosine")[0]
        for other in one._gallery.tolist():
            if abs(query // WIDTH - other // WIDTH) > 11 or abs(query % WIDTH - other % WIDTH) > 11:
                far += 1
                less += distance[other] > distance[partner]
    assert float(found.mean()) == pytest.approx(less / far, abs=1e-4)
    assert 0.4 < found.mean() < 0.6  # of noise


def test_places_answer_the_question_of_the_surroundings_and_kinds_that_of_the_material():
    ids = torch.arange(HEIGHT * WIDTH)
    places = torch.stack([ids // WIDTH, ids % WIDTH], 1).float()
    centres = torch.eye(8) * 9
    kind = torch.randint(8, (HEIGHT * WIDTH,), generator=torch.Generator().manual_seed(1))
    spectra = centres[kind] + torch.randn(HEIGHT * WIDTH, 8, generator=torch.Generator().manual_seed(2))
    surroundings, material = judge((1.0, 0.0), spectra), judge((0.0, 1.0), spectra)
    assert surroundings.measure(places[surroundings.ids]).mean() > 0.9
    assert float(surroundings.measure(spectra[surroundings.ids]).mean()) == pytest.approx(0.5, abs=0.05)
    assert material.measure(spectra[material.ids]).mean() > 0.97
    assert material.measure(places[material.ids]).mean() < 0.25
    both = judge((0.5, 0.5), spectra)
    mean = (surroundings.measure(places[both.ids]) + material.measure(places[both.ids])) / 2
    torch.testing.assert_close(both.measure(places[both.ids]), mean)


def test_an_encoder_is_looked_at_through_its_own_patches():
    one = judge((1.0, 0.0))
    one.add_baseline("the same", lambda x: x.flatten(1))
    torch.testing.assert_close(one.baselines["the same"], one.baselines[UNIT])
    verdict = one.look(lambda x: x.flatten(1))
    assert verdict.value == pytest.approx(0, abs=1e-6)


def test_nothing_that_was_learned_from_is_asked_for_and_the_gallery_was():
    one = judge((1.0, 0.0))
    held_out = set(held_out_ids(SceneSource(torch.rand(1, HEIGHT, WIDTH), patch_size=1), 0.1, 0).tolist())
    assert set(one._queries.tolist()) <= held_out
    assert not held_out & set(one._gallery.tolist())
    assert torch.equal(one.ids, one.ids.unique())


def test_untrained_features_are_spectra_and_means_of_windows():
    cube, _ = fields(bands=5)
    features = untrained_features(SceneSource(cube, patch_size=3), 3)
    flat = cube.flatten(1).double().numpy()
    standard = (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)
    np.testing.assert_allclose(features["the spectrum"], standard.T, atol=1e-4)
    unit = flat / np.linalg.norm(flat, axis=0)
    unit = (unit - unit.mean(1, keepdims=True)) / unit.std(1, ddof=1, keepdims=True)
    np.testing.assert_allclose(features["the spectrum of unit length"], unit.T, atol=1e-3)
    mean = standard.reshape(5, 40, 40)[:, 10:13, 20:23].mean((1, 2))
    np.testing.assert_allclose(features["the mean spectrum of the patch"][11 * 40 + 21], mean, atol=1e-4)


def test_a_verdict_says_what_it_is_about():
    pays, harms = Verdict(0.8, 0.7, "the spectrum"), Verdict(0.6, 0.7, "the spectrum")
    assert pays.value == pytest.approx(0.1)
    assert harms.value == pytest.approx(-0.1)
    assert str(pays).startswith("this pretraining pays")
    assert "0.700" in str(pays)
    assert str(harms).startswith("this pretraining does not pay")
    assert "the spectrum" in str(harms)


def test_the_best_encoder_is_kept_and_patience_ends():
    encoder = torch.nn.Linear(2, 2)
    best = BestEncoder(patience=2)
    for step, value in enumerate([0.1, 0.4, 0.3, 0.4, 0.2]):
        with torch.no_grad():
            encoder.weight.fill_(step)
        best.look(Verdict(value, 0.0, "x"), step, encoder)
        assert not best.is_time_to_stop
    assert best.step == 3
    assert best.latest == 0.2
    again = BestEncoder(patience=2, state=best.state)
    for step in (5, 6):
        again.look(Verdict(0.0, 0.0, "x"), step, encoder)
    assert again.is_time_to_stop
    assert again.step == 3
    again.restore(encoder)
    assert bool((encoder.weight == 3).all())
    assert not BestEncoder().is_time_to_stop
