"""What a result says about a split: sizes, rule, hashes, and how much of a scene's test part leaks."""

from __future__ import annotations

from typing import Any

from eval.splits.labelled import LabelledData
from eval.splits.leakage import leakage
from eval.splits.split import Split
from simclr.data.scenes.scene import SceneSource


def describe_split(split: Split, data: LabelledData) -> dict[str, Any]:
    """A split in words and numbers, fit for JSON.

    Args:
        split: of the data.
        data: what it was drawn of.

    Returns:
        ``split`` (its kind), ``shots``, ``labels`` (the share), ``seed``, ``rule``; samples of each part, and by class
        of each part; classes ``left_out`` and samples ``dropped``; the SHA-256 of each part's ids; of a scene the
        ``leakage``, shares of test pixels ``inside`` and ``touching`` a training patch.
    """
    source, names = data.source, data.class_names
    counts = {part: data.labels[ids].bincount(minlength=len(names)).tolist() for part, ids in split.parts().items()}
    described: dict[str, Any] = {
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
    }
    if isinstance(source, SceneSource) and data.test_source is None:
        inside, touching = leakage(split.learned(), split.test, source.height, source.width, source.patch_size)
        described["leakage"] = {"patch_size": source.patch_size, "inside": inside, "touching": touching}
    return described
