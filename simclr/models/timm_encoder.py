"""Encoders of the library timm."""

import difflib
import importlib

from torch import Tensor, nn

from simclr.errors import InputError


class TimmEncoder(nn.Module):
    """A timm model without classifier: (B, in_chans, H, W) → (B, feature_dim).

    Args:
        name: as in ``timm.list_models()``.
        in_chans: channels of the input.

    Raises:
        InputError: timm is missing, or has no such model.
    """

    def __init__(self, name: str, in_chans: int) -> None:
        super().__init__()
        try:
            timm = importlib.import_module("timm")
        except ImportError:
            raise InputError(
                f"encoder.name is 'timm:{name}', but timm is missing: pip install 'simclr-toolkit[timm]'"
            ) from None
        if name not in timm.list_models():
            near = difflib.get_close_matches(name, timm.list_models(), n=1)
            hint = f"; did you mean timm:{near[0]}?" if near else ""
            raise InputError(f"encoder.name is 'timm:{name}', but timm {timm.__version__} has no such model{hint}")
        self.model = timm.create_model(name, pretrained=False, in_chans=in_chans, num_classes=0)
        self.feature_dim = getattr(self.model, "head_hidden_size", None) or self.model.num_features

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)
