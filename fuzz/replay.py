"""`absint fuzz --replay`: checks recorded finds, and the user's programs, with all oracles.

A find is checked with its recorded precision, box, view and seed. A program is checked in each precision in
which it is valid, on the box of its guard or the unit box, in several views and with several seeds, which
choose points and pipelines.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from absint import models
from absint.base.errors import UsageError, ViewError, printable, shown_path
from absint.evaluation.view import View
from absint.frontend.source import Source
from absint.frontend.vm import read_text
from absint.ir.box import Box
from absint.ir.graph import AXES
from absint.ir.program import Program
from absint.native.terminal import DONE, FOUND, Progress, write_out
from absint.ops.precision import Precision

from .cases import Case
from .findings import Finding
from .oracles.selection import Selection, check_safely
from .reproducer import find_in, vm_files

MODE = "program"
"""The mode of cases made from a user's program."""

_SHAPES = ((64, 48, 0.0, 1.0), (33, 70, 0.3, 0.1), (48, 48, -0.4, 1e-3))
"""Views: width, height, the centre's offset from the middle of the box, and the scale; the last two relative
to half of the box's extent.
"""


class Subject(NamedTuple):
    """A file or bundled model, by name, and the cases in which it is checked."""

    name: str
    cases: tuple[Case, ...]
    is_find: bool

    def check(self, oracles: Selection) -> list[Finding]:
        """Check all cases with all oracles. Returns the first finding of each oracle that has one."""
        findings: dict[str, Finding] = {}
        checks = list(itertools.product(self.cases, oracles.every))
        with Progress(self.name) as progress:
            for number, (case, oracle) in enumerate(checks, 1):
                progress.update(f"{self.name}: check {number} of {len(checks)}, {oracle.name}")
                if oracle.name not in findings and (found := check_safely(oracle, case)) is not None:
                    findings[oracle.name] = found
        return list(findings.values())


def replay(given: list[Subject], oracles: Selection) -> int:
    """Check subjects and write a verdict for each. Returns the exit status."""
    wrong = 0
    for subject in given:
        findings = subject.check(oracles)
        wrong += bool(findings)
        verdict = "holds" if not findings else "still wrong" if subject.is_find else "wrong"
        write_out(f"{shown_path(subject.name)}: {verdict}\n")
        for finding in findings:
            write_out(printable(f"{finding.describe()}\n", keep="\n"))
    write_out(f"{len(given)} replayed, {wrong} wrong\n")
    return FOUND if wrong else DONE


def subjects(target: str) -> list[Subject]:
    """The subjects of a file, a folder of `.vm` files, or a bundled model's name.

    Raises `UsageError` if `target` is none of these, and `VmError` for malformed text.
    """
    path = Path(target)
    if not os.path.exists(path):  # unlike the method, it takes any name
        if target not in models.names():
            raise UsageError(
                f"--replay {shown_path(target)}: no such file or folder, and no bundled model of that name"
                f"{models.nearest(target)}"
            )
        return [_subject(target, Source(models.text(target), f"{target}.vm"))]
    files = vm_files(path)
    if not files:
        raise UsageError(f"--replay {shown_path(path)}: there is no .vm file in the folder")
    return [_subject(str(file), Source(*read_text(str(file)))) for file in files]


def _subject(name: str, source: Source) -> Subject:
    if (found := find_in(source.text, source.path)) is not None:
        return Subject(name, (found.case,), is_find=True)
    return Subject(name, tuple(cases_of(source.program())), is_find=False)


def cases_of(program: Program) -> Iterator[Case]:
    """The cases in which a program is checked; if it has a guard, in the guard's precision and box."""
    precisions = [program.precision] if program.specialised else list(Precision)
    box = program.box if program.specialised else Box.default()
    names = {*AXES, *program.graph.variables.values()}
    box = Box({name: ends for name, ends in box.bounds.items() if name in names})
    for seed, (precision, shape) in enumerate(itertools.product(precisions, _SHAPES)):
        rounded = box.rounded(precision)
        yield Case(program.graph, precision, rounded, _view(rounded.bounds, precision, shape), seed, MODE)


def _view(
    bounds: Mapping[str, tuple[float, float]], precision: Precision, shape: tuple[int, int, float, float]
) -> View:
    """A view of a box; of the unit square if the box is a point or too large for a view."""
    width, height, offset, scale = shape
    (x, y, z), extent = zip(*(_middle_and_half(*bounds.get(axis, (-1.0, 1.0))) for axis in AXES), strict=True)
    half = max(extent[:2])
    try:
        view = View(
            width, height, (x + offset * half, y + offset * half), scale * half, z + offset * extent[2]
        )
        view.box(precision)  # raises if positions overflow
    except ViewError:
        return View(width, height)
    return view


def _middle_and_half(lower: float, upper: float) -> tuple[float, float]:
    return lower / 2 + upper / 2, upper / 2 - lower / 2
