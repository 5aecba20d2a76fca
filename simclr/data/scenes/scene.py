"""A hyperspectral scene as a source: every pixel is a sample, seen through the patch around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from simclr.data.class_numbers import Unlabelled, class_numbers
from simclr.data.content import ContentHash, SampleHashes, hash_rows
from simclr.data.source import Source
from simclr.errors import InputError

FEW_BANDS = 16


class SceneSource(Source):
    """A cube of bands in one tensor; sample ``row * width + col`` is the patch centred on that pixel.

    Patches are gathered on the cube's device, from the cube padded by reflection (the edge is not repeated).

    Args:
        cube: (C, H, W) raw values.
        ground_truth: (H, W) class numbers of any kind, or None. The numbers that occur become the labels 0..K-1 in
            ascending order. Unlabelled is 0, or where there are negative numbers these alone.
        unlabelled: other numbers that mean unlabelled, see `simclr.data.class_numbers.class_numbers`.
        patch_size: side of a patch in pixels, odd.
        pool: side of the square cells that a patch is averaged over, a divisor of ``patch_size``; 1 = pixels.
        name: what it is called in logs.
        class_names: names of the class numbers that occur, ascending; the numbers as text when empty.
        value_max: largest possible value of the stored bands, None for floats.
        wavelengths: of the bands in nm, or None where they are not known.
        bad_bands: numbers of bands that are held at 0.

    Attributes:
        height, width: the scene in pixels.
        ground_truth: (H, W) int64 on the CPU as given, or None.
        class_numbers: those of its numbers that the labels 0..K-1 stand for.
        no_data: (H, W) bool on the CPU, pixels where nothing was measured; None where all were.
        cube: (C, H, W) as given.
        patch_size, pool, wavelengths, bad_bands, unlabelled: as given.

    Raises:
        InputError: if a shape does not fit, or the ground truth cannot be understood.
    """

    def __init__(
        self,
        cube: Tensor,
        ground_truth: Tensor | None = None,
        *,
        patch_size: int = 9,
        pool: int = 1,
        name: str = "scene",
        class_names: Sequence[str] = (),
        value_max: int | None = None,
        wavelengths: Sequence[float] | None = None,
        bad_bands: Sequence[int] = (),
        unlabelled: Unlabelled = None,
    ) -> None:
        if cube.ndim != 3 or 0 in cube.shape:
            raise InputError(f"{name} has a cube of shape {tuple(cube.shape)}: give (bands, height, width).")
        if patch_size < 1 or patch_size % 2 == 0:
            raise InputError(f"patch_size is {patch_size}: a patch has a centre pixel, so set an odd number such as 9.")
        if pool < 1 or patch_size % pool:
            raise InputError(f"pool is {pool}, but cells fill a patch of {patch_size} pixels: set a divisor of it.")
        bands, self.height, self.width = cube.shape
        labels: Tensor | None = None
        numbers: list[int] = []
        if ground_truth is not None:
            if tuple(ground_truth.shape) != (self.height, self.width):
                raise InputError(
                    f"{name} has a cube of {self.height}x{self.width} pixels, but a ground truth of "
                    f"{'x'.join(map(str, ground_truth.shape))}: give the ground truth of the same scene."
                )
            classes = class_numbers(
                ground_truth.detach().cpu().numpy(), f"the ground truth of {name}", unlabelled, zero=True
            )
            labels, numbers = _labels_of(classes)
            ground_truth = ground_truth.detach().cpu().nan_to_num(-1).to(torch.int64)
            if class_names and len(class_names) != len(numbers):
                raise InputError(
                    f"{name} has {len(numbers)} classes in its ground truth, but {len(class_names)} class names: "
                    f"give one name for each of the class numbers {numbers}."
                )
            class_names = class_names or [str(k) for k in numbers]
        super().__init__(name, bands, labels=labels, class_names=class_names, value_max=value_max)
        self.ground_truth = ground_truth
        self.class_numbers = tuple(numbers)
        self.unlabelled = unlabelled
        self.no_data: Tensor | None = None
        self.patch_size = patch_size
        self.pool = pool
        self.wavelengths = None if wavelengths is None else tuple(wavelengths)
        self.bad_bands = tuple(bad_bands)
        if self.bad_bands:
            cube = cube.clone()
            cube[list(self.bad_bands)] = 0
        self.cube = cube
        self._windows: Tensor | None = None

    @property
    def good_bands(self) -> list[int]:
        """Numbers of the bands that are not bad."""
        return [band for band in range(self.in_chans) if band not in self.bad_bands]

    def __len__(self) -> int:
        return self.height * self.width

    def __getitem__(self, ids: Tensor) -> Tensor:
        """Patches, (b,) int64 -> (b, C, n, n) with n = patch_size / pool."""
        if self._windows is None:
            self._windows = self._make_windows()
        ids = ids.to(self._windows.device)
        return self._windows[torch.div(ids, self.width, rounding_mode="floor"), ids % self.width]

    def positions(self, ids: Tensor) -> Tensor:
        """Row and column of each sample's pixel, (n, 2) int64."""
        return torch.stack((ids // self.width, ids % self.width), dim=1)

    @property
    def device(self) -> torch.device:
        return self.cube.device

    def to(self, device: torch.device | str) -> SceneSource:
        self.cube, self._windows = self.cube.to(device), None
        return self

    def content_hash(self) -> str:
        """SHA-256 of every byte of the cube, and of the patch that is seen of it."""
        content = ContentHash("scene", self.patch_size, self.pool, self.value_max)
        content.add(self.cube)
        return content.hexdigest()

    def sample_hashes(self) -> SampleHashes:
        """Of each pixel's spectrum, whatever patch is seen around it: so a part of a scene is known again, too.

        Values count as float32. Few bands tell no pixel from another: of fewer than ``FEW_BANDS``, its eight neighbours
        count too.
        """
        few = self.in_chans < FEW_BANDS
        cube, side = (reflect(self.cube, 1), 3) if few else (self.cube, 1)
        found = []
        for row in range(self.height):
            windows = cube[:, row : row + side].float().cpu().unfold(2, side, 1)  # (C, side, W, side)
            found.append(hash_rows(windows.permute(2, 0, 1, 3)))
        return SampleHashes(f"stored {'3x3 pixels' if few else 'spectra'} of {self.in_chans} bands", torch.cat(found))

    def pooled(self, pool: int) -> SceneSource:
        """The same scene with patches averaged over cells of ``pool`` x ``pool`` pixels."""
        return self._like(self.cube, pool, self.value_max, self.wavelengths, self.bad_bands)

    def with_bands(self, wavelengths: Sequence[float] | None, bad_bands: Sequence[int]) -> SceneSource:
        """The same scene with this said about its bands."""
        return self._like(self.cube, self.pool, self.value_max, wavelengths, bad_bands)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> SceneSource:
        """The scene with ``function`` applied once to the whole cube, (1, C, H, W) -> (1, C', H, W).

        Gathering then gives the same as applying it to every patch, if it works pixel by pixel.

        Raises:
            ValueError: if the function changes the height or the width.
        """
        with torch.no_grad():
            mapped = function(self.cube.unsqueeze(0))
        if mapped.ndim != 4 or len(mapped) != 1 or tuple(mapped.shape[2:]) != (self.height, self.width):
            raise ValueError(
                f"the function made {tuple(mapped.shape)} of a cube of {(1, self.in_chans, self.height, self.width)}: "
                f"it must keep height and width"
            )
        return self._like(mapped[0], self.pool, None)

    def _like(
        self,
        cube: Tensor,
        pool: int,
        value_max: int | None,
        wavelengths: Sequence[float] | None = None,
        bad_bands: Sequence[int] = (),
    ) -> SceneSource:
        like = SceneSource(
            cube,
            self.ground_truth,
            patch_size=self.patch_size,
            pool=pool,
            name=self.name,
            class_names=self.class_names,
            value_max=value_max,
            wavelengths=wavelengths,
            bad_bands=bad_bands,
            unlabelled=self.unlabelled,
        )
        like.no_data, like.notes = self.no_data, self.notes
        return like

    def _make_windows(self) -> Tensor:
        """A view (H, W, C, n, n) of the padded cube: the patch of every pixel.

        Cells are averaged once, in the whole scene, and a patch takes every pool-th of them.
        """
        padded = reflect(self.cube, self.patch_size // 2)
        if self.pool > 1:
            padded = avg_pool2d(padded[None].float(), self.pool, stride=1)[0]
        # Bands last: the gather then copies runs of neighbouring values, 2-4 times faster than bands first.
        padded = padded.permute(1, 2, 0).contiguous()
        span = self.patch_size - self.pool + 1
        return padded.unfold(0, span, 1).unfold(1, span, 1)[..., :: self.pool, :: self.pool]


def _labels_of(classes: Tensor) -> tuple[Tensor, list[int]]:
    """Labels (H*W,) from class numbers (-1 stays, the others become 0..K-1 ascending), and the numbers."""
    flat = classes.flatten()
    numbers, inverse = torch.unique(flat[flat >= 0], return_inverse=True)
    labels = torch.full_like(flat, -1)
    labels[flat >= 0] = inverse
    return labels, [int(k) for k in numbers]


def reflect(cube: Tensor, pad: int) -> Tensor:
    """Pads (C, H, W) by reflection on both spatial axes, of any dtype, also by more than the side."""
    for axis in (1, 2):
        n = cube.shape[axis]
        period = max(1, 2 * (n - 1))
        position = torch.arange(-pad, n + pad, device=cube.device) % period
        cube = cube.index_select(axis, torch.minimum(position, period - position) if n > 1 else position)
    return cube
