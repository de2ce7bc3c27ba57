"""Oracles of abstract domains, variability and liveness: facts about values must hold for the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.registry import find
from absint.domains.affine import AffineDomain, contains_at, position
from absint.domains.lattice import Domain
from absint.ir.graph import AXES
from absint.ir.interpreter import box_intervals, interpret_abstract, interpret_concrete
from absint.ir.tape import make_tape
from absint.ops.printers.translate import array_form
from absint.ops.table import OPS
from absint.rewriting.analysis import Analyses, make_domain

from ..cases import Case
from ..findings import Finding

_COUNT = 60
"""Points at which nodes are evaluated."""
_PAIRS = 3
"""Pairs of nodes for which a domain's laws are checked."""
_EXACTLY = 3
"""In one of this many cases, and in recorded finds, affine forms are checked exactly, in rational numbers."""


class _Nodes:
    """Every node's element in a domain, and its values at `_COUNT` points."""

    def __init__(self, case: Case, name: str) -> None:
        self.case = case
        self.domain: Domain[Any] = make_domain((name,), case.precision)
        self.elements = interpret_abstract(case.graph, self.domain, box_intervals(case.program()))
        self.points = case.points(count=_COUNT)
        values = interpret_concrete(case.graph, case.precision, self.points)
        self._symbol_values: dict[int, Mapping[str, Fraction]] = {}
        self.columns = np.empty((len(values), _COUNT), case.precision.dtype)
        for column, value in zip(self.columns, values, strict=True):
            column[:] = value

    def inside(self, element: Any, node: int, i: int, exactly: bool = True) -> NDArray[np.bool_]:
        """bool[_COUNT]: whether an element contains a node's values; affine forms `exactly`, at point i."""
        column = self.columns[node]
        found = np.array(self.domain.contains(element, column))
        if exactly and isinstance(self.domain, AffineDomain):
            found[i] &= contains_at(element, self._symbols(i), float(column[i]))
        return found

    def outside(self) -> NDArray[np.bool_]:
        """bool[n, _COUNT]: where a node's value is outside its element's interval."""
        hulls = [self.domain.to_interval(element) for element in self.elements]
        lower, upper, may_nan = (np.array(ends)[:, None] for ends in zip(*hulls, strict=True))
        columns = self.columns
        return ~np.where(np.isnan(columns), may_nan, (columns >= lower) & (columns <= upper))

    def ends(self, node: int) -> NDArray[Any]:
        """Values that a node's element contains: its ends, and special values."""
        element = self.elements[node]
        lower, upper, _ = self.domain.to_interval(element)
        values = np.array([lower, upper, 0.0, -0.0, 1.0, np.nan], self.case.precision.dtype)
        return np.asarray(values[self.domain.contains(element, values)])

    def _symbols(self, i: int) -> Mapping[str, Fraction]:
        """The values of the affine forms' symbols at point i, by variable."""
        if i not in self._symbol_values:
            self._symbol_values[i] = {
                name: position(self.elements[node], float(self.points[name][i]))
                for node, name in self.case.graph.variables.items()
            }
        return self._symbol_values[i]

    def finding(self, oracle: str, node: int, i: int, what: str) -> Finding:
        """The finding that a node is wrong at point i; `what` completes the sentence."""
        graph, column = self.case.graph, self.columns[node]
        point = {name: float(values[i]) for name, values in self.points.items()}
        what = f"{graph.record(node).name} ({graph.label(node)}) {what}"
        return Finding(oracle, what, point, str(self.elements[node]), float(column[i]))


class Holds:
    """A domain's facts about nodes, and about pairs of nodes, hold for the values."""

    def __init__(self, domain: str) -> None:
        self.name = f"domain:{domain}"
        self._domain = domain

    def check(self, case: Case) -> Finding | None:
        """Check all nodes, at points and at the ends of their operands, and the domain's laws for some
        pairs.
        """
        nodes = _Nodes(case, self._domain)
        return (
            self._check_analysis(nodes)
            or self._check_values(nodes)
            or self._check_transfer(nodes)
            or self._check_laws(nodes)
        )

    def _check_analysis(self, nodes: _Nodes) -> Finding | None:
        """The bounds that passes get (from a native sweep in the default domain) are the
        elements' intervals.
        """
        program = nodes.case.program()
        facts = find("analyses", "bounds")((self._domain,)).run(program, Analyses((self._domain,)))
        for node, (element, given) in enumerate(zip(nodes.elements, facts.bounds, strict=True)):
            lower, upper, may_nan = nodes.domain.to_interval(element)
            if (float(lower), float(upper), bool(may_nan)) != given:
                return nodes.finding(self.name, node, 0, f"has the bounds {given} for passes")
        return None

    def _check_values(self, nodes: _Nodes) -> Finding | None:
        """Every node's element contains the node's values."""
        for node, i in np.argwhere(nodes.outside())[:1].tolist():
            return nodes.finding(self.name, node, i, "is not in the interval of its element")
        exactly = nodes.case.seed % _EXACTLY == 0 or not nodes.case.mode
        for node, element in enumerate(nodes.elements):
            inside = nodes.inside(element, node, node % _COUNT, exactly)
            if not inside.all():
                return nodes.finding(self.name, node, int(inside.argmin()), "is not in its element")
        return None

    def _check_transfer(self, nodes: _Nodes) -> Finding | None:
        """Every node's element contains the results for any values in the operands' elements.

        That combines ends of ranges, which points of the box seldom do. Not for relational domains: there,
        not all combinations of the operands' values occur.
        """
        domain, graph = nodes.domain, nodes.case.graph
        if domain.relational:
            return None
        precision = nodes.case.precision
        ends = [nodes.ends(node) for node in range(len(graph))]
        for node in range(len(graph)):
            operands = graph.operands(node)
            if not operands:
                continue
            values = [ends[operand] for operand in operands]
            if len({graph.variables.get(operand, operand) for operand in operands}) == 2:
                values = [np.repeat(values[0], len(values[1])), np.tile(values[1], len(values[0]))]
            elif len(operands) == 2:
                values = [values[0]] * 2
            results = array_form(OPS[graph.rows[node][0]].body(precision), precision)(*values)
            inside = domain.contains(nodes.elements[node], results)
            if not inside.all():
                i = int(inside.argmin())
                given = ", ".join(repr(float(column[i])) for column in values)
                what = f"{graph.record(node).name} ({graph.label(node)}) of {given} is not in its element"
                return Finding(self.name, what, {}, str(nodes.elements[node]), float(results[i]))
        return None

    def _check_laws(self, nodes: _Nodes) -> Finding | None:
        """The lattice laws hold for random pairs of nodes: operands of one node, or nodes close together."""
        domain, count, rng = nodes.domain, len(nodes.elements), nodes.case.rng(5)
        for first in rng.integers(0, count, _PAIRS).tolist():
            second, point = max(0, first - int(rng.integers(0, 8))), int(rng.integers(_COUNT))
            operands = nodes.case.graph.operands(first)
            if len(operands) == 2 and rng.random() < 0.5:
                first, second = operands
            a, b = nodes.elements[first], nodes.elements[second]
            p, q = nodes.columns[first], nodes.columns[second]
            own, bounds = domain.to_interval(a), domain.to_interval(b)
            in_bounds = domain.contains(domain.from_interval(bounds), p)
            both = ~np.isnan(p) & ~np.isnan(q)
            laws: Sequence[tuple[str, NDArray[np.bool_]]] = (
                ("is not in top", nodes.inside(domain.top(), first, point)),
                ("is in bottom", ~nodes.inside(domain.bottom(), first, point)),
                ("is not in its interval", nodes.inside(domain.from_interval(own), first, point)),
                ("is not in a join", nodes.inside(domain.join(a, b), first, point)),
                ("is not in a join on the right", nodes.inside(domain.join(b, a), first, point)),
                ("is not refined", nodes.inside(domain.refine(a, bounds), first, point) | ~in_bounds),
                ("is not in what it is part of", nodes.inside(b, first, point) | (not domain.leq(a, b))),
                ("is not less", (p < q) | ~both | (not domain.less(a, b))),
                ("is not less or equal", (p <= q) | ~both | (not domain.less_equal(a, b))),
            )
            for what, satisfied in laws:
                if not satisfied.all():
                    label = nodes.case.graph.label(second)
                    return nodes.finding(self.name, first, int(satisfied.argmin()), f"{what}, with {label}")
        return None


class Walks:
    """The analyses of variability and liveness agree with direct evaluation and counting."""

    name = "walks"

    def check(self, case: Case) -> Finding | None:
        """Values do not change with variables on which they do not depend; liveness agrees with the tape."""
        graph, points = case.graph, case.points(count=_COUNT)
        variability = find("analyses", "variability")().run(case.program(), Analyses())
        # the points themselves, then for each axis the points with that axis's values rotated by one point
        moved = {name: [points[name]] * (1 + len(AXES)) for name in points}
        for i, name in enumerate(AXES, 1):
            moved[name][i] = np.roll(points[name], 1)
        together = {name: np.concatenate(columns) for name, columns in moved.items()}
        for node, column in enumerate(interpret_concrete(graph, case.precision, together)):
            before, *after = np.broadcast_to(column, (len(together["x"]),)).reshape(-1, _COUNT)
            for bit, name in enumerate(AXES):
                same = variability[node] >> bit & 1 or np.array_equal(before, after[bit], equal_nan=True)
                if not same:
                    return Finding(self.name, f"{graph.label(node)} depends on {name}")
        liveness = find("analyses", "liveness")().run(case.program(), Analyses())
        tape, last = make_tape(graph), liveness.last_use.tolist()
        reader = {
            operand: user for user in range(len(graph)) if last[user] >= 0 for operand in graph.operands(user)
        }
        for node in range(len(graph)):
            if node != graph.root and last[node] != reader.get(node, -1):
                return Finding(self.name, f"{graph.label(node)} is not read last by {last[node]}")
        if liveness.slots != tape.slot_count:
            return Finding(self.name, "not as many slots as the tape", {}, tape.slot_count, liveness.slots)
        if len(liveness.live) != len(tape.op) or not 0 <= liveness.peak - liveness.slots <= 1:
            return Finding(self.name, "not as many live values", {}, tape.slot_count, liveness.peak)
        return None
