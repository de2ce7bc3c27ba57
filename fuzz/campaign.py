"""Campaigns: many programs, several processes, a clean end whatever happens.

Each worker is a process of its own that checks every `jobs`-th seed and says in shared memory what it is at.
A worker that dies or stands still is a find too: its seed is known, and another worker goes on behind it.
"""

from __future__ import annotations

import gc
import multiprocessing
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.backend import find_backend
from absint.ops.table import OPS

from .blame import blame_of
from .cases import Case
from .findings import Finding
from .generator import SIZE, random_case
from .oracles import Oracle, Selection, check_safely, select
from .reduction import reduce_case
from .reproducer import write_reproducer

_TELL_EVERY = 0.2  # seconds between a worker's messages
_SAME_FIND = 3  # finds of one kind that are written
_OBJECTS = 50_000
"""New objects between two runs of a worker's garbage collector: programs leave hardly any cycles."""
REDUCE_FOR = 30.0
"""Seconds that one find may take to be made small."""


@dataclass(frozen=True)
class Options:
    """What a campaign does. `programs` and `seconds`: when it ends, whichever comes first."""

    backends: Sequence[str]
    passes: Sequence[str]
    domains: Sequence[str]
    seed: int = 0
    programs: int | None = None
    seconds: float | None = None
    jobs: int = 1
    size: int = SIZE
    patience: float = 60.0
    """Seconds after which a worker that says nothing hangs."""


class Find(NamedTuple):
    """Something that an oracle complained of: the case, made small, and the seed that it came from."""

    seed: int
    case: Case
    finding: Finding
    blame: str

    @property
    def kind(self) -> str:
        """Finds of one kind are likely one bug."""
        return _kind(self.finding)


def _kind(finding: Finding) -> str:
    return f"{finding.oracle}: {re.sub(r'[0-9.+-]+', '#', finding.what)}"


@dataclass
class Summary:
    """What a campaign has seen so far. `pairs`: int64[ops, ops], uses of an operation by another."""

    started: float = field(default_factory=time.monotonic)
    programs: int = 0
    nodes: int = 0
    checks: int = 0
    pairs: NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(OPS), len(OPS)), np.int64))
    ops: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(OPS), np.int64))
    finds: list[Find] = field(default_factory=list)
    repeated: int = 0
    interrupted: bool = False

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self.started

    def add(self, find: Find) -> bool:
        """Note a find; false if there are enough of its kind."""
        if sum(other.kind == find.kind for other in self.finds) >= _SAME_FIND:
            self.repeated += 1
            return False
        self.finds.append(find)
        return True


class _News(NamedTuple):
    """What a worker tells."""

    programs: int
    nodes: int
    checks: int
    ops: NDArray[np.int64]
    pairs: NDArray[np.int64]
    finds: tuple[Find, ...]


def selection(options: Options) -> Selection:
    """The oracles of a campaign. Raises `BackendError` for a backend that cannot be used here."""
    return select([find_backend(name) for name in options.backends], options.passes, options.domains)


def investigate(case: Case, oracle: Oracle, seconds: float = REDUCE_FOR) -> Find:
    """Make a find small and find out who is to blame. Raises ValueError if there is none."""
    small, finding = reduce_case(case, lambda one: check_safely(oracle, one), seconds)
    return Find(case.seed, small, finding, blame_of(small, finding))


class _Worker:
    """In a worker process: seeds in, news out."""

    def __init__(self, options: Options, pipe: Connection, beacon: Any) -> None:
        self._options = options
        self._pipe = pipe
        self._beacon = beacon
        self._selection = selection(options)
        self._known: dict[str, int] = {}
        self._told = time.monotonic()
        self._forget()

    def _forget(self) -> None:
        self._programs = self._nodes = self._checks = 0
        self._ops = np.zeros(len(OPS), np.int64)
        self._pairs = np.zeros((len(OPS), len(OPS)), np.int64)
        self._finds: list[Find] = []

    def run(self, first: int) -> None:
        """Check seeds until there are enough; then say so."""
        options = self._options
        end = None if options.programs is None else options.seed + options.programs
        seed = first
        while end is None or seed < end:
            self._check(seed)
            seed += options.jobs
            if self._finds or time.monotonic() - self._told > _TELL_EVERY:
                self._tell()
        self._tell()
        self._pipe.send(None)

    def _check(self, seed: int) -> None:
        self._at(seed, -1)
        case = random_case(seed, self._options.size)
        self._count(case)
        oracles = self._selection.for_case(case)
        for number, oracle in enumerate(oracles):
            self._at(seed, number)
            self._checks += 1
            finding = check_safely(oracle, case)
            if finding is not None:
                self._found(case, oracle, finding)

    def _found(self, case: Case, oracle: Oracle, finding: Finding) -> None:
        kind = _kind(finding)
        self._known[kind] = self._known.get(kind, 0) + 1
        if self._known[kind] > _SAME_FIND:
            self._finds.append(Find(case.seed, replace(case), finding, ""))  # without what was compiled
        else:
            self._finds.append(investigate(case, oracle))

    def _at(self, seed: int, number: int) -> None:
        self._beacon[0], self._beacon[1], self._beacon[2] = float(seed), float(number), time.monotonic()

    def _count(self, case: Case) -> None:
        graph = case.graph
        self._programs += 1
        self._nodes += graph.operation_count
        self._ops += np.bincount(graph.op, minlength=len(OPS))
        for position in range(2):
            used = graph.args[:, position] >= 0
            np.add.at(self._pairs, (graph.op[used], graph.op[graph.args[used, position]]), 1)

    def _tell(self) -> None:
        self._pipe.send(
            _News(self._programs, self._nodes, self._checks, self._ops, self._pairs, tuple(self._finds))
        )
        self._told = time.monotonic()
        self._forget()


def _work(options: Options, first: int, pipe: Connection, beacon: Any) -> None:
    """A worker process. Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(_OBJECTS)
    _Worker(options, pipe, beacon).run(first)


class _Crew:
    """The worker processes, seen from the parent."""

    def __init__(self, options: Options, context: SpawnContext) -> None:
        self._options = options
        self._context = context
        self.workers: dict[Connection, tuple[SpawnProcess, Any]] = {}
        self.oracles = selection(options)

    def start(self, first: int) -> None:
        """One more worker, for every `jobs`-th seed from `first` on."""
        theirs = self._context.Array("d", [float(first), -1.0, time.monotonic() + 60.0], lock=False)
        mine, pipe = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_work, args=(self._options, first, pipe, theirs), name=f"absint-fuzz-{first}", daemon=True
        )
        process.start()
        pipe.close()
        self.workers[mine] = process, theirs

    def end(self, pipe: Connection) -> None:
        """Let go of a worker, by force if need be."""
        process, _ = self.workers.pop(pipe)
        process.join(0.5)
        if process.is_alive():
            process.kill()
            process.join()
        pipe.close()

    def lost(self, pipe: Connection, how: str) -> Find:
        """A worker died or hangs: what it was at is a find, and another one goes on behind that."""
        process, beacon = self.workers[pipe]
        seed, number = int(beacon[0]), int(beacon[1])
        self.end(pipe)
        case = random_case(seed, self._options.size)
        names = [oracle.name for oracle in self.oracles.for_case(case)]
        name = names[number] if 0 <= number < len(names) else "generator"
        if process.exitcode:
            how += f" (exit status {process.exitcode})"
        options = self._options
        following = seed + options.jobs
        if options.programs is None or following < options.seed + options.programs:
            self.start(following)
        return Find(seed, case, Finding(name, how), "")


def run(options: Options, watch: Callable[[Summary], None], corpus: Path | None) -> Summary:
    """Run a campaign. `watch` is shown the summary several times a second; finds are written to `corpus`.

    Ctrl-C ends it early, with the summary. Raises `BackendError` before anything is started.
    """
    summary = Summary()
    context = multiprocessing.get_context("spawn")
    crew = _Crew(options, context)
    end = None if options.seconds is None else time.monotonic() + options.seconds
    try:
        for worker in range(options.jobs):
            crew.start(options.seed + worker)
        while crew.workers and (end is None or time.monotonic() < end):
            for pipe in wait(list(crew.workers), timeout=0.1):
                assert isinstance(pipe, Connection)
                _listen(crew, pipe, summary, corpus)
            for pipe, (_, beacon) in list(crew.workers.items()):
                if time.monotonic() - beacon[2] > options.patience + REDUCE_FOR:
                    _note(summary, crew.lost(pipe, f"hangs for more than {options.patience:.0f} s"), corpus)
            watch(summary)
    except KeyboardInterrupt:
        summary.interrupted = True
    finally:
        for process, _ in crew.workers.values():
            process.kill()
        for pipe in list(crew.workers):
            crew.end(pipe)
    watch(summary)
    return summary


def _listen(crew: _Crew, pipe: Connection, summary: Summary, corpus: Path | None) -> None:
    """Take a message of a worker; one that has none died."""
    try:
        news = pipe.recv()
    except (EOFError, OSError):
        _note(summary, crew.lost(pipe, "the process died"), corpus)
        return
    if news is None:
        crew.end(pipe)
        return
    summary.programs += news.programs
    summary.nodes += news.nodes
    summary.checks += news.checks
    summary.ops += news.ops
    summary.pairs += news.pairs
    for find in news.finds:
        _note(summary, find, corpus)


def _note(summary: Summary, find: Find, corpus: Path | None) -> None:
    """Keep a find, and write it."""
    if summary.add(find) and corpus is not None:
        corpus.mkdir(parents=True, exist_ok=True)
        oracle = re.sub(r"[^a-z0-9]+", "-", find.finding.oracle)
        write_reproducer(corpus / f"{oracle}-{find.seed}.vm", find.case, find.finding, find.blame)
