"""The questions that every program is put to. Each oracle is one small class; none knows another.

An oracle has a name, `family:member` where it has members, and says what is wrong with a case, or None. All
that it chooses at random follows from the case's seed, so that a find is found again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from absint.evaluation.backend import Backend, DrawsPlans
from absint.frontend.vm import parse_vm, write_vm
from absint.frontend.vm_scan import scan_vm
from absint.ir.interpreter import interpret_concrete
from absint.rewriting.manager import rule_sets

from ..cases import Case
from ..comparison import REFERENCE, compiled, differ, pictures_differ, reference
from ..findings import Finding
from .backends import BoundsAgree, Images, Values
from .domains import Holds, Walks
from .graphs import HandMade
from .guards import Guards
from .passes import Facts, KeepsPromise, Pipelines, Specialised
from .threads import Threads


class Oracle(Protocol):
    """One question."""

    name: str

    def check(self, case: Case) -> Finding | None:
        """What is wrong, if anything is."""


def check_safely(oracle: Oracle, case: Case) -> Finding | None:
    """`check`, where an exception is a find too."""
    try:
        with np.errstate(all="ignore"):
            return oracle.check(case)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else "no message"
        return Finding(oracle.name, f"{type(error).__name__}: {reason}")


class Itself:
    """The program with itself: what the reference makes of it is what its nodes say, one after the other."""

    name = "self"

    def check(self, case: Case) -> Finding | None:
        """Values and the picture of the reference against a walk over the graph."""
        points = case.sample
        values = compiled(reference(), case).values(**points)
        found = differ(self.name, "values", case, points, _walked(case, points), values)
        if found is not None or not case.drawable:
            return found
        image = compiled(reference(), case).image(case.view)
        columns, rows = np.meshgrid(case.view.xs(case.precision), case.view.ys(case.precision))
        samples = {"x": columns, "y": rows, "z": case.view.height_z(case.precision)}
        walked = np.broadcast_to(_walked(case, samples), image.shape)
        return pictures_differ(self.name, case, np.where(walked < 0, 255, 0), image)


class Text:
    """The text of a program is the program, with comments too."""

    name = "text"

    def check(self, case: Case) -> Finding | None:
        """Write and read, twice."""
        text = write_vm(case.graph, [])
        again = parse_vm(text, "written.vm")
        same = (
            again.rows == case.graph.rows
            and again.constants.tobytes() == _one_nan(case.graph.constants).tobytes()
            and dict(again.variables) == dict(case.graph.variables)
        )
        if not same:
            return Finding(self.name, "the text does not read back as the program that was written")
        if write_vm(again, []) != text:
            return Finding(self.name, "writing what was read gives another text")
        commented = (
            text.replace("\n", "\t#\n  # note #\n") if case.seed % 2 else text.replace("\n", " # é #\n")
        )
        for read in (parse_vm, scan_vm):
            if write_vm(read(commented, "commented.vm"), []) != text:
                return Finding(self.name, "with comments the text is another program")
        return None


def _one_nan(constants: NDArray[np.float64]) -> NDArray[np.float64]:
    """Text knows one NaN."""
    return np.where(np.isnan(constants), np.nan, constants)


def _walked(case: Case, points: Any) -> NDArray[Any]:
    values = interpret_concrete(case.graph, case.precision, points)[-1]
    return np.asarray(np.broadcast_to(values, np.broadcast_shapes(*(np.shape(p) for p in points.values()))))


TURNS = 1.35
"""How many of the oracles that take turns see a program, on average."""


class Selection(NamedTuple):
    """The oracles of a campaign. `always` see every program, `in_turn` take turns, and some of these take
    turns once more at programs of a mode in which they find more: `at_home`.
    """

    always: tuple[Oracle, ...]
    in_turn: tuple[Oracle, ...]
    at_home: Mapping[str, tuple[Oracle, ...]]

    def for_case(self, case: Case) -> tuple[Oracle, ...]:
        """Those that a case is put to; its seed says whose turn it is."""
        seed = case.seed
        turns = range(math.floor(TURNS * seed), math.floor(TURNS * (seed + 1)))
        chosen = [*self.always, *(self.in_turn[turn % len(self.in_turn)] for turn in turns)]
        if at_home := self.at_home.get(case.mode):
            chosen.append(at_home[seed % len(at_home)])
        return tuple(dict.fromkeys(chosen))

    @property
    def every(self) -> tuple[Oracle, ...]:
        """All of them."""
        return (*self.always, *self.in_turn)


def select(backends: Sequence[Backend], passes: Sequence[str], domains: Sequence[str]) -> Selection:
    """The oracles for some backends, passes and domains."""
    always: list[Oracle] = []
    for backend in backends:
        if backend.name != REFERENCE:
            always += [Values(backend), BoundsAgree(backend), Images(backend)]
    in_turn: list[Oracle] = [Itself(), Text(), Walks(), Guards(), HandMade(backends)]
    in_turn += [Threads(backend) for backend in backends if isinstance(backend, DrawsPlans)]
    alone = {name: KeepsPromise(name) for name in passes}
    in_turn += alone.values()
    if passes:
        in_turn += [Pipelines(), Specialised(), Facts()]
    in_turn += [Holds(name) for name in domains]
    at_home = {"near": tuple(alone[name] for name, _ in rule_sets() if name in alone)}
    return Selection(tuple(always), tuple(in_turn), at_home)
