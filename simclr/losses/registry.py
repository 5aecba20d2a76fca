"""The losses of pretraining, by the names that recipes call them: the one place where all are listed.

A new loss is one file and one line. The file may lie anywhere that Python imports from, such as
``simclr/losses/alignment.py``, and holds a function of the projections z (views, batch, dim), of any float type and not
normalised, that gives a scalar::

    import torch.nn.functional as F
    from torch import Tensor


    def alignment(z: Tensor, power: float = 2.0) -> Tensor:
        u = F.normalize(z.float(), dim=-1)
        return (u[0] - u[1]).norm(dim=-1).pow(power).mean()

The line stands in ``LOSSES`` below::

    "alignment": "simclr.losses.alignment:alignment",

Then ``simclr pretrain RECIPE loss.name=alignment loss.options.power=1`` trains with it. The arguments behind z are
``loss.options``, but for ``temperature``, which is ``loss.temperature``.

With several processes z is this process's part of the global batch, and gradients are averaged over the processes: that
is right for a mean over images. A loss of pairs of images has to see the others' rows as well, as `nt_xent` does by
`simclr.losses.gather`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simclr.recipe.choice import unknown_name
from simclr.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

LOSSES: Registry[Callable[..., Tensor]] = Registry({"nt-xent": "simclr.losses.ntxent:nt_xent"})


def check_loss_name(name: str) -> None:
    """Raise an InputError if no loss has the name."""
    if name not in LOSSES:
        raise unknown_name("loss.name", name, LOSSES)
