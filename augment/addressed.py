"""Random numbers that are a pure function of where they are used, not of what was drawn before."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from simclr.augment import checks

_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
# Blocks computed at once: the working set of a CPU chunk stays in cache, that of a GPU chunk in bounds.
_CHUNK = {"cpu": 1 << 15}
_CHUNK_DEVICE = 1 << 23

MAX_VIEWS = 1 << 8
MAX_EPOCHS = 1 << 24


def philox4x32(counter: Tensor, key: tuple[int, int] | tuple[Tensor, Tensor]) -> Tensor:
    """Philox4x32-10: four 32-bit words of noise for each 128-bit counter.

    Args:
        counter: (..., 4) int64, words in [0, 2^32).
        key: two words in [0, 2^32), or two int64 tensors of them that broadcast against ``counter[..., 0]``.

    Returns:
        (..., 4) int64, words in [0, 2^32), on the counter's device.

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
    """
    # Ten rounds are memory traffic: all of them work in the same six buffers.
    c0, c1, c2, c3 = (word.clone() for word in counter.unbind(-1))
    product0, product1 = torch.empty_like(c0), torch.empty_like(c0)
    k0, k1 = key
    for i in range(_ROUNDS):
        # The 64-bit products wrap to the right bits in int64; masking makes the arithmetic shift a logical one.
        torch.mul(c0, _MULTIPLIERS[0], out=product0)
        torch.mul(c2, _MULTIPLIERS[1], out=product1)
        round0 = (k0 + i * _WEYL[0]) & _WORD
        round1 = (k1 + i * _WEYL[1]) & _WORD
        torch.bitwise_right_shift(product1, 32, out=c0).bitwise_and_(_WORD).bitwise_xor_(c1).bitwise_xor_(round0)
        torch.bitwise_right_shift(product0, 32, out=c2).bitwise_and_(_WORD).bitwise_xor_(c3).bitwise_xor_(round1)
        torch.bitwise_and(product1, _WORD, out=c1)
        torch.bitwise_and(product0, _WORD, out=c3)
    return torch.stack((c0, c1, c2, c3), dim=-1)


@lru_cache(maxsize=1024)
def _operation_key(seed: int, operation: str) -> tuple[int, int]:
    digest = hashlib.blake2b(f"{seed}/{operation}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


@lru_cache(maxsize=64)
def _block_table(seed: int, request: tuple[tuple[str, int], ...], device: torch.device) -> Tensor:
    """(3, blocks) int64: draw block and both key words of every block of a request, kept on the device."""
    rows = [(block, *_operation_key(seed, name)) for name, n in request for block in range(-(-n // 4))]
    return torch.tensor(rows, dtype=torch.int64, device=device).view(-1, 3).T.contiguous()


def box_muller(u: Tensor) -> Tensor:
    """Standard normal numbers from uniform ones, in the same number.

    Args:
        u: (..., 2k) uniform in [0, 1). The first half gives the radii, the second the angles.

    Returns:
        (..., 2k) float32; computed in float64 and rounded, so that devices agree.

    Raises:
        ValueError: if the last dimension is odd.

    Source: Box and Muller, "A note on the generation of random normal deviates", 1958.
    """
    if u.shape[-1] % 2:
        raise ValueError(f"box_muller takes an even number of uniforms, not {u.shape[-1]}.")
    first, second = u.double().chunk(2, dim=-1)
    # 1 - u lies in (0, 1], where the logarithm is finite.
    radius = torch.log1p(-first).mul_(-2.0).sqrt_()
    angle = second.mul(2.0 * math.pi)
    return torch.cat((radius * angle.cos(), radius * angle.sin()), dim=-1).float()


@dataclass(frozen=True)
class Address:
    """Where in a run the random numbers of a batch of rows are drawn.

    The numbers of a row depend on (seed, epoch, id, view, operation) alone: not on the batch around it, the device,
    or earlier draws.

    Attributes:
        seed: of the run.
        epoch: 0 <= epoch < 2^24.
        ids: (R,) int64, the sample of each row.
        views: (R,) int64 on the same device, the view of each row, 0 <= view < 256.
    """

    seed: int
    epoch: int
    ids: Tensor
    views: Tensor

    def __post_init__(self) -> None:
        checks.integer("seed", self.seed, -(2**63), 2**64)
        checks.integer("epoch", self.epoch, 0, MAX_EPOCHS - 1)
        for name, numbers in (("ids", self.ids), ("views", self.views)):
            if not isinstance(numbers, Tensor):
                raise ValueError(f"{name} are a {type(numbers).__name__}, but must be a tensor of integers.")
        if self.ids.shape != self.views.shape or self.ids.dim() != 1:
            raise ValueError(
                f"ids {tuple(self.ids.shape)} and views {tuple(self.views.shape)} must be two vectors of one length."
            )

    def words(self, request: Mapping[str, int]) -> Tensor:
        """All 32-bit words for several operations in one go.

        Args:
            request: operation -> how many words.

        Returns:
            (R, W) int64, each operation's words in order, each operation's share padded to a multiple of four.
        """
        device = self.ids.device
        table = _block_table(self.seed, tuple(request.items()), device)
        rows, blocks = self.ids.shape[0], table.shape[1]
        out = torch.empty((rows, blocks, 4), dtype=torch.int64, device=device)
        place = self.views * MAX_EPOCHS + self.epoch
        low, high = self.ids & _WORD, (self.ids >> 32) & _WORD
        step = max(1, _CHUNK.get(device.type, _CHUNK_DEVICE) // max(1, blocks))
        for start in range(0, rows, step):
            part = slice(start, start + step)
            shape = (low[part].shape[0], blocks)
            counter = torch.stack(
                [table[0].expand(shape)] + [w[part, None].expand(shape) for w in (low, high, place)], -1
            )
            out[part] = philox4x32(counter, (table[1], table[2]))
        return out.flatten(1)

    def uniforms(self, request: Mapping[str, int]) -> dict[str, Tensor]:
        """``uniform`` for several operations at once: operation -> (R, n) float32 in [0, 1).

        The numbers are those of single calls; drawing them together only saves kernel launches.
        """
        words, start, drawn = self.words(request), 0, {}
        for name, n in request.items():
            # 24 bits are what a float32 holds exactly in [0, 1).
            drawn[name] = (words[:, start : start + n] >> 8).float().mul_(2.0**-24)
            start += -(-n // 4) * 4
        return drawn

    def uniform(self, operation: str, n: int) -> Tensor:
        """(R, n) float32, uniform in [0, 1) with 24 bits; column j is the same whatever n is."""
        return self.uniforms({operation: n})[operation]

    def normal(self, operation: str, n: int) -> Tensor:
        """(R, n) float32, standard normal."""
        return box_muller(self.uniform(operation, n + n % 2))[:, :n]


def permutation(seed: int, epoch: int, n: int, device: torch.device | str = "cpu") -> Tensor:
    """The order of ``n`` samples in an epoch, a pure function of (seed, epoch, n), equal on every device.

    Args:
        seed: of the run.
        epoch: 0 <= epoch < 2^24.
        n: number of samples.
        device: where the result lies.

    Returns:
        (n,) int64, a permutation of 0..n-1.
    """
    ids = torch.arange(checks.integer("n", n, 0, 2**60), dtype=torch.int64, device=device)
    words = Address(seed, epoch, ids, torch.zeros_like(ids)).words({"permutation": 2})
    return torch.argsort((words[:, 0] << 30) | (words[:, 1] >> 2), stable=True)
