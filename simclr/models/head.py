"""The projection head g: representation h → projection z, used while pretraining and thrown away afterwards."""

from itertools import pairwise
from typing import Any

from torch import nn

from simclr.errors import InputError
from simclr.models.memory import check_memory

_MOST = 10**7


class ProjectionHead(nn.Sequential):
    """An MLP with BatchNorm after every linear layer, ReLU between them: (B, in_dim) → (B, out_dim).

    As in the authors' code, linear layers have no bias (BatchNorm would remove it) and the last BatchNorm has a
    scale but no offset. Two layers are SimCLR v1, three are v2.

    Args:
        in_dim: width of h.
        hidden_dim: width of the hidden layers; by default ``in_dim``.
        out_dim: width of z.
        layers: 2 or more.

    Raises:
        InputError: a number that makes no sense, or weights beyond this machine's memory.

    Source: Chen et al., ICML 2020, section 4.2; Chen et al., "Big self-supervised models", NeurIPS 2020.
    """

    def __init__(self, in_dim: int, hidden_dim: int | None = None, out_dim: int = 128, layers: int = 2) -> None:
        hidden_dim = in_dim if hidden_dim is None else hidden_dim
        for name, value, low, high in (
            ("in_dim", in_dim, 1, _MOST),
            ("hidden_dim", hidden_dim, 1, _MOST),
            ("out_dim", out_dim, 1, _MOST),
            ("layers", layers, 2, 1000),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise InputError(f"head.{name} is {value!r:.40}, but must be an integer between {low} and {high:,}")
        widths = [in_dim, *[hidden_dim] * (layers - 1), out_dim]
        needed = 4 * sum(a * b for a, b in pairwise(widths))
        check_memory("the projection head", needed, "set a smaller head.hidden_dim")
        modules: list[nn.Module] = []
        for index in range(layers):
            modules += [nn.Linear(widths[index], widths[index + 1], bias=False), nn.BatchNorm1d(widths[index + 1])]
            if index < layers - 1:
                modules.append(nn.ReLU(inplace=True))
        modules[-1].bias.requires_grad_(False)
        super().__init__(*modules)
        self._config = {"in_dim": in_dim, "hidden_dim": hidden_dim, "out_dim": out_dim, "layers": layers}

    def config(self) -> dict[str, Any]:
        """The arguments that make such a head again; plain JSON values."""
        return dict(self._config)
