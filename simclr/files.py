"""Files that are never half written, and one line where they cannot be written at all."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simclr.errors import InputError

_TO_DO = {
    errno.ENOSPC: "free some space, or give a place on another disk",
    errno.EDQUOT: "your quota is used up: free some space, or give a place on another disk",
    errno.EFBIG: "files may not be so large here (ulimit -f): raise the limit, or give another place",
    errno.EROFS: "give a place that can be written",
    errno.EACCES: "give a place that you may write to",
    errno.EPERM: "give a place that you may write to",
    errno.ENOENT: "there is no such folder (any more): make it, or give another",
    errno.ENOTDIR: "a part of the path is a file: give another place",
    errno.EISDIR: "it is a folder: give the name of a file",
    errno.ENAMETOOLONG: "give a shorter name",
}
_FROM_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_PROBE, _LITTLE = 1 << 20, 1 << 14


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within this, ``path`` is written; an error of the system is explained.

    Raises:
        InputError: what cannot be written, why, how much is free there, and what to do.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


def check_writable(path: Path) -> None:
    """Before long work: whether its result can be written to ``path``, whose folders need not be there yet.

    Raises:
        InputError: as it would be raised in the end, see :func:`writing`.
    """
    folder = next((parent for parent in path.absolute().parents if parent.exists()), Path.cwd())
    with writing(path), tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_LITTLE))
        file.flush()


def cannot_write(path: Path | None, error: OSError) -> InputError:
    """The one line that says so; ``path`` is None where it is not known."""
    reason = error.strerror or " ".join(str(error).split())
    to_do = _TO_DO.get(error.errno or 0, "mend that, or give another place")
    free = "" if path is None else _free(path)
    return InputError(f"{path or 'a file'} cannot be written: {reason.lower()}{free}: {to_do}")


def explain(error: OSError) -> InputError | None:
    """One line for an error of the system that nobody has explained; None where it says nothing of a file."""
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    if error.errno in _FROM_WRITING:
        return cannot_write(path, error)
    if path is None or error.strerror is None:
        return None
    return InputError(f"{path}: {error.strerror.lower()}: check that path and who may use it")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it, then rename it to ``path``.

    A reader sees the old file or the new one, never a part; a crash leaves the old one.

    Raises:
        InputError: it cannot be written, see :func:`writing`.
    """
    with writing(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(descriptor)
        temporary = Path(name)
        try:
            try:
                write(temporary)
            except OSError:
                raise
            except Exception:
                _write_more(temporary)  # libraries have words of their own for a full disk
                raise
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8.

    Raises:
        InputError: it cannot be written, see :func:`writing`.
    """
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def remove_unfinished(folder: Path, names: re.Pattern[str]) -> None:
    """Remove what :func:`write_atomically` left in a folder when its process was killed.

    Args:
        folder: to look in, not below; it need not be there. Nobody else may be writing these files.
        names: of the files that were being written.
    """
    for file in folder.glob(".*"):
        written = file.name[1:].rsplit(".", 2)  # .NAME.random.suffix, where NAME has the suffix, too
        if len(written) == 3 and names.fullmatch(written[0]):
            file.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """So that a name that was given is there after a power cut, too; not every file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_more(path: Path) -> None:
    """Raises the system's error where nothing more can be written to a file."""
    with path.open("ab", buffering=0) as file:
        if file.write(bytes(_PROBE)) < _PROBE:
            file.write(bytes(_PROBE))


def _free(path: Path) -> str:
    """How much is free where a file was to be written, for a message; nothing where that cannot be told."""
    folder = next((parent for parent in path.absolute().parents if parent.is_dir()), None)
    try:
        free = shutil.disk_usage(folder).free if folder else None
    except OSError:
        return ""
    if free is None:
        return ""
    amount = f"{free / 2**30:,.1f} GiB" if free >= 2**30 else f"{free / 2**20:,.1f} MiB"
    return f" ({amount} free in {folder})"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
