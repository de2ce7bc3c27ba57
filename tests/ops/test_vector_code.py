"""Hot loops are vector code, for AVX2 and for AVX-512, and nothing is fused.

The assembly that Numba's code comes to for a CPU is read; running it takes no such CPU.
"""

from __future__ import annotations

import platform
import re
from functools import cache

import pytest

from absint.backends.numba.units import drawing_units
from absint.native import units
from absint.ops.precision import Precision
from absint.ops.units import operation_unit
from tests.ops.assembly import assembly

pytestmark = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="the CPUs named here are x86"
)

CPUS = {"haswell": "ymm", "znver4": "zmm"}
FRAME = drawing_units(Precision.F32)[0]
UNITS = [
    FRAME,
    *(operation_unit(op, Precision.F32) for op in ("add", "min", "sqrt", "exp")),
    operation_unit("mul", Precision.F64),
]


@cache
def instructions(cpu: str, unit: units.Named) -> list[str]:
    """The instructions of a unit, operands included."""
    lines = assembly(unit, cpu).splitlines()
    return [line.strip() for line in lines if re.match(r"\s+[a-z][a-z0-9]*\b", line)]


def count(found: list[str], pattern: str) -> int:
    return sum(bool(re.match(pattern, line)) for line in found)


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: " ".join((unit.module, *unit.arguments)))
def test_nothing_is_fused(unit: units.Named, cpu: str) -> None:
    assert not count(instructions(cpu, unit), r"vfn?m(add|sub)")


@pytest.mark.parametrize("cpu", CPUS)
def test_sums_are_tested_eight_at_a_time(cpu: str) -> None:
    """A comparison of eight sums, and the eight bits straight from the vector."""
    found = instructions(cpu, FRAME)
    assert count(found, r"vaddps\s.*%ymm") > 10
    assert count(found, r"vcmp(le|ge|gt|lt)ps\s.*%ymm") > 10
    assert count(found, r"vmovmskps\s.*%ymm|kmov|vcmp.*%k") > 5


@pytest.mark.parametrize(("cpu", "register"), CPUS.items())
@pytest.mark.parametrize(
    ("op", "instruction"), [("add", "vaddps"), ("sqrt", "vsqrtps"), ("min", "v(min|cmp)"), ("exp", "vmulpd")]
)
def test_operations_fill_the_registers(op: str, instruction: str, cpu: str, register: str) -> None:
    found = instructions(cpu, operation_unit(op, Precision.F32))
    assert count(found, rf"{instruction}.*%{register}") >= 2
    assert count(found, r"v?(add|mul|sqrt|min)ss\s") == 0, "a scalar loop"
