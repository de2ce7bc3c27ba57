"""One file for one find: a `.vm` program whose first comments say how it was found and how to see it again.

    # a find of absint fuzz: pass:minmax
    # replay: absint fuzz --replay FILE
    # case {"oracle": "pass:minmax", "precision": "f32", "box": "x=-1.0:1.0", "seed": 7, "view": …}

The box is text as `Box.parse` reads it, the view a list of its fields; numbers are decimal and exact.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from absint.base.errors import AbsintError, VmError
from absint.evaluation.image_files import write_whole
from absint.evaluation.view import Grid, View
from absint.frontend.guard import resembles_guard
from absint.frontend.vm import parse_vm, read_text, write_vm
from absint.ir.box import Box
from absint.ops.precision import as_precision

from .cases import Case
from .findings import Finding

_MARK = "# case {"


@dataclass(frozen=True)
class Reproducer:
    """A case and the name of the oracle that found something in it."""

    case: Case
    oracle: str


def write_reproducer(path: Path, case: Case, finding: Finding, blame: str = "") -> None:
    """Write a find, whole or not at all. `blame`: what is to blame for it."""
    view = case.view
    record = {
        "oracle": finding.oracle,
        "precision": case.precision.value,
        "box": str(case.box),
        "seed": case.seed,
        "view": [view.width, view.height, *view.center, view.scale, view.z, view.grid.value],
    }
    comments = [
        f"a find of absint fuzz: {finding.oracle}",
        f"replay: absint fuzz --replay {path.name}",
        f"case {json.dumps(record)}",
        *map(_said, finding.account().splitlines()),
        *([_said(f"to blame: {blame}")] if blame else []),
    ]
    write_whole(str(path), write_vm(case.graph, comments).encode())


def _said(line: str) -> str:
    """A comment for people; in quotes if it would be taken for a guard, which a message may quote."""
    return '"{}"'.format(line.replace('"', "'")) if resembles_guard(line) else line


def read_reproducer(path: Path) -> Reproducer:
    """Read a find again. Raises `VmError` for a file that is none."""
    text, name = read_text(str(path))
    if (found := find_in(text, name)) is None:
        raise VmError(name, 1, 1, f"no line begins with {_MARK!r}: this is no find of absint fuzz")
    return found


def find_in(text: str, name: str) -> Reproducer | None:
    """The find that a file's text is; None for another program. `name`: how messages call the file.

    Raises `VmError` for malformed text, or a case that cannot be read.
    """
    graph = parse_vm(text, name)
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(_MARK):
            try:
                record = json.loads(line.removeprefix(_MARK[:-1]))
                width, height, x, y, scale, z, grid = record["view"]
                view = View(width, height, (x, y), scale, z, Grid(grid))
                precision = as_precision(record["precision"])
                case = Case(graph, precision, Box.parse(record["box"]), view, int(record["seed"]))
                return Reproducer(case, str(record["oracle"]))
            except (ValueError, KeyError, TypeError, AbsintError) as error:
                raise VmError(name, number, 1, f"not a case of absint fuzz: {error}") from None
    return None


def vm_files(path: Path) -> list[Path]:
    """The files that a path names: itself, or all `.vm` files of a folder, in the order of their names."""
    return sorted(path.glob("*.vm")) if path.is_dir() else [path]
