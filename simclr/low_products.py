"""Products of float32 matrices with operands rounded to bfloat16, on a CPU that has instructions for that."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch
from torch import Tensor

_lock = Lock()
_users = 0
_before = "none"


@contextmanager
def low_products(x: Tensor, low: torch.dtype | None) -> Iterator[None]:
    """Inside, products of float32 matrices may round operands to bfloat16, if ``low`` is that and ``x`` on a CPU.

    torch has no product of bfloat16 matrices with a float32 result on a CPU, but a switch for the whole process: it is
    on for as long as any thread is in here, so keep other float32 products out.
    """
    if low != torch.bfloat16 or x.device.type != "cpu":
        yield
        return
    global _users, _before
    switch = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    with _lock:
        if _users == 0:
            _before, switch.fp32_precision = switch.fp32_precision, "bf16"
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                switch.fp32_precision = _before
