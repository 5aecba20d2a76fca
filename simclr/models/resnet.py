"""ResNets for the base encoder: torchvision's blocks and parameter names, any input channels, width and stem."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, conv1x1


class ResNet(nn.Module):
    """A ResNet without classifier: (B, in_chans, H, W) → (B, feature_dim).

    With ``width=64`` and ``stem="imagenet"`` the parameters have the names and shapes of torchvision's model of the
    same name, so weights travel in both directions.

    Args:
        block: torchvision's BasicBlock or Bottleneck.
        layers: number of blocks in each stage; the paper's networks for CIFAR have three, those for ImageNet four.
        in_chans: channels of the input.
        stem: ``imagenet`` (7x7 stride 2, max-pool) or ``small`` (3x3 stride 1, no max-pool; for images up to 64 px).
        width: channels of the first stage.

    Source: He et al., "Deep residual learning", CVPR 2016; the small stem: Chen et al., "SimCLR", ICML 2020, B.9.
    """

    any_size = True

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        *,
        in_chans: int = 3,
        stem: str = "imagenet",
        width: int = 64,
    ) -> None:
        super().__init__()
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_chans, width, kernel_size=7, stride=2, padding=3, bias=False)
            self.maxpool: nn.Module = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        elif stem == "small":
            self.conv1 = nn.Conv2d(in_chans, width, kernel_size=3, stride=1, padding=1, bias=False)
            self.maxpool = nn.Identity()
        else:
            raise ValueError(f"stem is {stem!r}, but must be 'imagenet' or 'small'")
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        channels = width
        self.stages = len(layers)
        self.map_chans: list[int] = []
        for stage, depth in enumerate(layers):
            planes = width * 2**stage
            blocks: list[nn.Module] = []
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                downsample = None
                if stride != 1 or channels != planes * block.expansion:
                    downsample = nn.Sequential(
                        conv1x1(channels, planes * block.expansion, stride), nn.BatchNorm2d(planes * block.expansion)
                    )
                # base_width scales a Bottleneck's inner width; torchvision's 64 means "as wide as planes".
                blocks.append(block(channels, planes, stride, downsample))
                channels = planes * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            self.map_chans.append(channels)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.feature_dim = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.avgpool(self.maps(x)[-1]), 1)

    def maps(self, x: Tensor) -> list[Tensor]:
        """What each stage gives, (B, ``map_chans``[stage], h, w)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps: list[Tensor] = []
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
            maps.append(x)
        return maps


resnet8 = partial(ResNet, BasicBlock, (1, 1, 1))
resnet10 = partial(ResNet, BasicBlock, (1, 1, 1, 1))
resnet18 = partial(ResNet, BasicBlock, (2, 2, 2, 2))
resnet34 = partial(ResNet, BasicBlock, (3, 4, 6, 3))
resnet50 = partial(ResNet, Bottleneck, (3, 4, 6, 3))
resnet101 = partial(ResNet, Bottleneck, (3, 4, 23, 3))
resnet152 = partial(ResNet, Bottleneck, (3, 8, 36, 3))
