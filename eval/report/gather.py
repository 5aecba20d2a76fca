"""`simclr report`: from a run or a result folder to report.html."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from simclr.data import open_source
from simclr.encoder_file import FrozenEncoder, load_encoder
from simclr.errors import InputError
from simclr.eval.maps.belonging import belongs
from simclr.eval.report.distance_grid import distance_title
from simclr.eval.report.embedding import choose_for_map
from simclr.eval.report.foretold import Outlook
from simclr.eval.report.material import Distance, Embedding, HealthLine, Material
from simclr.eval.results.distance_record import DISTANCE, DISTANCE_PICTURE, read_distance
from simclr.eval.results.record import Result
from simclr.eval.results.result_file import FEW_SHOT, RESULT, read_result
from simclr.eval.subject.feature_cache import FeatureCache
from simclr.eval.subject.features import fingerprint
from simclr.eval.work.forecast import Forecast
from simclr.recipe.read import check_recipe

LOOKS_LIKE = "looks-like.png"
PICTURES = {
    "map.png": (
        RESULT,
        "Map: The scene in false colour, the ground truth with the training pixels, and the predicted classes, above "
        "of every pixel, below where the ground truth has a class.",
        "map: simclr linear-eval draws one of a scene",
    ),
    "unknown-map.png": (
        FEW_SHOT,
        "Map with unknown classes: As above, with some classes unknown, which are black. Rejected pixels are grey: to "
        "reject a pixel of an unknown class is right.",
        "map with unknown classes: simclr few-shot --unknown CLASS draws one of a scene",
    ),
    LOOKS_LIKE: (
        RESULT,
        "This looks like that: Some test images, the places of training images that they look like, and the points "
        "that this gives for each class.",
        "this looks like that: simclr linear-eval draws it of a network of prototypes",
    ),
}
VIEWS, COPY = "views.png", "encoder.json"


def title_of(found: Material) -> str:
    """What a report is about."""
    result = found.result or found.few_shot
    if result is None and found.encoder is None and found.distance is not None:
        return distance_title(found.distance.result)
    data = result.source.name if result else found.encoder.source.name if found.encoder else None
    name = found.encoder.architecture.get("name") if found.encoder else None
    return f"{data or 'a run'}: what the frozen {f'{name} ' if name else ''}encoder is worth"


def gather(folder: Path, forecast: Forecast | None = None, say: Callable[[str], None] = lambda line: None) -> Material:
    """Everything in a folder that a report can show.

    Args:
        folder: of a run or of results.
        forecast: told what is long.
        say: told a line of what is to be done, where that is long.

    Raises:
        InputError: as in :func:`run_report`.
    """
    missing: list[str] = []
    distance = _distance(folder, missing)
    result = _optional(folder / RESULT, "result.json: run simclr linear-eval", missing)
    few_shot = _optional(folder / FEW_SHOT, "few-shot.json: run simclr few-shot", missing)
    metrics = _metrics(folder / "metrics.jsonl", missing)
    encoder = _encoder(folder, [r for r in (result, few_shot) if r is not None], missing)
    if result is None and few_shot is None and metrics is None and encoder is None:
        if distance is not None:  # nothing else is expected beside it
            return Material(distance=distance, missing=[text for text in missing if text.startswith(DISTANCE_PICTURE)])
        raise InputError(
            f"{folder} holds neither a run nor a result: give the folder of a run, or of linear-eval, "
            "few-shot or distance"
        )
    made = encoder.metadata if encoder else None
    pictures: dict[str, bytes] = {}
    for name, (beside, caption, how) in PICTURES.items():
        if belongs(folder / name, folder / beside):
            pictures[caption] = (folder / name).read_bytes()
        elif (folder / name).is_file():
            missing.append(f"{name}: it was not drawn for the {beside} that is there; {how}")
        elif {RESULT: result, FEW_SHOT: few_shot}[beside] is None:
            continue  # the result is missed already, by the same command
        elif name == LOOKS_LIKE:
            missing += [how] if made is not None and made.architecture.get("prototypes") else []
        elif made is None or made.source.patch_size:  # a scene, for all that is known
            missing.append(how)
    views = (folder / VIEWS).read_bytes() if (folder / VIEWS).is_file() else None
    if views is None:
        missing.append("views.png: simclr pretrain draws it")
    if result is not None and not any(outcome.counts for outcome in result.outcomes):
        missing.append("confusion matrix: result.json has no counts, or more classes than are counted")
    if metrics and not any(line.knn is not None for line in metrics):
        tuned = made is not None and bool(made.labels.ids)
        why = "monitor.held_out is 0" if tuned else "the recipe has monitor.knn=false, or its data no labels"
        missing.append(f"online kNN: {why}")
    embedding = None
    if encoder is None:
        missing.append("t-SNE: there is no encoder to extract features with")
    else:
        embedding = _embedding(encoder, result or few_shot, folder, missing, Outlook(forecast or Forecast(), say))
    return Material(result, few_shot, metrics, made, pictures, views, embedding, missing, distance)


def _optional(file: Path, how: str, missing: list[str]) -> Result | None:
    if file.is_file():
        return read_result(file)
    missing.append(how)
    return None


def _distance(folder: Path, missing: list[str]) -> Distance | None:
    """Both sets and their picture, where simclr distance has left them."""
    file, picture = folder / DISTANCE, folder / DISTANCE_PICTURE
    if not file.is_file():
        return None
    if belongs(picture, file):
        return Distance(read_distance(file), picture.read_bytes())
    missing.append(f"{DISTANCE_PICTURE}: it is not there, or was not drawn for the {DISTANCE} that is: measure again")
    return Distance(read_distance(file), None)


def _metrics(file: Path, missing: list[str]) -> list[HealthLine] | None:
    if not file.is_file():
        missing.append("curves of pretraining: there is no metrics.jsonl")
        return None
    found = []
    for number, line in enumerate(lines := file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            found.append(HealthLine.model_validate_json(line))
        except ValidationError:
            if number == len(lines):  # a run that was cut short, or is still writing
                break
            raise InputError(f"{file} is damaged in line {number}: it holds one JSON object a step") from None
    if not any(line.drawable for line in found):
        missing.append("curves of pretraining: metrics.jsonl holds no finite number")
        return None
    return found


def _encoder(folder: Path, results: list[Result], missing: list[str]) -> FrozenEncoder | None:
    """The folder's own encoder, else the one that a result names; all results must be of it."""
    hashes = {r.encoder.sha256_before for r in results}
    if len(hashes) > 1:
        raise InputError(f"{folder} holds results of different encoders: evaluate the same one again")
    own = (folder / "encoder.safetensors").is_file()
    named = [Path(r.encoder.file) for r in results if r.encoder.file]
    place = folder if own else next((path for path in named if path.exists()), None)
    if place is None:
        return None
    encoder = load_encoder(place)
    _check_copy((place if place.is_dir() else place.parent) / COPY, encoder)
    mine = fingerprint(encoder)
    if hashes and mine not in hashes:
        if own:
            raise InputError(
                f"the results in {folder} are of another encoder than its encoder.safetensors "
                f"({str(hashes.pop())[:12]}…, not {mine[:12]}…): evaluate again"
            )
        missing.append(f"encoder: {place} has changed since the result")
        return None
    return encoder


def _check_copy(file: Path, encoder: FrozenEncoder) -> None:
    """The copy of the metadata that people read must be whole, and say what the encoder file says."""
    if not file.is_file():
        return
    how = "delete it, encoder.safetensors holds the same"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} is damaged, no JSON ({error}): {how}") from None
    if content != encoder.metadata:
        raise InputError(f"{file} is not of the encoder file beside it, or was changed: {how}")


def _embedding(
    encoder: FrozenEncoder,
    result: Result | None,
    folder: Path,
    missing: list[str],
    outlook: Outlook,
) -> Callable[[], Embedding] | None:
    """t-SNE of labelled samples: of the result's data where it names them, of its test part where it has one."""
    section = result.source.data if result and result.source.data else encoder.metadata.data
    try:
        data = check_recipe({"data": section}).data
        source = open_source(data, "test") or open_source(data)
    except InputError as error:
        missing.append(f"t-SNE: the data cannot be read ({error})")
        return None
    if source is None or source.labels is None:
        missing.append("t-SNE: the data has no labels")
        return None
    if source.in_chans != encoder.preprocess.in_chans:
        missing.append(f"t-SNE: the data has {source.in_chans} bands, the encoder {encoder.preprocess.in_chans}")
        return None
    ids = choose_for_map(source.labels)
    if len(ids) < 4:
        missing.append("t-SNE: the data has fewer than 4 labelled samples")
        return None
    done = outlook.paced()
    looked = partial(outlook.begin, encoder, source, len(ids))
    features = FeatureCache(folder / "features").features(encoder, source, ids, progress=done, looked=looked)
    readable = source.labels[ids] >= 0
    labels, names = source.labels[ids][readable].numpy(), source.class_names
    # It takes seconds, mostly outside of Python: the other figures are drawn meanwhile.
    pool = ThreadPoolExecutor(1)
    points = pool.submit(outlook.tsne, features[readable])
    pool.shutdown(wait=False)
    return lambda: Embedding(points.result(), labels, names)
