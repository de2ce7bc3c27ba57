"""Draws plans by what they say alone, pixel by pixel in NumPy: an engine with no layout at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.evaluation.view import View
from absint.lowering.plan import Plan
from absint.lowering.plan_format import (
    ALL_OF,
    ANY_OF,
    AT_MOST,
    END,
    END_EITHER,
    IN_BAND,
    SUM,
    TAPE,
    TERM,
    UNARY,
    X,
    Y,
    Z,
)  # fmt: skip
from absint.ops.printers.translate import array_form
from absint.ops.table import OPS

Pixels = NDArray[Any]
"""Reals or bools, [height, width] or what broadcasts to it."""


class PlanReader:
    """A plan seen in a view. A register holds an array that extends along the axes that it varies with."""

    def __init__(self, plan: Plan, view: View) -> None:
        self.plan = plan
        self.xs, self.ys = view.xs(plan.precision), view.ys(plan.precision)
        self.shape = view.height, view.width
        self.fixed: dict[int, Pixels] = {
            X: self.xs[None, :], Y: self.ys[:, None], Z: np.atleast_2d(view.height_z(plan.precision)),
        }  # fmt: skip
        constants = plan.constant_values.astype(plan.precision.dtype)
        for register, value in zip(plan.constant_registers.tolist(), constants, strict=True):
            self.fixed[register] = np.array([[value]])
        self.fixed = self.run(plan.fixed_tape)

    def run(self, tape: tuple[int, int]) -> dict[int, Pixels]:
        """The registers after a tape. It reads nothing that another tape made."""
        registers = dict(self.fixed)
        for op, result, a, b in self.plan.instructions[slice(*tape)].tolist():
            operands = [registers[operand] for operand in (a, b) if operand >= 0]
            registers[result] = self.apply(op, *operands)
            self.check_extent(result, registers[result])
        return registers

    def apply(self, op: int, *operands: Pixels) -> Pixels:
        assert len(operands) == OPS[op].arity
        with np.errstate(all="ignore"):
            form = array_form(OPS[op].body(self.plan.precision), self.plan.precision)
            return np.asarray(form(*operands))

    def check_extent(self, register: int, value: Pixels) -> None:
        """A value extends along the axes that its register varies with, and no other."""
        varies = int(self.plan.varies[register])
        assert value.shape == (self.shape[0] if varies & 2 else 1, self.shape[1] if varies & 1 else 1)

    def image(self) -> NDArray[np.uint8]:
        plan = self.plan
        found = np.zeros(self.shape, bool)
        self.bases = [
            [registers[base] for base in bases.tolist()]
            for registers, bases in (
                (self.run(plan.x_tape), plan.x_bases),
                (self.run(plan.y_tape), plan.y_bases),
            )
        ]
        for start, box in zip(plan.starts.tolist(), plan.top_boxes.tolist(), strict=True):
            assert plan.code[start, :2].tolist() == [TERM, box]
            position, inside = self.term(start)
            assert position == plan.code[start, 3]
            found |= inside
        if plan.regions is not None:
            found |= self.regions()
        return np.where(found, np.uint8(255), np.uint8(0))

    def term(self, position: int) -> tuple[int, Pixels]:
        """The position behind a term, and where it holds."""
        code = self.plan.code
        inside = self.box(int(code[position, 1]))
        position += 1
        while code[position, 0] != END:
            kind, number = code[position, :2].tolist()
            position += 1
            if kind == SUM:
                inside = inside & self.sum(number)
            elif kind == TAPE:
                inside = inside & self.tape(number)
            else:
                some = np.zeros(self.shape, bool)
                while code[position, 0] != END_EITHER:
                    position, one = self.term(position)
                    some |= one
                inside = inside & some
                position += 1
        return position + 1, inside

    def box(self, number: int) -> Pixels:
        left, right, bottom, top = self.plan.boxes[number].tolist()
        x, y = self.plan.thresholds_x, self.plan.thresholds_y
        columns = (self.xs >= x[left]) & (self.xs < x[right])
        rows = (self.ys >= y[bottom]) & (self.ys < y[top])
        return columns[None, :] & rows[:, None]

    def sum(self, number: int) -> Pixels:
        x, x_squared, y, y_squared, kind, _ = self.plan.sums[number].tolist()
        numbers = self.plan.sum_numbers[number].astype(self.plan.precision.dtype)
        sides = []
        with np.errstate(all="ignore"):
            for value, squared, offset, sign in (
                (self.bases[0][x], x_squared, *numbers[:2]), (self.bases[1][y], y_squared, *numbers[2:4]),
            ):  # fmt: skip
                shifted = value + offset
                sides.append((shifted * shifted if squared else shifted) * sign)
            total = sides[0] + sides[1]
        assert kind != AT_MOST or numbers[4] == -np.inf
        return (total >= numbers[4]) & (total <= numbers[5])

    def tape(self, number: int) -> Pixels:
        first, last, first_band, last_band = self.plan.tapes[number].tolist()
        registers = self.run((first, last))
        inside = np.ones(self.shape, bool)
        for band in range(first_band, last_band):
            lower, upper = self.plan.band_ends[band].astype(self.plan.precision.dtype)
            value = registers[int(self.plan.band_registers[band])]
            inside = inside & (value >= lower) & (value <= upper)
        return inside

    def regions(self) -> Pixels:
        program = self.plan.regions
        assert program is not None
        values: list[Pixels] = []
        for number, (own, a, b, _) in enumerate(program.steps.tolist()):
            assert own == number
            kind = int(program.kind[number])
            if kind in (ALL_OF, ANY_OF):
                items = [values[item] for item in program.items[a : a + b].tolist()]
                joined = np.full(self.shape, kind == ALL_OF)
                for item in items:
                    joined = joined & item if kind == ALL_OF else joined | item
                values.append(joined)
                continue
            first = values[a] if a >= 0 else self.fixed[int(program.specials[~a])]
            if kind == IN_BAND:
                lower, upper = program.ends[number].astype(self.plan.precision.dtype)
                values.append((first >= lower) & (first <= upper))
            elif kind == UNARY:
                values.append(self.apply(int(program.op[number]), first))
            else:
                second = values[b] if b >= 0 else self.fixed[int(program.specials[~b])]
                values.append(self.apply(int(program.op[number]), first, second))
        return np.broadcast_to(values[-1], self.shape)
