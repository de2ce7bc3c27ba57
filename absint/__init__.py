"""absint: an abstract-interpretation optimizer toolkit for closed-form math programs.

    import absint
    picture = absint.render("gear", 512)                  # uint8[512, 512], 255 inside
    program = absint.optimize("model.vm", level=2)        # the optimised program
    from absint import X, Y, sqrt
    picture = absint.render(sqrt(X * X + Y * Y) - 0.5)    # Python expressions are models too

Names are imported on first use, so that `import absint` is quick.
"""

from __future__ import annotations

from absint.base.version import __version__ as __version__
from absint.native import loaded  # noqa: F401  # first: it records the time of the import

TYPE_CHECKING = False  # in place of typing's: to import typing takes as long as all else here
if TYPE_CHECKING:
    from typing import Any

    from absint import shapes, study
    from absint.api import load, optimize, render
    from absint.base.errors import AbsintError
    from absint.engine import compile, evaluate
    from absint.evaluation.engine import Engine
    from absint.evaluation.view import Grid, View
    from absint.frontend.expr import (
        X,
        Y,
        Z,
        absolute,
        acos,
        asin,
        atan,
        atan2,
        ceil,
        compare,
        const,
        cos,
        exp,
        floor,
        ln,
        logical_and,
        logical_not,
        logical_or,
        maximum,
        minimum,
        mod,
        recip,
        round_,
        sin,
        sqrt,
        square,
        tan,
        var,
    )  # fmt: skip
    from absint.frontend.vm import parse_vm, read_vm, write_vm
    from absint.ir.box import Box
    from absint.ir.graph import Graph, GraphBuilder
    from absint.ir.program import Program, Promise
    from absint.ops.precision import Precision

__all__ = [
    "AbsintError", "Box", "Engine", "Graph", "GraphBuilder", "Grid", "Precision", "Program", "Promise",
    "View", "X", "Y", "Z", "absolute", "acos", "asin", "atan", "atan2", "ceil", "compare", "compile",
    "const", "cos", "evaluate", "exp", "floor", "ln", "load", "logical_and", "logical_not", "logical_or",
    "maximum", "minimum", "mod", "optimize", "parse_vm", "read_vm", "recip", "render", "round_", "shapes",
    "sin", "sqrt", "square", "study", "tan", "var", "write_vm",
]  # fmt: skip

_HOME = {
    "api": ("load", "optimize", "render"),
    "base.errors": ("AbsintError",),
    "engine": ("compile", "evaluate"),
    "evaluation.engine": ("Engine",),
    "evaluation.view": ("Grid", "View"),
    "frontend.vm": ("parse_vm", "read_vm", "write_vm"),
    "ir.box": ("Box",),
    "ir.graph": ("Graph", "GraphBuilder"),
    "ir.program": ("Program", "Promise"),
    "ops.precision": ("Precision",),
}
"""The public names that each module defines; all other names, those of extensions included, are defined in
`frontend.expr`.
"""


def __getattr__(name: str) -> Any:
    if name not in __all__ and not _is_extension(name):
        raise AttributeError(f"module 'absint' has no attribute {name!r}")
    import importlib

    if name in ("shapes", "study"):
        return importlib.import_module(f"absint.{name}")
    home = next((module for module, held in _HOME.items() if name in held), "frontend.expr")
    value = getattr(importlib.import_module(f"absint.{home}"), name)
    globals()[name] = value
    return value


def _is_extension(name: str) -> bool:
    """Whether a name is the function of an operation in `absint/ops/extensions`."""
    from absint.ops import extensions

    return name in extensions.names()
