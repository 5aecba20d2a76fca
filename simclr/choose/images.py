"""What suits a set of small images: looked up from their size, their number, and whether they are drawn in strokes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pydantic import JsonValue
from torch import Tensor

from simclr.choose.chosen import Chosen
from simclr.data import Source
from simclr.errors import InputError

LOOKED_AT = 1000
"""Images that are looked at, evenly spread over the source."""
EVEN = 0.1
"""A pixel is background where it differs by less from the background's level, as a share of the range of values."""
LEAST_BACKGROUND, MOST_KEPT = 0.4, 0.4
"""Strokes: at least so much of an image is background, and of the rest at most so much is broad.

Omniglot 0.87 and 0.00, printed digits 0.88 and 0.00, hand-written digits of 8 px 0.52 and 0.2; Fashion-MNIST 0.55 and
0.62, CIFAR-10 in grey 0.28 and 0.52.
"""


class ImagesSeen(NamedTuple):
    """What was measured of a source of images; its labels were not looked at.

    Attributes:
        channels: of an image.
        height, width: of an image, in pixels.
        samples: in the source.
        grey: whether there is one channel, or all are the same.
        even: the share of the pixels that are background.
        strokes: whether thin lines are drawn on an even background.
        background: the level of the edge in the units that operations work in: 0..1 for 8-bit pixels, else deviations.
    """

    channels: int
    height: int
    width: int
    samples: int
    grey: bool
    even: float
    strokes: bool
    background: float


def look_at_images(source: Source) -> ImagesSeen:
    """Measure what `choose_images` asks, on up to ``LOOKED_AT`` images.

    Raises:
        InputError: if there are no images, or they have fewer than 4 pixels a side.
    """
    if not len(source):
        raise InputError(f"{source.name} has no images: give some")
    ids = torch.linspace(0, len(source) - 1, min(LOOKED_AT, len(source))).round().long()
    raw = source[ids.to(source.device)].cpu()
    channels, height, width = raw.shape[1:]
    if min(height, width) < 4:
        raise InputError(f"the images of {source.name} have {height}x{width} pixels: give larger ones, of 4 or more")
    grey = bool((raw == raw[:, :1]).all())
    x = raw[:, 0].float()
    background = torch.cat((x[:, 0], x[:, -1], x[..., 0], x[..., -1]), dim=-1).median()
    even, broad = _background_and_broad((x - background).abs() / (x.max() - x.min()).clamp(min=1e-30))
    strokes = grey and even >= LEAST_BACKGROUND and broad <= MOST_KEPT
    # As data.normalize=auto has it.
    level = background / 255 if raw.dtype == torch.uint8 else (background - x.mean()) / x.std().clamp(min=1e-30)
    return ImagesSeen(channels, height, width, len(source), grey, round(even, 3), strokes, round(float(level), 3))


def _background_and_broad(ink: Tensor) -> tuple[float, float]:
    """The share of pixels without ink, and of the ink (B, H, W) what is left after an opening.

    The opening's square has a quarter of the side: lines vanish in it, areas stay.
    """
    side = max(3, round(min(ink.shape[-2:]) / 4))
    least = -F.max_pool2d(-ink, side, stride=1)
    opened = F.max_pool2d(F.pad(least, (side - 1,) * 4, value=-math.inf), side, stride=1)
    total = float(ink.sum())
    return float((ink < EVEN).float().mean()), float(opened.sum()) / total if total else 1.0


def choose_images(seen: ImagesSeen) -> list[Chosen]:
    """Values for the keys of a recipe, in the order of a recipe.

    Args:
        seen: of `look_at_images`.

    Returns:
        One for each key that depends on the images; all others keep the recipe's defaults.
    """
    side = min(seen.height, seen.width)
    return [*_views(seen, side), *_network(seen, side), *_training(seen)]


def _views(seen: ImagesSeen, side: int) -> list[Chosen]:
    if seen.strokes:
        why = "thin strokes on an even background: their place, size and slant say nothing, their shape everything"
        chosen: list[tuple[str, JsonValue, str]] = [
            ("affine.degrees", 15.0, why),
            ("affine.translate", 0.1, "as above"),
            ("affine.scale", [0.75, 1.3], "as above; a crop would leave strokes out"),
            ("affine.shear", 12.0, "as above"),
            ("affine.fill", seen.background, "the level of the background"),
            ("elastic.amount", 0.04, "no two hands draw a character alike"),
            ("elastic.fill", seen.background, "the level of the background"),
        ]
        if side >= 20:
            chosen.append(("morphology.p", 0.5, "a thicker or a thinner pen draws the same"))
    else:
        size = side if side <= 28 else max(24, round(0.75 * side / 4) * 4)
        smaller = "the side of the images" if size == side else "three quarters of the side: half of the work"
        chosen = [
            ("resized_crop.size", size, smaller),
            ("resized_crop.scale", [0.4 if seen.grey else 0.2, 1.0], "areas and texture: a part tells the whole"),
            ("horizontal_flip.p", 0.5, "things have no handedness"),
        ]
        if seen.channels in (1, 3):
            chosen += _light(seen)
    return [Chosen(f"augment.{key}", value, why) for key, value, why in chosen]


def _light(seen: ImagesSeen) -> list[tuple[str, JsonValue, str]]:
    if seen.grey:
        return [
            ("noise.sd", 0.05, "a little less than what the eye sees"),
            (
                "color_jitter.brightness",
                0.5,
                "light says nothing; without this it is what is learnt",
            ),
            ("color_jitter.contrast", 0.0, "it would move the level of an even background"),
            ("color_jitter.saturation", 0.0, "no colours"),
            ("color_jitter.hue", 0.0, "no colours"),
            ("color_jitter.p", 1.0, "as brightness"),
        ]
    return [
        ("color_jitter.brightness", 0.4, "light says nothing"),
        ("color_jitter.contrast", 0.4, "as above"),
        ("color_jitter.saturation", 0.4, "as above"),
        ("color_jitter.hue", 0.1, "as above"),
        ("grayscale.p", 0.2, "colour alone must not do"),
    ]


def _network(seen: ImagesSeen, side: int) -> list[Chosen]:
    chosen = [
        Chosen("encoder.name", "pyramid" if side >= 16 else "pyramid2", "learns from the most views a second on a CPU"),
        Chosen("encoder.width", 32, "as above"),
    ]
    if side > 40:
        chosen.append(Chosen("encoder.options.stages", 5, f"{side} pixels are halved once more"))
    centred = seen.even >= LEAST_BACKGROUND and not seen.strokes
    if centred or seen.strokes:
        why = "an even background: where something is tells, so that h holds so many stages in finer cells, as roots"
        chosen.append(Chosen("encoder.options.fine", 1 if side < 16 else 3 if centred else 2, why))
    if centred:
        cells = min(14, side)
        why = "objects in the middle of an even background, for which pixels are good neighbours: h keeps them"
        chosen.append(Chosen("encoder.options.pixels", cells, why))
    return [
        *chosen,
        Chosen("head.hidden_dim", 256, "enough for so few samples"),
        Chosen("head.out_dim", 64, "as above"),
    ]


def _training(seen: ImagesSeen) -> list[Chosen]:
    batch = min(256, max(16, 1 << int(math.log2(max(16, seen.samples / 4)))))
    per_epoch = max(1, seen.samples // batch)
    steps = 900 * (seen.samples / 4000) ** 0.4
    epochs = max(1, round(steps / per_epoch))
    return [
        Chosen("loss.temperature", 0.2, "as every recipe for small images here has it"),
        Chosen("train.batch_size", batch, f"at most a quarter of {seen.samples:,} images"),
        Chosen("train.epochs", epochs, f"{epochs * per_epoch:,} steps: minutes on two cores"),
        Chosen("train.warmup_epochs", round(epochs / 10, 2), "a tenth of the run"),
        Chosen("train.optimizer", "adamw", "needs no tuning at these sizes"),
        Chosen("train.lr", 2e-3, "as above"),
        Chosen("train.weight_decay", 1e-4, "as above"),
        Chosen("monitor.held_out", round(min(0.1, max(0.05, 200 / seen.samples)), 3), "for a verdict without labels"),
    ]
