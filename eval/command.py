"""`simclr linear-eval`: from an encoder file to result.json, a table and, for scenes, a map."""

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from eval.amounts import fewer_shots_lines
from eval.baselines import calibrated_twin
from eval.draw import default_kinds, draw_splits, excluded_ids
from eval.feature_cache import FeatureCache
from eval.labelled import LabelledData
from eval.linear_eval import linear_eval
from eval.quality_table import print_quality
from eval.scene_map import draw_scene_map, predict_scene
from eval.split_file import write_split
from eval.splits import Split
from eval.summary import write_result
from eval.table import print_result
from eval.words import probe_name
from simclr.build import build_source
from simclr.data import SceneSource, Source
from simclr.encoder_file import FrozenEncoder, load_encoder
from simclr.errors import InputError
from simclr.recipe import apply_overrides, check_recipe
from simclr.schema import Data


def run_linear_eval(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    output: Path | None = None,
    shots: str | None = None,
    seeds: int = 5,
    probes: str | None = None,
    split: str | None = None,
    labels: str | None = None,
    standardise: bool = True,
    validation: str | None = None,
    supervised: bool | None = None,
    keep_splits: bool = False,
    cache: bool = True,
) -> None:
    """Judge an encoder file on its own data, or on other data, and write what came out.

    Args:
        path: encoder file or run folder.
        overrides: ``data.KEY=VALUE``, applied to the data section that the encoder was pretrained with.
        output: folder for result.json and map.png; by default the encoder's.
        shots: comma-separated numbers of labels per class.
        seeds: number of splits and of encoders with random weights.
        probes: comma-separated names; by default all.
        split: comma-separated ``random``, ``block`` or files; see ``eval.draw``.
        labels: comma-separated shares of each class's labels, such as ``1%,10%``.
        standardise: divide features by their standard deviation over the training samples, for linear probes.
        validation: share of each class's training samples to choose on, such as ``20%``.
        supervised: whether to train from scratch, too; by default where that is quick.
        keep_splits: write every split into the folder ``splits``.
        cache: keep features in the folder ``features`` of the output, and use those that are there.

    Raises:
        InputError: what was given does not fit together.
    """
    encoder = load_encoder(path)
    data = data_section(encoder, overrides)
    source, test_source = build_source(data), build_source(data, "test")
    assert source is not None
    if source.in_chans != encoder.preprocess.in_chans:
        raise InputError(
            f"the encoder takes {encoder.preprocess.in_chans} bands, but {source.name} has {source.in_chans}: "
            "judge it on data of the same bands"
        )
    own_data = _same_samples(encoder, source)
    if output is None and not own_data:
        raise InputError(
            f"{source.name} is not what the encoder was pretrained on: give --output FOLDER for the result"
        )
    folder = output or (path if path.is_dir() else path.parent)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    console = Console()
    few, shares, (held_out,) = shots_of(shots), shares_of(labels), shares_of(validation, "--validation") or (0.0,)
    kinds = default_kinds(source, test_source) if split is None else [part.strip() for part in split.split(",")]
    features = FeatureCache(folder / "features" if cache else None)
    with Console(stderr=True).status("reading …") as status:
        result = linear_eval(
            encoder.to(device),
            source,
            test_source,
            splits=kinds,
            shots=few,
            shares=shares,
            seeds=range(seeds),
            probes=None if probes is None else [name.strip() for name in probes.split(",")],
            standardise=standardise,
            validation=held_out,
            supervised=supervised,
            cache=features,
            device=device,
            exclude=None if own_data else (),
            # Without a test part of their own, the tested samples were seen in pretraining, without their labels.
            transductive=own_data and test_source is None,
            command=shlex.join(["simclr", *sys.argv[1:]]),
            progress=_reporter(status.update),
        )
        result["encoder"] |= {"file": str(path), "created": encoder.metadata["created"], "git": encoder.metadata["git"]}
        result["source"]["data"] = data.model_dump(mode="json")
        folder.mkdir(parents=True, exist_ok=True)
        write_result(result, folder / "result.json")
        labelled = LabelledData(source, test_source)
        exclude = excluded_ids(encoder, labelled, None if own_data else ())

        def draw(kinds: Sequence[str], seeds: Sequence[int]) -> list[Split]:
            amounts = {"shots": few, "shares": shares, "validation": held_out}
            return draw_splits(labelled, kinds, seeds=seeds, exclude=exclude, **amounts)  # type: ignore[arg-type]

        if keep_splits:
            _write_splits(draw(kinds, range(seeds)), labelled, folder / "splits")
        if isinstance(source, SceneSource):
            status.update("map of the scene")
            largest = max(draw(kinds[:1], (0,)), key=lambda s: len(s.train))
            _draw_map(encoder, source, largest, result, folder / "map.png", features)
    print_result(result, console)
    print_quality(result, console)
    for line in fewer_shots_lines(result["fewer_shots"]):
        console.print(Text(line))
    drawn = " and map.png" if isinstance(source, SceneSource) else ""
    console.print(f"written: {folder / 'result.json'}{drawn}", soft_wrap=True, highlight=False)


def data_section(encoder: FrozenEncoder, overrides: Sequence[str]) -> Data:
    for override in overrides:
        if not override.startswith("data."):
            raise InputError(f"{override!r} is no override of the data: write, for example, data.path=FOLDER")
    data = dict(encoder.metadata["data"])
    source = apply_overrides({"data": data}, overrides)["data"]["source"]
    if source != data["source"]:  # what was said about the old source alone says nothing about the new one
        data = {key: value for key, value in data.items() if source in Data.sources_of(key)}
    return check_recipe(apply_overrides({"data": data}, overrides)).data


def _same_samples(encoder: FrozenEncoder, source: Source) -> bool:
    """Whether the encoder was pretrained on these samples; the same ones may lie elsewhere or be read otherwise."""
    seen = encoder.metadata["source"]
    return (seen["samples"], seen["classes"]) == (len(source), list(source.class_names))


def _draw_map(
    encoder: FrozenEncoder, source: SceneSource, split: Split, result: dict, path: Path, cache: FeatureCache
) -> None:
    """The scene classified whole by the pretrained encoder and by random weights."""
    device = next(encoder.encoder.parameters()).device
    twin = calibrated_twin(encoder, result["seeds"][0], source, device)
    predictions = {
        name: predict_scene(
            module, source, split, result["headline"], device=device, cache=cache, standardise=result["standardise"]
        )
        for name, module in (("pretrained", encoder), ("random weights", twin))
    }
    draw_scene_map(path, source, split, predictions, probe=f"{probe_name(result['headline'])} probe")


def _write_splits(splits: Sequence[Split], data: LabelledData, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for split in splits:
        amount = f"-{split.shots}-shots" if split.shots else f"-{100 * split.share:g}-percent" if split.share else ""
        seed = "" if split.seed is None else f"-seed-{split.seed}"
        file = folder / f"{split.name}{amount}{seed}.json"
        write_split(file, split, data.labels, data.class_names, data.source.name)


def _reporter(show: Callable[[str], None]) -> Callable[[str, int, int], None]:
    started = time.perf_counter()

    def report(what: str, done: int, total: int) -> None:
        show(f"{what} {done:,}/{total:,} · {time.perf_counter() - started:,.0f} s")

    return report


def shots_of(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise InputError(f"--shots is {text!r}: give numbers of labels per class, such as 5,20")
    return numbers


def shares_of(text: str | None, option: str = "--labels") -> tuple[float, ...]:
    found = []
    for part in () if text is None else text.split(","):
        number, percent = part.strip().removesuffix("%"), part.strip().endswith("%")
        try:
            found.append(float(number) / (100 if percent else 1))
        except ValueError:
            found.append(0.0)
    if not all(0 < share < 1 for share in found):
        raise InputError(f"{option} is {text!r}: give shares of each class's labels, such as 1%,10%")
    return tuple(found)
