"""What a result says about its splits: sizes, rule, hashes, leakage, and classes that gave fewer samples."""

from __future__ import annotations

from collections.abc import Sequence

from simclr.data.scenes.scene import SceneSource
from simclr.eval.results.record import FewerShots, Leakage, SplitRecord
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.leakage import leakage
from simclr.eval.splits.open_split import OpenSplit
from simclr.eval.splits.split import Split


def describe_split(split: Split, data: LabelledData, unknown: Sequence[int] | None = None) -> SplitRecord:
    """A split in words and numbers.

    Args:
        split: of the data.
        data: what it was drawn of.
        unknown: labels of the classes that are unknown in it; None where a result does not speak of them.
    """
    names = data.class_names
    counts = {part: data.labels[ids].bincount(minlength=len(names)).tolist() for part, ids in split.parts().items()}
    found = SplitRecord.model_validate(
        {
            "split": split.name,
            "shots": split.shots,
            "labels": split.share,
            "seed": split.seed,
            "rule": split.rule,
            "train": len(split.train),
            "test": len(split.test),
            "validation": len(split.validation),
            "train_per_class": counts["train"],
            "test_per_class": counts["test"],
            "left_out": [names[c] for c in split.left_out],
            "dropped": dict(split.dropped),
            **{f"sha256_{part}": digest for part, digest in split.digest().items()},
            **split.origin,
            **({} if unknown is None else {"unknown": [names[c] for c in unknown]}),
        }
    )
    scene = data.source
    if not isinstance(scene, SceneSource) or data.test_source is not None:
        return found
    inside, touching = leakage(split.learned(), split.test, scene.height, scene.width, scene.patch_size)
    leaks = Leakage(patch_size=scene.patch_size, inside=inside, touching=touching)
    return found.model_copy(update={"leakage": leaks})


def describe_apart(opened: Sequence[OpenSplit]) -> dict[str, str]:
    """By kind of split, what calibration leaves out together, and why, in words.

    Args:
        opened: splits with unknown classes.
    """
    found = {}
    for name in dict.fromkeys(pair.open.name for pair in opened):
        aparts = [pair.apart for pair in opened if pair.open.name == name and pair.apart is not None]
        counts = [int(apart.groups.max()) + 1 for apart in aparts if apart.groups is not None]
        for apart in aparts[:1]:
            number = f" ({min(counts)} to {max(counts)} of them)" if counts else ""
            found[name] = f"{apart.unit}s{number}: {apart.why}"
    return found


def fewer_shots(splits: Sequence[Split], data: LabelledData) -> list[FewerShots]:
    """Classes that give fewer training samples than asked for.

    One entry for each kind of split and number of shots where there are any. Classes that a split leaves out give none
    and are not among them.
    """
    found = []
    for name, shots in dict.fromkeys((s.name, s.shots) for s in splits if s.shots):
        mine = [s for s in splits if (s.name, s.shots) == (name, shots)]
        counts = [data.labels[s.learned()].bincount(minlength=len(data.class_names)).tolist() for s in mine]
        short = {}
        for c, class_name in enumerate(data.class_names):
            given = [n[c] for n, s in zip(counts, mine) if c not in s.left_out and n[c]]
            if given and min(given) < shots:
                short[class_name] = (min(given), max(given))
        if short:
            found.append(FewerShots(split=name, shots=shots, classes=short))
    return found
