from simclr.eval.report.open_words import open_findings
from simclr.eval.results.record import Result

SEEDS = list(range(6))


def result(auroc=0.9, accepted=0.96, rejected=0.7, fpr=0.2, needed=0.1, raw=0.5, split="block"):
    """Rows of an encoder and of the raw input, the same over all seeds but for a little."""
    key = {"shots": 20, "labels": None, "split": split, "probe": "mahalanobis", "sd": 0.01}
    ranks = {"auroc": auroc, "fpr95 (known positive)": fpr, "unknown_needed": needed, "oscr": 0.6}
    decided = {"known_accepted": accepted, "unknown_recall": rejected, "open_oa": 0.5}
    rows = [
        ("pretrained", None, ranks),
        ("pretrained", "quantile", decided),
        ("pretrained", "gap", {"known_accepted": 0}),
    ]
    rows += [("raw", None, {"oscr": raw})]
    return Result.model_validate(
        {
            "rows": [],
            "splits": [],
            "source": {},
            "encoder": {},
            "open_set": [
                {**key, "representation": r, "threshold": kind, "metric": metric, "mean": mean}
                | {"per_seed": [mean + (s - 2.5) / 1000 for s in SEEDS], "seeds": SEEDS}
                for r, kind, metrics in rows
                for metric, mean in metrics.items()
            ],
        }
    )


def said(**how):
    (text,) = open_findings(result(**how))
    return text


def test_what_holds_is_said_with_both_shares():
    expected = (
        "Block split, 20 shots: 96.0 % of the known samples accepted, 95 % are meant to be; 70.0 % of the unknown "
    )
    assert said() == f"{expected}ones rejected."


def test_what_does_not_hold_is_said():
    assert "The threshold does not hold here." in said(accepted=0.03)
    assert "It does not hold with every seed (least 84.8 %)." in said(accepted=0.8501)
    assert "at least 93 % of the test samples are of unknown classes" in said(needed=0.93)
    assert "the one that accepts 95 % of the known rejects 8.0 % of the unknown" in said(fpr=0.92)


def test_a_threshold_that_accepts_everything_is_told_from_a_score_that_cannot_tell():
    assert "It rejects far too little: the one that accepts 95 % of the known would reject 80.0 %" in said(
        rejected=0.05
    )
    assert "far too little" not in said(rejected=0.05, fpr=0.92)


def test_a_better_baseline_is_named_with_its_interval():
    assert "Worse" not in said(raw=0.6)
    assert "Worse than raw input in OSCR (95 % interval −10.0 to −10.0 points)." in said(raw=0.7)


def test_files_without_accepted_shares_say_nothing():
    old = result()
    rows = [row for row in old.open_set if row.metric != "known_accepted"]
    assert open_findings(old.model_copy(update={"open_set": tuple(rows)})) == []
