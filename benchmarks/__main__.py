"""``python -m benchmarks [NAME …] [--quick] [--output FILE]``."""

import argparse
import ast
from importlib import import_module
from pathlib import Path

from benchmarks.harness import Report

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every file of this folder is a benchmark, but for the tools."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "__main__", "harness"))


def summary(name: str) -> str:
    """First line of a benchmark's docstring, without importing it."""
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def main() -> None:
    width = max(map(len, names()))
    listing = "\n".join(f"  {name:{width}}  {summary(name)}" for name in names())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Ours side by side with peers, in one run, ratios printed.",
        epilog=f"benchmarks:\n{listing}\n\nexample: python -m benchmarks ntxent --quick",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; by default all")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds: does it run?")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the tables here, as plain text")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in names():
            parser.error(f"no benchmark {name!r}, but there are {', '.join(names())}")
    report = Report()
    for name in arguments.names or names():
        report.line(f"\n{name}: {summary(name)}")
        import_module(f"benchmarks.{name}").run(report, arguments.quick)
        if arguments.output:
            report.save(arguments.output)


if __name__ == "__main__":
    main()
