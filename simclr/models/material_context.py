"""An encoder of scenes that keeps the pixel's own spectrum beside what it has learned of pixel and surroundings."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr.errors import InputError

PARTS = ("context", "material")
_LEAST = 7
_MOST = 1_000_000
_MEAN_COUNTS = 1.5
"""What the mean's values are multiplied by: how much it counts in a distance beside what is learned."""


class MaterialContext(nn.Module):
    """Parts of h side by side, so that none drowns another: (B, in_chans, H, W) → (B, ``feature_dim``).

    - context (2·width): the patch's components, by one layer on each pixel, then two of filters over 3x3; pixels of
      another material than the centre's count as little there as ``bilateral`` says;
    - material (2·width): an MLP on the centre pixel alone, whatever lies around it;
    - spectrum: the centre pixel's, of unit length, averaged over ``bins`` runs of bands, and as it is, brightness and
      all, over a quarter as many. Nothing is learned here, so h is never without its input.
    - mean (``components``): of the components over ``mean`` x ``mean`` pixels around the centre, weighted likewise. Nor
      is it here: where a place is like none that was seen, this carries over best.

    What is learned is what the projection head sees. Views of components alone, (B, ``components``, H, W), are taken as
    well; their h has no spectrum (``data.spectrum=kept``).

    Args:
        in_chans: ``components``, and behind them twice the bands: spectra of unit length, and spectra
            (``data.spectrum``). Without spectra, all are components.
        width: channels of a pixel in the context.
        components: how many channels come before the spectra; None = all.
        learn: which networks there are: "context", "material" or "both".
        keep: of which of them h is made; all when None.
        bins: runs of bands of the spectrum of unit length in h; 0 leaves the spectrum out.
        mean: side of the square, odd; 0 leaves its mean out.
        bilateral: how far a pixel may be from the centre to count, as a standard deviation over the components: as far
            as noise goes. 0: all count alike. See `bilateral_weights`.
        spectral: whether the material network sees the spectrum of unit length, too, and not components alone.

    Raises:
        InputError: numbers that do not fit each other, or an h of nothing.
    """

    any_size = True

    def __init__(
        self,
        in_chans: int,
        width: int = 64,
        components: int | None = None,
        learn: str = "context",
        keep: str | None = None,
        bins: int = 24,
        mean: int = 0,
        bilateral: float = 0.0,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        self.components = in_chans if components is None else components
        self.bands, rest = divmod(in_chans - self.components, 2)
        if not 1 <= self.components <= in_chans or rest:
            raise InputError(
                f"encoder.options.components is {components}, but of {in_chans} channels those behind the components "
                f"must be spectra twice: leave it to the data (data.spectrum)"
            )
        learned, kept = (_parts(name, value) for name, value in (("learn", learn), ("keep", keep or learn)))
        if not set(kept) <= set(learned):
            raise InputError(f"encoder.options.keep is {keep}, but encoder.options.learn is {learn}: learn both")
        for name, value in (("bins", bins), ("mean", mean)):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
                raise InputError(
                    f"encoder.options.{name} is {value!r:.40}, but must be an integer between 0 and {_MOST:,}"
                )
        if mean and mean % 2 == 0:
            raise InputError(f"encoder.options.mean is {mean}, but a square has a centre: set an odd number, or 0")
        if isinstance(bilateral, bool) or not isinstance(bilateral, (int, float)) or not 0 <= bilateral <= _MOST:
            raise InputError(
                f"encoder.options.bilateral is {bilateral!r:.40}, but must be a number between 0 and {_MOST:,}"
            )
        self.mean, self.bilateral = mean, float(bilateral)
        self.keep, self.bins = kept, min(bins, self.bands)
        self.bright_bins = -(-self.bins // 4)
        self.seen = self.components + (self.bands if spectral else 0)
        self.networks = nn.ModuleDict()
        if "context" in learned:
            self.networks["context"] = _Context(self.components, width)
        if "material" in learned:
            self.networks["material"] = _material(self.seen, 2 * width)
        self.projected_dim = 2 * width * len(learned)
        unlearned = self.bins + self.bright_bins + (self.components if mean else 0)
        self.feature_dim = 2 * width * len(kept) + unlearned

    @staticmethod
    def notes(size: tuple[int, int], mean: object = 0, **others: object) -> list[str]:
        """What is to be known where patches are of a size (height, width), in pixels or cells."""
        if not isinstance(mean, int) or mean <= max(size):
            return []
        whole = f"{size[0]}x{size[1]}"
        return [f"encoder.options.mean is {mean}, but a patch is {whole}: the mean is that of the whole patch"]

    def forward(self, x: Tensor) -> Tensor:
        """Representation h, (B, ``feature_dim``)."""
        return self._joined(x, {part: self._learned(x, part) for part in self.keep})

    def with_projected(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """h, and what the projection head takes: (B, ``feature_dim``) and (B, ``projected_dim``)."""
        learned = {part: self._learned(x, part) for part in self.networks}
        return self._joined(x, learned), torch.cat(list(learned.values()), 1)

    def _learned(self, x: Tensor, part: str) -> Tensor:
        seen = self._around(x[:, : self.components]) if part == "context" else _centre(x[:, : self.seen])
        learned: Tensor = self.networks[part](seen)
        return learned

    def _around(self, x: Tensor) -> Tensor:
        """The patch as the centre's material: a pixel of another one is the centre once more."""
        if not self.bilateral:
            return x
        centre = _centre(x)[..., None, None]
        return centre + bilateral_weights(x, self.bilateral).to(x.dtype) * (x - centre)

    def _mean(self, x: Tensor) -> Tensor:
        square = _square(x, self.mean)
        if not self.bilateral:
            return square.mean((2, 3))
        weights = _square(bilateral_weights(x, self.bilateral), self.mean)
        return (weights * square).sum((2, 3)) / weights.sum((2, 3))

    def _joined(self, x: Tensor, learned: dict[str, Tensor]) -> Tensor:
        parts = [learned[part] for part in self.keep]
        if self.mean:
            parts.append(_MEAN_COUNTS * self._mean(x[:, : self.components]).to(parts[0].dtype))
        if self.bins and x.shape[1] > self.components:
            unit, own = _centre(x[:, self.components :]).float().chunk(2, 1)
            for spectrum, bins in ((unit, self.bins), (own, self.bright_bins)):
                parts.append(F.adaptive_avg_pool1d(spectrum[:, None], bins)[:, 0].to(parts[0].dtype))
        return torch.cat(parts, 1)


class _Context(nn.Module):
    """A layer on each pixel, filters over every second 3x3, and over 3x3 of these; then the mean of what is left.

    Of a patch of 9x9 that is 2x2; a patch of less than 7x7 is continued by its edge as far as that.
    """

    def __init__(self, in_chans: int, width: int) -> None:
        super().__init__()
        cell = 3 * width // 2
        self.pixel = nn.Sequential(nn.Conv2d(in_chans, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.cell = nn.Sequential(nn.Conv2d(width, cell, 3, stride=2, bias=False), nn.BatchNorm2d(cell), nn.ReLU())
        self.patch = nn.Sequential(nn.Conv2d(cell, 2 * width, 3, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        short, narrow = (max(0, _LEAST - side) for side in x.shape[-2:])
        if short or narrow:
            edges = (narrow // 2, narrow - narrow // 2, short // 2, short - short // 2)
            x = F.pad(x, edges, mode="replicate")
        patch: Tensor = self.patch(self.cell(self.pixel(x)))
        return patch.mean((2, 3))


def bilateral_weights(x: Tensor, spread: float) -> Tensor:
    """How much pixels of a patch count for its centre: (B, C, H, W) → (B, 1, H, W) float32, 0 to 1, 1 at the centre.

    The weight is exp(-d² / 2·spread²), d² being the mean over the channels of the squared distance to the centre, of
    means over 3x3 pixels (of those that the patch has), in which there is less noise.

    Source: Tomasi and Manduchi, "Bilateral filtering for gray and color images", ICCV 1998, without its weights of
    place; surroundings in place of pixels as in Buades et al., "A non-local algorithm for image denoising", CVPR 2005.
    """
    smooth = F.avg_pool2d(F.pad(x.float(), (1, 1, 1, 1), mode="replicate"), 3, 1)
    squares = (smooth - _centre(smooth)[..., None, None]).square().mean(1, keepdim=True)
    return torch.exp(squares / (-2 * spread**2))


def _material(in_chans: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(in_chans, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
    )


def _parts(name: str, value: str) -> tuple[str, ...]:
    if value not in (*PARTS, "both"):
        raise InputError(f"encoder.options.{name} is {value!r:.40}, but must be context, material or both")
    return PARTS if value == "both" else (value,)


def _square(x: Tensor, side: int) -> Tensor:
    """The middle square, or as much of it as there is."""
    rows, columns = (slice(max(0, n // 2 - side // 2), n // 2 + side // 2 + 1) for n in x.shape[-2:])
    return x[:, :, rows, columns]


def _centre(x: Tensor) -> Tensor:
    """Its middle pixel, (B, C, H, W) → (B, C)."""
    return x[:, :, x.shape[-2] // 2, x.shape[-1] // 2]
