"""Operations beyond the format's, one file each: `NAME.py` holds the record `OP` of the operation NAME.

A file is found by being there; CONTRIBUTING.md has a whole one. They are numbered in the order of their
names, behind the format's. Readers of `.vm` files other than absint do not know them.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from absint.base.errors import UsageError

if TYPE_CHECKING:
    from absint.ops.record import Op


@cache
def names() -> tuple[str, ...]:
    """Names of the operations that have a file here, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def record(name: str) -> Op:
    """The record in a file. File, opcode and Python function have one name.

    Raises `UsageError` for a file without a record, or one of another name.
    """
    op: Op | None = getattr(importlib.import_module(f"{__name__}.{name}"), "OP", None)
    if op is None:
        raise UsageError(f"absint/ops/extensions/{name}.py holds no record called OP")
    if not name == op.name == op.function:
        raise UsageError(f"absint/ops/extensions/{name}.py holds {op.name}, called {op.function}")
    return op
