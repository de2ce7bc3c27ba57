"""The fuzzer's self-test: known bugs are planted one at a time, and the campaign's oracles must find each.

Each bug is planted in a process of its own, which checks the programs of a campaign until an oracle finds
something, and then reduces the find. All kernels are loaded before that process is forked (without fork:
before the bug is planted), so that every bug meets the same programs and the same kernels.
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
from .generate.choices import SeededChoices
from .generate.generator import draw_case, random_case
from .kernels import CompilationNotice, load_kernels
from .oracles.selection import Oracle, check_safely
from .planted.bugs import BUGS, find_bug, plant
from .reduction import reduce_case

if TYPE_CHECKING:
    from rich.table import Table

PROGRAMS = 5000
"""Programs within which a bug must be found."""

CLEAN = 200
"""Programs checked first without a bug; nothing may be found in them."""

REDUCE_FOR = 20.0
"""Seconds allowed for reducing a find."""

PATIENCE = 120.0
"""Seconds at one program after which a process counts as hanging."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a search for a bug.

    `programs`: programs checked, up to the one in which `oracle` found the bug; `oracle` is empty if none
    did. `what`: the finding. `operations` and `nodes`: size of the reduced find. `blame`: its culprit, if
    determined.
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
        """Whether an oracle found the bug."""
        return self.oracle != ""


def self_test(arguments: argparse.Namespace) -> int:
    """Plant bugs and report which are found. Returns the exit status."""
    most = arguments.programs or PROGRAMS
    bugs = _select_bugs(arguments.self_test)
    with CompilationNotice() as notice:
        warm_up(notice.show)
    processes = BugProcesses(_options(arguments))
    (clean,) = processes.run([""], min(CLEAN, most))
    if clean.found:
        note(f"nothing is planted, and yet {clean.oracle} complains of program {clean.programs}:")
        note(clean.what)
        return FOUND
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        processes.run(bugs, most, outcomes.append)
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


def _select_bugs(names: Sequence[str]) -> list[str]:
    """The names of the bugs to plant: all if `names` is empty. Raises `UsageError` for an unknown name."""
    known = [bug.name for bug in BUGS]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f": there are {len(known)}, such as {known[0]}"
            raise UsageError(f"--self-test: unknown bug {shown(name)}{hint}")
    return [name for name in known if not names or name in names]


def _options(arguments: argparse.Namespace) -> Options:
    """A campaign with all available backends, passes and domains."""
    backends = usual_backends()
    return Options(
        backends, pass_names(), registry.names("domains"), arguments.seed, None, None, arguments.jobs,
        arguments.size,
    )  # fmt: skip


def warm_up(observe: Callable[[str], None] = lambda label: None) -> None:
    """Load everything that a planted bug must not affect: kernels, and the generator's patterns.

    `observe`: called with the label of each kernel before it is compiled.
    """
    load_kernels(observe)
    for mode in ("near", "mutated"):
        draw_case(SeededChoices(0), 0, mode=mode)


def search(options: Options, bug: str, most: int, at: Any = None, reduce_for: float = REDUCE_FOR) -> Outcome:
    """Plant a bug in this process (none if the name is empty) and search for it in at most `most` programs.

    `at`: shared memory to which the number of the current program is written.
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
                    return replace(_reduce(found, oracle, case.seed, options, reduce_for),
                                   seconds=time.monotonic() - start)  # fmt: skip
    return Outcome(bug, most, seconds=time.monotonic() - start)


def _reduce(found: Outcome, oracle: Oracle, seed: int, options: Options, seconds: float) -> Outcome:
    """The outcome with the size and culprit of the reduced find. The planted bug may break the reduction;
    then the outcome describes the find unreduced.
    """
    case = random_case(seed, options.size)
    blame = ""
    with suppress(Exception):
        case, finding = reduce_case(case, lambda one: check_safely(oracle, one), seconds)
        found = replace(found, what=finding.what)
        blame = blame_of(case, finding)
    return replace(found, operations=case.graph.operation_count, nodes=len(case.graph), blame=blame)


def _work(options: Options, bug: str, most: int, pipe: Connection, at: Any) -> None:
    """The main function of a process with a bug. It ends with its parent, which alone handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    warm_up()
    pipe.send(search(options, bug, most, at))


class _BugProcess:
    """A process with a bug, as its parent sees it. `at`: shared memory with the number of its program."""

    def __init__(self, process: BaseProcess, bug: str, at: Any) -> None:
        self.process = process
        self.bug = bug
        self.at = at
        self.started = self._moved = time.monotonic()
        self._seen = 0

    def hangs(self) -> bool:
        """Whether the process has been at one program for too long."""
        if self.at[0] != self._seen:
            self._seen, self._moved = self.at[0], time.monotonic()
        return time.monotonic() > self._moved + PATIENCE


class BugProcesses:
    """All processes with planted bugs, as the parent sees them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        fork = "fork" in multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("fork" if fork else "spawn")
        self._running: dict[Connection, _BugProcess] = {}

    def run(
        self, bugs: Sequence[str], most: int, watch: Callable[[Outcome], None] = lambda outcome: None
    ) -> list[Outcome]:
        """Search for bugs, `jobs` at a time, each in at most `most` programs. Returns the outcomes.

        `watch`: called with each outcome.
        """
        waiting = list(bugs)[::-1]
        outcomes: list[Outcome] = []
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self._options.jobs:
                    self._start(waiting.pop(), most)
                ready = wait(list(self._running), timeout=1.0)
                late = [pipe for pipe, one in self._running.items() if one.hangs()]
                for pipe in {*ready, *late}:
                    assert isinstance(pipe, Connection)
                    outcome = self._end(pipe)
                    outcomes.append(outcome)
                    watch(outcome)
                    if outcome.bug:
                        note(f"{len(outcomes)}/{len(bugs)} {_describe(outcome)}")
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
        self._running[mine] = _BugProcess(process, bug, at)

    def _end(self, pipe: Connection) -> Outcome:
        """End a process. Returns its outcome; if it died or hangs, that counts as found, as in a campaign."""
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


def _describe(outcome: Outcome) -> str:
    if not outcome.found:
        return f"{outcome.bug}: not found in {outcome.programs} programs, {outcome.seconds:.0f} s"
    return (
        f"{outcome.bug}: by {outcome.oracle} after {outcome.programs} programs, "
        f"{outcome.operations} operations, {outcome.seconds:.0f} s"
    )


def _table(outcomes: Sequence[Outcome]) -> Table:
    """A table with a line for each bug."""
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
