import json

from simclr.encoder_metadata import EncoderMetadata, PretrainedOn

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
