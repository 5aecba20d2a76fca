from simclr.eval.results.called import as_called
from simclr.eval.results.record import Result
from simclr.eval.results.subject_record import EncoderRecord, FineTunedOn

ROW = {"probe": "ridge", "shots": None, "split": "random", "metric": "oa", "mean": 0.5, "sd": None}
EPISODE = {"ways": 2, "shots": 1, "queries": 1, "episodes": 1, "accuracy": {}}


def names(result):
    kinds = (result.rows, result.open_set, result.gaps, result.per_class, result.outcomes, result.episodes)
    return {tuple(entry.representation for entry in entries) for entries in kinds}


def test_a_fine_tuned_encoder_is_called_so_wherever_it_stands_and_nothing_else_is():
    both = [{**ROW, "representation": name} for name in ("pretrained", "random")]
    result = Result.model_validate(
        {
            "rows": both,
            "open_set": both,
            "gaps": [{**row, "gap": "", "ci95": None, "per_seed": []} for row in both],
            "per_class": [{**row, "recall": {}} for row in both],
            "outcomes": [{**row, "counts": None, "correct": []} for row in both],
            "episodes": [{**EPISODE, "representation": row["representation"]} for row in both],
            "splits": [],
            "source": {},
            "encoder": {},
        }
    )
    assert as_called(result) is result
    assert names(result) == {("pretrained", "random")}
    tuned = result.model_copy(update={"encoder": EncoderRecord(fine_tuned=FineTunedOn(samples=3))})
    assert names(as_called(tuned)) == {("fine-tuned", "random")}
    assert names(tuned) == {("pretrained", "random")}
