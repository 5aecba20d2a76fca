"""How a training process on the CPU holds its memory."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next step instead of giving it back to the kernel; nothing elsewhere.

    Every step allocates the same large activations. By default each is mapped and faulted in anew, which took a fifth
    of a ResNet's step on two cores. It holds for the whole process, so programs call it, libraries do not.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
