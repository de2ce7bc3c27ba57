"""The command `absint fuzz`: a campaign with a live display, a replay, or the fuzzer's self-test."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from absint.base import registry
from absint.base.errors import UsageError, did_you_mean, printable, shown, shown_path
from absint.evaluation.backend import find_backend, usual_backends
from absint.native.terminal import (
    DONE,
    FOUND,
    INTERRUPTED,
    is_terminal,
    note,
    plain_table,
    table_text,
    write_out,
)
from absint.ops.table import OPS
from absint.rewriting.manager import pass_names

from .campaign import Options, Summary, run, selection
from .kernels import CompilationNotice, load_kernels
from .replay import replay, subjects

if TYPE_CHECKING:
    from rich.table import Table

_OPERATIONS = [op.code for op in OPS if not op.is_leaf]


def fuzz(arguments: argparse.Namespace) -> int:
    """Run a campaign, a replay or the self-test, as the arguments ask. Returns the exit status."""
    if arguments.self_test is not None:
        from .selftest import self_test

        return self_test(arguments)
    options = _options(arguments)
    if arguments.replay is not None:
        given = subjects(arguments.replay)
        with CompilationNotice() as notice:
            load_kernels(notice.show)
        return replay(given, selection(options))
    corpus = Path(arguments.corpus)
    _check_corpus(corpus)
    with CompilationNotice() as notice:
        load_kernels(notice.show)
    with _Display(options) as display:
        summary = run(options, display.show, corpus)
    _report(arguments.json, options, summary, corpus)
    if summary.finds:
        return FOUND
    return INTERRUPTED if summary.interrupted else DONE


def _check_corpus(corpus: Path) -> None:
    """Raises `UsageError` if finds cannot be written to the folder."""
    try:
        reason = "" if stat.S_ISDIR(os.stat(corpus).st_mode) else "not a folder"
    except FileNotFoundError:
        reason = ""  # the first find creates it
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = str(getattr(error, "strerror", None) or error)
    if not reason:
        nearest = next(folder for folder in (corpus, *corpus.absolute().parents) if folder.exists())
        reason = "" if os.access(nearest, os.W_OK) else "Permission denied"
    if reason:
        raise UsageError(f"--corpus {shown_path(corpus)}: {reason}")


def _options(arguments: argparse.Namespace) -> Options:
    """The options of a campaign. Raises `BackendError` and `UsageError` for names that are not available."""
    backends = arguments.backends or usual_backends()
    for name in backends:
        find_backend(name)
    passes = pass_names() if arguments.passes is None else arguments.passes
    for name in passes:
        if name not in pass_names():
            known = ", ".join(pass_names())
            hint = did_you_mean(name, pass_names())
            raise UsageError(f"--passes: {shown(name)} is none of {known}{hint}")
    domains = registry.names("domains") if arguments.domains is None else arguments.domains
    for name in domains:
        registry.find("domains", name)
    programs = arguments.programs
    if programs is None and arguments.time is None:
        programs = 1000
    return Options(
        backends, passes, domains, arguments.seed, programs, arguments.time, arguments.jobs, arguments.size
    )


def _coverage(summary: Summary) -> tuple[int, int]:
    """Numbers of distinct operations, and of distinct pairs of operation and operand, that occurred."""
    pairs = summary.pairs[np.ix_(_OPERATIONS, _OPERATIONS)]
    return int(np.count_nonzero(summary.ops[_OPERATIONS])), int(np.count_nonzero(pairs))


def _table(options: Options, summary: Summary) -> Table:
    """A campaign's summary as a table."""
    ops, pairs = _coverage(summary)
    seconds = max(summary.seconds, 1e-9)
    count = len(_OPERATIONS)
    table = plain_table("absint fuzz", "what", "figure")
    mean = summary.nodes / max(summary.programs, 1)
    rate = summary.programs / seconds
    table.add_row("programs", f"{summary.programs:,}, {rate:.0f} a second, {mean:.0f} operations on average")
    table.add_row("checks", f"{summary.checks:,}, {summary.checks / seconds:.0f} a second")
    table.add_row("operations met", f"{ops} of {count}")
    table.add_row("pairs of operations met", f"{pairs} of {count * count}")
    table.add_row(
        "seeds", f"from {options.seed}, {options.jobs} at a time, backends {', '.join(options.backends)}"
    )
    finds = f"{len(summary.finds)}"
    if summary.repeated:
        finds += f", and {summary.repeated} more of the same kinds"
    table.add_row("finds", finds)
    if summary.not_repeated:
        table.add_row("deaths and hangs not repeated", f"{summary.not_repeated}")
    table.add_row("time", f"{summary.seconds:.0f} s{', interrupted' if summary.interrupted else ''}")
    return table


def _report(as_json: bool, options: Options, summary: Summary, corpus: Path) -> None:
    """Write the summary and all finds to standard output."""
    if as_json:
        write_out(json.dumps(_as_json(options, summary)) + "\n")
        return
    write_out(table_text(_table(options, summary), sys.stdout))
    for find in summary.finds:
        write_out(f"\nseed {find.seed}, {find.case.graph.operation_count} operations\n")
        write_out(printable(f"{find.finding.describe()}\n", keep="\n"))
        if find.blame:
            write_out(f"  to blame: {find.blame}\n")
    if summary.finds:
        where = shown_path(corpus)
        write_out(f"\nwritten to {where}; see them again by: absint fuzz --replay {where}\n")


def _as_json(options: Options, summary: Summary) -> dict[str, Any]:
    ops, pairs = _coverage(summary)
    return {
        "seed": options.seed,
        "jobs": options.jobs,
        "backends": list(options.backends),
        "passes": list(options.passes),
        "domains": list(options.domains),
        "programs": summary.programs,
        "operations": summary.nodes,
        "checks": summary.checks,
        "seconds": summary.seconds,
        "operations_met": ops,
        "pairs_met": pairs,
        "interrupted": summary.interrupted,
        "repeated": summary.repeated,
        "not_repeated": summary.not_repeated,
        "finds": [
            {
                "seed": find.seed,
                "oracle": find.finding.oracle,
                "what": find.finding.what,
                "point": dict(find.finding.point),
                "expected": str(find.finding.expected),
                "got": str(find.finding.got),
                "blame": find.blame,
                "operations": find.case.graph.operation_count,
            }
            for find in summary.finds
        ],
    }


class _Display:
    """Progress of a campaign: a live table on a terminal, else a line every ten seconds."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._live: Any = None
        self._last_line = time.monotonic()

    def __enter__(self) -> _Display:
        if is_terminal(sys.stderr):
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, summary: Summary) -> None:
        """Show the summary so far."""
        if self._live is not None:
            self._live.update(_table(self._options, summary))
        elif time.monotonic() - self._last_line >= 10:
            self._last_line = time.monotonic()
            note(f"{summary.programs} programs in {summary.seconds:.0f} s, {len(summary.finds)} finds")
