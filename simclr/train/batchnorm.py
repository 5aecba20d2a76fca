"""BatchNorm over the global batch: exact on the CPU, in one process as in several; torch's own on CUDA.

Without synchronisation each process normalises its own part, and the two views of a positive pair can be recognised by
the statistics that they share.

Torch's kernels for channels-last tensors on the CPU add all rows into one float32 number per channel, which costs up to
two decimal digits (504 images of 28×28: 5e-5 relative instead of 1e-7): enough for a run on one process to drift from
the same run on two. Ours lets the same kernels add many short columns instead, and adds those in float64.
"""

from functools import lru_cache
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from simclr.errors import InputError

# Rows that float32 adds up in one number: more cost digits, fewer cost time.
MOST_ROWS = 512


def convert_batchnorm(module: nn.Module, device: torch.device, world_size: int) -> None:
    """Replace every BatchNorm inside ``module`` by one over the global batch of the default process group.

    Parameters and buffers are kept, with their names. Call it before DistributedDataParallel wraps the module.

    Raises:
        InputError: several processes, and a subclass of BatchNorm with something more in it, such as timm's with an
            activation. One process leaves it as it is.
    """
    for name, child in module.named_children():
        if not isinstance(child, _BatchNorm):
            convert_batchnorm(child, device, world_size)
        elif type(child) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            if world_size > 1:
                raise InputError(
                    f"{type(child).__name__} does more than BatchNorm and cannot be synchronised over processes: "
                    "use another encoder, or one process"
                )
        elif device.type != "cuda":
            setattr(module, name, _ExactBatchNorm.like(child))
        elif world_size > 1:
            setattr(module, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))


class _ExactBatchNorm(_BatchNorm):
    """Works with any backend; every process must give the same number of samples, as the sampler sees to."""

    @classmethod
    def like(cls, other: _BatchNorm) -> "_ExactBatchNorm":
        new = cls(other.num_features, other.eps, other.momentum, other.affine, other.track_running_stats)
        new._parameters, new._buffers = other._parameters, other._buffers
        return new.train(other.training)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"BatchNorm takes (N, C, …), but the input has shape {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        if not self.training:
            return super().forward(input)
        x = input if input.dtype == torch.float64 else input.float()
        rows = x.numel() // x.shape[1] * _world_size()
        if rows < 2:
            raise ValueError(f"BatchNorm needs two values of a channel or more, but the input has {tuple(x.shape)}")
        mean, variance = _moments(x.detach())
        if self.track_running_stats:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            assert self.running_mean is not None
            assert self.running_var is not None
            self.running_mean.lerp_(mean.to(self.running_mean), momentum)
            self.running_var.lerp_((variance * (rows / (rows - 1))).to(self.running_var), momentum)
        return _Normalise.apply(x, self.weight, self.bias, mean, variance, self.eps).to(input.dtype)


def _world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel over the samples of all processes: (N, C, …) → two of (C,) float64."""
    columns, count = _columns(x)
    # Two passes inside: E[x²] − E[x]² would lose half of the digits where the mean is large.
    means, variances = torch.batch_norm_update_stats(columns, None, None, 0.0)
    parts = torch.stack([means, variances]).view(2, count, x.shape[1]).double()
    if _world_size() > 1:
        everyone = parts.new_empty(_world_size(), *_combined(parts).shape)
        dist.all_gather(list(everyone), _combined(parts))
        parts = everyone.transpose(0, 1)
    mean, variance = _combined(parts)
    return mean, variance


def _combined(parts: Tensor) -> Tensor:
    """(2, k, C) means and variances of k equal parts → (2, C), of all together."""
    spread, mean = torch.var_mean(parts[0], 0, correction=0)
    return torch.stack([mean, parts[1].mean(0) + spread])


class _Normalise(torch.autograd.Function):
    """(x − mean) / √(variance + eps) · weight + bias, where mean and variance depend on the x of all processes."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, eps: float
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps))
        return nn.functional.batch_norm(x, mean.to(x), variance.to(x), weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, factor = ctx.saved_tensors
        columns, count = _columns(x)
        means, factors = mean.to(x).repeat(count), factor.to(x).repeat(count)
        wanted = (False, True, True)  # not the gradient of x, which is not that of a column alone
        _, *sums = torch.ops.aten.native_batch_norm_backward(
            _columns(grad)[0], columns, None, None, None, means, factors, True, 0.0, wanted
        )
        # Of grad · (x − mean) · factor, and of grad.
        own = torch.stack(sums).view(2, count, x.shape[1]).sum(1, dtype=torch.float64)
        weight_grad, bias_grad = (None, None) if weight is None else own.to(x)
        rows = x.numel() // x.shape[1] * _world_size()
        total = own.clone()
        if _world_size() > 1:
            dist.all_reduce(total)
        scale = factor if weight is None else factor * weight
        by_x = -scale * factor * total[0] / rows
        constant = -scale * total[1] / rows - by_x * mean
        scale, by_x, constant = (v.to(x).view(-1, *[1] * (x.ndim - 2)) for v in (scale, by_x, constant))
        return torch.addcmul(constant, x, by_x).addcmul_(grad, scale), weight_grad, bias_grad, None, None, None


def _columns(x: Tensor) -> tuple[Tensor, int]:
    """(N, C, …) as channels-last (1, k C, rows / k, 1), and k: every k-th row of a channel is a channel of its own.

    Torch's kernel for plain (N, C) is exact, and gets it as it is.
    """
    channels = x.shape[1]
    if x.ndim == 2:
        return x, 1
    rows = x.movedim(1, -1).reshape(-1, channels)  # a view of what is channels-last
    k = _parts(len(rows))
    return rows.view(1, len(rows) // k, 1, k * channels).permute(0, 3, 1, 2), k


@lru_cache
def _parts(rows: int) -> int:
    """The smallest divisor of ``rows`` that leaves MOST_ROWS or fewer to each part, but two at least."""
    return next((k for k in range(-(-rows // MOST_ROWS), rows // 2 + 1) if rows % k == 0), 1)
