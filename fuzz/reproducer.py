"""Reproducers: a find as a `.vm` file whose first comments hold the case and the command that replays it.

    # a find of absint fuzz: pass:minmax
    # replay: absint fuzz --replay FILE
    # case {"oracle": "pass:minmax", "precision": "f32", "box": "x=-1.0:1.0", "seed": 7, "view": …}

The box is text that `Box.parse` reads, the view a list of its fields; numbers are decimal and exact.
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
    """Write a find to a file, atomically. `blame`: the find's culprit."""
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
        *map(_comment, finding.describe().splitlines()),
        *([_comment(f"to blame: {blame}")] if blame else []),
    ]
    write_whole(str(path), write_vm(case.graph, comments).encode())


def _comment(line: str) -> str:
    """A line as a comment; in quotes if it could be taken for a guard, since findings may quote guards."""
    return '"{}"'.format(line.replace('"', "'")) if resembles_guard(line) else line


def read_reproducer(path: Path) -> Reproducer:
    """Read a find from a file. Raises `VmError` if the file is not a find."""
    text, name = read_text(str(path))
    if (found := find_in(text, name)) is None:
        raise VmError(name, 1, 1, f"no line begins with {_MARK!r}: this is not a find of absint fuzz")
    return found


def find_in(text: str, name: str) -> Reproducer | None:
    """The find in a file's text; None if the text is another program. `name`: the file's name in messages.

    Raises `VmError` for malformed text or a malformed case.
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
    """The `.vm` files of a folder, in the order of their names; for another path, the path itself."""
    return sorted(path.glob("*.vm")) if path.is_dir() else [path]
