"""Plans cached between runs: from the text of a program, or a program, to its plan.

The key of an entry is all that a plan depends on: the text or the graph's arrays, the box, the precision, the
pipeline, the version of the plan's form, and the sources of all modules that make plans. So no entry can be
stale, and a program whose plan is cached is drawn without being parsed. A process whose sources were changed
after their import does not use the cache. Plans are independent of engines, so engines share entries.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
import time
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import DomainError, shown
from absint.frontend.source import Source
from absint.frontend.vm_scan import scan_vm
from absint.ir.box import Box
from absint.ir.graph import AXES, Graph
from absint.ir.program import Program, Promise, describe
from absint.lowering.plan import Plan, make_plan
from absint.lowering.plan_format import VERSION
from absint.lowering.region_plan import RegionProgram
from absint.native import array_file, cache
from absint.native.sources import are_unchanged, source_digest
from absint.ops.precision import Precision
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline

_REGIONS = "regions."

SOURCES = (
    "absint.base",
    "absint.domains",
    "absint.frontend",
    "absint.ir",
    "absint.lowering",
    "absint.lowering.kernels",
    "absint.native",
    "absint.ops",
    "absint.ops.extensions",
    "absint.ops.libm",
    "absint.ops.printers",
    "absint.passes",
    "absint.passes.analyses",
    "absint.rewriting",
)
"""The packages that a plan depends on."""

WORTH_KEEPING = 4e-3
"""Seconds that a plan must take to make to be worth a file; writing one takes one or two milliseconds."""


def lowered_plan(source: Source | Program, precision: Precision | None, box: Box, pipeline: str) -> Plan:
    """The plan of a program in a box, from the cache or made by a pipeline that lowers.

    `precision`: the program's own by default. Raises `VmError` for malformed text, `DomainError` for a
    program that does not hold in the box or has variables that an image has no positions for, and
    `PipelineError`.
    """
    key = _key(source, precision, box, pipeline)
    payload = None if key is None else cache.read(key)
    plan = None if payload is None else _unpack(payload)
    if plan is None:
        start = time.perf_counter()
        plan = _make(source, precision, box, pipeline)
        is_slow = time.perf_counter() - start > WORTH_KEEPING
        if key is not None and is_slow and are_unchanged(SOURCES):  # `_make` may have imported passes
            cache.write(key, _pack(plan))
    return plan


def _make(source: Source | Program, precision: Precision | None, box: Box, pipeline: str) -> Plan:
    """Lower a program and make its plan."""
    program = source.program(scan_vm) if isinstance(source, Source) else source
    start = program.restricted(box, program.precision if precision is None else precision, Promise.SIGN)
    lowered, _ = PassManager(parse_pipeline(pipeline), Analyses()).run(start)
    if free := sorted(set(lowered.graph.variables.values()) - set(AXES)):
        raise DomainError(f"an image has no position for the variable {shown(free[0])}, only for x, y and z")
    return make_plan(lowered)


def _key(source: Source | Program, precision: Precision | None, box: Box, pipeline: str) -> str | None:
    """The key of an entry: all that a plan depends on, as text; None if sources were changed."""
    if (sources := _sources()) is None:
        return None
    content = source.digest if isinstance(source, Source) else _program_digest(source)
    bounds = sorted((name, *(float(end).hex() for end in ends)) for name, ends in box.bounds.items())
    width = None if precision is None else precision.value
    return json.dumps([f"plan {VERSION}", content, width, bounds, pipeline, sys.byteorder, sources])


def _program_digest(program: Program) -> list[str]:
    """Digests of the program and of the program that it was made from, which `restricted` may fall back on.
    Names of nodes are left out.
    """
    return [
        digest
        for each in (program, program.origin)
        for digest in (describe(each), str(each.source is None), _graph_digest(each.graph))
    ]


def _graph_digest(graph: Graph) -> str:
    digest = hashlib.sha256(json.dumps(sorted(graph.variables.items())).encode())
    arrays: list[NDArray[Any]] = [graph.op, graph.args, graph.constants]
    if graph.logic is not None:
        arrays += [graph.logic.starts, graph.logic.items, graph.logic.bands]
    for array in arrays:
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@functools.cache
def _sources() -> str | None:
    """One digest of all sources that plans depend on; None if one of them was changed."""
    return source_digest(SOURCES)


def _pack(plan: Plan) -> bytes:
    """The bytes of a plan: its fields as named arrays, those of the regions under `regions.…`."""
    arrays = _arrays(plan, except_for=("precision", "regions"))
    arrays |= {"version": np.array(VERSION), "precision": np.array(plan.precision is Precision.F64, np.uint8)}
    if plan.regions is not None:
        arrays |= {_REGIONS + name: array for name, array in _arrays(plan.regions).items()}
    return array_file.pack(arrays)


def _unpack(data: bytes) -> Plan | None:
    """The plan packed by `_pack`; None for other bytes, and for a plan of another version."""
    try:
        arrays = array_file.unpack(data)
        if int(arrays["version"]) != VERSION:
            return None
        regions = {name.removeprefix(_REGIONS): arrays[name] for name in arrays if name.startswith(_REGIONS)}
        return Plan(
            **_values(Plan, arrays),
            precision=Precision.F64 if arrays["precision"] else Precision.F32,
            regions=RegionProgram(**_values(RegionProgram, regions)) if regions else None,
        )
    except (KeyError, TypeError, ValueError):
        return None


def _arrays(record: Plan | RegionProgram, except_for: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """The fields of a record as arrays; ranges become arrays of two numbers."""
    names = [field.name for field in fields(record) if field.name not in except_for]
    return {name: np.asarray(getattr(record, name)) for name in names}


def _values(kind: type[Plan | RegionProgram], arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """The fields of a record, from the arrays made by `_arrays`."""
    values: dict[str, Any] = {}
    for field in fields(kind):
        array = arrays.get(field.name)
        if array is not None and field.name != "precision":
            values[field.name] = _range(array) if field.type == "tuple[int, int]" else array
    return values


def _range(array: NDArray[Any]) -> tuple[int, int]:
    first, last = array.tolist()
    return int(first), int(last)
