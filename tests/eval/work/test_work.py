import torch

from simclr.eval.work.journal import Journal, Part
from simclr.eval.work.work import FACTS, TENSORS, Work, code_hash


def test_a_part_is_done_once_and_only_for_what_it_depends_on(tmp_path):
    made = []

    def part(work, value, **key):
        return work.part(FACTS, lambda: made.append(value) or value, **key)

    work = Work(Journal(tmp_path / "a.parts.jsonl", seconds=0.0)).within(features=torch.ones(3))
    assert part(work, 1, probe="ridge") == 1
    again = Work(Journal(tmp_path / "a.parts.jsonl")).within(features=torch.ones(3))
    assert part(again, 2, probe="ridge") == 1
    assert part(again, 3, probe="knn") == 3
    assert part(again.within(seed=1), 4, probe="ridge") == 4
    other = Work(Journal(tmp_path / "a.parts.jsonl")).within(features=torch.ones(3).double())
    assert part(other, 5, probe="ridge") == 5
    assert made == [1, 3, 4, 5]
    assert part(Work(), 6) == 6
    assert part(Work(), 7) == 7  # nothing is kept


def test_what_is_kept_need_not_be_foretold(tmp_path):
    for time in range(2):
        work = Work(Journal(tmp_path / "a.parts.jsonl", seconds=0.0))
        work.forecast.expect("fits", 4)
        found = work.part(TENSORS, lambda: {"x": torch.arange(2)}, "fits", 1, what="x")
        assert found["x"].tolist() == [0, 1]
        left = work.forecast.left("fits")
        assert left == 0 if time else left > 0  # nothing was done now
        assert work.journal.found == time


def test_code_of_another_state_is_another():
    assert len(code_hash()) == 64
    assert code_hash() == code_hash()
    assert Part(1).tensors == {}
