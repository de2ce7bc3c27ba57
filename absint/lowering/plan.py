"""Plans: a lowered program as typed arrays over registers, for engines that are generic over programs.

Each operand of the root's `any` becomes a *term*: a box, bands of sums `u(x) + v(y)`, either side of which
may be missing, bands of other values, and alternatives, which are terms again. Operands that make no small
term are left to the regions' program (`region_plan`).

A plan holds coordinates, never pixels, so it serves every view inside the program's box. It serves every
engine, too: memory, lanes and tiles are left to the engines.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.ir.program import Program, Promise, check_program
from absint.ir.records import Operands
from absint.lowering.kernels.records import (
    MOST_ENTRIES,
    DistributeTask,
    Frame,
    SimpleTerm,
    Sum,
    SumTask,
    TermBox,
    TermFacts,
    TermTask,
    ValueBand,
)
from absint.lowering.plan_format import (
    AT_MOST,
    BETWEEN,
    CODE,
    DEEPEST_TERM,
    OF_X,
    OF_Y,
    SUM,
    SUM_NUMBERS,
    SUM_WORDS,
    TERM,
    Entry,
    X,
    Y,
)  # fmt: skip
from absint.lowering.predicates import Predicates, assemble
from absint.lowering.region_plan import RegionProgram, make_region_program
from absint.lowering.register_code import RegisterCode
from absint.lowering.units import lowering_kernels
from absint.ops.precision import Precision
from absint.ops.table import ANY, BAND, FALSE, with_diagonals

MOST_TABLES = 64
"""Most bases tabulated per axis; a sum with another base is run as a tape."""

LOOSE = 1 / 32
"""Largest box, as a part of the program's, of a term with other values than sums; beyond, the term is left to
the regions.
"""

HEAVY, ALTERNATIVE = 4.0, 1 / 16
"""Costs, in sums evaluated on all of the program's box: that beyond which a term is left to the regions, and
that of a list of alternatives. At most pixels the regions evaluate few items of a long list.
"""


@dataclass(frozen=True, eq=False)
class Plan:
    """A program's terms as arrays; `absint.lowering.plan_format` has the codes that they are written in.

    Registers hold the values of real nodes: X, Y and Z the coordinates, others constants or what instructions
    compute. Each register holds one value only: how long a value is kept, and where, is up to the engine.

    - `varies` uint8[r]: what each register varies with, a union of `OF_X`, `OF_Y` and `OF_Z`. A register that
      varies with neither x nor y is *fixed*: it has one value in a picture.
    - `constant_registers` int32[k], `constant_values` float64[k], numbers of the precision.
    - `instructions` int32[m, 4]: operation, register of the result, registers of the operands, -1 for a
      second one that is missing. *Tapes* are ranges of them, and a tape makes all that it reads, except for
      coordinates, constants and fixed values.
    - `fixed_tape`: the fixed values; it runs before all others. `x_tape`, `y_tape`: the bases of sums.
    - `x_bases`, `y_bases` int32[·]: registers of the bases by the number that sums have for them, each a
      function of one coordinate. Number 0 is the coordinate itself.
    - `sums` int32[s, SUM_WORDS], `sum_numbers` float64[s, SUM_NUMBERS]: bands of sums.
    - `tapes` int32[t, 4]: first instruction, the one behind the last, first band, the one behind the last.
      `band_registers` int32[b], `band_ends` float64[b, 2]: the bands of tapes.
    - `code` int32[·, CODE]: the terms. `starts`, `top_boxes` int32[·]: where the code of each term of the
      root begins, and its box.
    - `thresholds_x`, `thresholds_y` float64[·]: the distinct ends of boxes, numbers of the precision, each
      such that a box contains the samples from one threshold up to, and without, another.
    - `boxes` int32[·, 4]: the thresholds of each box: left, right, bottom, top.
    - `regions`: the program of the predicates that are not terms; None if all are terms.
    """

    precision: Precision
    varies: NDArray[np.uint8]
    constant_registers: NDArray[np.int32]
    constant_values: NDArray[np.float64]
    instructions: NDArray[np.int32]
    fixed_tape: tuple[int, int]
    x_tape: tuple[int, int]
    y_tape: tuple[int, int]
    x_bases: NDArray[np.int32]
    y_bases: NDArray[np.int32]
    sums: NDArray[np.int32]
    sum_numbers: NDArray[np.float64]
    tapes: NDArray[np.int32]
    band_registers: NDArray[np.int32]
    band_ends: NDArray[np.float64]
    code: NDArray[np.int32]
    starts: NDArray[np.int32]
    top_boxes: NDArray[np.int32]
    thresholds_x: NDArray[np.float64]
    thresholds_y: NDArray[np.float64]
    boxes: NDArray[np.int32]
    regions: RegionProgram | None


class _Terms(NamedTuple):
    """Predicates written as terms.

    `code`: records `Entry`. `boxes` float64[·, 4]: left, right, bottom, top. `sums`: records `ValueBand`.
    `tapes`: the nodes that each tape computes, and `tape_bands`, records `ValueBand`, their bands. `facts`:
    records `TermFacts`, one for each predicate.
    """

    code: NDArray[np.void]
    boxes: NDArray[np.float64]
    sums: NDArray[np.void]
    tapes: list[list[int]]
    tape_bands: NDArray[np.void]
    facts: NDArray[np.void]


class _Sums(NamedTuple):
    """The real nodes that are sums `u(x) + v(y)`. `sides`: records `Side` [n, 2], first of x, then of y."""

    is_sum: NDArray[np.uint8]
    sides: NDArray[np.void]


class _Bases(NamedTuple):
    """Bases of an axis. `number`: the base number of each node, -1 for other nodes. `tape`: the range of
    instructions that computes the bases. `registers`: the register of each base number; number 0 is the
    coordinate.
    """

    number: NDArray[np.int32]
    tape: tuple[int, int]
    registers: NDArray[np.int32]


class _Items(NamedTuple):
    """Items to write as terms: predicates, or simple terms that a predicate was distributed into. `product`:
    the index of the simple term in `products`, -1 for the predicate itself.
    """

    predicate: NDArray[np.int32]
    product: NDArray[np.int32]
    products: NDArray[np.void]

    def some(self, places: NDArray[Any]) -> _Items:
        """The items at some places."""
        return _Items(self.predicate[places], self.product[places], self.products)


def make_plan(program: Program, terms: bool = True) -> Plan:
    """The plan of a program; for a program that is not lowered, the plan of `f < 0`.

    `terms`: whether to write terms; if not, everything is left to the regions. Raises `GraphError` for a
    program whose graph is not sound.
    """
    check_program(program)
    program = as_predicate(program)
    predicates = Predicates.of(program.graph)
    builder = _PlanBuilder(program, predicates, terms)
    last = len(predicates) - 1
    if predicates.code[last] == ANY.code:
        return builder.build(np.sort(predicates.items[predicates.starts[last] :]))
    return builder.build(np.full(int(predicates.code[last] != FALSE.code), last, np.int32))


def as_predicate(program: Program) -> Program:
    """The program as the predicate `f < 0`, a band of its root; a lowered program is unchanged."""
    graph = program.graph
    if graph.lowered:
        return program
    ends = (-np.inf, -program.precision.tiny)
    question = Predicates(
        code=np.array([BAND.code], np.uint8),
        value=np.array([graph.root], np.int32),
        bands=np.array([ends]),
        starts=np.zeros(2, np.int32),
        items=np.zeros(0, np.int32),
        lines=graph.lines[-1:],
    )
    return replace(program, graph=assemble(graph, question), promise=Promise.SIGN, source=program.origin)


class _PlanBuilder:
    """Makes the plan of one program."""

    def __init__(self, program: Program, predicates: Predicates, some_terms: bool) -> None:
        self._program = program
        self._some_terms = some_terms
        self._graph = program.graph
        self._predicates = predicates
        self._kernels = lowering_kernels()
        self._code = RegisterCode(program.graph, program.precision)
        self._sums = self._find_sums()
        self._axis = np.full(len(program.graph), 2, np.uint8)
        for node, name in program.graph.variables.items():
            self._axis[node] = {"x": 0, "y": 1}.get(name, 2)

    def build(self, operands: NDArray[np.int32]) -> Plan:
        """The plan of the union of some predicates, the operands of the root's `any`."""
        code, is_sum, bases = self._code, self._sums.is_sum, self._sums.sides["node"]
        terms, rest = self._write_terms(operands, is_sum)
        x, y = (self._find_bases(axis, bases[terms.sums["value"], axis]) for axis in (0, 1))
        has_bases = is_sum & (x.number[bases[:, 0]] >= 0) & (y.number[bases[:, 1]] >= 0)
        if not has_bases[terms.sums["value"]].all():
            terms, rest = self._write_terms(operands, has_bases)
        tapes, bands = self._append_tapes(terms)
        regions = make_region_program(code, list(self._predicates.rows()), rest.tolist())
        thresholds_x, left_right = self._find_thresholds(terms.boxes[:, :2])
        thresholds_y, bottom_top = self._find_thresholds(terms.boxes[:, 2:])
        sums, sum_numbers = self._write_sums(terms, x, y)
        count, instructions = len(code.instructions), code.instructions + code.fixed_instructions
        return Plan(
            precision=self._program.precision,
            varies=np.array(code.varies, np.uint8),
            constant_registers=np.array(list(code.constants.values()), np.int32),
            constant_values=np.frombuffer(b"".join(code.constants), np.float64),
            instructions=np.array(instructions, np.int32).reshape(-1, 4),
            fixed_tape=(count, len(instructions)),
            x_tape=x.tape,
            y_tape=y.tape,
            x_bases=x.registers,
            y_bases=y.registers,
            sums=sums,
            sum_numbers=sum_numbers,
            tapes=tapes,
            band_registers=bands,
            band_ends=np.stack([terms.tape_bands[end] for end in ("lower", "upper")], axis=1),
            code=terms.code.view(np.int32).reshape(-1, CODE).copy(),
            starts=terms.facts["first"].copy(),
            top_boxes=terms.facts["box"].copy(),
            thresholds_x=thresholds_x,
            thresholds_y=thresholds_y,
            boxes=np.concatenate([left_right, bottom_top], axis=1),
            regions=regions,
        )

    def _write_terms(
        self, operands: NDArray[np.int32], is_sum: NDArray[np.uint8]
    ) -> tuple[_Terms, NDArray[np.int32]]:
        """Write predicates as terms, with bands of sums for the values that `is_sum` marks. Returns the
        terms, and the predicates left to the regions.
        """
        items = self._distribute(operands, is_sum)
        terms = self._write(items, is_sum)
        facts = terms.facts
        written = np.flatnonzero(facts["first"] >= 0)  # the other items are too large
        drawn = written[~self._are_loose(terms, written) & self._some_terms]
        rest = np.delete(items.predicate, drawn)
        _, _, _, top = terms.boxes[facts["box"][drawn]].T
        keys = -top, facts["sums"][drawn], facts["bands"][drawn], facts["alternatives"][drawn] > 0
        order = drawn[np.lexsort(keys)]  # similar terms in succession, those from the top first
        return self._write(items.some(order), is_sum), rest

    def _distribute(self, operands: NDArray[np.int32], is_sum: NDArray[np.uint8]) -> _Items:
        """Predicates with `all` distributed over `any`, where that makes few terms."""
        count = len(self._predicates)
        room = 4 * count + 1024
        products = SimpleTerm.empty(room)
        first, length = np.empty(count, np.int32), np.empty(count, np.int32)
        task = DistributeTask(
            predicates=self._predicates.record, axis=self._axis, is_sum=is_sum, room=room,
            terms=products, first=first, length=length,
        )  # fmt: skip
        self._kernels["distribute"](task.address)
        times = np.where(length[operands] < 0, 1, length[operands])
        behind = np.cumsum(times)
        place = np.arange(behind[-1] if len(behind) else 0) - np.repeat(behind - times, times)
        predicate = np.repeat(operands, times)
        product = np.where(length[predicate] < 0, -1, first[predicate] + place).astype(np.int32)
        return _Items(predicate, product, products)

    def _find_sums(self) -> _Sums:
        n, real = len(self._graph), self._program.precision.dtype
        with np.errstate(over="ignore"):
            constants = self._graph.constants.astype(real).astype(np.float64)
        is_sum, sums = np.empty(n, np.uint8), Sum.array(n)
        op, _ = with_diagonals(self._graph.op, *self._graph.args.T)
        task = SumTask(
            count=n, op=op, operands=Operands.view(self._graph.args),
            varies=(self._code.node_varies & (OF_X | OF_Y)).astype(np.uint8), constants=constants,
            is_sum=is_sum, sums=sums,
        )  # fmt: skip
        self._kernels["find_sums"](task.address)
        return _Sums(is_sum, sums["sides"])

    def _write(self, items: _Items, is_sum: NDArray[np.uint8]) -> _Terms:
        """Write items as terms."""
        count, predicates = len(items.predicate), self._predicates
        room = 2 * (len(predicates) + len(predicates.items)) + 2 * MOST_ENTRIES
        while True:
            entries, boxes = Entry.empty(room), np.empty((room, 4))
            sums, tape_bands = ValueBand.empty(room), ValueBand.empty(room)
            tape_starts, facts = np.empty(room + 1, np.int32), TermFacts.array(count)
            task = TermTask(
                count=count, predicate=items.predicate, product=items.product, products=items.products,
                predicates=predicates.record, axis=self._axis, is_sum=is_sum,
                parts=np.empty(MOST_ENTRIES + 8, np.int32), frames=Frame.empty(DEEPEST_TERM),
                room=room, entries=entries, boxes=TermBox.view(boxes), sums=sums, tape_starts=tape_starts,
                tape_bands=tape_bands, facts=facts,
            )  # fmt: skip
            if self._kernels["write_terms"](task.address) >= 0:
                break
            room *= 2
        size = task.size
        bands = tape_bands[: size.tape_bands]
        values, starts = bands["value"].tolist(), tape_starts[: size.tapes + 1].tolist()
        return _Terms(
            code=entries[: size.entries],
            boxes=boxes[: size.boxes],
            sums=sums[: size.sums],
            tapes=[values[first:last] for first, last in itertools.pairwise(starts)],
            tape_bands=bands,
            facts=facts,
        )

    def _are_loose(self, terms: _Terms, some: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[some]: whether each of some terms is better left to the regions; see `LOOSE` and `HEAVY`."""
        share = np.ones(len(terms.boxes))
        for axis, name in enumerate("xy"):
            low, high = self._program.box.bounds.get(name, (-math.inf, math.inf))
            if 0 < high - low < math.inf:
                lower, upper = terms.boxes[:, 2 * axis : 2 * axis + 2].T
                share *= np.maximum(np.minimum(upper, high) - np.maximum(lower, low), 0) / (high - low)
        facts, kind = terms.facts[some], terms.code["kind"]
        outer, first = share[facts["box"]], facts["first"]
        own = np.maximum.accumulate(np.where(kind == TERM, np.arange(len(kind)), 0))  # own sums first
        within = np.repeat(outer, np.diff(first, append=len(kind)))
        sums = np.where(kind == SUM, np.minimum(share[terms.code["number"][own]], within), 0.0)
        cost = np.add.reduceat(sums, first) + ALTERNATIVE * facts["alternatives"] * outer
        loose: NDArray[np.bool_] = ((facts["others"] > 0) & (outer > LOOSE)) | (cost > HEAVY)
        return loose

    def _find_bases(self, axis: int, used: NDArray[np.int32]) -> _Bases:
        """The bases of an axis that sums use, the most frequent first, at most `MOST_TABLES`. `used`: the
        node of each sum's base, -1 for the coordinate.
        """
        coordinate, name = ((X, "x"), (Y, "y"))[axis]
        samples = [node for node, variable in self._graph.variables.items() if variable == name]
        bases, times = np.unique(used, return_counts=True)
        ordered = bases[np.argsort(-times, kind="stable")].tolist()
        wanted = [base for base in ordered if base >= 0 and base not in samples][: MOST_TABLES - 1]
        number = np.full(len(self._graph) + 1, -1, np.int32)
        number[wanted] = np.arange(1, len(wanted) + 1)
        number[[*samples, -1]] = 0
        first, last, registers = self._code.append(wanted)
        return _Bases(number, (first, last), np.array([coordinate, *registers], np.int32))

    def _write_sums(
        self, terms: _Terms, x: _Bases, y: _Bases
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """`Plan.sums` and `Plan.sum_numbers`."""
        sides, bands = self._sums.sides[terms.sums["value"]], terms.sums
        sums = np.zeros((len(bands), SUM_WORDS), np.int32)
        numbers = np.zeros((len(bands), SUM_NUMBERS))
        for axis, bases in enumerate((x, y)):
            side = sides[:, axis]
            sums[:, 2 * axis], sums[:, 2 * axis + 1] = bases.number[side["node"]], side["is_squared"]
            numbers[:, 2 * axis], numbers[:, 2 * axis + 1] = side["offset"], side["sign"]
        sums[:, 4] = np.where(bands["lower"] == -math.inf, AT_MOST, BETWEEN)
        numbers[:, 4], numbers[:, 5] = bands["lower"], bands["upper"]
        return sums, numbers

    def _append_tapes(self, terms: _Terms) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """`Plan.tapes` and `Plan.band_registers`."""
        tapes: list[tuple[int, int, int, int]] = []
        bands: list[int] = []
        for values in terms.tapes:
            first, last, registers = self._code.append(values)
            tapes.append((first, last, len(bands), len(bands) + len(values)))
            bands += registers
        return np.array(tapes, np.int32).reshape(-1, 4), np.array(bands, np.int32)

    def _find_thresholds(self, ends: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """The distinct thresholds of boxes along an axis, and the two of each box. `ends` float64[·, 2],
        closed.
        """
        real = self._program.precision.real
        behind = np.nextafter(ends[:, 1].astype(real), real(math.inf)).astype(np.float64)
        sides = np.stack([ends[:, 0], behind], axis=1) + 0.0  # -0 becomes +0
        thresholds, places = np.unique(sides.ravel(), return_inverse=True)
        return thresholds, places.reshape(-1, 2).astype(np.int32)
