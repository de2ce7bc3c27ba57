"""Campaigns: many programs, several processes, a clean end whatever happens.

Each worker is a process of its own that checks every `jobs`-th seed and says in shared memory what it is at.
Where a worker dies or stands still, a fresh one checks that seed alone. If that dies or stands still too, it
is a find; if not, it is counted, for something else was to blame. Then another worker goes on behind it.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.evaluation.backend import find_backend
from absint.native import children, units
from absint.native.temporary import remove_abandoned
from absint.ops.table import OPS

from .blame import blame_of
from .cases import Case
from .findings import Finding
from .generate.generator import SIZE, random_case
from .oracles.selection import Oracle, Selection, check_safely, select
from .reduction import reduce_case
from .reproducer import write_reproducer

_TELL_EVERY = 0.2  # seconds between a worker's messages
_SAME_FIND = 3  # finds of one kind that are written
_OBJECTS = 50_000
"""New objects between two runs of a worker's garbage collector: programs leave hardly any cycles."""
REDUCE_FOR = 30.0
"""Seconds that one find may take to be made small."""
COMPILING_FOR = 600.0
"""Seconds for which a worker may be silent that compiles kernels."""
_STARTING_FOR = 60.0
"""Seconds that a worker may take to start, besides its patience."""


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

    @property
    def end(self) -> int | None:
        """The seed behind the last one; None if only time ends the campaign."""
        return None if self.programs is None else self.seed + self.programs


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
    not_repeated: int = 0
    """Deaths and hangs of workers that did not come again."""
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


class _Beacon(ctypes.Structure):
    """What a worker is at, in shared memory: a seed, the number of an oracle, and since when.

    `compiles`: kernels since then, which takes its time.
    """

    _fields_ = (
        ("seed", ctypes.c_int64),
        ("oracle", ctypes.c_int64),
        ("compiles", ctypes.c_bool),
        ("time", ctypes.c_double),
    )


class _Worker:
    """In a worker process: seeds in, news out."""

    def __init__(self, options: Options, pipe: Connection, beacon: Any) -> None:
        self._options = options
        self._pipe = pipe
        self._beacon = beacon
        self._selection = selection(options)
        self._known: dict[str, int] = {}
        units.observers.append(self._compiles)
        self._told = time.monotonic()
        self._forget()

    def _forget(self) -> None:
        self._programs = self._nodes = self._checks = 0
        self._ops = np.zeros(len(OPS), np.int64)
        self._pairs = np.zeros((len(OPS), len(OPS)), np.int64)
        self._finds: list[Find] = []

    def run(self) -> None:
        """Check seeds until there are enough; then say so."""
        seed, end = self._options.seed, self._options.end
        while end is None or seed < end:
            self._check(seed)
            seed += self._options.jobs
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
        self._beacon.seed, self._beacon.oracle, self._beacon.compiles = seed, number, False
        self._beacon.time = time.monotonic()

    def _compiles(self, _: str) -> None:
        self._beacon.compiles, self._beacon.time = True, time.monotonic()

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


def _work(options: Options, pipe: Connection, beacon: Any) -> None:
    """A worker process, which ends with its parent. Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    gc.set_threshold(_OBJECTS)
    _Worker(options, pipe, beacon).run()


def end_with_parent() -> None:
    """End this process, whatever it does, when its parent ends: one that is killed cannot see to that."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def end() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


@dataclass(frozen=True)
class _Running:
    """A worker process. `suspect`: it checks nothing but its first seed, at which another one was lost."""

    process: SpawnProcess
    beacon: Any
    first: int
    suspect: bool

    def is_silent(self, patience: float) -> bool:
        """Whether it has said nothing for too long."""
        most = COMPILING_FOR if self.beacon.compiles else patience + REDUCE_FOR
        return bool(time.monotonic() > self.beacon.time + most)


class _Crew:
    """The worker processes, seen from the parent."""

    def __init__(self, options: Options, context: SpawnContext) -> None:
        self._options = options
        self._context = context
        self._is_over = False
        self.workers: dict[Connection, _Running] = {}
        self.oracles = selection(options)

    def start(self, first: int, suspect: bool = False) -> None:
        """One more worker, for every `jobs`-th seed from `first` on; of a suspect seed, for that alone."""
        options, end = self._options, self._options.end
        if not suspect and (self._is_over or (end is not None and first >= end)):
            return
        count = 1 if suspect else None if end is None else end - first
        theirs = replace(options, seed=first, programs=count)
        beacon = self._context.Value(_Beacon, first, -1, False, time.monotonic() + _STARTING_FOR, lock=False)
        mine, pipe = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_work, args=(theirs, pipe, beacon), name=f"absint-fuzz-{first}", daemon=True
        )
        with children.starting():
            process.start()
        pipe.close()
        self.workers[mine] = _Running(process, beacon, first, suspect)

    def end(self, pipe: Connection) -> None:
        """Let go of a worker, by force if need be."""
        one = self.workers.pop(pipe)
        one.process.join(0.5)
        if one.process.is_alive():
            one.process.kill()
            one.process.join()
        pipe.close()
        if one.process.exitcode:
            remove_abandoned()

    def go_on(self, pipe: Connection) -> bool:
        """A worker has done what it had to do. Whether it has cleared a suspect."""
        one = self.workers[pipe]
        self.end(pipe)
        if one.suspect:
            self.start(one.first + self._options.jobs)
        return one.suspect

    def lose(self, pipe: Connection, *, hangs: bool) -> Find | None:
        """A worker died or hangs. The first time its seed is suspect, the second time it is a find."""
        one = self.workers[pipe]
        seed, number = one.beacon.seed, one.beacon.oracle
        self.end(pipe)
        if not one.suspect:
            self.start(seed, suspect=True)
            return None
        self.start(seed + self._options.jobs)
        case = random_case(seed, self._options.size)
        names = [oracle.name for oracle in self.oracles.for_case(case)]
        name = names[number] if 0 <= number < len(names) else "generator"
        died = f"the process died (exit status {one.process.exitcode})"
        what = f"hangs for more than {self._options.patience:.0f} s" if hangs else died
        return Find(seed, case, Finding(name, what), "")

    def finish(self) -> None:
        """The campaign is over: only suspects are still checked."""
        self._is_over = True
        for pipe, one in list(self.workers.items()):
            if not one.suspect:
                one.process.kill()
                self.end(pipe)

    def end_all(self) -> None:
        """End all workers by force."""
        for one in self.workers.values():
            one.process.kill()
        for pipe in list(self.workers):
            self.end(pipe)


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
        while crew.workers:
            for pipe in wait(list(crew.workers), timeout=0.1):
                assert isinstance(pipe, Connection)
                _listen(crew, pipe, summary, corpus)
            for pipe, one in list(crew.workers.items()):
                if one.is_silent(options.patience):
                    _note(summary, crew.lose(pipe, hangs=True), corpus)
            if end is not None and time.monotonic() >= end:
                crew.finish()
            watch(summary)
    except KeyboardInterrupt:
        summary.interrupted = True
    finally:
        crew.end_all()
    watch(summary)
    return summary


def _listen(crew: _Crew, pipe: Connection, summary: Summary, corpus: Path | None) -> None:
    """Take a message of a worker; one that has none died."""
    try:
        news = pipe.recv()
    except (EOFError, OSError):
        _note(summary, crew.lose(pipe, hangs=False), corpus)
        return
    if news is None:
        summary.not_repeated += crew.go_on(pipe)
        return
    summary.programs += news.programs
    summary.nodes += news.nodes
    summary.checks += news.checks
    summary.ops += news.ops
    summary.pairs += news.pairs
    for find in news.finds:
        _note(summary, find, corpus)


def _note(summary: Summary, find: Find | None, corpus: Path | None) -> None:
    """Keep a find, if it is one, and write it."""
    if find is not None and summary.add(find) and corpus is not None:
        corpus.mkdir(parents=True, exist_ok=True)
        oracle = re.sub(r"[^a-z0-9]+", "-", find.finding.oracle)
        write_reproducer(corpus / f"{oracle}-{find.seed}.vm", find.case, find.finding, find.blame)
