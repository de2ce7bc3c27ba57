"""Campaigns: many programs checked by several processes, which end cleanly whatever happens.

Each worker process checks every `jobs`-th seed and records its progress in shared memory. If a worker dies or
hangs, a fresh worker checks that seed alone. If it dies or hangs again, that is a find; if not, the loss is
only counted, since something else caused it. Then a new worker continues with the following seeds.
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

_MESSAGE_INTERVAL = 0.2  # seconds between a worker's messages
_FINDS_OF_A_KIND = 3  # finds of one kind that are reduced and written
_OBJECTS = 50_000
"""New objects between two runs of a worker's garbage collector: programs leave hardly any cycles."""
REDUCE_FOR = 30.0
"""Seconds allowed for reducing one find."""
COMPILING_FOR = 600.0
"""Seconds for which a worker that compiles kernels may be silent."""
_STARTING_FOR = 60.0
"""Seconds allowed for a worker's start, in addition to the patience."""


@dataclass(frozen=True)
class Options:
    """The options of a campaign, which ends after `programs` programs or `seconds`, whichever comes first."""

    backends: Sequence[str]
    passes: Sequence[str]
    domains: Sequence[str]
    seed: int = 0
    programs: int | None = None
    seconds: float | None = None
    jobs: int = 1
    size: int = SIZE
    patience: float = 60.0
    """Seconds of silence after which a worker counts as hanging."""

    @property
    def end(self) -> int | None:
        """One more than the last seed; None if only time ends the campaign."""
        return None if self.programs is None else self.seed + self.programs


class Find(NamedTuple):
    """A finding of an oracle, with the reduced case and the seed of the original one."""

    seed: int
    case: Case
    finding: Finding
    blame: str

    @property
    def kind(self) -> str:
        """The find's kind: finds of one kind are probably caused by one bug."""
        return _kind(self.finding)


def _kind(finding: Finding) -> str:
    return f"{finding.oracle}: {re.sub(r'[0-9.+-]+', '#', finding.what)}"


@dataclass
class Summary:
    """The counts and finds of a campaign so far. `ops`: int64[ops], uses of each operation. `pairs`:
    int64[ops, ops], uses of an operation's result (column) by an operation (row).
    """

    started: float = field(default_factory=time.monotonic)
    programs: int = 0
    nodes: int = 0
    checks: int = 0
    pairs: NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(OPS), len(OPS)), np.int64))
    ops: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(OPS), np.int64))
    finds: list[Find] = field(default_factory=list)
    repeated: int = 0
    not_repeated: int = 0
    """Deaths and hangs of workers that did not happen again."""
    interrupted: bool = False

    @property
    def seconds(self) -> float:
        """Seconds since the campaign started."""
        return time.monotonic() - self.started

    def add(self, find: Find) -> bool:
        """Add a find. Returns False, and only counts it, if there are enough finds of its kind."""
        if sum(other.kind == find.kind for other in self.finds) >= _FINDS_OF_A_KIND:
            self.repeated += 1
            return False
        self.finds.append(find)
        return True


class _Message(NamedTuple):
    """A worker's counts and finds since its previous message."""

    programs: int
    nodes: int
    checks: int
    ops: NDArray[np.int64]
    pairs: NDArray[np.int64]
    finds: tuple[Find, ...]


def selection(options: Options) -> Selection:
    """The oracles of a campaign. Raises `BackendError` for a backend that is not available."""
    return select([find_backend(name) for name in options.backends], options.passes, options.domains)


def investigate(case: Case, oracle: Oracle, seconds: float = REDUCE_FOR) -> Find:
    """Reduce a find and determine its culprit. Raises ValueError if the oracle finds nothing."""
    small, finding = reduce_case(case, lambda one: check_safely(oracle, one), seconds)
    return Find(case.seed, small, finding, blame_of(small, finding))


class _Beacon(ctypes.Structure):
    """A worker's position, in shared memory: its seed, the number of its oracle, and the time of the last
    update.

    `compiles`: whether the worker compiles kernels at this position, which may take long.
    """

    _fields_ = (
        ("seed", ctypes.c_int64),
        ("oracle", ctypes.c_int64),
        ("compiles", ctypes.c_bool),
        ("time", ctypes.c_double),
    )


class _Worker:
    """The loop of a worker process: checks seeds and sends messages."""

    def __init__(self, options: Options, pipe: Connection, beacon: Any) -> None:
        self._options = options
        self._pipe = pipe
        self._beacon = beacon
        self._selection = selection(options)
        self._kinds: dict[str, int] = {}
        units.observers.append(self._note_compiling)
        self._last_message = time.monotonic()
        self._reset()

    def _reset(self) -> None:
        """Start the counts of the next message."""
        self._programs = self._nodes = self._checks = 0
        self._ops = np.zeros(len(OPS), np.int64)
        self._pairs = np.zeros((len(OPS), len(OPS)), np.int64)
        self._finds: list[Find] = []

    def run(self) -> None:
        """Check all seeds of this worker, then send None."""
        seed, end = self._options.seed, self._options.end
        while end is None or seed < end:
            self._check(seed)
            seed += self._options.jobs
            if self._finds or time.monotonic() - self._last_message > _MESSAGE_INTERVAL:
                self._send()
        self._send()
        self._pipe.send(None)

    def _check(self, seed: int) -> None:
        self._set_beacon(seed, -1)
        case = random_case(seed, self._options.size)
        self._count(case)
        oracles = self._selection.for_case(case)
        for number, oracle in enumerate(oracles):
            self._set_beacon(seed, number)
            self._checks += 1
            finding = check_safely(oracle, case)
            if finding is not None:
                self._add_find(case, oracle, finding)

    def _add_find(self, case: Case, oracle: Oracle, finding: Finding) -> None:
        """Add a find to the next message, reduced unless there were enough of its kind."""
        kind = _kind(finding)
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        if self._kinds[kind] > _FINDS_OF_A_KIND:
            self._finds.append(Find(case.seed, replace(case), finding, ""))  # a copy without executables
        else:
            self._finds.append(investigate(case, oracle))

    def _set_beacon(self, seed: int, number: int) -> None:
        """Record that the oracle with this number now checks this seed; -1: the generator runs."""
        self._beacon.seed, self._beacon.oracle, self._beacon.compiles = seed, number, False
        self._beacon.time = time.monotonic()

    def _note_compiling(self, _: str) -> None:
        """Record that a kernel is being compiled."""
        self._beacon.compiles, self._beacon.time = True, time.monotonic()

    def _count(self, case: Case) -> None:
        graph = case.graph
        self._programs += 1
        self._nodes += graph.operation_count
        self._ops += np.bincount(graph.op, minlength=len(OPS))
        for position in range(2):
            used = graph.args[:, position] >= 0
            np.add.at(self._pairs, (graph.op[used], graph.op[graph.args[used, position]]), 1)

    def _send(self) -> None:
        self._pipe.send(
            _Message(self._programs, self._nodes, self._checks, self._ops, self._pairs, tuple(self._finds))
        )
        self._last_message = time.monotonic()
        self._reset()


def _work(options: Options, pipe: Connection, beacon: Any) -> None:
    """The main function of a worker process, which ends with its parent. Only the parent handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    gc.set_threshold(_OBJECTS)
    _Worker(options, pipe, beacon).run()


def end_with_parent() -> None:
    """End this process, whatever it does, when its parent ends: a parent that is killed cannot end it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def end() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


@dataclass(frozen=True)
class _WorkerHandle:
    """A worker process, as its parent sees it.

    `first`: its first seed. `suspect`: it checks that seed alone, because another worker was lost at it.
    """

    process: SpawnProcess
    beacon: Any
    first: int
    suspect: bool

    def is_silent(self, patience: float) -> bool:
        """Whether the worker has not updated its beacon for too long."""
        most = COMPILING_FOR if self.beacon.compiles else patience + REDUCE_FOR
        return bool(time.monotonic() > self.beacon.time + most)


class _WorkerPool:
    """All worker processes of a campaign, as the parent sees them."""

    def __init__(self, options: Options, context: SpawnContext) -> None:
        self._options = options
        self._context = context
        self._is_over = False
        self.workers: dict[Connection, _WorkerHandle] = {}
        self.oracles = selection(options)

    def start(self, first: int, suspect: bool = False) -> None:
        """Start a worker for every `jobs`-th seed from `first` on; if `suspect`, for the first seed alone."""
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
        self.workers[mine] = _WorkerHandle(process, beacon, first, suspect)

    def end(self, pipe: Connection) -> None:
        """Remove a worker, and kill it if it does not end by itself."""
        one = self.workers.pop(pipe)
        one.process.join(0.5)
        if one.process.is_alive():
            one.process.kill()
            one.process.join()
        pipe.close()
        if one.process.exitcode:
            remove_abandoned()

    def complete(self, pipe: Connection) -> bool:
        """Remove a worker that has checked all its seeds. Returns whether its seed was suspect; a new worker
        then continues with the following seeds.
        """
        one = self.workers[pipe]
        self.end(pipe)
        if one.suspect:
            self.start(one.first + self._options.jobs)
        return one.suspect

    def lose(self, pipe: Connection, *, hangs: bool) -> Find | None:
        """Remove a worker that died or hangs: its seed becomes suspect, and the second time it is a find."""
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
        """End the campaign: only workers that check a suspect seed continue."""
        self._is_over = True
        for pipe, one in list(self.workers.items()):
            if not one.suspect:
                one.process.kill()
                self.end(pipe)

    def end_all(self) -> None:
        """Kill all workers."""
        for one in self.workers.values():
            one.process.kill()
        for pipe in list(self.workers):
            self.end(pipe)


def run(options: Options, watch: Callable[[Summary], None], corpus: Path | None) -> Summary:
    """Run a campaign. Returns its summary, also if Ctrl-C ends it early.

    `watch`: called with the summary several times a second. `corpus`: the folder to which finds are written.
    Raises `BackendError`, before any process starts, for a backend that is not available.
    """
    summary = Summary()
    context = multiprocessing.get_context("spawn")
    pool = _WorkerPool(options, context)
    end = None if options.seconds is None else time.monotonic() + options.seconds
    try:
        for worker in range(options.jobs):
            pool.start(options.seed + worker)
        while pool.workers:
            for pipe in wait(list(pool.workers), timeout=0.1):
                assert isinstance(pipe, Connection)
                _listen(pool, pipe, summary, corpus)
            for pipe, one in list(pool.workers.items()):
                if one.is_silent(options.patience):
                    _note(summary, pool.lose(pipe, hangs=True), corpus)
            if end is not None and time.monotonic() >= end:
                pool.finish()
            watch(summary)
    except KeyboardInterrupt:
        summary.interrupted = True
    finally:
        pool.end_all()
    watch(summary)
    return summary


def _listen(pool: _WorkerPool, pipe: Connection, summary: Summary, corpus: Path | None) -> None:
    """Receive a message from a worker; a closed pipe means that the worker died."""
    try:
        message = pipe.recv()
    except (EOFError, OSError):
        _note(summary, pool.lose(pipe, hangs=False), corpus)
        return
    if message is None:
        summary.not_repeated += pool.complete(pipe)
        return
    summary.programs += message.programs
    summary.nodes += message.nodes
    summary.checks += message.checks
    summary.ops += message.ops
    summary.pairs += message.pairs
    for find in message.finds:
        _note(summary, find, corpus)


def _note(summary: Summary, find: Find | None, corpus: Path | None) -> None:
    """Add a find to the summary and write it to the corpus."""
    if find is not None and summary.add(find) and corpus is not None:
        corpus.mkdir(parents=True, exist_ok=True)
        oracle = re.sub(r"[^a-z0-9]+", "-", find.finding.oracle)
        write_reproducer(corpus / f"{oracle}-{find.seed}.vm", find.case, find.finding, find.blame)
