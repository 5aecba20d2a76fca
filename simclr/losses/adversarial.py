"""The adversarial term of MTGAN: pictures that a generator draws again have to look like real ones, labelled or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from simclr.augment.checks import integer, number
from simclr.losses.batch import Measured, part_lengths
from simclr.losses.classifier import mean_over_processes
from simclr.losses.reconstruction import reconstruction_errors
from simclr.losses.term import Seen, Term


class Discriminator(nn.Module):
    """Pictures (B, C, H, W) → how real each of them looks, (B,), a logit.

    Nothing joins samples, so a logit does not depend on what else is in a batch.

    Args:
        channels: of the pictures.
        width: channels of the maps.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.cells = nn.Conv2d(channels, width, 1)
        self.around = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Linear(2 * width, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        x = F.leaky_relu(self.cells(pictures), 0.2)
        y = F.leaky_relu(self.around(x), 0.2)
        logits: Tensor = self.last(torch.cat([x.mean((2, 3)), y.mean((2, 3))], 1))
        return logits[:, 0]


class Adversarial(nn.Module):
    """L1 of what the generator draws, the generator's share of the game, and the discriminator's loss, in one scalar.

    Of pictures x with and without labels, and x̂ that the generator G drew of them, the mean over the global batch of

        ‖x − x̂‖₁ + share · softplus(−D̄(x̂)) + softplus(−D(x)) + softplus(D(sg(x̂)))

    where D̄ is the discriminator with its parameters as constants, and sg stops the gradient. One backward of the sum
    gives the generator the gradient of the first two terms alone, for the others do not depend on it, and the
    discriminator that of the last two alone: both at the same parameters, as in simultaneous steps of two optimizers.
    An optimizer that moves each parameter by its own gradient makes the same two steps. Alternating steps differ in
    that one player has already moved when the other looks.

    With ``{softmax: {}, adversarial: {}}`` on ``encoder.name=skip_generator`` this is MTGAN, end to end; alone, it
    learns of no label, for a classifier on frozen features.

    Args:
        feature_dim: of the embeddings, which are not looked at.
        classes: how many; labels are not looked at.
        input_shape: (C, H, W) of the inputs.
        share: of the game beside L1 in the generator's loss, ≥ 0.
        width: channels of the discriminator's maps.

    Raises:
        ValueError: no input shape, or an argument out of range.

    Source: Hang et al., "Classification of hyperspectral images via multitask generative adversarial networks", TGRS
        2021; Goodfellow et al., "Generative adversarial nets", NeurIPS 2014, algorithm 1 and section 3 (the generator's
        loss that does not saturate).
    """

    def __init__(
        self,
        feature_dim: int,
        classes: int,
        *,
        input_shape: Sequence[int] | None = None,
        share: float = 0.01,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.share = number("share", share, 0.0)
        integer("width", width, 1)
        if input_shape is None:
            raise ValueError("input_shape is None, but a discriminator has to know (C, H, W) of what the encoder takes")
        self.discriminator = Discriminator(input_shape[0], width)

    def forward(self, embeddings: Tensor, labels: Tensor, *, seen: Seen, check: bool = True) -> Measured:
        """The loss of the global batch, and how the game stands.

        Raises:
            ValueError: an encoder that cannot draw, or no inputs without labels.
        """
        generator = generator_of(seen.encoder)
        if seen.unlabelled is None:
            raise ValueError("there are no inputs without labels to draw")
        lengths = part_lengths(embeddings, labels, check=check)
        x = torch.cat([seen.inputs, seen.unlabelled]).to(self.discriminator.last.weight.dtype)
        pictures = generator.draw(x)
        constant = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        fooled: Tensor = functional_call(self.discriminator, constant, pictures)
        real, fake = self.discriminator(x), self.discriminator(pictures.detach())
        errors = reconstruction_errors(pictures, x)
        losses = errors + self.share * F.softplus(-fooled) + F.softplus(-real) + F.softplus(fake)
        parts = [len(seen.inputs), len(seen.unlabelled)]
        others = part_lengths(losses[parts[0] :, None], labels.new_zeros(parts[1]), check=check)

        def mean(values: Tensor) -> Tensor:
            """Of all samples of the global batch."""
            means = [mean_over_processes(part, of) for part, of in zip(values.split(parts), (lengths, others))]
            return (sum(lengths) * means[0] + sum(others) * means[1]) / (sum(lengths) + sum(others))

        right = ((real > 0).to(losses.dtype) + (fake < 0).to(losses.dtype)) / 2
        return Measured(mean(losses), {"l1": mean(errors.detach()), "told apart": mean(right)})


class Draws(Protocol):
    """An encoder with a decoder of its own."""

    def draw(self, x: Tensor) -> Tensor:
        """Inputs (B, C, H, W) as they are drawn again, of the same shape."""


def generator_of(encoder: nn.Module) -> Draws:
    """What draws, in an encoder with or without an embedding layer: its module with a method ``draw``.

    Raises:
        ValueError: it cannot draw.
    """
    for module in encoder.modules():
        if callable(getattr(module, "draw", None)):
            return cast(Draws, module)
    raise ValueError("the encoder cannot draw its input again: set encoder.name=skip_generator")


ADVERSARIAL = Term("adversarial", Adversarial, batches="any", needs=frozenset({"inputs", "unlabelled"}))
