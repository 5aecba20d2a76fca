"""The rules of the house, read from the source: who imports whom, how wide a function is, what crosses a file's border.

Every import counts, one inside a function or under TYPE_CHECKING too; addresses in texts, as registries hold them, do
not. Only the files that read such addresses import by a name which is not written there.
"""

import ast
import configparser
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("augment", "simclr", "eval")
MOST_PARAMETERS = 10
MOST_LINES = 320
LOOPS = ("simclr/pretrain.py", "simclr/finetune.py")
MOST_LINES_OF_LOOP = 299

# From the ground up: what each room (a folder, or a file beside the folders) may import. Only rooms above it in this
# table stand below it in the house. A room that is missing here imports nothing.
_GROUND = "simclr/errors.py simclr/files.py simclr/launch.py simclr/registry.py"
_ENCODER = "simclr/encoder_metadata.py simclr/frozen_encoder.py simclr/encoder_file.py"
_CARRIED = f"augment {_GROUND} simclr/recipe simclr/data simclr/models simclr/losses {_ENCODER}"
_LOOP = f"{_CARRIED} simclr/choose simclr/views simclr/train simclr/run simclr/build.py"
_JUDGED = f"augment {_GROUND} simclr/recipe simclr/data simclr/models {_ENCODER} eval/streams.py eval/work"
_FEATURES = f"{_JUDGED} eval/splits eval/subject"
_SCORED = f"{_FEATURES} eval/metrics eval/probes eval/open_set"
_RECORDED = f"{_SCORED} eval/protocol.py eval/results"
_ROAD = f"{_RECORDED} eval/maps eval/judging.py simclr/views simclr/train simclr/run"
_TABLE = {
    "augment": "",
    "simclr/errors.py": "",
    "simclr/files.py": "simclr/errors.py",
    "simclr/launch.py": "simclr/errors.py",
    "simclr/registry.py": "",
    "simclr/recipe": f"{_GROUND} augment",
    "simclr/data": f"{_GROUND} augment simclr/recipe",
    "simclr/models": f"{_GROUND} simclr/recipe",
    "simclr/losses": f"{_GROUND} augment simclr/recipe",
    "simclr/ntxent.py": "simclr/losses",
    "simclr/encoder_metadata.py": "",
    "simclr/frozen_encoder.py": f"{_GROUND} simclr/encoder_metadata.py simclr/recipe simclr/data simclr/models",
    "simclr/encoder_file.py": f"{_GROUND} simclr/recipe simclr/data simclr/models simclr/encoder_metadata.py "
    "simclr/frozen_encoder.py",
    "simclr/__init__.py": "simclr/errors.py simclr/encoder_file.py",
    "simclr/choose": f"{_GROUND} augment simclr/recipe simclr/data",
    "simclr/views": _CARRIED,
    "simclr/train": _CARRIED,
    "simclr/run": f"{_CARRIED} simclr/views simclr/train",
    "simclr/build.py": f"{_CARRIED} simclr/choose simclr/views simclr/train simclr/run",
    "simclr/tuning_setup.py": _LOOP,
    "simclr/pretrain.py": _LOOP,
    "simclr/finetune.py": f"{_LOOP} simclr/tuning_setup.py",
    "simclr/plan.py": _LOOP,
    "simclr/verify.py": _LOOP,
    "simclr/verify_resume.py": _LOOP,
    "simclr/replay.py": f"{_LOOP} simclr/tuning_setup.py",
    "eval/__init__.py": "augment",
    "eval/streams.py": "augment",
    "eval/work": "simclr/errors.py simclr/files.py",
    "eval/set_words.py": "simclr/errors.py simclr/recipe",
    "eval/splits": _JUDGED,
    "eval/subject": f"{_JUDGED} eval/set_words.py eval/splits simclr/views simclr/run",
    "eval/metrics": f"{_FEATURES} simclr/losses",
    "eval/probes": f"{_FEATURES} eval/metrics simclr/losses simclr/views simclr/train",
    "eval/open_set": f"{_FEATURES} eval/metrics eval/probes",
    "eval/protocol.py": _SCORED,
    "eval/asked.py": f"{_SCORED} eval/protocol.py",
    "eval/results": f"{_SCORED} eval/protocol.py simclr/run",
    "eval/maps": f"{_RECORDED} simclr/views",
    "eval/report": f"{_RECORDED} eval/maps simclr/views simclr/run",
    "eval/judging.py": f"{_RECORDED} eval/maps simclr/views simclr/train simclr/run",
    "eval/launched.py": _ROAD,
    "eval/keeping.py": _ROAD,
    "eval/mapped.py": _ROAD,
    "eval/rehearsal.py": _ROAD,
    "eval/outlook.py": f"{_ROAD} eval/rehearsal.py",
    "eval/linear_eval.py": f"{_ROAD} eval/mapped.py eval/rehearsal.py eval/outlook.py",
    "eval/few_shot.py": f"{_ROAD} eval/mapped.py eval/rehearsal.py eval/outlook.py",
    "eval/distance.py": _ROAD,
    "eval/console.py": "simclr/data",
    "eval/commands.py": f"eval/asked.py {_ROAD} eval/report eval/console.py eval/keeping.py eval/launched.py "
    "eval/mapped.py eval/linear_eval.py eval/few_shot.py",
    "eval/report_command.py": f"{_ROAD} eval/report",
    "eval/distance_command.py": f"{_ROAD} eval/set_words.py eval/report eval/console.py eval/report_command.py "
    "eval/distance.py",
    "simclr/cli": f"{_LOOP} simclr/choose simclr/pretrain.py simclr/finetune.py simclr/plan.py simclr/verify.py "
    "simclr/verify_resume.py simclr/replay.py "
    "eval/commands.py eval/report_command.py eval/distance_command.py eval/set_words.py eval/probes simclr/__init__.py",
    "simclr/__main__.py": "simclr/cli",
}
ROOMS = {room: frozenset(below.split()) for room, below in _TABLE.items()}

# Where JSON is read or written, and the two functions that give JSON to other projects: FILE or FILE:FUNCTION.
JSON_EDGE = frozenset(
    {
        "eval/results/result_file.py",
        "eval/linear_eval.py:linear_eval",
        "eval/few_shot.py:few_shot",
    }
)

# Files that import what an address in a table names.
LOADERS = frozenset(
    {
        "augment/__init__.py",
        "augment/doors.py",
        "augment/registry.py",
        "simclr/__init__.py",
        "simclr/data/__init__.py",
        "simclr/recipe/__init__.py",
        "simclr/registry.py",
    }
)

# Types whose last part is the type of a value.
MAPPINGS = frozenset(
    {
        "dict",
        "defaultdict",
        "ChainMap",
        "DefaultDict",
        "Dict",
        "Mapping",
        "MappingProxyType",
        "MutableMapping",
        "OrderedDict",
        "UserDict",
    }
)

# In a page: a file of ours by its path from the root, and the target of a link within the checkout.
_FILE = re.compile(
    r"(?<![\w./-])((?:augment|simclr|eval|tests|recipes|docs|benchmarks)/[\w./-]+\.(?:py|md|yaml))(?! \(new\))"
)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


class Source(NamedTuple):
    """A file of the house; ``path`` is relative to the root, with slashes."""

    path: str
    module: str
    tree: ast.Module
    lines: int


class Import(NamedTuple):
    importer: str
    line: int
    module: str


Function = ast.FunctionDef | ast.AsyncFunctionDef


def read(root: Path) -> list[Source]:
    found = []
    for file in sorted(file for package in PACKAGES for file in (root / package).rglob("*.py")):
        path, text = file.relative_to(root), file.read_text(encoding="utf-8")
        parts = path.parent.parts if file.stem == "__init__" else path.with_suffix("").parts
        found.append(Source(path.as_posix(), ".".join(parts), ast.parse(text), len(text.splitlines())))
    return found


def last(node: ast.AST) -> str:
    """The name of a name, and the last one of a dotted name."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def short(module: str) -> str:
    """A module by its folder: ``simclr.eval.probes`` lies in ``eval/probes``."""
    return re.sub(r"^simclr\.(?=(augment|eval)\b)", "", module)


def base_of(source: Source, node: ast.ImportFrom) -> str:
    """The module that names are taken from, also where its name is relative."""
    package = source.module.split(".") if source.path.endswith("__init__.py") else source.module.split(".")[:-1]
    base = package[: len(package) + 1 - node.level] if node.level else []
    return ".".join([*base, *(node.module or "").split(".")]).strip(".")


def imports_by_function(tree: ast.Module) -> Iterator[tuple[int, str | None]]:
    """Line and module of ``import_module`` and ``__import__``, whatever they are called here.

    The module is None where it is not written there in full, and where the function is handed on uncalled.
    """
    names = {"import_module", "__import__"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "importlib":
            names.update(alias.asname or alias.name for alias in node.names if alias.name in names)
    calls = {node.func: node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and last(node) in names:
            call = calls.get(node, ast.Call(node, [], []))
            given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
            written = str(given[0].value) if given and isinstance(given[0], ast.Constant) else "."
            yield node.lineno, None if written.startswith(".") else written


def imports_of(source: Source, modules: set[str]) -> Iterator[Import]:
    """What a file imports of ours: the module that a name is taken from, or the name where it is a module itself."""
    lines = [(line, [name]) for line, name in imports_by_function(source.tree) if name]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            lines.append((node.lineno, [alias.name for alias in node.names]))
        elif isinstance(node, ast.ImportFrom):
            base = base_of(source, node)
            names = [f"{base}.{alias.name}" for alias in node.names]
            lines.append((node.lineno, [name if short(name) in modules else base for name in names]))
    for line, names in sorted(lines, key=lambda one: one[0]):
        for name in dict.fromkeys(names):
            if name.split(".")[0] in PACKAGES:
                yield Import(source.path, line, short(name))


def short_names(sources: list[Source]) -> list[str]:
    """Imports of ``augment`` and ``eval`` without ``simclr.``: a project that uses us may have such names itself."""
    written: list[tuple[Source, int, str]] = []
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Import):
                written += [(source, node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                written.append((source, node.lineno, node.module or ""))
    return [
        f"{source.path}:{line} imports {name}: write simclr.{name}"
        for source, line, name in written
        if name.split(".")[0] in ("augment", "eval")
    ]


def hidden_imports(sources: list[Source]) -> list[str]:
    return [
        f"{source.path}:{line} imports what is not written there: use an import statement, or simclr.registry"
        for source in sources
        if source.path not in LOADERS
        for line, module in sorted(imports_by_function(source.tree), key=lambda one: one[0])
        if module is None
    ]


def all_imports(sources: list[Source]) -> list[Import]:
    modules = {source.module for source in sources}
    return [found for source in sources for found in imports_of(source, modules)]


def room_of(name: str, sources: list[Source]) -> str:
    """The room of a path or a module: all of ``augment``, a folder of the others, or a file beside the folders."""
    path = next((source.path for source in sources if source.module == name), name)
    path = path if "/" in path else path.replace(".", "/")
    return "augment" if path.startswith("augment") else "/".join(path.split("/")[:2])


def imports_between(sources: list[Source], importer: str, imported: str, but: str = "\n") -> list[str]:
    return [
        f"{found.importer}:{found.line} imports {found.module}"
        for found in all_imports(sources)
        if found.importer.startswith(importer)
        and not found.importer.startswith(but)
        and found.module.split(".")[0] in imported.split()
    ]


def circles(sources: list[Source]) -> list[str]:
    """One circle through each file that lies on one and was not on an earlier circle: the shortest."""
    path_of = {source.module: source.path for source in sources}
    below: dict[str, list[str]] = {source.path: [] for source in sources}
    for found in all_imports(sources):
        if path_of.get(found.module, found.importer) != found.importer:
            below[found.importer].append(path_of[found.module])
    complaints: list[str] = []
    told: set[str] = set()
    for start in sorted(below):
        way: dict[str, str] = {}
        queue = [start]
        while queue and start not in way:
            here = queue.pop(0)
            for there in below[here]:
                if there not in way:
                    way[there] = here
                    queue.append(there)
        if start in way and start not in told:
            circle = [start, way[start]]
            while circle[-1] != start:
                circle.append(way[circle[-1]])
            told.update(circle)
            complaints.append(" -> ".join(reversed(circle)))
    return complaints


def arrows_upward(sources: list[Source], rooms: dict[str, frozenset[str]]) -> list[str]:
    complaints = []
    for found in all_imports(sources):
        here, there = room_of(found.importer, sources), room_of(found.module, sources)
        if here != there and there not in rooms.get(here, frozenset()):
            allowed = ", ".join(sorted(rooms.get(here, ()))) or "nothing of ours"
            complaints.append(
                f"{found.importer}:{found.line} imports {found.module}: {here} may import {allowed}; "
                f"move what both need down, or hand it in as an argument"
            )
    return complaints


def functions(tree: ast.AST, prefix: str = "", in_class: bool = False) -> Iterator[tuple[str, Function, bool]]:
    """Every function with its dotted name, and whether it is a method."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield prefix + node.name, node, in_class
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.", in_class=True)
        else:
            yield from functions(node, prefix, in_class)


def parameters(function: Function, method: bool) -> int:
    """How many there are without ``self`` and ``cls``; ``*args`` and ``**kwargs`` are one each."""
    given = function.args
    named = [*given.posonlyargs, *given.args]
    static = any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)
    bound = method and not static and bool(named)
    return len(named) + len(given.kwonlyargs) + (given.vararg is not None) + (given.kwarg is not None) - bound


def wide_functions(sources: list[Source]) -> list[str]:
    return [
        f"{source.path}:{function.lineno} {name} takes {parameters(function, method)} parameters, more than "
        f"{MOST_PARAMETERS}: give those that belong together a dataclass"
        for source in sources
        if not source.path.startswith("simclr/cli/")
        for name, function, method in functions(source.tree)
        if parameters(function, method) > MOST_PARAMETERS
    ]


def holds_anything(node: ast.AST) -> bool:
    """Whether a type is, or holds, Any or object."""
    within = list(ast.walk(node))
    texts = [part.value for part in within if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return any(last(part) in ("Any", "object") for part in within) or any(map(holds_anything, map(_parsed, texts)))


def is_loose(node: ast.AST | None, loose: set[str]) -> bool:
    """Whether a type is, or holds, a mapping to Any, to object or to no type, or one of the names ``loose``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return is_loose(_parsed(node.value), loose)
    if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in loose:
        return True
    if isinstance(node, ast.Subscript):
        of = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        kind = last(node.value)
        if kind in MAPPINGS:
            return len(of) < 2 or any(holds_anything(value) for value in of[1:]) or any(is_loose(x, loose) for x in of)
        # What Literal holds is no type, nor what Annotated says of one.
        return any(is_loose(part, loose) for part in {"Literal": [], "Annotated": of[:1]}.get(kind, [node.value, *of]))
    if node is not None and last(node) in MAPPINGS:
        return True
    return any(is_loose(part, loose) for part in ast.iter_child_nodes(node)) if node is not None else False


def statements(body: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """Those of a module or a class, also where they stand under an if, a try or a with."""
    for node in body:
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, Function | ast.ClassDef | ast.expr):
            yield from statements(ast.iter_child_nodes(node))


def names_taken(source: Source) -> dict[str, str]:
    """What a file imports, as it calls it -> its name from the root."""
    taken = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            taken.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            base = base_of(source, node)
            taken.update({alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names})
    return taken


def named_types(tree: ast.Module) -> Iterator[tuple[list[ast.expr], ast.expr | None]]:
    for node in statements(tree.body):
        if isinstance(node, ast.Assign):
            yield node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and last(node.annotation) == "TypeAlias":
            yield [node.target], node.value


def aliases_of(sources: list[Source]) -> dict[str, set[str]]:
    """Names for such types as each module may write them: its own, those it takes, and those of modules it takes."""
    taken = {source.module: names_taken(source) for source in sources}
    found: dict[str, set[str]] = {source.module: set() for source in sources}
    # A name may be taken from a file that is read later, and be handed on from there.
    for source in sources * 3:
        own = found[source.module]
        for named, origin in taken[source.module].items():
            module, _, name = origin.rpartition(".")
            own.update({named} if name in found.get(module, ()) else ())
            own.update(f"{named}.{name}" for name in list(found.get(origin, ())))
        for targets, value in named_types(source.tree):
            own.update(map(ast.unparse, targets) if is_loose(value, own) else ())
    return found


def _parsed(annotation: str) -> ast.AST:
    try:
        return ast.parse(annotation, mode="eval").body
    except SyntaxError:  # words, no type
        return ast.Constant(None)


def parameter_types(function: Function, method: bool) -> Iterator[tuple[str, int, ast.AST | None]]:
    """Name, line and type of each parameter but ``self`` and ``cls``; None where the type is left out."""
    given = function.args
    static = any(last(decorator) == "staticmethod" for decorator in function.decorator_list)
    for one in [*given.posonlyargs, *given.args][method and not static :] + given.kwonlyargs:
        yield one.arg, one.lineno, one.annotation
    if given.vararg is not None:
        yield given.vararg.arg, given.vararg.lineno, given.vararg.annotation
    if given.kwarg is not None:  # what the function gets is a dict: **found: Any is a dict[str, Any]
        of = "" if given.kwarg.annotation is None else ast.unparse(given.kwarg.annotation)
        kind = given.kwarg.annotation if "Unpack[" in of else _parsed(f"dict[str, {of or 'Any'}]")
        yield given.kwarg.arg, given.kwarg.lineno, kind


def public_annotations(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, int, ast.AST | None]]:
    """Types of what other files may use: of parameters, results, fields, variables, and what a class is made of.

    Name, line, type; the type is None where a parameter has none.
    """
    for node in statements(body):
        name = prefix + getattr(node, "name", "")
        private = getattr(node, "name", "").startswith("_") and not name.endswith("__")
        if isinstance(node, Function) and not private:
            for parameter, line, kind in parameter_types(node, method=bool(prefix)):
                yield f"{name}, {parameter}", line, kind
            if node.returns is not None:
                yield f"{name}, its result", node.lineno, node.returns
        elif isinstance(node, ast.ClassDef) and not private:
            for base in node.bases:
                yield f"{name}, its base", node.lineno, base
            yield from public_annotations(node.body, f"{name}.")
        elif isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            yield prefix + ast.unparse(node.target), node.lineno, node.annotation


def loose_types(sources: list[Source], edge: frozenset[str] = JSON_EDGE) -> list[str]:
    aliases = aliases_of(sources)
    return [
        f"{source.path}:{line} {name} is {ast.unparse(kind) if kind else 'of no type'}: give it a dataclass or a "
        f"NamedTuple; dicts of Any are for the files that read and write JSON"
        for source in sources
        if source.path.startswith("eval/") and source.path not in edge
        for name, line, kind in public_annotations(source.tree.body)
        if (kind is None or is_loose(kind, aliases[source.module]))
        and f"{source.path}:{name.split(',')[0]}" not in edge
    ]


def unlisted_packages(root: Path) -> list[str]:
    """Folders with Python files that setup.cfg does not install or Python does not find, and packages that are none."""
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg", encoding="utf-8")
    listed = set(config["options"]["packages"].split())
    folders = {file.parent.relative_to(root) for package in PACKAGES for file in (root / package).rglob("*.py")}
    complaints = [f"{folder}/ has no __init__.py" for folder in folders if not (root / folder / "__init__.py").exists()]
    here = {folder.as_posix().replace("/", ".") for folder in folders}
    here = {name if name.startswith("simclr") else f"simclr.{name}" for name in here}
    complaints += [f"setup.cfg's packages lack {name}" for name in here - listed]
    complaints += [
        f"setup.cfg's packages name {name}, which is no folder"
        for name in listed - here
        if not (root / name.replace(".", "/")).is_dir()
    ]
    return sorted(complaints)


def long_files(sources: list[Source]) -> list[str]:
    return [
        f"{source.path} has {source.lines} lines, more than {most}: an idea of it has a file of its own"
        for source in sources
        if source.lines > (most := MOST_LINES_OF_LOOP if source.path in LOOPS else MOST_LINES)
    ]


def missing_files(root: Path) -> list[str]:
    """Files of ours that a page names and that are not there; ``(new)`` behind a name says that a reader writes it."""
    complaints = []
    for page in sorted((*root.glob("*.md"), *root.glob("docs/*.md"))):
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            for name in _FILE.findall(line):
                if not (root / name).is_file():
                    complaints.append(f"{page.relative_to(root)}:{number} names {name}, which is no file")
            for target in _LINK.findall(line):
                if not (page.parent / target).exists():
                    complaints.append(f"{page.relative_to(root)}:{number} links to {target}, which is not there")
    return complaints


@pytest.fixture(scope="module")
def house() -> list[Source]:
    sources = read(ROOT)
    # Found nothing, checked nothing.
    assert {*LOOPS[:1], "augment/base.py", "eval/protocol.py"} <= {source.path for source in sources}
    return sources


def told(complaints: list[str]) -> str:
    return "\n" + "\n".join(complaints)


def test_augment_imports_nothing_of_ours(house):
    assert not (found := imports_between(house, "augment/", "simclr eval")), told(found)


def test_our_own_files_use_the_long_names(house, tmp_path):
    assert not (found := short_names(house)), told(found)
    planted_ones = planted(
        tmp_path, {"simclr/a.py": "import eval.b", "eval/b.py": "def f():\n    from augment import c"}
    )
    assert short_names(planted_ones) == [
        "eval/b.py:2 imports augment: write simclr.augment",
        "simclr/a.py:1 imports eval.b: write simclr.eval.b",
    ]


def test_simclr_imports_nothing_of_eval_but_on_the_command_line(house):
    assert not (found := imports_between(house, "simclr/", "eval", but="simclr/cli/")), told(found)


def test_what_is_imported_is_written_in_the_file(house):
    assert not (found := hidden_imports(house)), told(found)


def test_no_files_import_each_other_in_a_circle(house):
    assert not (found := circles(house)), told(found)


def test_rooms_import_rooms_below(house):
    assert not (found := arrows_upward(house, ROOMS)), told(found)


def test_the_table_of_rooms_goes_down_only():
    order = list(ROOMS)
    upward = [
        f"{room} may not import {other}, which stands above it"
        for room, below in ROOMS.items()
        for other in below
        if other not in order or order.index(other) >= order.index(room)
    ]
    assert not upward, told(upward)


def test_no_function_takes_more_than_ten_parameters(house):
    assert not (found := wide_functions(house)), told(found)


def test_no_dict_of_any_crosses_a_border_of_eval(house):
    assert not (found := loose_types(house)), told(found)


def test_setup_cfg_lists_all_packages():
    assert not (found := unlisted_packages(ROOT)), told(found)


def test_the_loop_and_every_other_file_can_be_read_in_one_go(house):
    assert not (found := long_files(house)), told(found)


def test_pages_name_files_that_exist():
    assert not (found := missing_files(ROOT)), told(found)


# Whether each of these finds what it is for.


def planted(root: Path, files: dict[str, str]) -> list[Source]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return read(root)


IMPORTS = {
    "plain": "import eval.probes.knn as k",
    "from": "from eval.probes.knn import knn",
    "a module by name": "from eval.probes import knn",
    "lazy": "def f():\n    if True:\n        from eval.probes import knn",
    "for types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from eval.probes.knn import knn",
    "by function": "import importlib\nimportlib.import_module('eval.probes.knn')",
    "by function and keyword": "from importlib import import_module\nimport_module(name='eval.probes.knn')",
    "by function of another name": "from importlib import import_module as im\nknn = im('eval.probes.knn').knn",
    "by the function beneath": "__import__('eval.probes.knn')",
}


@pytest.mark.parametrize("text", IMPORTS.values(), ids=IMPORTS.keys())
def test_an_upward_import_is_found_however_it_is_written(tmp_path, text):
    line = len(text.splitlines())
    sources = planted(tmp_path, {"simclr/train/step.py": text, "eval/probes/knn.py": "knn = 1"})
    complaint = f"simclr/train/step.py:{line} imports eval.probes.knn"
    assert imports_between(sources, "simclr/", "eval", but="simclr/cli/") == [complaint]
    (found,) = arrows_upward(sources, ROOMS)
    assert found.startswith(f"{complaint}: simclr/train may import augment, simclr/data, ")


def test_relative_imports_are_imports(tmp_path):
    files = {
        "simclr/data/open.py": "from ..train.step import step\nfrom .source import Source\nfrom .. import plan",
        "simclr/data/source.py": "",
        "simclr/train/step.py": "",
        "simclr/plan.py": "",
        "simclr/__init__.py": "",
    }
    first, second = arrows_upward(planted(tmp_path, files), ROOMS)
    assert first.startswith("simclr/data/open.py:1 imports simclr.train.step: ")
    assert second.startswith("simclr/data/open.py:3 imports simclr.plan: ")


def test_addresses_in_texts_the_command_line_and_rooms_below_are_no_complaint(tmp_path):
    files = {
        "augment/registry.py": "BLUR = 'simclr.views.inputs:Blur'\nimport torch",
        "simclr/train/step.py": "from simclr.losses.ntxent import nt_xent\nimport augment",
        "simclr/cli/judging.py": "def f():\n    from eval.commands import run",
        "eval/commands.py": "",
    }
    sources = planted(tmp_path, files)
    assert imports_between(sources, "simclr/", "eval", but="simclr/cli/") == []
    assert imports_between(sources, "augment/", "simclr eval") == []
    assert arrows_upward(sources, ROOMS) == []


def test_augment_and_rooms_that_nobody_listed_may_import_nothing(tmp_path):
    sources = planted(tmp_path, {"augment/blur.py": "import simclr.errors", "eval/new.py": "from simclr import errors"})
    assert imports_between(sources, "augment/", "simclr eval") == ["augment/blur.py:1 imports simclr.errors"]
    first, second = arrows_upward(sources, ROOMS)
    assert "augment may import nothing of ours" in first
    assert second.startswith("eval/new.py:1 imports simclr: eval/new.py may import nothing of ours")


def test_imports_of_what_is_not_written_there_are_found(tmp_path):
    text = """
from importlib import import_module as im
import importlib as lib
im(name)
im("eval" + ".probes")
lib.import_module(f"eval.{name}")
__import__(name=name)
im(".probes", "eval")
load = lib.import_module
im("torch")
lib.metadata.version(name)
"""
    sources = planted(tmp_path, {"simclr/train/step.py": text, "simclr/registry.py": text, "augment/registry.py": text})
    found = [complaint.split(" imports ")[0] for complaint in hidden_imports(sources)]
    assert found == [f"simclr/train/step.py:{line}" for line in (4, 5, 6, 7, 8, 9)]


def test_circles_are_found(tmp_path):
    files = {
        "eval/a.py": "from eval.b import b",
        "eval/b.py": "def b():\n    from eval import c",
        "eval/c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import eval.a",
        "eval/d.py": "from eval.a import b",
        "simclr/room/__init__.py": "from simclr.room.e import e",
        "simclr/room/e.py": "from simclr.room import e",
    }
    assert circles(planted(tmp_path, files)) == ["eval/a.py -> eval/b.py -> eval/c.py -> eval/a.py"]
    files["simclr/room/e.py"] = "from simclr.room import other"
    assert circles(planted(tmp_path, files))[1:] == [
        "simclr/room/__init__.py -> simclr/room/e.py -> simclr/room/__init__.py"
    ]


def test_wide_functions_are_found(tmp_path):
    ten, eleven = (", ".join(f"a{i}" for i in range(count)) for count in (10, 11))
    text = f"""
def fits({ten}): ...
def wide({eleven}): ...
def packed(a, /, b, *args, c, d, e, f, g, h, i, **kwargs): ...
class Some:
    def fits(self, {ten}): ...
    async def wide(self, {eleven}): ...
    @staticmethod
    def still({eleven}): ...
    @classmethod
    def of(cls, {ten}):
        def inner({eleven}): ...
"""
    sources = planted(tmp_path, {"augment/a.py": text, "simclr/cli/main.py": f"def command({eleven}): ..."})
    found = [complaint.split(" parameters")[0] for complaint in wide_functions(sources)]
    assert found == [
        "augment/a.py:3 wide takes 11",
        "augment/a.py:4 packed takes 11",
        "augment/a.py:7 Some.wide takes 11",
        "augment/a.py:9 Some.still takes 11",
        "augment/a.py:12 Some.of.inner takes 11",
    ]


def test_loose_types_are_found(tmp_path):
    text = """
Json = dict[str, Any]
def one(a: dict[str, Any]): ...
def two(a: int, *, b: Sequence[Mapping[str, typing.Any]] | None = None) -> int: ...
def three() -> "dict[str, Any]": ...
def four(a: Json): ...
def fine(a: dict[str, int], b: Any, c: Literal["not a type"]) -> dict[int, int]: ...
def _own(a: dict[str, Any]): ...
@dataclass
class Row:
    cells: typing.Dict[str, Any]
    _cells: dict[str, Any]
    def _own(self, a: dict[str, Any]): ...
    def __call__(self) -> list[dict[str, Any]]: ...
class _Own:
    cells: dict[str, Any]
"""
    files = {
        "eval/a.py": text,
        "eval/b.py": "from eval.c import J as Named\ndef five(a: list[Named], b: Json): ...",
        "eval/c.py": "from eval.a import Json as J",
        "eval/d.py": "def six(**a: Any): ...\ndef seven(**a): ...\ndef fine(**a: int): ...\n"
        "def good(**a: Unpack[Asked]): ...\ndef eight(**a: Unpack[Json]): ...\nfrom eval.a import Json",
        "simclr/a.py": text,
    }
    sources = planted(tmp_path, files)
    found = [complaint.split(" is ")[0] for complaint in loose_types(sources)]
    assert found == [
        "eval/a.py:3 one, a",
        "eval/a.py:4 two, b",
        "eval/a.py:5 three, its result",
        "eval/a.py:6 four, a",
        "eval/a.py:11 Row.cells",
        "eval/a.py:14 Row.__call__, its result",
        "eval/b.py:2 five, a",
        "eval/d.py:1 six, a",
        "eval/d.py:2 seven, a",
        "eval/d.py:5 eight, a",
    ]
    assert len(loose_types(sources, frozenset({"eval/a.py:four", "eval/a.py:Row.__call__"}))) == 8
    assert loose_types(sources, frozenset({"eval/a.py", "eval/b.py:five", "eval/d.py"})) == []


LOOSE = {
    "no value type": "def f(a: dict): ...",
    "no value type, typing's": "def f(a: int) -> list[typing.Dict]: ...",
    "no value type, read only": "def f(*a: Mapping): ...",
    "no value type, quoted": "def f(a: 'dict | None'): ...",
    "any or none": "def f(a: dict[str, Any | None]): ...",
    "quoted any": "def f(a: dict[str, 'Any']): ...",
    "object": "def f(a: dict[str, object]): ...",
    "lists of any": "def f(a: dict[str, list[Any]]): ...",
    "any within": "def f(a: dict[str, dict[str, Any]]): ...",
    "another key": "def f(a: dict[int, Any]): ...",
    "ordered": "def f(a: OrderedDict[str, Any]): ...",
    "with a default": "def f(a: collections.defaultdict[str, list[object]]): ...",
    "annotated": "def f(a: Annotated[dict[str, Any], 'words']): ...",
    "a base": "class Bag(dict[str, Any]): ...",
    "a base without a type": "class Bag(UserDict): ...",
    "a module's attribute": "import eval.c as c\ndef f(a: c.J): ...",
    "a module's attribute in full": "import eval.c\ndef f(a: eval.c.J): ...",
    "an attribute of a module by name": "from eval import c\ndef f(a: c.J): ...",
    "an attribute of a neighbour": "from . import c\ndef f(a: c.J): ...",
    "of a neighbour": "from .c import J\ndef f(a: J): ...",
    "for types": "if TYPE_CHECKING:\n    from eval.c import J\ndef f(a: 'J'): ...",
    "a name under a condition": "if sys.version_info > (3, 10):\n    K = dict[str, Any]\ndef f(a: K): ...",
    "a name for a bare one": "K = dict\ndef f(a: K): ...",
    "under an if": "if True:\n    pass\nelse:\n    def f(a: dict[str, Any]): ...",
    "under an except": "try:\n    import x\nexcept ImportError:\n    def f(a: dict[str, Any]): ...",
    "a variable": "f: dict[str, Any] = {}",
    "no type": "def f(a): ...",
    "no type of many": "def f(*a): ...",
    "no type behind self": "class A:\n    def f(self, a): ...",
    "no type without self": "class A:\n    @staticmethod\n    def f(a): ...",
}
NOT_LOOSE = {
    "typed values": "def f(a: dict[str, int], b: Mapping[str, JsonValue], c: 'dict[str, list[int]]'): ...",
    "any by itself": "def f(a: Any, b: list[object], c: Callable[[Any], int]): ...",
    "any as a key": "def f(a: dict[object, int]): ...",
    "words": "def f(a: Literal['dict', 'Any'], b: Annotated[dict[str, int], dict]): ...",
    "self and cls": "class A:\n    def f(self): ...\n    @classmethod\n    def g(cls): ...",
    "what is private": "_A: dict = {}\nclass _B(dict): ...\ndef _f(a): ...\ndef f():\n    def g(a: dict): ...",
    "values": "KINDS = (dict, list)\ndef f(a: int = len(dict())): ...",
    "a base with types": "class Bag(Mapping[str, T]): ...",
}
J = {"eval/__init__.py": "", "eval/c.py": "from typing import Any\nJ = dict[str, Any]"}


@pytest.mark.parametrize("text", LOOSE.values(), ids=LOOSE.keys())
def test_a_loose_type_is_found_however_it_is_written(tmp_path, text):
    (found,) = loose_types(planted(tmp_path, {"eval/a.py": text, **J}))
    assert found.startswith("eval/a.py:")


@pytest.mark.parametrize("text", NOT_LOOSE.values(), ids=NOT_LOOSE.keys())
def test_a_type_that_says_enough_is_no_complaint(tmp_path, text):
    assert loose_types(planted(tmp_path, {"eval/a.py": text, **J})) == []


def test_packages_that_nobody_installs_are_found(tmp_path):
    files = {
        "simclr/__init__.py": "",
        "simclr/data/__init__.py": "",
        "simclr/data/scenes/mat.py": "",
        "recipes/a.yaml": "",
        "setup.cfg": "[options]\npackages =\n    simclr\n    simclr.gone\n    simclr.recipes\n",
    }
    planted(tmp_path, files)
    (tmp_path / "simclr" / "recipes").symlink_to("../recipes")
    assert unlisted_packages(tmp_path) == [
        "setup.cfg's packages lack simclr.data",
        "setup.cfg's packages lack simclr.data.scenes",
        "setup.cfg's packages name simclr.gone, which is no folder",
        "simclr/data/scenes/ has no __init__.py",
    ]


def test_long_files_are_found(tmp_path):
    files = {"simclr/pretrain.py": "a = 1\n" * 300, "simclr/plan.py": "a = 1\n" * 320, "eval/a.py": "a = 1\n" * 321}
    assert [complaint.split(",")[0] for complaint in long_files(planted(tmp_path, files))] == [
        "eval/a.py has 321 lines",
        "simclr/pretrain.py has 300 lines",
    ]


def test_files_that_pages_name_in_vain_are_found(tmp_path):
    page = "`simclr/plan.py`, simclr/gone.py, [this](docs/gone.md), [that](https://example.org).\n# eval/my.py (new)"
    planted(tmp_path, {"README.md": page, "simclr/plan.py": "", "docs/a.md": "[up](../README.md), [b](b.md)"})
    assert missing_files(tmp_path) == [
        "README.md:1 names simclr/gone.py, which is no file",
        "README.md:1 names docs/gone.md, which is no file",
        "README.md:1 links to docs/gone.md, which is not there",
        "docs/a.md:1 links to b.md, which is not there",
    ]
