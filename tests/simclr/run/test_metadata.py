"""What an encoder file cannot hold is refused before the first step."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from simclr.encoder_metadata import EncoderMetadata
from simclr.errors import InputError
from simclr.run.metadata import check_storable


def metadata(classes, ids=()):
    return EncoderMetadata({"source": {"classes": classes}, "monitor_ids": list(ids)})


def test_names_that_are_no_text_and_more_than_a_header_holds(monkeypatch):
    check_storable(metadata(["café", "日本", "a\nb"], range(100_000)))
    with pytest.raises(InputError, match=r"caf\\udce9.*not UTF-8: rename"):
        check_storable(metadata(["caf\udce9"]))
    monkeypatch.setattr("simclr.run.metadata._MOST_BYTES", 9_000_000)
    with pytest.raises(InputError, match=r"takes 10 MB.*the 9 MB that it can hold: 4 class names"):
        check_storable(metadata(["x" * 2_500_000] * 4))
    with pytest.raises(InputError, match="takes 12 MB"):  # quotes are escaped twice
        check_storable(metadata(['"' * 3_000_000]))


@pytest.mark.slow
def test_the_largest_that_is_let_through_can_be_written(tmp_path):
    largest = metadata(["x" * 89_900_000])
    check_storable(largest)
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors", {"simclr": json.dumps(largest)})
    with safe_open(tmp_path / "a.safetensors", "pt") as content:
        assert json.loads(content.metadata()["simclr"]) == largest
