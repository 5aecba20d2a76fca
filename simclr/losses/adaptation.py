"""Domain adaptation: what layers give of source and target shall not be told apart by a kernel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from simclr.augment.addressed import MAX_EPOCHS, permutation
from simclr.augment.checks import integer, number, switch
from simclr.losses.batch import Measured
from simclr.losses.mmd import FACTORS, best_weights, both_everywhere, kernel_moments, mmd, mmd_of_sets
from simclr.losses.term import Seen, Term, Watched

ENDS = ("embedding", "logits")
"""Names of the layers that are not inside the encoder."""


class Ddc(nn.Module):
    """Squared MMD between source and target at the embedding, with one Gaussian kernel.

    Args:
        feature_dim, classes: not needed.
        factor: width of the kernel over the median distance.

    Source: Tzeng et al., "Deep domain confusion", arXiv 1412.3474; the estimate without a bias of `simclr.losses.mmd`.
    """

    def __init__(self, feature_dim: int, classes: int, *, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = number("factor", factor, 1e-6)

    def forward(self, embeddings: Tensor, labels: Tensor, *, seen: Seen, check: bool = True) -> Tensor:
        """The discrepancy of the global batches, a scalar, often below 0 where there is none."""
        (layer,) = (layer for layer in seen.layers if layer.name == "embedding")
        return mmd(layer.source, layer.target, factors=(self.factor,), check=check)


class Dan(nn.Module):
    """Squared MMD between source and target, summed over layers, each with several kernels whose weights are learned.

    The layers are the last stages of the encoder (their means over positions), the embedding, and the logits where the
    objective has a classifier. The kernels of a layer are weighted so that they tell the two domains apart best, by
    `simclr.losses.mmd.best_weights` of what the batches so far have shown, of late ones most; no gradient goes there.

    Args:
        feature_dim, classes: not needed.
        stages: so many of the last stages of the encoder.
        modules: names of modules in the encoder, with commas between, in place of its last stages: ``layer3,layer4``.
        logits: whether the logits count.
        learned: whether weights of kernels are learned; else all are alike.
        memory: how much of what former batches have shown stays when a new one comes, 0 to 1.
        seed: of the run.

    Source: Long et al., "Learning transferable features with deep adaptation networks", ICML 2015, eqs. 4 to 9. There
        the weights are solved anew for each update; a mean over batches is less noisy.
    """

    eta: Tensor
    covariance: Tensor
    batches: Tensor

    def __init__(
        self,
        feature_dim: int,
        classes: int,
        *,
        stages: int = 1,
        modules: str = "",
        logits: bool = True,
        learned: bool = True,
        memory: float = 0.9,
        seed: int = 0,
    ) -> None:
        super().__init__()
        names = tuple(name.strip() for name in str(modules).split(",") if name.strip())
        self.watched = Watched(0 if names else integer("stages", stages, 0, 64), names)
        self.logits, self.learned = switch("logits", logits), switch("learned", learned)
        self.memory, self.seed = number("memory", memory, 0.0, 1.0), seed
        layers = max(self.watched.last, len(names)) + len(ENDS)
        self.register_buffer("eta", torch.zeros(layers, len(FACTORS)))
        self.register_buffer("covariance", torch.zeros(layers, len(FACTORS), len(FACTORS)))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, embeddings: Tensor, labels: Tensor, *, seen: Seen, check: bool = True) -> Measured:
        """The sum over layers of the global batches, a scalar, and the discrepancy of each."""
        layers = [layer for layer in seen.layers if self.logits or layer.name != "logits"]
        sets = [both_everywhere(layer.source, layer.target, check=check) for layer in layers]
        if self.learned:
            moments = self._moments([(x.detach(), y.detach()) for x, y in sets])
            weights: list[Tensor | None] = [best_weights(*of_layer) for of_layer in moments]
        else:
            weights = [None] * len(layers)
        found = {
            layer.name: mmd_of_sets(x, y, FACTORS, w).to(torch.promote_types(layer.source.dtype, torch.float32))
            for layer, (x, y), w in zip(layers, sets, weights)
        }
        if self.training and self.learned:
            self.batches += 1
        return Measured(torch.stack([*found.values()]).sum(), {name: value.detach() for name, value in found.items()})

    def _moments(self, sets: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """Of each layer, η and Q as this batch and those before have shown them."""
        # In an order of their own, for batches may be sorted by class.
        draw = int(self.batches)
        orders = [
            permutation(self.seed, (2 * draw + i) % MAX_EPOCHS, len(rows)).to(rows.device)
            for i, rows in enumerate(sets[0])
        ]
        kept, means = self.memory if draw else 0.0, []
        for place, (x, y) in enumerate(sets):
            now = kernel_moments(x[orders[0]], y[orders[1]], FACTORS)
            eta, covariance = (
                kept * past[place] + (1 - kept) * found.to(past)
                for past, found in zip((self.eta, self.covariance), now)
            )
            if self.training:
                self.eta[place], self.covariance[place] = eta, covariance
            means.append((eta, covariance))
        return means


DDC = Term("MMD to the target", Ddc, batches="any", needs=frozenset({"target"}), alone=False)
DAN = Term("MK-MMD to the target, of several layers", Dan, batches="any", needs=frozenset({"target"}), alone=False)
