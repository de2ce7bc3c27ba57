"""The fuzzer's own test: known bugs are planted one at a time, and the campaign's oracles must find each.

A bug lives in a process of its own, which checks the programs of a campaign until an oracle complains and
then makes the find small. Everything is loaded and compiled before that process is forked (or, where there is
no fork, before the bug is planted), so that every bug meets the same programs and the same kernels.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from absint.base import registry
from absint.base.errors import UsageError, did_you_mean, shown
from absint.evaluation.backend import usual_backends
from absint.native import children
from absint.native.terminal import DONE, FOUND, INTERRUPTED, note, plain_table, table_text, write_out
from absint.rewriting.manager import pass_names

from .blame import blame_of
from .campaign import Options, end_with_parent, selection
from .generate.choices import Seeded
from .generate.generator import draw_case, random_case
from .kernels import Compiling, load_kernels
from .oracles.selection import Oracle, check_safely
from .planted.bugs import BUGS, find_bug, plant
from .reduction import reduce_case

if TYPE_CHECKING:
    from rich.table import Table

PROGRAMS = 5000
"""Programs within which a bug must be found."""

CLEAN = 200
"""Programs in which nothing may be found while no bug is planted."""

REDUCE_FOR = 20.0
"""Seconds that a find may take to be made small."""

PATIENCE = 120.0
"""Seconds after which a process hangs that has come no further."""


@dataclass(frozen=True)
class Outcome:
    """What became of a bug: `programs` until `oracle` complained, empty if none did, that is `what` it said.

    `operations` and `nodes` of the find, made small, and who is to `blame` as far as it was found out.
    """

    bug: str
    programs: int
    oracle: str = ""
    what: str = ""
    operations: int = 0
    nodes: int = 0
    blame: str = ""
    seconds: float = 0.0

    @property
    def found(self) -> bool:
        """Whether an oracle complained."""
        return self.oracle != ""


def self_test(arguments: argparse.Namespace) -> int:
    """Plant all bugs and report; the exit status."""
    most = arguments.programs or PROGRAMS
    bugs = _chosen(arguments.self_test)
    with Compiling() as compiling:
        warm_up(compiling.say)
    crew = Crew(_options(arguments))
    (clean,) = crew.run([""], min(CLEAN, most))
    if clean.found:
        note(f"nothing is planted, and yet {clean.oracle} complains of program {clean.programs}:")
        note(clean.what)
        return FOUND
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        crew.run(bugs, most, outcomes.append)
    except KeyboardInterrupt:
        interrupted = True
    outcomes.sort(key=lambda outcome: bugs.index(outcome.bug))
    if arguments.json:
        write_out(json.dumps(_summary(outcomes) | {"bugs": [asdict(one) for one in outcomes]}) + "\n")
    else:
        write_out(table_text(_table(outcomes), sys.stdout))
        write_out("\n".join(_lines(outcomes)) + "\n")
    if interrupted:
        return INTERRUPTED
    return DONE if all(one.found and one.programs <= PROGRAMS for one in outcomes) else FOUND


def _chosen(names: Sequence[str]) -> list[str]:
    """The names of the bugs to plant: all, or those that are named."""
    known = [bug.name for bug in BUGS]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f": there are {len(known)}, such as {known[0]}"
            raise UsageError(f"--self-test: unknown bug {shown(name)}{hint}")
    return [name for name in known if not names or name in names]


def _options(arguments: argparse.Namespace) -> Options:
    """A campaign of everything that there is."""
    backends = usual_backends()
    return Options(
        backends, pass_names(), registry.names("domains"), arguments.seed, None, None, arguments.jobs,
        arguments.size,
    )  # fmt: skip


def warm_up(say: Callable[[str], None] = lambda label: None) -> None:
    """Compile and load all that a planted bug must not get into: kernels, and the generator's patterns.

    `say`: told which kernels are compiled.
    """
    load_kernels(say)
    for mode in ("near", "mutated"):
        draw_case(Seeded(0), 0, mode=mode)


def search(options: Options, bug: str, most: int, at: Any = None, reduce_for: float = REDUCE_FOR) -> Outcome:
    """Plant a bug, none if the name is empty, in this process and look for it in `most` programs.

    `at`: shared memory that is told the number of the program.
    """
    start = time.monotonic()
    oracles = selection(options)
    with plant(find_bug(bug)):
        for number in range(1, most + 1):
            if at is not None:
                at[0] = number
            case = random_case(options.seed + number - 1, options.size)
            for oracle in oracles.for_case(case):
                finding = check_safely(oracle, case)
                if finding is not None:
                    found = Outcome(bug, number, oracle.name, finding.what)
                    return replace(_reduced(found, oracle, case.seed, options, reduce_for),
                                   seconds=time.monotonic() - start)  # fmt: skip
    return Outcome(bug, most, seconds=time.monotonic() - start)


def _reduced(found: Outcome, oracle: Oracle, seed: int, options: Options, seconds: float) -> Outcome:
    """The outcome with the find made small. What is planted may break that too; then it says less."""
    case = random_case(seed, options.size)
    blame = ""
    with suppress(Exception):
        case, finding = reduce_case(case, lambda one: check_safely(oracle, one), seconds)
        found = replace(found, what=finding.what)
        blame = blame_of(case, finding)
    return replace(found, operations=case.graph.operation_count, nodes=len(case.graph), blame=blame)


def _work(options: Options, bug: str, most: int, pipe: Connection, at: Any) -> None:
    """A process with a bug, which ends with its parent. Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    warm_up()
    pipe.send(search(options, bug, most, at))


class _Running:
    """A process with a bug. `at`: the number of the program that it is at."""

    def __init__(self, process: BaseProcess, bug: str, at: Any) -> None:
        self.process = process
        self.bug = bug
        self.at = at
        self.started = self._moved = time.monotonic()
        self._seen = 0

    def hangs(self) -> bool:
        """Whether it has long been at one program."""
        if self.at[0] != self._seen:
            self._seen, self._moved = self.at[0], time.monotonic()
        return time.monotonic() > self._moved + PATIENCE


class Crew:
    """Processes with bugs, seen from the parent."""

    def __init__(self, options: Options) -> None:
        self._options = options
        fork = "fork" in multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("fork" if fork else "spawn")
        self._running: dict[Connection, _Running] = {}

    def run(
        self, bugs: Sequence[str], most: int, watch: Callable[[Outcome], None] = lambda outcome: None
    ) -> list[Outcome]:
        """Look for bugs, `jobs` at a time, each in at most so many programs; `watch` sees each outcome."""
        left = list(bugs)[::-1]
        outcomes: list[Outcome] = []
        try:
            while left or self._running:
                while left and len(self._running) < self._options.jobs:
                    self._start(left.pop(), most)
                ready = wait(list(self._running), timeout=1.0)
                late = [pipe for pipe, one in self._running.items() if one.hangs()]
                for pipe in {*ready, *late}:
                    assert isinstance(pipe, Connection)
                    outcome = self._end(pipe)
                    outcomes.append(outcome)
                    watch(outcome)
                    if outcome.bug:
                        note(f"{len(outcomes)}/{len(bugs)} {_account(outcome)}")
        finally:
            for one in self._running.values():
                one.process.kill()
            for pipe in list(self._running):
                self._end(pipe)
        return outcomes

    def _start(self, bug: str, most: int) -> None:
        mine, pipe = self._context.Pipe(duplex=False)
        at = self._context.Array("q", 1, lock=False)
        process = self._context.Process(target=_work, args=(self._options, bug, most, pipe, at), daemon=True)
        with children.starting():
            process.start()
        pipe.close()
        self._running[mine] = _Running(process, bug, at)

    def _end(self, pipe: Connection) -> Outcome:
        """What a process found. One that died or hangs is a find, as it is one of a campaign."""
        one = self._running.pop(pipe)
        outcome = Outcome(one.bug, one.at[0], "process", "hangs")
        if pipe.poll():
            try:
                outcome = pipe.recv()
            except (EOFError, OSError):
                outcome = Outcome(one.bug, one.at[0], "process", "died")
        one.process.kill()
        one.process.join()
        pipe.close()
        return replace(outcome, seconds=time.monotonic() - one.started)


def _account(outcome: Outcome) -> str:
    if not outcome.found:
        return f"{outcome.bug}: not found in {outcome.programs} programs, {outcome.seconds:.0f} s"
    return (
        f"{outcome.bug}: by {outcome.oracle} after {outcome.programs} programs, "
        f"{outcome.operations} operations, {outcome.seconds:.0f} s"
    )


def _table(outcomes: Sequence[Outcome]) -> Table:
    """A line for each bug."""
    table = plain_table(
        "absint fuzz --self-test", "bug", "what it breaks", "found by", "programs", "operations", "nodes",
        "to blame", right=("programs", "operations", "nodes"),
    )  # fmt: skip
    for one in outcomes:
        table.add_row(
            one.bug, find_bug(one.bug).breaks, one.oracle or "NOT FOUND", str(one.programs),
            str(one.operations) if one.found else "", str(one.nodes) if one.found else "", one.blame,
        )  # fmt: skip
    return table


def _summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    found = [one for one in outcomes if one.found]
    medians = {
        field: statistics.median(getattr(one, field) for one in found) if found else None
        for field in ("programs", "operations", "nodes")
    }
    return {"planted": len(outcomes), "found": len(found), "median": medians}


def _lines(outcomes: Sequence[Outcome]) -> list[str]:
    summary = _summary(outcomes)
    median = summary["median"]
    return [
        f"found {summary['found']} of {summary['planted']}",
        f"programs until found: median {median['programs']}, most "
        f"{max((one.programs for one in outcomes if one.found), default=None)}",
        f"a find made small: median {median['operations']} operations, {median['nodes']} nodes",
    ]
