"""`simclr linear-eval`: from an encoder file to result.json, a table and, for scenes, a map."""

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console

from eval.linear_eval import linear_eval
from eval.linear_probe import PROBES
from eval.scene_map import draw_scene_map, predict_scene
from eval.splits import k_shot
from eval.summary import write_result
from eval.table import print_result
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
) -> None:
    """Judge an encoder file on its own data, or on other data, and write what came out.

    Args:
        path: encoder file or run folder.
        overrides: ``data.KEY=VALUE``, applied to the data section that the encoder was pretrained with.
        output: folder for result.json and map.png; by default the encoder's.
        shots: comma-separated numbers of labels per class.
        seeds: number of splits and of encoders with random weights.
        probes: comma-separated names; by default all.

    Raises:
        InputError: what was given does not fit together.
    """
    encoder = load_encoder(path)
    data = _data_section(encoder, overrides)
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
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    console = Console()
    with Console(stderr=True).status("reading …") as status:
        result = linear_eval(
            encoder.to(device),
            source,
            test_source,
            shots=_numbers(shots),
            seeds=range(seeds),
            probes=_names(probes),
            device=device,
            exclude=None if own_data else (),
            # Without a test part of their own, the tested samples were seen in pretraining, without their labels.
            transductive=own_data and test_source is None,
            command=shlex.join(["simclr", *sys.argv[1:]]),
            progress=_reporter(status.update),
        )
        result["encoder"] |= {"file": str(path), "created": encoder.metadata["created"], "git": encoder.metadata["git"]}
        write_result(result, folder / "result.json")
        if isinstance(source, SceneSource):
            status.update("map of the scene")
            _draw_map(encoder, source, result, folder / "map.png", device, own_data)
    print_result(result, console)
    drawn = " and map.png" if isinstance(source, SceneSource) else ""
    console.print(f"written: {folder / 'result.json'}{drawn}", soft_wrap=True, highlight=False)


def _data_section(encoder: FrozenEncoder, overrides: Sequence[str]) -> Data:
    for override in overrides:
        if not override.startswith("data."):
            raise InputError(f"{override!r} is no override of the data: write, for example, data.path=FOLDER")
    return check_recipe(apply_overrides({"data": encoder.metadata["data"]}, overrides)).data


def _same_samples(encoder: FrozenEncoder, source: Source) -> bool:
    """Whether the encoder was pretrained on these samples; the same ones may lie elsewhere or be read otherwise."""
    seen = encoder.metadata["source"]
    return (seen["samples"], seen["classes"]) == (len(source), list(source.class_names))


def _draw_map(
    encoder: FrozenEncoder, source: SceneSource, result: dict, path: Path, device: torch.device, own_data: bool
) -> None:
    """The first seed's split with the most shots, classified whole by the pretrained encoder and by random weights."""
    shots = max(split["shots"] for split in result["splits"])
    seed, probe = result["seeds"][0], result["headline"]
    assert source.labels is not None
    split = k_shot(source.labels, shots, seed, encoder.metadata.get("monitor_ids") if own_data else None)
    predictions = {
        name: predict_scene(module, source, split, probe, device=device)
        for name, module in (("pretrained", encoder), ("random weights", encoder.random_twin(seed)))
    }
    draw_scene_map(path, source, split, predictions)


def _reporter(show: Callable[[str], None]) -> Callable[[str, int, int], None]:
    started = time.perf_counter()

    def report(what: str, done: int, total: int) -> None:
        show(f"{what} {done:,}/{total:,} · {time.perf_counter() - started:,.0f} s")

    return report


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise InputError(f"--shots is {text!r}: give numbers of labels per class, such as 5,20")
    return numbers


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in PROBES:
            raise InputError(f"--probes names {name!r}, but there are {', '.join(PROBES)}")
    return names
