"""Weights that cannot be held are refused before any memory is taken."""

import os

from simclr.errors import InputError


def check_memory(what: str, needed: int, advice: str) -> None:
    """Raise an InputError if so many bytes are more than this machine's memory.

    Args:
        what: takes them, in words.
        needed: bytes.
        advice: what to do.
    """
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):  # not on every system
        return
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there > 0:
        sizes = f"{needed / 2**30:,.0f} GiB of memory, and this machine has {there / 2**30:,.0f}"
        raise InputError(f"{what} would take {sizes}: {advice}")
