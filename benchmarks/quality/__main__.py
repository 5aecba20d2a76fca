"""``python -m benchmarks.quality [--quick] [--only SET …] [--recipes NAME …] [--choose] [--output FILE]``."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.quality.contenders import Contender, chosen_contenders
from benchmarks.quality.entries import UNTRAINED, Entry, EntryFile
from benchmarks.quality.ground import Ground, ground_of
from benchmarks.quality.judge import judge_encoder, judge_untrained
from benchmarks.quality.scenes import NotAtHandError
from benchmarks.quality.sets import SETS, Prepared, chosen_sets, prepare
from benchmarks.quality.table import cells_table, markdown, plain, results_of, tables
from benchmarks.quality.training import code_digest, recipe_digest, train
from simclr.errors import InputError

REPORTING, CHOOSING = range(10), range(100, 110)
QUICK_SEEDS = 5
RESULTS = Path("benchmarks/results/quality.json")
WORK = Path("runs/quality")
# What turns an encoder file into cells.
_JUDGES = (
    *(f"eval/{room}" for room in ("splits", "probes", "subject", "metrics", "open_set")),
    *(f"benchmarks/quality/{name}.py" for name in ("baselines", "ground", "judge")),
    "simclr/data",
)


class Plan(NamedTuple):
    """What a call asks for.

    Attributes:
        sets, contenders: which ones.
        seeds: of the splits.
        pretraining_seed: of the runs.
        data: folder of real data, or None.
        work: where runs lie.
        keep: whether results count that other code gave.
    """

    sets: list[str]
    contenders: list[Contender]
    seeds: tuple[int, ...]
    pretraining_seed: int
    data: Path | None
    work: Path
    keep: bool


def main(arguments: Sequence[str] | None = None) -> None:
    parser = _parser()
    given = parser.parse_args(arguments)
    data = given.data or os.environ.get("SIMCLR_DATA")
    seeds = CHOOSING if given.choose else REPORTING
    try:
        contenders = chosen_contenders(given.recipes)
        sets = chosen_sets(given.only, given.quick)
        file = EntryFile(given.output)
    except (ValueError, InputError) as error:
        parser.error(str(error))
    plan = Plan(
        sets,
        contenders,
        tuple(seeds[:QUICK_SEEDS] if given.quick else seeds),
        given.pretraining_seed,
        Path(data).absolute() if data else None,
        given.work.absolute(),
        given.keep,
    )
    try:
        entries = known(plan, file) if given.tables else measure(plan, file)
    except KeyboardInterrupt:
        parser.exit(130, f"\nstopped: the same command goes on where it was, {file.path} holds what is done\n")
    found = tables(results_of(entries), plan.seeds)
    found += [cells_table(entry) for entry in entries if given.cells]
    for table in found:
        print(f"\n{plain(table)}")
    if given.markdown:
        given.markdown.write_text("\n".join(map(markdown, found)), encoding="utf-8")


def measure(plan: Plan, file: EntryFile) -> list[Entry]:
    """Everything that is asked for and not yet in the file, set by set; what was there and what is new.

    A set whose files are not there, and a run that fails, is said in a line and left out.
    """
    found: list[Entry] = []
    for name in plan.sets:
        mine = [contender for contender in plan.contenders if contender.fits(name)]
        if not mine:
            continue
        try:
            prepared = prepare(name, plan.data, plan.work / "data")
        except NotAtHandError as error:
            _say(f"{name} is left out: {error}")
            continue
        ground = _Lazy(prepared, plan.seeds)
        found.append(_untrained(plan, prepared, ground, file))
        for contender in mine:
            try:
                found.append(_contender(plan, contender, prepared, ground, file))
            except (InputError, ValueError) as error:
                _say(f"{name}, {contender.name} is left out: {error}")
    return found


class _Lazy:
    """The ground of a set, drawn when it is first needed."""

    def __init__(self, prepared: Prepared, seeds: tuple[int, ...]) -> None:
        self._prepared, self._seeds = prepared, seeds
        self._ground: Ground | None = None

    def __call__(self) -> Ground:
        if self._ground is None:
            self._ground = ground_of(self._prepared, self._seeds)
        return self._ground


def _untrained(plan: Plan, prepared: Prepared, ground: _Lazy, file: EntryFile) -> Entry:
    key = _key(prepared.digest)
    known = file.find(prepared.name, UNTRAINED, plan.seeds, None if plan.keep else key)
    if known is not None:
        return known
    started = time.perf_counter()
    entry = Entry(prepared.name, UNTRAINED, plan.seeds, key, tuple(judge_untrained(ground())))
    _say(f"{prepared.name}: baselines judged in {time.perf_counter() - started:.0f} s")
    file.add(entry)
    return entry


def _contender(plan: Plan, contender: Contender, prepared: Prepared, ground: _Lazy, file: EntryFile) -> Entry:
    seed = plan.pretraining_seed
    name = contender.name if seed == 0 else f"{contender.name}@{seed}"
    key = _key(recipe_digest(contender, prepared, seed))
    known = file.find(prepared.name, name, plan.seeds, None if plan.keep else key)
    if known is not None:
        return known
    trained = train(contender, prepared, seed, plan.work / prepared.name / _folder(name))
    started = time.perf_counter()
    cells = tuple(judge_encoder(trained.folder, ground()))
    entry = Entry(
        prepared.name, name, plan.seeds, key, cells, trained.verdict, round(trained.seconds, 1), trained.feature_dim
    )
    judged = time.perf_counter() - started
    _say(f"{prepared.name}, {name}: pretrained in {trained.seconds:.0f} s, judged in {judged:.0f} s")
    file.add(entry)
    return entry


def known(plan: Plan, file: EntryFile) -> list[Entry]:
    """What the file holds of the plan, whatever code it is from."""
    names = {UNTRAINED, *(contender.name for contender in plan.contenders)}
    return [
        entry
        for entry in file.entries
        if entry.set in plan.sets and entry.seeds == plan.seeds and entry.contender.partition("@")[0] in names
    ]


def _folder(name: str) -> str:
    """A name that every file system takes; runs that share it are told apart by what they depend on."""
    return re.sub(r"[^A-Za-z0-9.=@_-]+", "-", name)[:100]


def _say(line: str) -> None:
    print(line, flush=True)


def _key(subject: str) -> str:
    return hashlib.sha256(f"{subject} {code_digest(*_JUDGES)}".encode()).hexdigest()[:32]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description="Does pretraining pay? Recipes on many data sets, against everything that needs no training.",
        epilog=f"sets: {', '.join(SETS)}. Example: python -m benchmarks.quality --quick --only samson",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help=f"few sets and {QUICK_SEEDS} split seeds: ten minutes on two cores")
    add("--only", nargs="+", default=[], metavar="SET", help="sets, families, or scene or image")
    words = "good (default), bad, all, names, or 'RECIPE KEY=VALUE'"
    add("--recipes", nargs="+", default=[], metavar="NAME", help=words)
    add("--choose", action="store_true", help="split seeds 100 to 109, for choices, instead of 0 to 9, for reports")
    add("--pretraining-seed", type=int, default=0, metavar="N", help="of the runs; 0 by default")
    add("--output", type=Path, default=RESULTS, metavar="FILE", help=f"results by entry; by default {RESULTS}")
    add("--markdown", type=Path, metavar="FILE", help="also write the tables here, as markdown")
    add("--tables", action="store_true", help="run nothing: the tables of what the results hold")
    add("--cells", action="store_true", help="also every probe on every representation")
    add("--keep", action="store_true", help="take results that older code or recipes gave for what they are called")
    add("--data", type=Path, metavar="FOLDER", help="real data; by default $SIMCLR_DATA")
    add("--work", type=Path, default=WORK, metavar="FOLDER", help=f"runs and arrays; by default {WORK}")
    return parser


if __name__ == "__main__":
    main()
