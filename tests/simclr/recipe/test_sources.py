"""A stranger's source: one file and one line, and everything works with it."""

import json
import sys

import pytest
import torch

from simclr.cli import main as cli
from simclr.data import fit_preprocess, open_source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.subject.feature_cache import FeatureCache
from simclr.models.encoder import random_encoder
from simclr.recipe.data import Preprocessing
from simclr.recipe.read import check_recipe, read_recipe, write_recipe
from simclr.recipe.sources import SOURCES, SourceKind

FILE = """
from typing import Annotated, Literal

import torch
from pydantic import Field

from simclr.data.source import Source, TensorSource
from simclr.recipe.images import PhotoData


class GlyphsData(PhotoData):
    source: Literal["glyphs"] = "glyphs"
    alphabet: str = Field(description="which one")
    strokes: Annotated[int, Field(ge=1, le=3)] = 2


class Glyphs(TensorSource):
    def content_hash(self) -> str:
        return f"glyphs {self.name} {int(self.images.max())}"


def open_glyphs(data: GlyphsData, part: str) -> Source | None:
    if part == "test":
        return None
    images = torch.zeros(64, 1, 8, 8, dtype=torch.uint8)
    labels = torch.arange(64) % 4
    for i in range(64):
        images[i, 0, 2 * int(labels[i]), : i // 8 + 1] = 80 * data.strokes
    return Glyphs(images, labels, name=data.alphabet)
"""
MODULE = "glyphs_of_a_stranger"
TINY = ("encoder.width=4", "train.batch_size=32", "train.max_steps=2")


@pytest.fixture(autouse=True)
def glyphs(tmp_path, monkeypatch):
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / f"{MODULE}.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path / "module")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setitem(SOURCES, "glyphs", SourceKind(f"{MODULE}:GlyphsData", f"{MODULE}:open_glyphs"))
    yield
    sys.modules.pop(MODULE, None)


@pytest.fixture
def simclr(monkeypatch, capsys):
    """Runs a command line in this process: (exit status, stderr)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["simclr", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, capsys.readouterr().err

    return call


def test_its_keys_are_read_and_written(tmp_path):
    recipe = read_recipe("digits", ["data.source=glyphs", "data.alphabet=greek", "data.strokes=3", "data.eval_size=16"])
    assert type(recipe.data).__name__ == "GlyphsData"
    assert (recipe.data.alphabet, recipe.data.strokes) == ("greek", 3)
    assert recipe.data.preprocessing(8) == Preprocessing("auto", None, None, None, input_size=16)
    write_recipe(recipe, tmp_path / "recipe.yaml")
    assert read_recipe(tmp_path / "recipe.yaml") == recipe


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"source": "glyphs"}, "data.alphabet is missing: the recipe must set it"),
        ({"source": "glyphs", "alphabett": "x"}, "unknown key data.alphabett: did you mean data.alphabet?"),
        ({"source": "glyphs", "alphabet": 3}, "data.alphabet is 3, but must be text"),
        (
            {"source": "glyphs", "alphabet": "x", "strokes": 4},
            "data.strokes is 4, but must be at least 1 and at most 3",
        ),
        (
            {"source": "glyphs", "alphabet": "x", "patch_size": 5},
            "data.patch_size belongs to data.source=scene or indian-pines, but data.source is glyphs: leave it out",
        ),
        (
            {"source": "glyhps"},
            "data.source is \"glyhps\", but must be 'image-folder', 'torchvision', 'arrays', 'digits', 'scene', "
            "'indian-pines' or 'glyphs'",
        ),
    ],
)
def test_mistakes_in_its_keys_are_said_as_of_any_other(data, message):
    with pytest.raises(InputError) as caught:
        check_recipe({"data": data})
    assert str(caught.value) == message


def test_it_is_not_imported_for_other_sources():
    read_recipe("digits")
    with pytest.raises(InputError, match=r"unknown key data\.alphabet"):
        check_recipe({"data": {"source": "digits", "alphabet": "x"}})
    assert MODULE not in sys.modules


def test_it_is_opened_and_its_features_are_cached_by_what_it_says_of_its_content(tmp_path):
    data = check_recipe({"data": {"source": "glyphs", "alphabet": "greek", "strokes": 1}}).data
    source = open_source(data)
    assert source.name == "greek"
    assert source[torch.tensor([0])].unique().tolist() == [0, 80]
    assert open_source(data, "test") is None
    options = {"name": "resnet8", "in_chans": 1, "width": 4, "stem": "small"}
    network = random_encoder(0, **options)
    encoder = FrozenEncoder(network, fit_preprocess(source), {"encoder": options, "feature_dim": network.feature_dim})
    cache = FeatureCache(tmp_path / "features")
    ids = torch.arange(8)
    first = cache.features(encoder, source, ids)
    again = cache.features(encoder, open_source(data), ids)
    other = check_recipe({"data": {"source": "glyphs", "alphabet": "latin"}}).data
    cache.features(encoder, open_source(other), ids)
    assert torch.equal(first, again)
    assert [entry.extracted for entry in cache.log] == [8, 0, 8]
    assert [entry.source for entry in cache.log] == ["glyphs greek 80", "glyphs greek 80", "glyphs latin 160"]


@pytest.mark.usefixtures("fresh_accelerate")
def test_an_encoder_is_pretrained_and_judged_on_it(tmp_path, simclr):
    run = tmp_path / "run"
    status, said = simclr("pretrain", "digits", *TINY, "data.source=glyphs", "data.alphabet=greek", "--output", run)
    assert status == 0, said
    written = json.loads((run / "encoder.json").read_text())["data"]
    assert (written["source"], written["alphabet"], written["strokes"]) == ("glyphs", "greek", 2)

    def judged(*overrides, output=None):
        quick = ("--seeds", 1, "--probes", "knn", "--no-supervised")
        status, said = simclr("linear-eval", run, *overrides, *quick, *(("--output", output) if output else ()))
        assert status == 0, said
        return json.loads(((output or run) / "result.json").read_text())

    result = judged()
    assert (result["source"]["name"], result["transductive"]) == ("greek", True)
    assert result["source"]["data"] == written
    assert judged("data.strokes=1", output=tmp_path / "own")["source"]["data"] == {**written, "strokes": 1}
    # Its own keys say nothing about another source, so they are not refused there.
    there = judged("data.source=digits", output=tmp_path / "digits")["source"]
    assert (there["name"], "alphabet" in there["data"]) == ("digits", False)
    status, said = simclr("linear-eval", run, "data.strokse=1", "--output", tmp_path / "x")
    assert (status, said) == (2, "simclr: unknown key data.strokse: did you mean data.strokes?\n")


@pytest.mark.usefixtures("fresh_accelerate")
def test_an_encoder_of_another_source_is_judged_on_it(tmp_path, simclr):
    assert simclr("pretrain", "digits", *TINY, "--output", tmp_path / "run")[0] == 0
    arguments = ("linear-eval", tmp_path / "run", "--output", tmp_path / "there", "--seeds", 1, "--probes", "knn")
    other = ("data.source=glyphs", "data.alphabet=latin", "--no-supervised")
    status, said = simclr(*arguments, *other)
    assert status == 0, said
    assert json.loads((tmp_path / "there" / "result.json").read_text())["source"]["data"]["alphabet"] == "latin"
    assert simclr(*arguments, "data.source=glyphs")[1] == "simclr: data.alphabet is missing: the recipe must set it\n"
