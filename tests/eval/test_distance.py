from pathlib import Path

import numpy as np
import pytest
import torch

from simclr.data.fitting import fit_preprocess
from simclr.data.images.digits import load_digits
from simclr.data.source import TensorSource
from simclr.encoder_file import FrozenEncoder
from simclr.encoder_metadata import EncoderMetadata
from simclr.errors import InputError
from simclr.eval.distance import SCENE, DistanceRequest, distance, distance_seen
from simclr.eval.set_words import named_pair
from simclr.eval.subject.sets import SampleSet, SeenPair, drawn, open_pair
from simclr.losses.mmd import mmd
from simclr.models.encoder import random_encoder

QUICK = {"permutations": 99, "splits": 2}


@pytest.fixture
def digits_encoder():
    options = {"name": "resnet8", "in_chans": 1, "stem": "small", "width": 4}
    encoder = random_encoder(0, **options)
    metadata = EncoderMetadata({"encoder": options, "feature_dim": encoder.feature_dim})
    return FrozenEncoder(encoder, fit_preprocess(load_digits()), metadata)


def rows(n, dim=5, seed=0, shift=0.0):
    return shift + torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def test_sets_of_features_that_differ_and_sets_that_do_not():
    found, views = distance(rows(60), rows(50, seed=1, shift=1.0), **QUICK)
    (row,), (view,) = found.rows, views
    assert (row.representation, row.features, found.compared) == ("features", 5, 30)
    assert row.between.test.p == 0.01
    assert row.null.test.p > 0.05
    assert row.between.mean.frechet > 3 * row.null.mean.frechet
    assert row.between.mean.information_mean > 3 * row.null.mean.information_mean
    assert (view.a.shape, view.b.shape) == ((60, 2), (50, 2))
    assert 0 < view.shares[1] <= view.shares[0]
    assert (found.same, found.notes, found.encoder) == (0, (), None)
    alike = distance(rows(60).numpy(), rows(50, seed=1), **QUICK).result
    assert alike.rows[0].between.test.p > 0.05


def test_features_of_one_value_tell_nothing_and_are_counted():
    a, b = rows(60), rows(50, seed=1)
    a[:, :2], b[:, :2] = 0.3, 0.3
    b[7, 1] = 0.30000002  # the next number: rounding
    found = distance(a, b, **QUICK).result
    assert found.notes == (
        "2 of the 5 features have one value in all samples of A and B, which tells nothing: their information is 0.",
    )
    assert found.rows[0].between.mean.information_most > 0
    dead = distance(a[:, :1], b[:, :1], **QUICK).result
    assert dead.notes[-1].startswith("All features have one value")
    mean = dead.rows[0].between.mean
    assert (mean.information_mean, mean.information_most, mean.frechet, dead.rows[0].between.test.p) == (0, 0, 0, 1)


def test_large_sets_are_drawn_from_by_the_seed_alone():
    a, b = rows(300), rows(200, seed=1)
    found = distance(a, b, samples=40, seed=3, **QUICK).result
    assert (found.a.samples, found.a.drawn, found.b.samples, found.b.drawn) == (300, 40, 200, 40)
    assert found.rows == distance(a, b, samples=40, seed=3, **QUICK).result.rows
    assert found.rows != distance(a, b, samples=40, seed=4, **QUICK).result.rows


def test_the_same_set_twice_and_sets_that_overlap_are_said():
    a = rows(40)
    same = distance(a, a.flip(0).double(), samples=30, **QUICK).result
    assert (same.same, same.identical, same.notes) == (40, True, ())
    between, null = same.rows[0].between, same.rows[0].null
    assert between.test.p == 1.0
    measures = ("frechet", "frechet_share", "grassmann", "information_mean", "information_most")
    assert [round(getattr(between.mean, name), 9) for name in measures] == [0] * 5
    assert all(getattr(null.mean, name) > 0 for name in measures)
    within = distance(a, a[:10], **QUICK).result
    assert not within.identical
    assert within.notes == ("10 of the 10 samples of B are in A, too: p takes the sets for separate.",)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (rows(20), rows(20, 4), "A has 5 features, but B has 4: take both from one encoder"),
        (rows(7), rows(20), "A has 7 samples, but 8 or more are needed, as half of it is compared with the other half"),
        (rows(20), rows(3), "B has 3 samples, but 4 or more are needed"),
        (rows(20), rows(20)[0], r"B is of shape \(5,\): give features \(N, dim\), a row for each sample"),
        (rows(0), rows(20), r"A is of shape \(0, 5\)"),
        (rows(20) / 0, rows(20), "A holds NaN or infinity in 20 of 20 rows, first in row 0: leave such samples out"),
        (rows(20), torch.zeros(9, 3, 4, 4), r"B is of shape .*\. Images need an encoder"),
    ],
)
def test_mistakes_are_named(a, b, message):
    with pytest.raises(InputError, match=f"^{message}"):
        distance(a, b)


@pytest.mark.parametrize(
    "asked", [{"samples": 7}, {"angles": 0}, {"permutations": 0}, {"splits": 1.5}, {"seed": -1}, {"samples": True}]
)
def test_amounts_that_are_none_are_named(asked):
    with pytest.raises(InputError, match=f"^{next(iter(asked))} is "):
        DistanceRequest(**asked)


def test_an_encoder_stands_beside_random_weights_and_the_input(scene_run):
    pair = open_pair(named_pair(f"{scene_run}:west", f"{scene_run}:east"))
    told = []
    request = DistanceRequest(samples=60, **QUICK)
    result, views = distance_seen(pair, request, torch.device("cpu"), lambda what, done, total: told.append(what))
    names = ["pretrained", "random", "raw", "window mean"]
    assert [row.representation for row in result.rows] == names == [view.representation for view in views]
    dim = pair.encoder.feature_dim
    assert [row.features for row in result.rows] == [dim, dim, 4, 4]
    assert (result.a.samples, result.a.drawn, result.a.seen, result.b.seen) == (128, 60, 60, 60)
    assert result.same == 0
    assert result.notes[0] == SCENE
    assert result.encoder.sha256_before == result.encoder.sha256_after
    assert "features: pretrained" in told
    # The raw input is the spectra; of random weights only the seed decides.
    spectra = pair.encoder.preprocess.to_units(pair.a.source.cube[None], None)[0].flatten(1).T
    sets = [spectra[drawn(one.ids, 60, 0, second=place)] for one, place in ((pair.a, False), (pair.b, True))]
    assert result.rows[2].between.test.mmd == pytest.approx(mmd(*sets).item(), rel=1e-5)
    few = pair._replace(a=pair.a._replace(name="oats", ids=pair.a.ids[:7]))
    with pytest.raises(InputError, match="oats has 7 samples, but 8 or more"):
        distance_seen(few, request, torch.device("cpu"), lambda *_: None)


def test_what_pretraining_saw_of_one_set_alone_is_said(scene_run, tmp_path):
    np.save(tmp_path / "new.npy", 1 + np.load(tmp_path / "cube.npy"))
    pair = open_pair(named_pair(str(scene_run), str(tmp_path / "new.npy")))
    result = distance_seen(pair, DistanceRequest(samples=40, **QUICK), torch.device("cpu"), lambda *_: None).result
    assert (result.a.seen, result.b.seen) == (40, 0)
    assert result.notes[0].startswith("Pretraining saw A and not B")


def test_images_of_two_sizes_have_no_raw_input_in_common_and_damaged_ones_are_counted(digits_encoder):
    small = load_digits()
    large = TensorSource(small.images.repeat_interleave(2, 2).repeat_interleave(2, 3), small.labels, name="large")
    large.damaged = ["a.png"]
    some = torch.arange(20)
    pair = SeenPair(digits_encoder, Path("run"), SampleSet("A", small, some), SampleSet("B", large, some))
    result = distance_seen(pair, DistanceRequest(samples=20, **QUICK), torch.device("cpu"), lambda *_: None).result
    assert [row.representation for row in result.rows] == ["pretrained", "random"]
    assert result.same is None
    assert result.notes[-2] == "1 image of B cannot be read: others stand in for them."
    assert result.notes[-1] == "The raw input has no row: images of A and B are of two sizes."
