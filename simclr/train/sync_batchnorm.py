"""BatchNorm over the global batch, on every device: torch's own on CUDA, ours elsewhere (torch's refuses the CPU).

Without it each process normalises its own part, and the two views of a positive pair can be recognised by the
statistics that they share.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from simclr.errors import InputError


def convert_sync_batchnorm(module: nn.Module, device: torch.device) -> None:
    """Replace every BatchNorm inside ``module`` by one that is synchronised over the default process group.

    Parameters and buffers are kept, with their names. Call it before DistributedDataParallel wraps the module.

    Raises:
        InputError: a subclass of BatchNorm with something more in it, such as timm's with an activation.
    """
    for name, child in module.named_children():
        if not isinstance(child, _BatchNorm):
            convert_sync_batchnorm(child, device)
        elif type(child) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            raise InputError(
                f"{type(child).__name__} does more than BatchNorm and cannot be synchronised over processes: "
                "use another encoder, or one process"
            )
        elif device.type == "cuda":
            setattr(module, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
        else:
            setattr(module, name, _SyncBatchNorm.like(child))


class _SyncBatchNorm(_BatchNorm):
    """Works with any backend; every process must give the same number of samples, as the sampler sees to."""

    @classmethod
    def like(cls, other: _BatchNorm) -> "_SyncBatchNorm":
        new = cls(other.num_features, other.eps, other.momentum, other.affine, other.track_running_stats)
        new._parameters, new._buffers = other._parameters, other._buffers
        return new.train(other.training)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"BatchNorm takes (N, C, …), but the input has shape {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        if not (self.training and dist.is_initialized()):
            return super().forward(input)
        shape = (1, -1, *[1] * (input.ndim - 2))
        axes = [0, *range(2, input.ndim)]
        x = input if input.dtype == torch.float64 else input.float()
        count = input.numel() // input.shape[1] * dist.get_world_size()
        # Two passes: E[x²] − E[x]² would lose half of the digits where the mean is large.
        mean = _AllReduceSum.apply(x.sum(axes)) / count
        centred = x - mean.view(shape)
        variance = _AllReduceSum.apply(centred.square().sum(axes)) / count
        if self.track_running_stats:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            assert self.running_mean is not None
            assert self.running_var is not None
            self.running_mean.lerp_(mean.detach(), momentum)
            self.running_var.lerp_(variance.detach() * count / (count - 1), momentum)
        y = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)


class _AllReduceSum(torch.autograd.Function):
    """Sum over processes; each one's output depends on every input, so the gradient is summed too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad = grads[0].contiguous().clone()
        dist.all_reduce(grad)
        return grad
