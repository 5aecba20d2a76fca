"""YAML as recipes are written in it: what stands in a file, with its plain words as they were typed.

YAML 1.1 guesses types: ``010`` is 8, ``1:30`` is 90, ``on`` is true, ``1e-6`` is text. Here a plain word stays the text
that it is, a `Written`, until the recipe's schema says what it should be (`simclr.recipe.typed`). A key that is given
twice is refused, and so is what no recipe needs: tags, and documents that are deep, huge or made of themselves.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from simclr.errors import InputError

MOST_BYTES = 1 << 20
MOST_ENTRIES = 10_000
"""Keys and values, with those that aliases repeat: half a second to read, and no recipe has so many."""
MOST_DEPTH = 40
MOST_DIGITS = 1_000

_INTEGER = re.compile(r"[-+]?[0-9]+(_[0-9]+)*|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(_[0-9]+)*(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NAMED_VALUES: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", "+.inf", ".Inf", "+.Inf", ".INF", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_PLAIN, _LIST, _SECTION = (f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))


class Written(str):
    """A plain word, without quotes: text, number, true, false or null, as whoever takes it says."""

    __slots__ = ()


def plain_value(word: str) -> Any:
    """What a plain word is where nobody says otherwise: null, true or false, a number (of ten digits), or text.

    Raises:
        InputError: a number too long to be one.
    """
    if word in _NAMED_VALUES:
        return _NAMED_VALUES[word]
    whole = _INTEGER.fullmatch(word)
    if not whole and not _FLOAT.fullmatch(word):
        return str(word)
    if len(word) > MOST_DIGITS:
        raise InputError(f"{word[:20]}… is a number of {len(word)} digits, more than any that is meant")
    if not whole:
        return float(word)
    return int(word, {"0x": 16, "0o": 8}.get(word[:2], 10))


class DocumentError(InputError):
    """What is wrong with a document.

    Attributes:
        what: in words, without the place.
    """

    def __init__(self, what: str, line: int | None = None, earlier: int | None = None) -> None:
        self.what = what
        if line is not None:
            what += f" at line {line + 1}" if earlier is None else f", at lines {earlier + 1} and {line + 1}: keep one"
        super().__init__(what)


class _Loader(yaml.SafeLoader):
    """Composes nodes, guesses no types, and stops where a document is deeper or larger than any recipe."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own table, which this empties

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._entries = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        self._entries += 1
        if self._depth > MOST_DEPTH:
            raise DocumentError(f"nests deeper than {MOST_DEPTH} levels", self._line())
        if self._entries > MOST_ENTRIES:
            raise DocumentError(f"has more than {MOST_ENTRIES} entries", self._line())
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _line(self) -> int:
        return int(self.peek_event().start_mark.line)


def parse(text: str) -> Any:
    """Sections (dicts), lists, text (str) and plain words (`Written`) of a YAML document.

    Raises:
        DocumentError: without the document's name: not YAML, a key twice, a tag, too deep or too large.
    """
    try:
        node = _Loader(text.removeprefix("\ufeff")).get_single_node()
        return Written("") if node is None else _Reader().value(node, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise DocumentError(f"is not readable as YAML ({why})", mark.line if mark else None) from None


class _Reader:
    """Nodes to values; counts what aliases repeat."""

    def __init__(self) -> None:
        self._entries = 0

    def value(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> Any:
        self._entries += 1
        wrong = self._wrong_with(node, above)
        if wrong:
            raise DocumentError(wrong, node.start_mark.line)
        within = (*above, node)
        if isinstance(node, yaml.MappingNode):
            return self._section(node, within)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, within) for item in node.value]
        assert isinstance(node, yaml.ScalarNode)  # there is no fourth kind
        return Written(node.value) if node.style is None else str(node.value)

    def _wrong_with(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> str:
        if self._entries > MOST_ENTRIES:
            return f"has more than {MOST_ENTRIES} entries, with those that aliases repeat,"
        if any(node is other for other in above):
            return "has a part that contains itself"
        if len(above) > MOST_DEPTH:
            return f"nests deeper than {MOST_DEPTH} levels"
        if node.tag not in (_PLAIN, _LIST, _SECTION):
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            return f"has the tag {tag}, but recipes hold plain values: leave it out"
        return ""

    def _section(self, node: yaml.MappingNode, within: tuple[yaml.Node, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merged: list[dict[str, Any]] = []
        for key, content in node.value:
            line = key.start_mark.line
            if not isinstance(key, yaml.ScalarNode):
                raise DocumentError("has a key that is a list or a section", line)
            value = self.value(content, within)
            if key.value == "<<" and key.style is None:
                merged += value if isinstance(value, list) else [value]
                if not all(isinstance(part, dict) for part in merged):
                    raise DocumentError("has << before something that is no section", line)
                continue
            if key.value in lines:
                raise DocumentError(f"has the key {key.value!r} twice", line, lines[key.value])
            found[key.value], lines[key.value] = value, line
        for part in merged:  # the section's own keys come before all, then those of the first << that has them
            for name, value in part.items():
                found.setdefault(name, value)
        return found


class _Dumper(yaml.SafeDumper):
    """Quotes text that `parse` would take for something else."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = None if len(value) > MOST_DIGITS or isinstance(plain_value(value), str) else "'"
    return dumper.represent_scalar(_PLAIN, value, style=style)


_Dumper.add_representer(str, _text)


def dump(tree: Any) -> str:
    """A document that `parse` reads to the same, once its plain words are taken by the schema."""
    text: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text
