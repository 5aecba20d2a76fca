"""Whether a representation of images is worth more than their pixels, told without a label."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from simclr.augment.addressed import permutation
from simclr.data.held_out import GALLERY_STREAM, QUERY_STREAM, SUPPORT_STREAM
from simclr.data.preprocess import Preprocess
from simclr.data.source import Source
from simclr.train.clusters import clusters
from simclr.train.gradient_histograms import gradient_histograms
from simclr.train.verdict import Encode, Verdict, compared

IMAGES = 1_000
SIDE = 16
CELLS, KINDS, LABELS, DRAWS = (4, 5), (10, 20), (1, 5), 3
SHRINKAGE = 0.1


class ImageJudge:
    """Three questions to a representation of images, and to the untrained baselines, about kinds that no label gives.

    Kinds are clusters of how the images' edges run (`gradient_histograms`), which is neither what pixels say nor what
    views teach. Is the nearest image of the same kind? Are the kinds told apart after one, and after five labels of
    each, by the better of a ridge and a nearest-neighbour probe? Of the images those that nobody has learned from come
    first, and others fill up their number.

    Args:
        source: raw images.
        preprocess: fitted, raw → encoder input.
        held_out: ids of the images that are not learned from.
        seed: of what is drawn.

    Attributes:
        ids: of the images that are looked at, ascending.
        baselines: share of right answers of each of them, by image, (n,) float32 in [0, 1].
    """

    def __init__(self, source: Source, preprocess: Preprocess, held_out: Tensor, seed: int) -> None:
        self.ids = _looked_at(len(source), held_out, seed)
        device = preprocess.offset.device
        units = preprocess.to_units(source[self.ids].to(device), source.value_max)
        self._inputs = preprocess.finish(units).cpu()
        grey = units.mean(1).cpu()
        counts = sorted({min(count, len(grey) // 4) for count in KINDS})
        edges = [gradient_histograms(grey, cells) for cells in CELLS]
        self._kinds = [clusters(x, x, count) for x in edges for count in counts if count > 1]
        self._supports = [
            (kinds, labels, _first_of_each(kinds, permutation(seed, SUPPORT_STREAM + draw, len(grey)), labels))
            for labels in LABELS
            for kinds in self._kinds
            for draw in range(DRAWS)
        ]
        height, width = (min(SIDE, side) for side in self._inputs.shape[-2:])
        small = adaptive_avg_pool2d(self._inputs, (height, width))
        self.baselines = {"pixels": self.measure(small.flatten(1))}

    def add_baseline(self, name: str, encode: Encode) -> None:
        """What an encoder finds, as one more baseline."""
        self.baselines[name] = self._found(encode)

    def look(self, encode: Encode) -> Verdict:
        """The verdict on an encoder, with the standard error of its difference over the images; 1 with fewer than 8."""
        verdict = compared(self._found(encode), self.baselines)
        return verdict if self._kinds else verdict._replace(error=1.0)

    def measure(self, x: Tensor) -> Tensor:
        """Share of right answers about each image, (n,) float32, from features (n, dim) of the images ``ids``."""
        centred = F.normalize(x - x.mean(0), dim=1)
        similar = centred @ centred.T
        similar.fill_diagonal_(-2)
        nearest = similar.argmax(1)
        neighbours = [(kinds[nearest] == kinds).float() for kinds in self._kinds]
        answers = [torch.stack(neighbours).mean(0)] if neighbours else [torch.zeros(len(x))]
        for labels in LABELS if neighbours else ():
            supports = [(kinds, rows) for kinds, amount, rows in self._supports if amount == labels]
            ridge = _right([(kinds, rows, _by_ridge(x, kinds, rows)) for kinds, rows in supports])
            near = _right([(kinds, rows, kinds[rows][similar[:, rows].argmax(1)]) for kinds, rows in supports])
            answers.append(max(ridge, near, key=lambda right: float(right.mean())))
        return torch.stack(answers).mean(0)

    def _found(self, encode: Encode) -> Tensor:
        return self.measure(torch.cat([encode(part) for part in self._inputs.split(512)]))


def _looked_at(images: int, held_out: Tensor, seed: int) -> Tensor:
    mine = held_out[permutation(seed, QUERY_STREAM, len(held_out))[:IMAGES]]
    learned = torch.ones(images, dtype=torch.bool)
    learned[held_out] = False
    rest = learned.nonzero()[:, 0]
    more = rest[permutation(seed, GALLERY_STREAM, len(rest))[: IMAGES - len(mine)]]
    return torch.cat([mine, more]).sort().values


def _first_of_each(kinds: Tensor, order: Tensor, labels: int) -> Tensor:
    """Rows of the first ``labels`` samples of each kind in an order, or of as many as it has."""
    same = kinds[order][:, None] == kinds[order][None, :]
    return order[same.tril(-1).sum(1) < labels]


def _by_ridge(x: Tensor, kinds: Tensor, rows: Tensor) -> Tensor:
    """Kinds of all samples (n, dim) by a ridge probe that learns from some rows of standardised features."""
    known = x[rows]
    spread = known.std(0, correction=0).clamp(min=1e-3 * float(x.std()) + 1e-12)
    known, asked = (known - known.mean(0)) / spread, (x - known.mean(0)) / spread
    products = known @ known.T
    products.diagonal().add_(SHRINKAGE * products.diagonal().mean() + 1e-6)
    targets = F.one_hot(kinds[rows], int(kinds.max()) + 1).float()
    return (asked @ known.T @ torch.linalg.solve(products, targets - targets.mean(0))).argmax(1)


def _right(answers: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """Share of right ones among the answers about each sample that was not learned from; 0 where it always was."""
    right, asked = torch.zeros(len(answers[0][0])), torch.zeros(len(answers[0][0]))
    for kinds, rows, told in answers:
        others = torch.ones(len(kinds))
        others[rows] = 0
        right += others * (told == kinds)
        asked += others
    return right / asked.clamp(min=1)
