"""Bugs in the verification of graphs: invariants that `Graph.verify` misses, and callers that skip it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from absint.ir import graph as graphs
from absint.ir import invariants

from .tools import Bug, Plant, always, module_of, planted

numba = module_of("backends", "numba")


def _without(function: str, *forgotten: int) -> Plant:
    """Skip some of the invariants that a function yields. `forgotten`: their positions."""

    def make(old: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def faults(*given: Any) -> Iterator[Any]:
            return (fault for place, fault in enumerate(old(*given)) if place not in forgotten)

        return faults

    return planted(invariants, function, make)


def _any_type(old: Any) -> Any:
    def check(field: str, array: Any, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        if array.shape != shape:
            old(field, array, shape, dtype)

    return check


BUGS = (
    Bug("graph:order", "operands may be any nodes, later ones too", _without("_operand_faults", 0)),
    Bug("graph:real", "a predicate may be the operand of an operation", _without("_operand_faults", 1)),
    Bug("graph:arity", "an operation may have an operand too many", _without("_operand_faults", 2)),
    Bug("graph:code", "any code is an operation", _without("_faults", 0)),
    Bug("graph:type", "arrays may be of any type", planted(invariants, "_check_array", _any_type)),
    Bug("graph:names", "any two nodes may have one name", planted(invariants, "_check_names", always(None))),
    Bug("graph:band", "a band may hold nothing", _without("_logic_faults", 3)),
    Bug("graph:list", "operands of a predicate may be later ones", _without("_logic_faults", 2)),
    Bug(
        "graph:copy",
        "a graph shares the arrays that it is made of",
        planted(graphs, "freeze_fields", always(None)),
    ),
    Bug("graph:unasked", "the CPU engine takes any graph", planted(numba, "check_program", always(None))),
)
