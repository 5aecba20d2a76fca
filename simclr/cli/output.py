"""Standard output and error that never fail on a character."""

import codecs
import io
import sys

# What stands for a character where the encoding lacks it: of tables, of their frames, of progress.
_STANDS_FOR = {
    **dict.fromkeys("‐‑‒–—−─━═╌┄", "-"),
    **dict.fromkeys("│┃║╎", "|"),
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼┏┓┗┛┡┩╇╞╪╡", "+"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("µμ", "u"),
    **dict.fromkeys("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "*"),  # what turns while one waits
    "•": "*",
    "·": ".",
    "×": "x",
    "…": "...",
    "→": "->",
    "←": "<-",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "²": "^2",
    "√": "sqrt ",
}


def _stand_in(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    # Bytes of a file's name that are no UTF-8 arrive as halves of characters.
    said = (_STANDS_FOR.get(c, f"\\x{ord(c) - 0xDC00:02x}" if 0xDC80 <= ord(c) <= 0xDCFF else "?") for c in lacking)
    return "".join(said), error.end


def write_any_character() -> None:
    """Let the standard streams write something for every character, whatever their encoding; for programs alone."""
    codecs.register_error("stand-in", _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None without a console, something else where it is captured
            stream.reconfigure(errors="stand-in")
