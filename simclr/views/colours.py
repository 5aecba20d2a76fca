"""Pictures of whatever the encoder takes: photographs in their own colours, many bands as a false colour."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Brightness, yellow to blue, and red to green: most of the information where every eye sees it best, least where
# colour-blind eyes see it worst.
_OPPONENT = torch.tensor([[0.6, 0.3, 0.2], [0.6, 0.3, -0.2], [0.6, -0.5, 0.0]])

# Found by search among 14 levels of red, green and blue. Any two, and the three below, differ (CIEDE2000) by 24 among
# the first 8, by 18 among 16 and by 13.5 among all; to eyes without red or green cones (Machado et al. 2009) by 13, 10
# and 7. The first are told apart best. Beyond 30 classes colours repeat: numbers in the ground truth tell them apart.
PALETTE = (
    *("#0027ff", "#4ed800", "#ff89ff", "#62144e", "#27764e", "#d88976", "#62c4b1", "#4e3b00", "#ffeb9d", "#9d7614"),
    *("#2776eb", "#007689", "#9d89b1", "#143b27", "#d83b62", "#ffd8ff", "#d8ff27", "#c4ebc4", "#3b4e76", "#4e6200"),
    *("#9d9d27", "#ff769d", "#764e62", "#3b1489", "#c43bb1", "#8914b1", "#ebb176", "#89143b", "#9db1c4", "#00b1d8"),
)

# Of a map: pixels without a class, of a class that is unknown, and those that were taken for unknown.
UNLABELLED_COLOUR, UNKNOWN_COLOUR, REJECTED_COLOUR = "#ffffff", "#000000", "#808080"


def own_colours(rows: Sequence[Tensor]) -> list[np.ndarray]:
    """Batches (B, 1 or 3, h, w) in units of 0..1 → pictures (B, h, w, 3) in [0, 1]: 0 is black, 1 is white.

    Where noise leaves that range, it is widened for all alike, so that a hundredth of the values is cut off.
    """
    values = torch.cat([row.flatten() for row in rows]).numpy()
    low, high = min(0.0, float(np.quantile(values, 0.01))), max(1.0, float(np.quantile(values, 0.99)))
    pictures = [((row.movedim(1, -1).numpy() - low) / (high - low)).clip(0, 1) for row in rows]
    return [np.broadcast_to(picture, (*picture.shape[:3], 3)) for picture in pictures]


def false_colour(rows: Sequence[Tensor], whitened: bool = False) -> list[np.ndarray]:
    """Batches (B, C, h, w) of any channels → pictures (B, h, w, 3) in [0, 1], on one common scale.

    One channel is shown as grey, three as red, green and blue. Of others, the first principal component is brightness,
    the second runs from blue to yellow, the third from green to red.

    Args:
        rows: batches, which may differ in h and w.
        whitened: the channels are principal components already.
    """
    channels = rows[0].shape[1]
    components = whitened or channels not in (1, 3)
    if components and not whitened:
        pixels = _pixels(rows)
        center = pixels.mean(0)
        basis = torch.linalg.svd((pixels - center)[:20000], full_matrices=False).Vh[:3].T
        rows = [((row.movedim(1, -1) - center) @ basis).movedim(-1, 1) for row in rows]
    rows = [row[:, :3] for row in rows]
    low, high = np.quantile(_pixels(rows).numpy(), [0.01, 0.99], axis=0)
    low, high = (torch.from_numpy(bound).float()[:, None, None] for bound in (low, high))
    middle, spread = (low + high) / 2, (high - low).clamp(min=1e-6)
    scaled = [((row - middle) / spread).clamp(-0.5, 0.5) for row in rows]
    if not components:
        return own_colours([row + 0.5 for row in scaled])
    missing = 3 - scaled[0].shape[1]
    centred = [F.pad(row, (0, 0, 0, 0, 0, missing)).movedim(1, -1) for row in scaled]
    return [(0.5 + row @ _OPPONENT.T).clamp(0, 1).numpy() for row in centred]


def scene_colours(cube: Tensor) -> np.ndarray:
    """Three bands of a scene as red, green and blue, stretched between their 2nd and 98th percentile.

    The bands lie at 1/4, 1/8 and 1/16 of the range: near infrared, red and green for most sensors from 0.4 to 2.5 µm.
    A scene of three bands is shown as it is, one of fewer in grey.

    Args:
        cube: (C, H, W), any real dtype.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    bands = len(cube)
    chosen = [0, 1, 2] if bands == 3 else [bands // 4, bands // 8, bands // 16] if bands > 3 else [0, 0, 0]
    image = cube[chosen].permute(1, 2, 0).float().cpu().numpy()
    low, high = np.percentile(image, (2, 98), axis=(0, 1))
    return np.clip((image - low) / np.maximum(high - low, 1e-12), 0, 1)


def _pixels(rows: Sequence[Tensor]) -> Tensor:
    return torch.cat([row.movedim(1, -1).flatten(0, -2) for row in rows])
