"""`make prove`: proves every rewrite rule and records the proofs in `proofs.json`.

Each rule is proved in binary16, binary32 and binary64 by Bitwuzla, or by trying all operands if its bodies
leave the format. Each variant that should be false gets a counterexample, or a record that it holds as well.
The records are written at the end, all or none; rules that were not selected keep theirs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from absint.native import children

from .theorems import (
    FORMATS,
    UNPROVED,
    Answer,
    Entry,
    Format,
    Record,
    Theorem,
    Verdict,
    as_text,
    entries,
    read_records,
    write_records,
)

DONE, FOUND, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
TIMEOUT = 300.0
"""Default limit for one theorem, in seconds."""


def decide(theorem: Theorem, format_: Format, seconds: float) -> Answer:
    """Prove or refute a theorem by the solver, or by trying all operands."""
    from ..oracles import exhaustive
    from . import smt  # the solver is one of the tools of development

    try:
        return smt.decide(theorem, format_, seconds)
    except smt.UnsupportedError:
        return exhaustive.decide(theorem, format_, seconds)


class Task(NamedTuple):
    """A rule and a format, by name, for a worker process to decide."""

    name: str
    format: str
    seconds: float

    def run(self) -> tuple[Task, Record]:
        """Decide the theorem and its variants. Returns the task with its record."""
        entry = next(entry for entry in entries() if entry.name == self.name)
        format_ = next(format_ for format_ in FORMATS if format_.name == self.format)
        answer = decide(entry.theorem, format_, self.seconds)
        record: Record = {
            "by": answer.prover,
            "meaning": entry.meaning(format_),
            "seconds": round(answer.seconds, 1),
            "verdict": answer.verdict.value,
        }
        if answer.point is not None:
            record["counterexample"] = as_text(answer.point)
        variants = {}
        for what, variant in entry.theorem.variants().items():
            other = decide(variant, format_, self.seconds)
            variants[what] = other.verdict.value if other.point is None else as_text(other.point)
        if variants:
            record["variants"] = variants
        return self, record


def _end_on_interrupt() -> None:
    """Let Ctrl-C end this process at once: the solver does not return to Python to handle it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    children.accept_interrupts()


def prove(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, Record]]:
    """Run tasks in `jobs` processes. Yields results as they are ready."""
    context = multiprocessing.get_context("spawn")
    with children.starting():
        pool = ProcessPoolExecutor(jobs, context, _end_on_interrupt)
    try:
        with children.starting():  # submitting starts the processes
            futures = [pool.submit(Task.run, task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def failures(task: Task, record: Record) -> Iterator[str]:
    """The failures in a result: the rule is not proved, or a condition of its precondition is not needed."""
    where = f"{task.name} in {task.format}"
    verdict = record["verdict"]
    if verdict != Verdict.PROVED.value and (task.name, task.format) not in UNPROVED:
        yield f"{where} is {verdict}: {record.get('counterexample', '')}".rstrip(": ")
    for what, found in record.get("variants", {}).items():
        if found == Verdict.UNDECIDED.value:
            yield f"{where}, {what}, is undecided"
        elif found == Verdict.PROVED.value and what.startswith("without "):
            yield f"{where} holds {what} as well"


def remarks(task: Task, record: Record) -> Iterator[str]:
    """The possible improvements in a result: stronger modes in which the rule holds as well."""
    for what, found in record.get("variants", {}).items():
        if found == Verdict.PROVED.value and what.startswith("in "):
            yield f"{task.name} in {task.format} holds {what} as well"


def select(rules: str) -> list[Entry]:
    """The rules with these names, with or without pass; all if empty. Raises ValueError for unknown ones."""
    known = entries()
    if not rules:
        return known
    asked = {name.strip() for name in rules.split(",")}
    missing = asked - {entry.name for entry in known} - {entry.rule.name for entry in known}
    if missing:
        raise ValueError(f"no such rule: {', '.join(sorted(missing))}")
    return [entry for entry in known if asked & {entry.name, entry.rule.name}]


def merge(chosen: Sequence[Entry], results: Sequence[tuple[Task, Record]]) -> dict[str, Record]:
    """All records, with the new ones in place and without those of rules that no longer exist."""
    known = {entry.name for entry in entries()}
    records = {name: record for name, record in read_records().items() if name in known}
    for entry in chosen:
        new: Record = {task.format: record for task, record in results if task.name == entry.name}
        records[entry.name] = {"rule": entry.text, **new}
    return records


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m absint.fuzz.prove",
        description="Prove the rewrite rules and record the proofs.",
    )
    parser.add_argument(
        "--rules", default="", metavar="NAME,…", help="only these; all others keep their records"
    )
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT, metavar="S", help="seconds for one question"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status: 1 if a rule is not proved."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.jobs < 1 or not options.timeout > 0:
        parser.error("--jobs and --timeout must be positive")
    try:
        chosen = select(options.rules)
    except ValueError as error:
        parser.error(str(error))
    tasks = [Task(entry.name, format_.name, options.timeout) for format_ in FORMATS for entry in chosen]
    try:
        results = _prove_visibly(tasks, options.jobs)
    except KeyboardInterrupt:
        return INTERRUPTED
    write_records(merge(chosen, results))
    return _report(results)


def _prove_visibly(tasks: Sequence[Task], jobs: int) -> list[tuple[Task, Record]]:
    """Run all tasks, with a progress bar on standard error if that is a terminal."""
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    console = Console(stderr=True)
    results = []
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:
        shown = bar.add_task("proving", total=len(tasks))
        for task, record in prove(tasks, jobs):
            results.append((task, record))
            bar.update(shown, advance=1, description=f"{task.name}, {task.format}")
    return sorted(results, key=lambda result: result[0])


def _report(results: Sequence[tuple[Task, Record]]) -> int:
    """Print a summary of the results. Returns the exit status."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for format_ in FORMATS:
        records = [record for task, record in results if task.format == format_.name]
        proved = [record for record in records if record["verdict"] == Verdict.PROVED.value]
        seconds = sum(record["seconds"] for record in records)
        variants = [found for record in records for found in record.get("variants", {}).values()]
        console.print(
            f"{format_.name}: {len(proved)} of {len(records)} rules proved in {seconds:.0f} s, "
            f"{sum(isinstance(found, dict) for found in variants)} of {len(variants)} variants refuted"
        )
    for task, record in results:
        for remark in remarks(task, record):
            console.print(f"note: {remark}")
    wrong = [failure for task, record in results for failure in failures(task, record)]
    for failure in wrong:
        console.print(f"FAILED: {failure}")
    return FOUND if wrong else DONE


if __name__ == "__main__":
    sys.exit(main())
