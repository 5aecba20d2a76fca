import copy
import json
import math

import pytest

from simclr.encoder_metadata import FORMAT, EncoderMetadata, PretrainedOn

OLD = {"encoder": {"name": "resnet18", "in_chans": 3}, "feature_dim": 512}


def test_it_is_the_json_of_its_file():
    content = {**OLD, "numbers": {"loss": 0.5}, "their own": [1, 2]}
    metadata = EncoderMetadata(content)
    assert json.loads(json.dumps(metadata)) == metadata == content
    assert (metadata["their own"], metadata.get("nothing")) == ([1, 2], None)
    assert metadata.with_entries(seed=1) == {**content, "seed": 1}
    assert metadata == content


def test_names_say_what_the_json_says():
    seen = {"name": "fields", "samples": 16, "classes": ["corn", "oats"], "patch_size": 3}
    entries = {"source": seen, "data": {"source": "scene"}, "monitor_ids": [4], "created": "today", "git": "abc"}
    metadata = EncoderMetadata(OLD).with_entries(**entries, recipe={"seed": 7}, numbers={"loss": 0.5})
    assert (metadata.architecture, metadata.in_chans, metadata.feature_dim) == (OLD["encoder"], 3, 512)
    assert metadata.source == PretrainedOn("fields", 16, ("corn", "oats"), 3)
    assert (metadata.data, metadata.recipe, metadata.monitor_ids) == ({"source": "scene"}, {"seed": 7}, [4])
    assert (metadata.numbers, metadata.created, metadata.git) == ({"loss": 0.5}, "today", "abc")


def test_an_old_file_lacks_what_it_lacks():
    metadata = EncoderMetadata(OLD)
    assert metadata.source == PretrainedOn(None, None, (), None)
    assert (metadata.recipe, metadata.created, metadata.git) == (None, None, None)
    assert (len(metadata.monitor_ids), dict(metadata.numbers), dict(metadata.versions)) == (0, {}, {})


WHOLE = {
    "format": FORMAT,
    **OLD,
    "preprocess": {"in_chans": 3, "normalize": "unit"},
    "head": {"in_dim": 512, "hidden_dim": 512, "out_dim": 128, "layers": 2},
    "source": {"name": "fields", "samples": 16, "classes": ["corn", "oats"], "patch_size": None},
    "monitor_ids": [4, 2],
    "their own": [1, 2],
}


def changed(path: str, value) -> str:
    """The JSON with one entry, by its dotted path, set or (None) taken away."""
    content = copy.deepcopy(WHOLE)
    *outer, last = path.split(".")
    holder = content[outer[0]] if outer else content
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return json.dumps(content)


def test_what_was_written_is_read():
    assert EncoderMetadata.from_json(json.dumps(WHOLE)) == WHOLE
    for old in ("head", "source", "monitor_ids", "their own"):
        assert old not in EncoderMetadata.from_json(changed(old, None))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("encoder", None, "has no encoder, which must be an object"),
        ("encoder", 5, "encoder in its metadata is 5, but must be an object"),
        ("encoder.in_chans", None, "has no encoder.in_chans"),
        ("encoder.in_chans", 10**9, "encoder.in_chans in its metadata is 1000000000, but must be an integer between 1"),
        ("encoder.in_chans", 10**40, "is a number of more than 20 digits"),
        ("encoder.in_chans", True, "is true"),
        ("encoder.name", ["resnet18"], "encoder.name in its metadata is a list of 1, but must be text"),
        ("encoder.width", -8, "encoder.width"),
        ("encoder.options", "depth", "encoder.options"),
        ("feature_dim", None, "has no feature_dim"),
        ("feature_dim", -1, "feature_dim in its metadata is -1"),
        ("feature_dim", "x", 'feature_dim in its metadata is "x"'),
        ("feature_dim", math.nan, "is NaN"),
        ("preprocess", None, "has no preprocess"),
        ("preprocess.normalize", None, "has no preprocess.normalize"),
        ("preprocess.pool", 0, "preprocess.pool in its metadata is 0"),
        ("preprocess.whiten", 1.5, "an integer between 1 and 10,000,000, or null"),
        ("preprocess.value_max", -255, "a number above 0, or null"),
        ("head.layers", 10**6, "head.layers"),
        ("source", 5, "source in its metadata is 5"),
        ("source.classes", 5, "a list of text"),
        ("source.classes", ["corn", 2], "a list of text"),
        ("monitor_ids", [1.5], "a list of ids"),
        ("data", [], "data in its metadata is a list of 0"),
        ("recipe", "digits", "recipe in its metadata"),
        ("format", "simclr-encoder/0", "format in its metadata"),
    ],
)
def test_an_entry_of_the_wrong_kind_is_named(path, value, words):
    with pytest.raises(ValueError, match="metadata") as caught:
        EncoderMetadata.from_json(changed(path, value))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000 + "]" * 100_000, "nests too deep"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "nests too deep"),
        ("[1]", "is a list of 1"),
        ("null", "is null"),
        ("", "no JSON"),
        ('{"format"', "no JSON"),
        ('{"feature_dim": ' + "9" * 5000 + "}", "no JSON"),
    ],
)
def test_what_is_no_object_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        EncoderMetadata.from_json(text)
