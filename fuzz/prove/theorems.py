"""Rewrite rules as theorems, and the records of their proofs.

A rule states that its two sides agree in its mode wherever its precondition holds. Each theorem has
*variants* that should be false: without one condition of the precondition, or in a stronger mode. Their
counterexamples show that the condition is needed and that the mode cannot be stronger.

Theorems are stated for a format and read preconditions at single points, as in `absint.rewriting.rules`:
every condition holds on NaN, except `number`. `power_of_two` is relative to the format: ±2^k whose reciprocal
is normal too.

A record holds the rule's text and a digest of its operations' bodies, so that a change of either makes it
stale.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from absint.base.memo import cached_property
from absint.evaluation.image_files import write_whole
from absint.ops.demand import LABELS, Demand
from absint.ops.precision import Precision
from absint.ops.printers.subset import printed_name
from absint.ops.printers.translate_c import c_source
from absint.ops.printers.typed_tree import Type
from absint.ops.table import OPS, Op
from absint.rewriting.manager import rule_sets
from absint.rewriting.rules import Mode, Pattern, Rule

PROOFS = Path(__file__).with_name("proofs.json")
"""The file of the records."""

Point: TypeAlias = dict[str, float]
"""The exact value of each letter."""


@dataclass(frozen=True)
class Format:
    """A binary interchange format of IEEE 754. `significand`: number of its bits, including the hidden one.

    `precision`: the precision whose op bodies are used. Binary16 uses the bodies of binary32, as a small
    model.
    """

    name: str
    exponent: int
    significand: int
    real: type[np.float16] | type[np.float32] | type[np.float64]
    bits_type: type[np.uint16] | type[np.uint32] | type[np.uint64]
    precision: Precision = Precision.F32

    @property
    def width(self) -> int:
        """Number of bits of an encoding."""
        return self.exponent + self.significand

    @property
    def type(self) -> Type:
        """The type of the format's numbers in a body's typed tree."""
        return Type.WIDE if self.precision is Precision.F64 else Type.REAL

    def round(self, value: float) -> Any:
        """The nearest number of the format, in the NumPy type that bodies take."""
        with np.errstate(over="ignore"):
            return self.real(value)

    def of_bits(self, encoding: int) -> Any:
        """The number with an encoding."""
        return self.bits_type(encoding).view(self.real)


BINARY16 = Format("binary16", 5, 11, np.float16, np.uint16)
BINARY32 = Format("binary32", 8, 24, np.float32, np.uint32)
BINARY64 = Format("binary64", 11, 53, np.float64, np.uint64, Precision.F64)
FORMATS = (BINARY16, BINARY32, BINARY64)

UNPROVED = {
    ("simplify.cos-neg", "binary64"): "cos64 works on integers and tables, and 2^64 operands are too many",
    ("simplify.cos-abs", "binary64"): "cos64 works on integers and tables, and 2^64 operands are too many",
}
"""Rules and formats that are only tested, with the reason; all others must be proved."""


@dataclass(frozen=True)
class Theorem:
    """The claim that the two sides of a rule agree in its mode wherever all `parts` of a
    precondition hold.
    """

    rule: Rule
    parts: tuple[str, ...]

    def variants(self) -> dict[str, Theorem]:
        """The theorems that should be false, by a description of the difference."""
        dropped = {
            f"without {part}": replace(self, parts=tuple(p for p in self.parts if p != part))
            for part in self.parts
        }
        stronger = {f"in mode {_mode_text(rule)}": replace(self, rule=rule) for rule in _stronger(self.rule)}
        return dropped | stronger

    def letters(self) -> list[str]:
        """The letters of the rule, sorted."""
        return sorted(self.rule.left.letters())

    def refuted_by(self, point: Point, format_: Format) -> bool:
        """Whether the bodies, evaluated at the point, confirm that it is a counterexample."""
        values = {letter: format_.round(value) for letter, value in point.items()}
        with np.errstate(all="ignore"):
            left, right = (value_of(side, values, format_) for side in (self.rule.left, self.rule.right))
            applies = all(holds(part, values, format_) for part in self.parts)
            return applies and not agree(self.rule, left, right)


class Verdict(Enum):
    """The result of an attempt to prove a theorem."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class Answer(NamedTuple):
    """A verdict, the prover that gave it, the time it took, and the counterexample if there is one."""

    verdict: Verdict
    prover: str
    seconds: float
    point: Point | None = None


def _stronger(rule: Rule) -> Iterator[Rule]:
    """The rule in the next stronger modes; each implies the rule's own."""
    if rule.mode is Mode.SIGN:
        if rule.sees != Demand.SIGN:
            yield replace(rule, sees=Demand.SIGN)
        yield replace(rule, mode=Mode.ZERO, sees=Demand.NONE)
    elif rule.mode is Mode.ZERO:
        yield replace(rule, mode=Mode.BITS)


def _mode_text(rule: Rule) -> str:
    return f"sign: {LABELS[rule.sees]}" if rule.mode is Mode.SIGN else rule.mode.value


def conjuncts(when: str) -> tuple[str, ...]:
    """The conditions whose conjunction is a precondition."""
    if not when:
        return ()
    tree = ast.parse(when, mode="eval").body
    return tuple(ast.unparse(part) for part in (tree.values if isinstance(tree, ast.BoolOp) else [tree]))


@dataclass(frozen=True)
class Entry:
    """A rule under its full name: the pass, a dot, and the rule's own name."""

    name: str
    rule: Rule

    @cached_property
    def theorem(self) -> Theorem:
        """The theorem that the rule states."""
        return Theorem(self.rule, conjuncts(self.rule.when))

    @property
    def text(self) -> str:
        """The rule's text in its record."""
        when = f", when {self.rule.when}" if self.rule.when else ""
        return f"{self.rule.pattern} -> {self.rule.replacement}, {_mode_text(self.rule)}{when}"

    def meaning(self, format_: Format) -> str:
        """A digest of the bodies of the rule's operations, without comments."""
        found = {op.name: op for side in (self.rule.left, self.rule.right) for op in ops_of(side)}
        bodies = [found[name].body(format_.precision) for name in sorted(found)]
        lines = c_source(bodies, format_.precision).splitlines()
        called = [*map(printed_name, bodies), *(line for line in lines if not line.startswith("/*"))]
        return hashlib.sha256("\n".join(called).encode()).hexdigest()[:16]


def ops_of(pattern: Pattern) -> Iterator[Op]:
    """The operations in a side of a rule, with repetitions."""
    if pattern.op is not None:
        yield pattern.op
    for operand in pattern.operands:
        yield from ops_of(operand)


def entries() -> list[Entry]:
    """All rules of all passes, and the commutativity of each operation where the matcher assumes it."""
    found = []
    for name, rules in rule_sets():
        found += [Entry(f"{name}.{rule.name}", rule) for rule in rules.rules]
    for op in OPS:
        if op.commutative:
            rule = Rule(f"{op.name}-commutes", f"{op.name}(a, b)", f"{op.name}(b, a)", Mode.BITS)
            found.append(Entry(f"rules.{rule.name}", rule))
    return sorted(found, key=lambda entry: entry.name)


# Patterns and preconditions at a point


def value_of(pattern: Pattern, values: dict[str, Any], format_: Format) -> Any:
    """The value of a side of a rule at a point, by the scalar bodies."""
    if pattern.number is not None:
        return format_.round(pattern.number)
    if pattern.op is None:
        return values[pattern.letter]
    operands = [value_of(operand, values, format_) for operand in pattern.operands]
    return format_.real(pattern.op.body(format_.precision)(*operands))


_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: lambda a, b: not a >= b,
    ast.LtE: lambda a, b: not a > b,
    ast.Gt: lambda a, b: not a <= b,
    ast.GtE: lambda a, b: not a < b,
}
"""Comparisons, each true on NaN."""


def holds(part: str, values: dict[str, Any], format_: Format) -> bool:
    """Whether a condition of a precondition holds at a point."""
    tree = ast.parse(part, mode="eval").body
    if isinstance(tree, ast.Call):
        assert isinstance(tree.func, ast.Name)
        value = float(values[ast.unparse(tree.args[0])])
        match tree.func.id:
            case "number":
                return not math.isnan(value)
            case "finite":
                return not math.isinf(value)
            case "nonzero":
                return value != 0
            case "power_of_two":
                least = float(np.finfo(format_.real).smallest_normal)
                power = abs(math.frexp(value)[0]) == 0.5 and least <= abs(value) <= 1 / least
                return power or math.isnan(value)
    assert isinstance(tree, ast.Compare), f"not a precondition: {part!r}"
    right = tree.comparators[0]
    bound = values[right.id] if isinstance(right, ast.Name) else format_.round(ast.literal_eval(right))
    return bool(_ORDER[type(tree.ops[0])](values[ast.unparse(tree.left)], bound))


def agree(rule: Rule, left: Any, right: Any) -> bool:
    """Whether two values agree in the rule's mode."""
    if math.isnan(left) and math.isnan(right):
        return True
    if rule.mode is Mode.BITS:
        return bool(left == right and np.signbit(left) == np.signbit(right))
    if rule.mode is Mode.ZERO:
        return bool(left == right)
    negative = not rule.sees & Demand.NEGATIVE or (left < 0) == (right < 0)
    positive = not rule.sees & Demand.POSITIVE or (left > 0) == (right > 0)
    return bool(negative and positive and (not math.isnan(right) or math.isnan(left)))


# Records

Record: TypeAlias = dict[str, Any]


def read_records(path: Path = PROOFS) -> dict[str, Record]:
    """The records by rule; empty if the file does not exist."""
    if not path.exists():
        return {}
    records: dict[str, Record] = json.loads(path.read_text(encoding="utf-8"))
    return records


def write_records(records: dict[str, Record], path: Path = PROOFS) -> None:
    """Write the records, sorted by rule, atomically."""
    write_whole(path, (json.dumps(records, indent=1, sort_keys=True) + "\n").encode())


def current(records: dict[str, Record], entry: Entry, format_: Format) -> Record | None:
    """The record of a rule in a format; None if there is none, or if the rule or its bodies have changed."""
    record = records.get(entry.name, {})
    result: Record | None = record.get(format_.name)
    if record.get("rule") != entry.text or result is None or result["meaning"] != entry.meaning(format_):
        return None
    return result


def as_text(point: Point) -> dict[str, str]:
    """A point as strings for a record: JSON has neither NaN nor infinity."""
    return {letter: repr(value) for letter, value in sorted(point.items())}


def as_point(text: dict[str, str]) -> Point:
    """The inverse of `as_text`."""
    return {letter: float(value) for letter, value in text.items()}
