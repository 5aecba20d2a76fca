"""The projection head g: representation h → projection z, used while pretraining and thrown away afterwards."""

from typing import Any

from torch import nn


class ProjectionHead(nn.Sequential):
    """An MLP with BatchNorm after every linear layer, ReLU between them: (B, in_dim) → (B, out_dim).

    As in the authors' code, linear layers have no bias (BatchNorm would remove it) and the last BatchNorm has a
    scale but no offset. Two layers are SimCLR v1, three are v2.

    Args:
        in_dim: width of h.
        hidden_dim: width of the hidden layers; by default ``in_dim``.
        out_dim: width of z.
        layers: 2 or more.

    Source: Chen et al., ICML 2020, section 4.2; Chen et al., "Big self-supervised models", NeurIPS 2020.
    """

    def __init__(self, in_dim: int, hidden_dim: int | None = None, out_dim: int = 128, layers: int = 2) -> None:
        if layers < 2:
            raise ValueError(f"layers is {layers}, but a projection head has at least 2")
        hidden_dim = hidden_dim or in_dim
        widths = [in_dim, *[hidden_dim] * (layers - 1), out_dim]
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
