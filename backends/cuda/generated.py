"""Straight-line CUDA code compiled for one program, in place of a plan.

Every pixel runs all of the code. That pays off for small programs that are drawn many times: compiling one
takes longer than drawing by a plan.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from absint.evaluation.view import View
from absint.ir.graph import reachable
from absint.ir.program import Program
from absint.lowering.plan import as_predicate
from absint.ops.precision import Precision
from absint.ops.printers.translate import c_name
from absint.ops.table import ALL, ANY, BAND, CONST, FALSE, OPS, TRUE, VAR

from .driver import Driver, grid
from .source import operations_source

THREADS = 128

_KERNEL = """\
#ifndef ABSINT_SHIM
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(128, 4) name
#endif
DEVICE bool inside(real x, real y, real z)
{{
{lines}
    return n{root};
}}
KERNEL(draw_generated)(
    const real* xs, long long width, const real* ys, long long height, const real* z, unsigned char* image)
{{
    long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < width * height; i += step)
        image[i] = (unsigned char)(0 - (int)inside(xs[i % width], ys[i / width], z[0]));
}}
"""


def picture_source(program: Program) -> str:
    """The text of a kernel that draws the program."""
    graph, precision = as_predicate(program).graph, program.precision
    logic = graph.logic
    assert logic is not None
    lines = []
    for node in np.flatnonzero(reachable(graph)).tolist():
        code, a, b = graph.rows[node]
        if code == CONST.code:
            text = f"real n{node} = {_literal(graph.values[node], precision)};"
        elif code == VAR.code:
            text = f"real n{node} = {graph.variables[node]};"
        elif code == BAND.code:
            lower, upper = (_literal(end, precision) for end in logic.bands[node].tolist())
            text = f"bool n{node} = n{a} >= {lower} && n{a} <= {upper};"
        elif code in (TRUE.code, FALSE.code):
            text = f"bool n{node} = {str(code == TRUE.code).lower()};"
        elif code in (ALL.code, ANY.code):
            joint = " & " if code == ALL.code else " | "
            text = f"bool n{node} = {joint.join(f'n{item}' for item in graph.operands(node))};"
        else:
            operands = ", ".join(f"n{operand}" for operand in (a, b) if operand >= 0)
            text = f"real n{node} = {c_name(OPS[code].body(precision))}({operands});"
        lines.append(f"    {text}")
    kernel = _KERNEL.format(lines="\n".join(lines), root=graph.root)
    return f"{operations_source(precision)}\n{kernel}"


def _literal(value: float, precision: Precision) -> str:
    """A number of the precision in C."""
    with np.errstate(over="ignore"):
        rounded: Any = precision.real(value)
    if math.isfinite(rounded):
        return f"(real){float(rounded)!r}"  # a float is a double that narrows to itself
    bits = "0x7ff8000000000000LL" if math.isnan(rounded) else "0x7ff0000000000000LL"
    return f"{'-' if rounded < 0 else ''}(real)absint_from_bits({bits})"


class GeneratedPicture:
    """Draws pictures of one program with a kernel compiled for it."""

    def __init__(self, program: Program, driver: Driver) -> None:
        self._driver = driver
        self._precision = program.precision
        self._operations = as_predicate(program).graph.operation_count
        self._module = driver.compile(picture_source(program))

    def describe(self) -> str:
        """A description of the work per pixel."""
        return f"{self._operations} operations for every pixel, in straight-line code"

    def draw(self, view: View, rows: slice | None = None) -> Any:
        """uint8[rows, width] in the device's memory; of all rows if none are named."""
        xp, precision = self._driver.xp, self._precision
        samples = view.xs(precision), view.ys(precision)[rows or slice(None)], view.height_z(precision)
        xs, ys, z = (xp.asarray(column) for column in samples)
        image = xp.empty((len(ys), len(xs)), np.uint8)
        blocks = grid(self._driver, image.size, THREADS)
        self._module.launch("draw_generated", blocks, THREADS, xs, len(xs), ys, len(ys), z, image)
        return image
