"""Every rewrite rule is proved, in three formats, and every part of its precondition is shown to be needed.

`fuzz/prove/proofs.json` holds the records that `make prove` makes; here they must be those of the rules and
op bodies as they are. Counterexamples are looked at again with the arrays of `test_rules`, which share
nothing with the prover. Where the solver is installed, what took it a moment is proved again, and the
prover itself is tested: terms against op bodies, bit for bit, and rules that one might believe in must be
refuted.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from absint.fuzz.oracles import exhaustive
from absint.fuzz.prove import command as prove
from absint.fuzz.prove import theorems
from absint.fuzz.prove.theorems import (
    BINARY16,
    BINARY32,
    BINARY64,
    FORMATS,
    UNPROVED,
    Entry,
    Format,
    Record,
    Theorem,
    Verdict,
    as_point,
    conjuncts,
    current,
    entries,
)
from absint.ops import extensions
from absint.ops.demand import Demand
from absint.ops.table import BY_NAME, OPS, SPICY, Op
from absint.rewriting.manager import passes_of_levels, rule_sets
from absint.rewriting.rules import Mode, Pattern, Rule
from tests.rewriting.test_rules import agree, evaluate, holds
from tests.support.operands import scaled

BITS, ZERO, SIGN = Mode.BITS, Mode.ZERO, Mode.SIGN
NEGATIVE = Demand.NEGATIVE


def needs_a_record(entry: Entry) -> bool:
    """Rules that a level uses, and that the format's operations commute. Of a pass that no level runs, and of
    extensions, records may be kept; what has none is proved here.
    """
    sides = (entry.rule.left, entry.rule.right)
    if any(op.name in extensions.names() for side in sides for op in theorems.ops_of(side)):
        return False
    owner = entry.name.partition(".")[0]
    return owner == "rules" or owner in passes_of_levels()


RECORDS = theorems.read_records()
ENTRIES = [entry for entry in entries() if entry.name in RECORDS or needs_a_record(entry)]
UNRECORDED = [entry for entry in entries() if entry not in ENTRIES]
EVERY_ENTRY = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
EVERY_FORMAT = pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)

QUICK = 0.3
"""Seconds that a proof may take to be done again here."""


def results(entry: Entry) -> dict[Format, Record]:
    """What is recorded of a rule."""
    found = {format_: current(RECORDS, entry, format_) for format_ in FORMATS}
    stale = [format_.name for format_, result in found.items() if result is None]
    assert not stale, f"{entry.name}: no proof of this rule and these bodies in {stale}: run make prove"
    return {format_: result for format_, result in found.items() if result is not None}


# The records


def test_every_rule_is_a_theorem() -> None:
    rules = {f"{name}.{rule.name}": rule for name, found in rule_sets() for rule in found.rules}
    theorems_ = {entry.name: entry.rule for entry in entries()}
    assert rules.items() <= theorems_.items()
    commute = {f"rules.{op.name}-commutes" for op in OPS if op.commutative}
    assert theorems_.keys() - rules.keys() == commute > {"rules.mul-commutes"}
    assert set(RECORDS) <= set(theorems_), "records of rules that are gone: run make prove"


@EVERY_ENTRY
def test_rule_is_proved(entry: Entry) -> None:
    for format_, result in results(entry).items():
        exempt = (entry.name, format_.name) in UNPROVED
        assert result["verdict"] == ("undecided" if exempt else "proved"), format_.name


def test_nothing_is_exempt_in_the_formats_that_a_proof_is_asked_in() -> None:
    assert {name for _, name in UNPROVED} == {"binary64"}
    assert {name for name, _ in UNPROVED} <= {entry.name for entry in ENTRIES}


@EVERY_ENTRY
def test_each_part_of_a_precondition_has_its_counterexample(entry: Entry) -> None:
    for format_, result in results(entry).items():
        variants = result.get("variants", {})
        assert set(variants) == set(entry.theorem.variants())
        for part in conjuncts(entry.rule.when):
            point = variants[f"without {part}"]
            assert isinstance(point, dict), f"{format_.name}: {part} is {point} without"


def test_modes_are_as_strong_as_they_can_be() -> None:
    for format_ in FORMATS:
        found = {
            (entry.name, what)
            for entry in ENTRIES
            for what, variant in results(entry)[format_].get("variants", {}).items()
            if variant == "proved"
        }
        assert not found, format_.name


def counterexamples() -> list[Any]:
    """All that are recorded, with the statement each refutes."""
    return [
        pytest.param(variant, format_, point, id=f"{entry.name}-{what}-{format_.name}")
        for entry in ENTRIES
        for what, variant in entry.theorem.variants().items()
        for format_ in FORMATS
        if isinstance(
            point := RECORDS.get(entry.name, {}).get(format_.name, {}).get("variants", {}).get(what), dict
        )
    ]


COUNTEREXAMPLES = counterexamples()


def test_there_are_counterexamples() -> None:
    assert len(COUNTEREXAMPLES) > 200


@pytest.mark.parametrize(("variant", "format_", "point"), COUNTEREXAMPLES)
def test_counterexample_is_one(variant: Theorem, format_: Format, point: dict[str, str]) -> None:
    values = as_point(point)
    assert all(float(format_.round(value)) == value or value != value for value in values.values())
    assert variant.refuted_by(values, format_)
    if format_ is not BINARY16:  # the bodies' arrays have none
        rule, precision = variant.rule, format_.precision
        columns = {letter: np.array([value], precision.dtype) for letter, value in values.items()}
        assert all(holds(part, columns).all() for part in variant.parts)
        left, right = (evaluate(side, columns, precision) for side in (rule.left, rule.right))
        assert not np.all(agree(rule.mode, rule.sees, left, right, precision))


def test_a_changed_rule_makes_its_record_stale() -> None:
    entry = next(entry for entry in ENTRIES if entry.name == "minmax.min-left")
    for change in ({"when": "a <= b"}, {"replacement": "b"}, {"mode": ZERO}, {"pattern": "max(a, b)"}):
        changed = Entry(entry.name, replace(entry.rule, **change))  # type: ignore[arg-type]  # of any field
        assert current(RECORDS, changed, BINARY32) is None


def test_a_changed_body_makes_its_record_stale() -> None:
    entry = next(entry for entry in ENTRIES if entry.name == "minmax.min-left")
    body = BY_NAME["max"].body(BINARY32.precision)
    op = replace(BY_NAME["min"], bodies=(body, body))
    changed = Entry(entry.name, replace(entry.rule))
    changed.rule.__dict__["left"] = Pattern(op, entry.rule.left.operands)
    assert changed.text == entry.text
    assert current(RECORDS, changed, BINARY32) is None


# The command


def test_command_proves_what_it_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("bitwuzla", reason="the solver is not installed")
    written: dict[str, Record] = {}
    monkeypatch.setattr(prove, "write_records", written.update)
    assert prove.main(["--rules", "min-left,simplify.neg-neg"]) == 0
    assert set(written) >= set(RECORDS)
    assert "binary32: 2 of 2 rules proved" in capsys.readouterr().out
    for name in ("minmax.min-left", "simplify.neg-neg"):
        for format_ in FORMATS:
            assert written[name][format_.name].keys() == RECORDS[name][format_.name].keys()
            assert written[name][format_.name]["verdict"] == "proved"


def test_command_refuses_rules_that_there_are_none_of(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        prove.main(["--rules", "min-left,max-middle"])
    assert "max-middle" in capsys.readouterr().err


def test_failures_are_told() -> None:
    task = prove.Task("minmax.min-left", "binary32", 1.0)
    good: Record = {
        "verdict": "proved",
        "variants": {"without a < b": {"a": "1.0"}, "in mode bits": "proved"},
    }
    assert not list(prove.failures(task, good))
    assert len(list(prove.remarks(task, good))) == 1
    for bad in ({"verdict": "refuted"}, {"verdict": "undecided"}, {"variants": {"without a < b": "proved"}}):
        assert len(list(prove.failures(task, good | bad))) == 1


# The prover


@pytest.fixture(scope="module")
def smt() -> ModuleType:
    """The solver's side."""
    pytest.importorskip("bitwuzla", reason="the solver is not installed")
    return importlib.import_module("absint.fuzz.prove.smt")


def quick(entry: Entry) -> list[Format]:
    """The formats in which a proof takes but a moment."""
    record = RECORDS.get(entry.name, {})
    return [
        format_
        for format_ in FORMATS
        if record.get(format_.name, {}).get("seconds", QUICK) < QUICK
        and (entry.name, format_.name) not in UNPROVED
    ]


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if quick(entry)], ids=lambda entry: entry.name)
def test_quick_proofs_are_done_again(entry: Entry, smt: ModuleType) -> None:
    for format_ in quick(entry):
        assert prove.decide(entry.theorem, format_, 30.0).verdict is Verdict.PROVED


def test_most_proofs_are_quick() -> None:
    assert sum(len(quick(entry)) for entry in ENTRIES) > 0.8 * len(FORMATS) * len(ENTRIES)


def test_rules_without_a_record_are_proved_now(smt: ModuleType) -> None:
    for entry in UNRECORDED:
        for format_ in FORMATS:
            answer = prove.decide(entry.theorem, format_, 60.0)
            assert answer.verdict is Verdict.PROVED, (entry.name, format_.name, answer)


FALSE_RULES = [
    Rule("sqrt-square", "sqrt(square(a))", "abs(a)", ZERO, why="underflow"),
    Rule("add-zero", "add(a, 0.0)", "a", BITS, why="-0 + 0 is +0"),
    Rule("neg-sub", "neg(sub(a, b))", "sub(b, a)", BITS, why="differ at a = b"),
    Rule("min-left-tie", "min(a, b)", "a", BITS, when="a <= b and number(b)", why="-0 and +0"),
    Rule("min-left-nan", "min(a, b)", "a", ZERO, when="a < b", why="NaN in b"),
    Rule("min-sign-nan", "min(a, b)", "a", SIGN, when="b >= 0", sees=NEGATIVE, why="NaN in b"),
    Rule("div-three", "div(a, 3.0)", "mul(a, div(1.0, 3.0))", ZERO, why="rounded twice"),
    Rule("sqrt-less", "sub(sqrt(a), C)", "sub(a, square(C))", SIGN, when="C >= 0 and a >= 0", sees=NEGATIVE),
    Rule(
        "mul-positive", "mul(a, C)", "a", SIGN, when="C > 0 and number(C)", sees=Demand.SIGN, why="underflow"
    ),
    Rule("sub-self", "sub(a, a)", "0.0", ZERO, when="number(a)", why="inf - inf"),
    Rule("mul-zero", "mul(a, 0.0)", "0.0", BITS, when="number(a) and finite(a)", why="-1 * 0 is -0"),
    Rule("min-absorb", "min(a, max(a, b))", "a", ZERO, why="NaN in b"),
    Rule("floor-neg", "floor(neg(a))", "neg(floor(a))", ZERO),
    Rule("mod-small", "mod(a, b)", "a", ZERO, when="a < b and number(b)", why="below zero"),
]


@pytest.mark.parametrize("format_", [BINARY16, BINARY32], ids=lambda format_: format_.name)
@pytest.mark.parametrize("rule", FALSE_RULES, ids=lambda rule: rule.name)
def test_false_rules_are_refuted(rule: Rule, format_: Format, smt: ModuleType) -> None:
    theorem = Theorem(rule, conjuncts(rule.when))
    answer = smt.decide(theorem, format_, 60.0)
    assert answer.verdict is Verdict.REFUTED
    assert theorem.refuted_by(answer.point, format_)


def test_all_operands_are_tried() -> None:
    """The last one, too: a rule that fails at one operand only is refuted."""
    floors = Theorem(FALSE_RULES[-2], ())
    wrong = Theorem(replace(floors.rule, mode=BITS), ())
    answer = exhaustive.decide(wrong, BINARY16, 60.0)
    assert answer.verdict is Verdict.REFUTED
    assert answer.point is not None
    assert wrong.refuted_by(answer.point, BINARY32)
    assert exhaustive.decide(floors, BINARY16, 60.0).verdict is Verdict.UNDECIDED  # not in bits
    assert exhaustive.decide(wrong, BINARY64, 60.0).verdict is Verdict.UNDECIDED  # too many


def test_the_exact_remainder_says_what_the_coarse_one_says(smt: ModuleType) -> None:
    entry = next(entry for entry in ENTRIES if entry.name == "simplify.mod-in-range")
    assert smt.decide(entry.theorem, BINARY16, 60.0, exact=True).verdict is Verdict.PROVED
    for variant in entry.theorem.variants().values():
        assert smt.decide(variant, BINARY16, 60.0, exact=True).verdict is Verdict.REFUTED


def test_bodies_that_leave_the_format_have_no_term(smt: ModuleType) -> None:
    for text in ("sin(a)", "exp(a)", "atan2(a, b)"):
        with pytest.raises(smt.UnsupportedError):
            smt.decide(Theorem(Rule("any", text, "a", BITS), ()), BINARY32, 1.0)


# Terms and bodies

IN_RULES = sorted(
    {
        op.name
        for entry in ENTRIES
        for side in (entry.rule.left, entry.rule.right)
        for op in theorems.ops_of(side)
    }
)
WITH_TERMS = [BY_NAME[name] for name in (*IN_RULES, "compare") if name != "cos"]


def operands(op: Op, format_: Format) -> list[tuple[Any, ...]]:
    """Special and random operands of an operation."""
    rng = np.random.default_rng(8)
    with np.errstate(over="ignore"):
        special = np.array((*SPICY, *op.spicy, 1 / 3, 2.5), np.float64).astype(format_.real)
    encodings = rng.integers(0, np.iinfo(format_.bits_type).max, scaled(60), format_.bits_type, endpoint=True)
    free, near = encodings.view(format_.real), rng.uniform(-4, 4, scaled(60)).astype(format_.real)
    if op.arity == 1:
        return [(a,) for a in (*special, *free, *near)]
    pairs = [*zip(free, near, strict=True), *zip(near, near[::-1], strict=True)]
    return [(a, b) for a in special for b in special] + pairs


@EVERY_FORMAT
@pytest.mark.parametrize("op", WITH_TERMS, ids=lambda op: op.name)
def test_term_has_the_bits_of_the_body(op: Op, format_: Format, smt: ModuleType) -> None:
    terms = smt.Terms(format_)
    body: Callable[..., Any] = op.body(format_.precision)
    pattern = Pattern(op, tuple(Pattern(letter=letter) for letter in "ab"[: op.arity]))
    for point in operands(op, format_):
        with np.errstate(all="ignore"):
            expected = terms.number(body(*point))
        term = terms.pattern(pattern, dict(zip("ab", map(terms.number, point), strict=False)))
        assert terms.is_true(terms.make(smt.Kind.EQUAL, term, expected)), point
