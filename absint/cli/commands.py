"""The commands: each takes parsed arguments, writes files and text, and returns an exit status."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absint import api
from absint.base.errors import UsageError, one_line, shown_path
from absint.base.registry import find
from absint.base.version import __version__
from absint.cli.argument_types import REPORTS
from absint.evaluation.backend import find_backend, profile_of, usual_backends
from absint.evaluation.image_files import ENCODERS, pgm, write_whole
from absint.evaluation.view import Grid, View
from absint.frontend.vm import write_vm
from absint.ir.box import Box
from absint.ir.program import Form, Program, describe
from absint.native.terminal import (
    DONE,
    FOUND,
    NoteStream,
    Progress,
    note,
    note_as_is,
    plain_table,
    render_text,
    table_text,
    write_out,
)
from absint.ops.precision import Precision
from absint.rewriting.analysis import RewriteBudget
from absint.rewriting.instruments import PrintAfter, VerifyEach
from absint.rewriting.manager import (
    LEVELS,
    Instrument,
    Step,
    form_after,
    format_pass,
    format_pipeline,
    parse_pipeline,
)

if TYPE_CHECKING:
    from rich.table import Table

STDOUT = "-"


def optimize(arguments: argparse.Namespace) -> int:
    """`absint optimize`: write the program, the report, or both."""
    reporting = arguments.report or arguments.report_file is not None
    pipeline = LEVELS[arguments.level] if arguments.passes is None else arguments.passes
    parsed = parse_pipeline(pipeline)
    output = _program_target(arguments, reporting, form_after(parsed) is Form.LOWERED)
    report_to = arguments.report_file if arguments.report_file is not None else STDOUT if reporting else None
    if arguments.format and not reporting:
        raise UsageError("--format needs a report: add --report or --report-file PATH")
    _check_targets([target for target in (output, report_to) if target is not None])
    if output is not None and Path(output).suffix.lower() in ENCODERS:
        raise UsageError(f"-o {shown_path(output)}: the program is text; a picture is drawn by absint render")
    region = Box.parse(arguments.region)
    for domain in arguments.domains:
        find("domains", domain)
    instruments = _instruments(arguments)

    budget = None if arguments.bisect_limit is None else RewriteBudget(arguments.bisect_limit)
    with Progress(f"optimising {shown_path(arguments.model)}", hidden=arguments.print_after is not None):
        source = api.load(arguments.model)
        result, steps = api.run_pipeline(
            source, passes=pipeline, region=region, precision=arguments.precision, domains=arguments.domains,
            instruments=instruments, budget=budget,
        )  # fmt: skip
        report = _report_text(arguments, source, steps, result, budget) if report_to is not None else ""
    if output is not None:
        made_by = f"made by absint {__version__}, passes {format_pipeline(parsed) or 'none'}"
        _write(output, write_vm(result.graph, [describe(result), made_by]))
    if report_to is not None:
        _write(report_to, report)
    if budget is not None:
        note(f"{budget.made} rewrites" + (f", the last: {budget.last}" if budget.made else ""))
    if arguments.stats:
        note_as_is(table_text(_statistics(steps), sys.stderr) + "\n")
    if arguments.time_passes:
        note_as_is(table_text(_times(steps), sys.stderr) + "\n")
    return DONE


def _program_target(arguments: argparse.Namespace, reporting: bool, lowered: bool) -> str | None:
    """The target of the program: `-o`, or standard output if nothing else is requested; None if it is not
    written.
    """
    watching = arguments.stats or arguments.time_passes or arguments.verify_each or arguments.print_after
    asked = reporting or (lowered and watching)  # a lowered program has no .vm form, so watching it is enough
    output: str | None = STDOUT if arguments.output is None and not asked else arguments.output
    if lowered and output is not None:
        how = "-O3" if arguments.passes is None else "'predicates'"
        raise UsageError(
            f"{how} makes a lowered program, which has no .vm form: see it by --report or --print-after all, "
            "or write the program of -O2"
        )
    return output


def _instruments(arguments: argparse.Namespace) -> list[Instrument]:
    instruments: list[Instrument] = []
    if arguments.print_after is not None:
        instruments.append(PrintAfter(arguments.print_after, NoteStream()))
    if arguments.verify_each:
        instruments.append(VerifyEach())
    return instruments


def _report_text(
    arguments: argparse.Namespace, source: Program, steps: list[Step], result: Program,
    budget: RewriteBudget | None,
) -> str | bytes:  # fmt: skip
    from absint.report.data import TILES_PER_AXIS, json_bytes, make_report, page_tiles
    from absint.report.tables import print_report

    form = _report_format(arguments)
    report = make_report(
        source, steps, result, arguments.domains, model=_file_name(arguments.model), budget=budget,
        tiles=page_tiles(source, arguments.domains) if form == "html" else TILES_PER_AXIS,
    )  # fmt: skip
    if form == "json":
        return json_bytes(report)
    if form == "html":
        from absint.report.html import report_page
        from absint.report.pictures import make_pictures

        return report_page(report, make_pictures(source, result, arguments.domains))
    stream = None if arguments.report_file not in (None, STDOUT) else sys.stdout
    return render_text(lambda console: print_report(report, console), stream)


def _report_format(arguments: argparse.Namespace) -> str:
    """The format that `--format` names, else that of the report file's suffix."""
    form: str = arguments.format or REPORTS[Path(arguments.report_file or "").suffix.lower()]
    return form


def _statistics(steps: Sequence[Step]) -> Table:
    """A table of how often each pass used each rule, and of the nodes before and after the pass."""
    table = plain_table("Rewrites", "pass", "nodes", "rule", "mode", "uses", right=("uses",))
    for step in steps:
        head = (format_pass(step.pass_), f"{len(step.before.graph)} → {len(step.after.graph)}")
        for rewrite, uses in sorted(step.rewrites.items(), key=lambda item: (-item[1], item[0].rule)):
            table.add_row(*head, rewrite.rule, rewrite.mode.value, str(uses))
            head = ("", "")
        if not step.rewrites:
            table.add_row(*head, "none", "", "0")
    return table


def _times(steps: Sequence[Step]) -> Table:
    """A table of the time of each pass, including the analyses that it was the first to use."""
    table = plain_table("Times", "pass", "ms", "share", right=("ms", "share"))
    total = sum(step.seconds for step in steps)
    for step in steps:
        table.add_row(format_pass(step.pass_), f"{1e3 * step.seconds:.1f}", f"{step.seconds / total:.0%}")
    table.add_row("total", f"{1e3 * total:.1f}", "")
    return table


def render(arguments: argparse.Namespace) -> int:
    """`absint render`: write a picture."""
    output = arguments.output
    suffix = Path(output).suffix.lower()
    if output != STDOUT and suffix not in ENCODERS:
        known = " or ".join(ENCODERS)
        raise UsageError(f"-o {shown_path(output)}: a picture's name ends in {known}; '-' is standard output")
    _check_targets([output])
    backend = f"{arguments.backend}:{arguments.method}" if arguments.method else arguments.backend
    find_backend(backend)
    width, height = arguments.size
    view = View(width, height, arguments.center, arguments.scale, arguments.z, Grid(arguments.grid))
    start = time.perf_counter()
    with Progress(f"rendering {shown_path(arguments.model)}"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # about files of imports that Ctrl-C met; not for users
        image = api.render(
            arguments.model,
            view,
            backend=backend,
            precision=arguments.precision,
            threads=arguments.threads,
        )
    milliseconds = 1e3 * (time.perf_counter() - start)
    for warning in caught:
        note(one_line(f"absint: warning: {warning.message}"))
    _write(output, (pgm if output == STDOUT else ENCODERS[suffix])(image))
    name = "standard output" if output == STDOUT else shown_path(output)
    white = (image != 0).mean()
    note(f"{name}: {width}x{height} pixels, {white:.2%} white, {milliseconds:.0f} ms")
    return DONE


def bench(arguments: argparse.Namespace) -> int:
    """`absint bench`: time the backends against NumPy."""
    from absint.cli import bench

    if arguments.samples and not arguments.json:
        raise UsageError("--samples needs --json")
    precision = Precision(arguments.precision or "f32")
    for size in arguments.sizes:
        View.square(size)  # raises if a size is too large, before any work
    backends = [
        f"{name}:{method}" if method else name
        for name in arguments.backends or usual_backends()
        for method in _methods_of(name, arguments.methods)
    ]
    if arguments.methods and not any(":" in backend for backend in backends):
        raise UsageError(f"--method: none of {', '.join(backends)} has several ways of drawing")
    for backend in backends:
        find_backend(backend)
    sources = [(_short_name(model), api.load(model)) for model in arguments.models]
    with Progress("bench") as progress:
        results = [
            bench.measure(
                name, source, size, backends=backends, precision=precision, runs=arguments.runs,
                progress=progress.update, threads=arguments.threads,
            )
            for name, source in sources
            for size in arguments.sizes
        ]  # fmt: skip
    if arguments.json:
        write_out(json.dumps(bench.as_json(results, precision, arguments.samples)) + "\n")
    else:
        write_out(table_text(bench.table(results, precision), sys.stdout))
    wrong = [timing.label for result in results for timing in result.timings if timing.wrong]
    if wrong:
        note(f"absint: another picture than the reference's at -O0: {', '.join(dict.fromkeys(wrong))}")
    return FOUND if wrong else DONE


def _methods_of(backend: str, methods: Sequence[str]) -> Sequence[str]:
    """The methods of a backend to time: the requested ones, if the backend has several."""
    return methods if methods and profile_of(backend).methods else ("",)


def fuzz(arguments: argparse.Namespace) -> int:
    """`absint fuzz`: run a campaign, a replay, or the fuzzer's own test."""
    from absint.fuzz.command import fuzz

    return fuzz(arguments)


def view(arguments: argparse.Namespace) -> int:
    """`absint view`: serve an interactive page."""
    from absint.viewer.command import view

    return view(arguments)


def list_(arguments: argparse.Namespace) -> int:
    """`absint list`: print a table for each section."""
    from absint.cli.listing import SECTIONS

    sections = [arguments.section] if arguments.section else list(SECTIONS)
    write_out("\n".join(table_text(SECTIONS[section](), sys.stdout) for section in sections))
    return DONE


def _short_name(model: str) -> str:
    return shown_path(Path(model).stem) if model != "-" else "<stdin>"


def _file_name(model: str) -> str:
    return shown_path(Path(model).name) if model != "-" else "standard input"


def _write(target: str, data: str | bytes) -> None:
    """Write to standard output, or to a file atomically."""
    if target == STDOUT:
        write_out(data)
    else:
        write_whole(target, data.encode() if isinstance(data, str) else data)


def _check_targets(targets: Sequence[str]) -> None:
    """Raise `UsageError`, before any work, for targets that certainly cannot be written."""
    for target in targets:
        folder = os.path.dirname(target) or "."
        if target == STDOUT:
            continue
        reason = ""
        if not target:
            reason = "the name is empty"
        elif "\0" in target:
            reason = "the name holds a NUL"
        elif os.path.isdir(target):
            reason = "Is a directory"
        elif not os.path.isdir(folder):
            reason = f"there is no folder {shown_path(folder)}"
        elif not os.access(target if os.path.exists(target) else folder, os.W_OK):
            reason = "Permission denied"
        if reason:
            raise UsageError(f"{shown_path(target)}: cannot be written: {reason}")
    if len({target if target == STDOUT else os.path.realpath(target) for target in targets}) < len(targets):
        where = "standard output" if targets[0] == STDOUT else shown_path(targets[0])
        raise UsageError(f"the program and the report would both go to {where}; give them different places")


BY_NAME: dict[str, Callable[[argparse.Namespace], int]] = {
    "optimize": optimize,
    "render": render,
    "bench": bench,
    "fuzz": fuzz,
    "view": view,
    "list": list_,
}
"""The commands by name."""
