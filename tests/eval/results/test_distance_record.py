import json

import pytest
import torch

from simclr.errors import InputError
from simclr.eval.distance import distance
from simclr.eval.results.distance_record import read_distance
from simclr.eval.results.result_file import write_result


def test_what_is_written_is_read_again(tmp_path):
    generator = torch.Generator().manual_seed(0)
    result = distance(*torch.randn(2, 20, 4, generator=generator), permutations=9, splits=2).result
    write_result(result, tmp_path / "distance.json")
    assert read_distance(tmp_path / "distance.json") == result
    assert json.loads((tmp_path / "distance.json").read_text())["rows"][0]["between"]["test"]["samples"] == [20, 20]


@pytest.mark.parametrize("content", ["", "[]", '{"rows": 3}', "[" * 100_000])
def test_anything_else_is_one_line(tmp_path, content):
    (tmp_path / "distance.json").write_text(content)
    with pytest.raises(InputError, match=r"distance\.json is damaged, no result of simclr distance") as caught:
        read_distance(tmp_path / "distance.json")
    assert "\n" not in str(caught.value)
