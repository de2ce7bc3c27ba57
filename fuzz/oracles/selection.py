"""The selection of oracles for a campaign and for each of its programs.

An oracle is a small class with a name, `family:member` if the family has several members, that returns what
is wrong with a case, or None. Oracles do not depend on each other. The case's seed determines all their
random choices, so that every find can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from absint.evaluation.backend import Backend
from absint.evaluation.profile import Takes
from absint.evaluation.question import question_kinds
from absint.frontend.vm import parse_vm, write_vm
from absint.frontend.vm_scan import scan_vm
from absint.ir.interpreter import interpret_concrete
from absint.rewriting.manager import rule_sets

from ..cases import Case
from ..comparison import REFERENCE, engine_of, find_difference, find_wrong_pixel, reference
from ..findings import Finding
from .backends import Answers
from .domains import Holds, Walks
from .graphs import HandMade
from .guards import Guards
from .passes import FactsAgree, KeepsPromise, Pipelines, Specialises
from .threads import Threads


class Oracle(Protocol):
    """A property that every case must have."""

    name: str

    def check(self, case: Case) -> Finding | None:
        """Check the property. Returns what is wrong, or None."""


def check_safely(oracle: Oracle, case: Case) -> Finding | None:
    """Run an oracle's check; an exception becomes a finding."""
    try:
        with np.errstate(all="ignore"):
            return oracle.check(case)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else "no message"
        return Finding(oracle.name, f"{type(error).__name__}: {reason}")


class Itself:
    """The reference's values and picture equal those of a node-by-node interpretation."""

    name = "self"

    def check(self, case: Case) -> Finding | None:
        """Compare the reference with the interpreter."""
        points = case.sample
        values = engine_of(case, reference()).values(**points)
        found = find_difference(self.name, "values", case, points, _interpret(case, points), values)
        if found is not None or not case.drawable:
            return found
        image = engine_of(case, reference()).image(case.view)
        columns, rows = np.meshgrid(case.view.xs(case.precision), case.view.ys(case.precision))
        samples = {"x": columns, "y": rows, "z": case.view.height_z(case.precision)}
        interpreted = np.broadcast_to(_interpret(case, samples), image.shape)
        return find_wrong_pixel(self.name, case, np.where(interpreted < 0, 255, 0), image)


class Text:
    """Writing and reading a program gives the same program, also with comments in the text."""

    name = "text"

    def check(self, case: Case) -> Finding | None:
        """Write and read the program twice, the second time with comments."""
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
    """Constants as text preserves them: all NaNs become one."""
    return np.where(np.isnan(constants), np.nan, constants)


def _interpret(case: Case, points: Any) -> NDArray[Any]:
    """The program's values at points, by interpretation."""
    values = interpret_concrete(case.graph, case.precision, points)[-1]
    return np.asarray(np.broadcast_to(values, np.broadcast_shapes(*(np.shape(p) for p in points.values()))))


TURNS = 1.35
"""Average number of oracles in turn that check a program."""


class Selection(NamedTuple):
    """The oracles of a campaign.

    `always`: oracles that check every program. `in_turn`: oracles that take turns. `at_home`: by mode,
    oracles that also take turns at programs of that mode, in which they find more.
    """

    always: tuple[Oracle, ...]
    in_turn: tuple[Oracle, ...]
    at_home: Mapping[str, tuple[Oracle, ...]]

    def for_case(self, case: Case) -> tuple[Oracle, ...]:
        """The oracles for a case; its seed determines whose turn it is."""
        seed = case.seed
        turns = range(math.floor(TURNS * seed), math.floor(TURNS * (seed + 1)))
        chosen = [*self.always, *(self.in_turn[turn % len(self.in_turn)] for turn in turns)]
        if at_home := self.at_home.get(case.mode):
            chosen.append(at_home[seed % len(at_home)])
        return tuple(dict.fromkeys(chosen))

    @property
    def every(self) -> tuple[Oracle, ...]:
        """All oracles."""
        return (*self.always, *self.in_turn)


def select(backends: Sequence[Backend], passes: Sequence[str], domains: Sequence[str]) -> Selection:
    """The oracles for the given backends, passes and domains."""
    always: list[Oracle] = []
    for backend in backends:
        if backend.name != REFERENCE:
            always += [
                Answers(backend, kind) for kind in question_kinds() if kind.name in backend.profile.questions
            ]
    in_turn: list[Oracle] = [Itself(), Text(), Walks(), Guards(), HandMade(backends)]
    in_turn += [Threads(backend) for backend in backends if backend.profile.takes is Takes.PLAN]
    alone = {name: KeepsPromise(name) for name in passes}
    in_turn += alone.values()
    if passes:
        in_turn += [Pipelines(), Specialises(), FactsAgree()]
    in_turn += [Holds(name) for name in domains]
    at_home = {"near": tuple(alone[name] for name, _ in rule_sets() if name in alone)}
    return Selection(tuple(always), tuple(in_turn), at_home)
