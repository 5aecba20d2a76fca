"""The proving ground: does pretraining pay on data that nobody tuned for? ``python -m benchmarks.quality``.

The way of the data:

    sets.py (scenes.py, images.py)   arrays on disk, and labels that only the judge sees
    contenders.py                    recipes and what is changed in them, good ones and bad ones on purpose
    training.py                      `simclr pretrain RECIPE data.path=…`, as a user types it
    baselines.py                     what needs no training: spectrum, pixels, window mean, principal components
    judge.py                         representations x probes x splits x shots x seeds -> cells
    entries.py                       cells on disk, entry by entry: a run that is stopped goes on where it was
    rows.py                          the best of theirs against ours, paired, with an interval and a word
    leave_one_out.py, verdict.py     does a choice hold on the set that had no say; is a run's own verdict right
    table.py                         all of it as markdown and for the terminal
"""
