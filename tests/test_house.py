"""The rules of the house, read from the source: who imports whom, how wide a function is, what crosses a file's border.

Every import counts, one inside a function or under TYPE_CHECKING too; addresses in texts, as registries hold them, do
not.
"""

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("augment", "simclr", "eval")
MOST_PARAMETERS = 10
MOST_LINES = 320
LOOP = "simclr/pretrain.py"
MOST_LINES_OF_LOOP = 299

# From the ground up: what each room (a folder, or a file beside the folders) may import. Only rooms above it in this
# table stand below it in the house. A room that is missing here imports nothing.
_GROUND = "simclr/errors.py simclr/files.py simclr/launch.py simclr/registry.py"
_ENCODER = "simclr/encoder_metadata.py simclr/encoder_file.py"
_CARRIED = f"augment {_GROUND} simclr/recipe simclr/data simclr/models simclr/losses {_ENCODER}"
_LOOP = f"{_CARRIED} simclr/views simclr/train simclr/run simclr/build.py"
_JUDGED = f"augment {_GROUND} simclr/recipe simclr/data simclr/models {_ENCODER} eval/streams.py"
_FEATURES = f"{_JUDGED} eval/splits eval/subject"
_SCORED = f"{_FEATURES} eval/metrics eval/probes eval/open_set"
_RECORDED = f"{_SCORED} eval/protocol.py eval/results"
_ROAD = f"{_RECORDED} eval/maps eval/judging.py simclr/views simclr/train simclr/run simclr/finetune.py"
_TABLE = {
    "augment": "",
    "simclr/errors.py": "",
    "simclr/files.py": "simclr/errors.py",
    "simclr/launch.py": "simclr/errors.py",
    "simclr/registry.py": "",
    "simclr/recipe": f"{_GROUND} augment",
    "simclr/data": f"{_GROUND} augment simclr/recipe",
    "simclr/models": f"{_GROUND} simclr/recipe",
    "simclr/losses": f"{_GROUND} simclr/recipe",
    "simclr/ntxent.py": "simclr/losses",
    "simclr/encoder_metadata.py": "",
    "simclr/encoder_file.py": f"{_GROUND} simclr/encoder_metadata.py simclr/recipe simclr/data simclr/models",
    "simclr/__init__.py": "simclr/errors.py simclr/encoder_file.py",
    "simclr/views": _CARRIED,
    "simclr/train": _CARRIED,
    "simclr/run": f"{_CARRIED} simclr/views simclr/train",
    "simclr/build.py": f"{_CARRIED} simclr/views simclr/train simclr/run",
    "simclr/pretrain.py": _LOOP,
    "simclr/finetune.py": _LOOP,
    "simclr/plan.py": _LOOP,
    "simclr/verify.py": _LOOP,
    "eval/streams.py": "augment",
    "eval/splits": _JUDGED,
    "eval/subject": f"{_JUDGED} eval/splits simclr/views simclr/run",
    "eval/metrics": _FEATURES,
    "eval/probes": f"{_FEATURES} eval/metrics simclr/train simclr/finetune.py",
    "eval/open_set": f"{_FEATURES} eval/metrics eval/probes",
    "eval/protocol.py": f"{_SCORED} simclr/finetune.py",
    "eval/results": f"{_SCORED} eval/protocol.py simclr/run",
    "eval/maps": f"{_RECORDED} simclr/views",
    "eval/report": f"{_RECORDED} eval/maps simclr/views simclr/run",
    "eval/judging.py": f"{_RECORDED} eval/maps simclr/views simclr/train simclr/run simclr/finetune.py",
    "eval/linear_eval.py": _ROAD,
    "eval/few_shot.py": _ROAD,
    "eval/commands.py": f"{_ROAD} eval/report eval/linear_eval.py eval/few_shot.py",
    "simclr/cli": f"{_LOOP} simclr/pretrain.py simclr/finetune.py simclr/plan.py simclr/verify.py eval/commands.py "
    "eval/probes",
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


def imports_of(source: Source, modules: set[str]) -> Iterator[Import]:
    """What a file imports of ours: the module that a name is taken from, or the name where it is a module itself."""
    package = source.module.split(".") if source.path.endswith("__init__.py") else source.module.split(".")[:-1]
    for node in ast.walk(source.tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base_name = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            names = [f"{base_name}.{alias.name}" for alias in node.names]
            names = [name if name in modules else base_name for name in names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [node.args[0].value] if node.args and isinstance(node.args[0], ast.Constant) else []
        for name in dict.fromkeys(map(str, names)):
            if name.split(".")[0] in PACKAGES:
                yield Import(source.path, node.lineno, name)


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


def is_loose(annotation: ast.expr | None, aliases: set[str]) -> bool:
    """Whether a type is, or holds, a mapping from texts to Any; ``aliases`` are names for such types."""
    for node in ast.walk(annotation) if annotation is not None else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                if is_loose(ast.parse(node.value, mode="eval").body, aliases):
                    return True
            except SyntaxError:  # a word of Literal or Annotated
                continue
        if isinstance(node, ast.Name) and node.id in aliases:
            return True
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
            kind = ast.unparse(node.value).rpartition(".")[2]
            of = [ast.unparse(part).rpartition(".")[2] for part in node.slice.elts]
            if kind in ("dict", "Dict", "Mapping", "MutableMapping") and of == ["str", "Any"]:
                return True
    return False


def aliases_of(sources: list[Source]) -> dict[str, set[str]]:
    """Names for such types in each module, those that it takes from another one of ours among them."""
    found: dict[str, set[str]] = {source.module: set() for source in sources}
    # A name may be taken from a file that is read later, and be handed on from there.
    for source in sources * 3:
        own = found[source.module]
        for node in source.tree.body:
            if isinstance(node, ast.Assign) and is_loose(node.value, own):
                own.update(target.id for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation):
                own.update({ast.unparse(node.target)} if is_loose(node.value, own) else ())
            elif isinstance(node, ast.ImportFrom):
                there = found.get(node.module or "", set())
                own.update(alias.asname or alias.name for alias in node.names if alias.name in there)
    return found


def _parsed(annotation: str) -> ast.expr:
    return ast.parse(annotation, mode="eval").body


def public_annotations(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, int, ast.expr | None]]:
    """Types of parameters, results and fields of what other files may use: name, line, type."""
    for node in body:
        name = prefix + getattr(node, "name", "")
        private = getattr(node, "name", "").startswith("_") and not name.endswith("__")
        if isinstance(node, Function) and not private:
            given = node.args
            for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg):
                if one is not None:
                    yield f"{name}, {one.arg}", one.lineno, one.annotation
            if given.kwarg is not None:  # what the function gets is a dict: **found: Any is a dict[str, Any]
                of = "" if given.kwarg.annotation is None else ast.unparse(given.kwarg.annotation)
                kind = given.kwarg.annotation if of.startswith("Unpack[") else _parsed(f"dict[str, {of or 'Any'}]")
                yield f"{name}, {given.kwarg.arg}", given.kwarg.lineno, kind
            yield f"{name}, its result", node.lineno, node.returns
        elif isinstance(node, ast.ClassDef) and not private:
            yield from public_annotations(node.body, f"{name}.")
        elif prefix and isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            yield prefix + ast.unparse(node.target), node.lineno, node.annotation


def loose_types(sources: list[Source], edge: frozenset[str] = JSON_EDGE) -> list[str]:
    aliases = aliases_of(sources)
    return [
        f"{source.path}:{line} {name} is {ast.unparse(annotation) if annotation else ''}: give it a dataclass or a "
        f"NamedTuple; dicts of Any are for the files that read and write JSON"
        for source in sources
        if source.path.startswith("eval/") and source.path not in edge
        for name, line, annotation in public_annotations(source.tree.body)
        if is_loose(annotation, aliases[source.module]) and f"{source.path}:{name.split(',')[0]}" not in edge
    ]


def unlisted_packages(root: Path) -> list[str]:
    """Folders with Python files that setup.cfg does not install or Python does not find, and packages that are none."""
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg", encoding="utf-8")
    listed = set(config["options"]["packages"].split())
    elsewhere = dict(line.split(" = ") for line in config["options"]["package_dir"].strip().splitlines())
    folders = {file.parent.relative_to(root) for package in PACKAGES for file in (root / package).rglob("*.py")}
    complaints = [f"{folder}/ has no __init__.py" for folder in folders if not (root / folder / "__init__.py").exists()]
    here = {".".join(folder.parts) for folder in folders}
    complaints += [f"setup.cfg's packages lack {name}" for name in here - listed]
    complaints += [
        f"setup.cfg's packages name {name}, which is no folder"
        for name in listed - here
        if not (root / elsewhere.get(name, name.replace(".", "/"))).is_dir()
    ]
    return sorted(complaints)


def long_files(sources: list[Source]) -> list[str]:
    return [
        f"{source.path} has {source.lines} lines, more than {most}: an idea of it has a file of its own"
        for source in sources
        if source.lines > (most := MOST_LINES_OF_LOOP if source.path == LOOP else MOST_LINES)
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
    assert {LOOP, "augment/base.py", "eval/protocol.py"} <= {source.path for source in sources}
    return sources


def told(complaints: list[str]) -> str:
    return "\n" + "\n".join(complaints)


def test_augment_imports_nothing_of_ours(house):
    assert not (found := imports_between(house, "augment/", "simclr eval")), told(found)


def test_simclr_imports_nothing_of_eval_but_on_the_command_line(house):
    assert not (found := imports_between(house, "simclr/", "eval", but="simclr/cli/")), told(found)


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
def fine(a: dict[str, int], b: Any, c: Literal["not a type"]) -> dict[int, Any]: ...
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


def test_packages_that_nobody_installs_are_found(tmp_path):
    files = {
        "simclr/__init__.py": "",
        "simclr/data/__init__.py": "",
        "simclr/data/scenes/mat.py": "",
        "recipes/a.yaml": "",
        "setup.cfg": "[options]\npackages =\n    simclr\n    simclr.gone\n    simclr.recipes\n"
        "package_dir =\n    simclr = simclr\n    simclr.recipes = recipes\n",
    }
    planted(tmp_path, files)
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
