"""Pipelines as text, the manager, its statistics, and the facts that it caches."""

from __future__ import annotations

import gc
import itertools
from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from absint.base.errors import PipelineError, UsageError
from absint.base.registry import find
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.program import Form, Program, Promise
from absint.passes.analyses.bounds import BoundsAnalysis, bounds_of
from absint.passes.analyses.demand import demand_of
from absint.passes.bands import Bands
from absint.passes.flatten import Flatten
from absint.passes.minmax import MinMax
from absint.passes.predicates import PredicatesPass
from absint.passes.simplify import Simplify
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import (
    LEVELS,
    PassManager,
    PassResult,
    form_after,
    format_pipeline,
    parse_pipeline,
    pass_names,
)
from absint.rewriting.rules import Mode, Rewrite

CIRCLE = """x var-x
y var-y
xx mul x x
yy mul y y
sum add xx yy
root sqrt sum
one const 1.0
a sub root one
b sub root one
out min a b
"""


def program(promise: Promise = Promise.BITS) -> Program:
    return Program(parse_vm(CIRCLE), box=Box.default(), promise=promise)


@st.composite
def pipelines(draw: st.DrawFn) -> str:
    """Canonical texts: options in the order of the fields, none that has its default; the lowering last."""
    parts = []
    chosen = draw(st.lists(st.sampled_from(pass_names()), max_size=5))
    for name in sorted(chosen, key=lambda name: find("passes", name).makes is Form.LOWERED):
        given = []
        for option in fields(find("passes", name)):
            value = draw(st.integers(0, 99))
            if value != option.default and draw(st.booleans()):
                given.append(f"{option.name}={value}")
        parts.append(name + (f"{{{','.join(given)}}}" if given else ""))
    return ",".join(parts)


@given(pipelines())
def test_text_round_trips(text: str) -> None:
    assert format_pipeline(parse_pipeline(text)) == text


@pytest.mark.parametrize("level", LEVELS)
def test_levels_round_trip(level: int) -> None:
    assert format_pipeline(parse_pipeline(LEVELS[level])) == LEVELS[level]


def test_levels_promise_what_they_say() -> None:
    """None; bits; sign; sign. Every level holds what the one below it holds, and the last one lowers."""
    promises = {level: {p.promise for p in parse_pipeline(text)} for level, text in LEVELS.items()}
    both = {Promise.BITS, Promise.SIGN}
    assert promises == {0: set(), 1: {Promise.BITS}, 2: both, 3: both}
    assert set(LEVELS[1].split(",")) < set(LEVELS[2].split(",")) < set(LEVELS[3].split(","))
    forms = {level: form_after(parse_pipeline(text)) for level, text in LEVELS.items()}
    assert [level for level, form in forms.items() if form is Form.LOWERED] == [3]


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", []),
        ("  ", []),
        ("minmax", [MinMax()]),
        (" minmax { rounds = 2 } , simplify ", [MinMax(rounds=2), Simplify()]),
        ("minmax{}", [MinMax()]),
        ("minmax{rounds=8}", [MinMax()]),
        ("simplify,simplify", [Simplify(), Simplify()]),
        ("flatten,simplify,predicates,bands", [Flatten(), Simplify(), PredicatesPass(), Bands()]),
    ],
)
def test_reading(text: str, passes: list[Any]) -> None:
    assert parse_pipeline(text) == passes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("minmaxx", r"unknown pass 'minmaxx' \(did you mean 'minmax'\?\)"),
        ("fold,nothinglike", r"unknown pass 'nothinglike': known are .*fold"),
        ("rewriting", r"unknown pass 'rewriting'"),  # a module of helpers
        ("liveness", r"'liveness' is an analysis; a pipeline names rewrites: bands, contract, cse, dce"),
        ("minmax{round=2}", r"pass 'minmax' has no option 'round=2'; its options: rounds"),
        ("minmax{rounds}", r"pass 'minmax' has no option 'rounds'"),
        ("cse{rounds=2}", r"pass 'cse' has no option 'rounds=2'; its options: none"),
        ("minmax{rounds=two}", r"pass 'minmax': option rounds takes a whole number, not 'two'"),
        ("minmax{rounds=-1}", r"option rounds takes a whole number, not '-1'"),
        ("minmax{rounds=}", r"option rounds takes a whole number, not ''"),
        ("minmax{rounds=99999999999}", r"option rounds takes a whole number"),
        ("minmax{rounds=2", r"expected ',' and a pass at column 7"),
        ("fold,,dce", r"expected ',' and a pass|expected a pass at column 6"),
        ("fold,", r"expected ',' and a pass at column 5"),
        (",fold", r"expected a pass at column 1"),
        ("fold dce", r"expected ',' and a pass at column 6"),
        ("Fold", r"expected a pass at column 1"),
        ("predicates,fold", r"pass 'fold' works on real programs: put it before 'predicates'"),
        ("cse,predicates,bands,dce", r"pass 'dce' works on real programs: put it before 'predicates'"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        parse_pipeline(text)


def test_options_do_something() -> None:
    """One sweep of a chain that needs two."""
    text = "x var-x\ny var-y\na min x y\nb min a y\nc max b b\n"
    start = Program(parse_vm(text))
    once, twice = (
        PassManager(parse_pipeline(t)).run(start)[0] for t in ("minmax{rounds=1}", "minmax{rounds=2}")
    )
    none = PassManager(parse_pipeline("minmax{rounds=0}")).run(start)[0]
    assert none is start
    assert once.graph.operation_count >= twice.graph.operation_count


# Statistics


def test_steps_say_what_each_pass_did() -> None:
    start = program(Promise.SIGN)
    after, steps = PassManager(parse_pipeline(LEVELS[2])).run(start)
    assert [step.pass_.name for step in steps] == LEVELS[2].split(",")
    assert steps[0].before is start and steps[-1].after is after
    for earlier, later in itertools.pairwise(steps):
        assert later.before is earlier.after
    for step in steps:
        assert step.seconds > 0
        assert all(isinstance(rewrite.mode, Mode) and count > 0 for rewrite, count in step.rewrites.items())


def test_rewrites_are_counted_by_rule_and_mode() -> None:
    """Each mode occurs: xx and yy are squares, a zero is lost in one, and doubling keeps the sign."""
    moved = CIRCLE.replace("xx mul x x", "zero const 0\nmoved add x zero\nxx mul moved moved")
    start = Program(
        parse_vm(moved + "two const 2\nout2 mul two out\n"), box=Box.default(), promise=Promise.SIGN
    )
    _, steps = PassManager(parse_pipeline(LEVELS[2])).run(start)
    total: Counter[Rewrite] = sum((step.rewrites for step in steps), Counter())
    assert {(rewrite.rule, rewrite.mode): count for rewrite, count in total.items()} == {
        ("mul-self", Mode.BITS): 2,
        ("add-zero", Mode.ZERO): 1,
        ("same-operation", Mode.BITS): 1,
        ("mul-grows", Mode.SIGN): 1,
        ("min-self", Mode.BITS): 1,
        ("dead", Mode.BITS): 1,
    }
    by_mode = Counter(rewrite.mode for rewrite in total.elements())
    assert by_mode == {Mode.BITS: 5, Mode.ZERO: 1, Mode.SIGN: 1}


def test_dce_counts_each_dead_node() -> None:
    text = "x var-x\na neg x\nb neg a\nc abs x\n"
    _, (step,) = PassManager(parse_pipeline("dce")).run(Program(parse_vm(text)))
    assert step.rewrites.total() == len(step.before.graph) - len(step.after.graph) == 2


# Facts


@dataclass
class Counting:
    """An analysis that counts its runs; the option is part of its identity."""

    option: int = 0
    name: ClassVar[str] = "counting"
    runs: ClassVar[list[Program]] = []

    def run(self, program: Program, analyses: Analyses) -> int:
        self.runs.append(program)
        return len(self.runs)

    def __hash__(self) -> int:
        return hash(self.option)


def test_facts_belong_to_one_program_object_and_one_set_of_options() -> None:
    Counting.runs.clear()
    analyses, first = Analyses(), program()
    equal = replace(first)
    assert analyses.get(Counting(), first) == analyses.get(Counting(), first) == 1
    assert analyses.get(Counting(), equal) == 2, "a new program starts with no facts, however alike"
    assert analyses.get(Counting(option=1), first) == 3
    assert Counting.runs == [first, equal, first]
    assert set(analyses.cached(first)) == {Counting(), Counting(option=1)}
    assert Analyses().cached(first) == ()


def test_facts_die_with_their_program() -> None:
    analyses, mine = Analyses(), program()
    bounds_of(mine, analyses)
    assert analyses.cached(mine) == (BoundsAnalysis(),)
    assert len(analyses._facts) == 1
    del mine
    gc.collect()
    assert len(analyses._facts) == 0


def test_a_pass_that_changes_nothing_keeps_the_facts() -> None:
    analyses, start = Analyses(), program()
    settled, _ = PassManager(parse_pipeline("fold,simplify,cse,minmax,dce"), analyses).run(start)
    bounds, demand = bounds_of(settled, analyses), demand_of(settled, analyses)
    again, _ = PassManager(parse_pipeline("fold,simplify,cse,minmax,dce"), analyses).run(settled)
    assert again is settled
    assert bounds_of(again, analyses) is bounds
    assert demand_of(again, analyses) is demand


def test_domains_are_part_of_what_bounds_are_asked_for() -> None:
    mine = program()
    by_interval, by_affine = (bounds_of(mine, Analyses(d)) for d in (("interval",), ("interval", "affine")))
    assert by_interval is not by_affine
    # the affine form of x*x + y*y knows no less
    assert by_affine.bounds[-1].upper <= by_interval.bounds[-1].upper
    with pytest.raises(UsageError, match=r"unknown domain 'intervall' \(did you mean 'interval'\?\)"):
        bounds_of(mine, Analyses(("intervall",)))


def test_bounds_speak_of_the_programs_own_box() -> None:
    narrow = Program(parse_vm(CIRCLE), box=Box.of((0.0, 0.0), (2.0, 2.0)))
    assert bounds_of(narrow, Analyses()).bounds[-1][:2] == (1.0, 1.0)
    assert bounds_of(Program(parse_vm(CIRCLE)), Analyses()).bounds[-1][:2] == (-1.0, float("inf"))


def test_options_may_be_annotated_with_types_or_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass in a file without `from __future__ import annotations` has the type itself on its field."""
    import dataclasses

    kind = dataclasses.make_dataclass("Bare", [("rounds", int, 2), ("deep", bool, False)], frozen=True)
    kind.name, kind.promise = "bare", Promise.BITS  # type: ignore[attr-defined]  # as a pass has them
    kind.takes = kind.makes = Form.REAL  # type: ignore[attr-defined]  # likewise
    monkeypatch.setattr("absint.rewriting.manager.pass_names", lambda: ("bare",))
    monkeypatch.setattr("absint.rewriting.manager.find", lambda *_: kind)
    (made,) = parse_pipeline("bare{rounds=3,deep=true}")
    assert (made.rounds, made.deep) == (3, True)  # type: ignore[attr-defined]  # its options


def test_a_pass_says_which_programs_it_rewrites() -> None:
    class Silent:
        name: ClassVar[str] = "silent"
        promise: ClassVar[Promise] = Promise.BITS
        takes: ClassVar[Form] = Form.REAL

        def run(self, program: Program, analyses: Analyses) -> PassResult:
            raise AssertionError("the pass is refused before it runs")

    silent: Any = Silent()
    with pytest.raises(PipelineError, match="pass 'silent' does not say which programs it rewrites: give it"):
        PassManager([silent]).run(program())


@pytest.mark.parametrize(
    ("pipeline", "form"),
    [
        ("", Form.REAL),
        ("fold,dce", Form.REAL),
        ("flatten,bands", Form.REAL),  # there is nothing lowered to take
        ("predicates", Form.LOWERED),
        ("fold,predicates,flatten,predicates", Form.LOWERED),
    ],
)
def test_the_form_of_the_result_follows_from_the_passes(pipeline: str, form: Form) -> None:
    passes = parse_pipeline(pipeline)
    assert form_after(passes) is form
    assert PassManager(passes).run(program())[0].form is form
    assert form_after(passes, Form.LOWERED) is Form.LOWERED
