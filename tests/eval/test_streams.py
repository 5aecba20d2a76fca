import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import torch

import simclr.eval.splits.split as module
from simclr.augment import addressed
from simclr.augment.addressed import MAX_EPOCHS, Address
from simclr.data.fitting import fit_preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.encoder_file import FrozenEncoder
from simclr.eval.few_shot import few_shot
from simclr.eval.linear_eval import linear_eval
from simclr.eval.streams import Stream
from simclr.models.encoder import random_encoder

HOUSE = Path(module.__file__).parents[1]


def test_a_split_can_be_drawn_again_by_anybody_who_knows_the_number():
    assert Stream.SPLIT == 2**23


def test_every_stream_has_a_number_of_its_own_in_reach_of_the_generator():
    assert len({int(stream) for stream in Stream}) == len(Stream.__members__)
    assert all(2**23 <= stream < MAX_EPOCHS for stream in Stream)


def test_numbers_of_streams_are_written_nowhere_else_and_each_is_drawn_from_in_one_file():
    files = {file: file.read_text(encoding="utf-8") for file in HOUSE.rglob("*.py") if file.name != "streams.py"}
    assert not [file for file, text in files.items() if re.search(r"2\s*\*\*\s*23", text)]
    for stream in Stream:
        users = [file.name for file, text in files.items() if f"Stream.{stream.name}" in text]
        assert users, f"{stream.name} is used by nothing"
        if stream is not Stream.SPLIT:  # the order behind every kind of split
            assert len(users) == 1, f"{stream.name} is drawn from in {users}"


def scene():
    g = torch.Generator().manual_seed(0)
    truth = torch.zeros(30, 30, dtype=torch.int64)
    truth[:14, :14], truth[:14, 16:], truth[16:, :14], truth[16:, 16:] = 1, 2, 3, 4
    cube = (torch.randn(5, 4, generator=g) * 2)[truth].permute(2, 0, 1) + torch.randn(4, 30, 30, generator=g)
    return SceneSource(cube, truth, patch_size=3)


@pytest.mark.slow
def test_no_two_draws_of_different_purpose_coincide(monkeypatch):
    """Watched where all random numbers come from: every seed, place and operation is asked for by one file alone."""
    asked = defaultdict(set)
    words = Address.words

    def watched(self, request):
        frame = sys._getframe(1)
        while Path(frame.f_code.co_filename) == Path(addressed.__file__):
            frame = frame.f_back
        for operation in request:
            asked[self.seed, int(self.epoch), operation].add(Path(frame.f_code.co_filename))
        return words(self, request)

    monkeypatch.setattr(Address, "words", watched)
    source = scene()
    options = {"name": "spectral_spatial", "in_chans": 4, "width": 4}
    module = random_encoder(0, **options)
    encoder = FrozenEncoder(module, fit_preprocess(source), {"encoder": options, "feature_dim": module.feature_dim})
    two = {"seeds": (0, 1)}
    linear_eval(encoder, source, shots=(5,), **two, probes="sgd", validation=0.2, supervised=False)
    few_shot(encoder, source, shots=(2,), **two, ways=3, queries=2, episodes=3, unknown_classes=1, fine_tune=False)
    drawn = {place: {file.relative_to(HOUSE) for file in files} for place, files in asked.items()}
    ours = {place[1] for place in drawn if place[2] == "permutation"}
    used = {Stream.SPLIT, Stream.BLOCKS, Stream.BLOCK_OFFSET, Stream.VALIDATION, Stream.UNKNOWN_CLASSES}
    assert used | {Stream.STRUCTURE, Stream.BASELINES, Stream.SGD, Stream.SGD + 1} <= ours
    # Nothing is drawn where an epoch of pretraining draws.
    assert min(ours) >= 2**23
    split = {Path("splits/split.py"), Path("splits/block_split.py")}  # one order behind both kinds of split
    assert [place for place, files in drawn.items() if len(files) > 1 and files != split] == []


def test_baselines_are_not_fitted_on_the_first_samples_that_a_split_learns_from():
    source = scene()
    few = module.k_shot(source.labels, 40, 0)
    order = addressed.permutation(0, Stream.BASELINES, 900)
    inside = torch.isin(few.train, order[:100]).float().mean()
    assert 0.02 < float(inside) < 0.25  # 100 of 900 at random, not all of them
