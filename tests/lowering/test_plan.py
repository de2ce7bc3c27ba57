"""Plans say what the program says: their pictures are the reference's, whatever form the terms take."""

from __future__ import annotations

import numpy as np
import pytest

from absint.backends.cuda.device_code import make_device_code
from absint.backends.numba.layout import lay_out
from absint.evaluation.backend import find_backend
from absint.evaluation.view import View
from absint.frontend.source import Source
from absint.ir.program import Program, Promise
from absint.lowering.plan import LOOSE, MOST_TABLES, Plan, make_plan
from absint.lowering.plan_format import DEEPEST_TERM
from absint.ops.precision import Precision
from absint.rewriting.manager import PassManager, parse_pipeline

VIEW = View(90, 70, (0.05, -0.1), 0.9)


def planned(text: str, precision: Precision = Precision.F32) -> Plan:
    """The plan of a program, of which the picture is compared with the reference's."""
    source = Source(text).program().restricted(VIEW.box(precision), precision, Promise.SIGN)
    lowered, _ = PassManager(parse_pipeline("cse,predicates,flatten,bands,contract")).run(source)
    compare(source, lowered)
    return make_plan(lowered)


def compare(source: Program, lowered: Program) -> None:
    expected = find_backend("reference").prepare(source).image(VIEW)
    assert 0 < np.count_nonzero(expected) < expected.size
    assert (find_backend("numba").prepare(lowered, 1).image(VIEW) == expected).all()


def union(*parts: str) -> str:
    """Lines for the least of some nodes."""
    lines, last = [], parts[0]
    for i, part in enumerate(parts[1:]):
        lines.append(f"u{i} min {last} {part}")
        last = f"u{i}"
    return "\n".join(lines) or f"u neg {last}"


FORMS = {
    "the variables": "s add x y",
    "their difference": "s sub x y",
    "the other way around": "s sub y x",
    "squares": "a square x; b mul y y; s add a b",
    "minus a square": "a square x; b square y; s sub a b",
    "constants": "a add x c; b sub y c; s add a b",
    "from constants": "a sub c x; b sub c y; s sub a b",
    "negations": "a neg x; b sub c y; d neg b; s sub d a",
    "squares of them": "a neg x; d sub c a; e neg d; g square e; b sub y c; h square b; i neg h; s sub g i",
    "other bases": "a sin x; b exp y; d sub a c; e neg d; s add b e",
    "a base of one alone": "a sin x; b sqrt a; s sub y b",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("precision", Precision)
def test_sums_of_all_forms(form: str, precision: Precision) -> None:
    lines = FORMS[form].split("; ")
    text = "\n".join(
        ["x var-x", "y var-y", "c const 0.3", *lines, "t const 0.4", "r sub s t", "v neg r", "f max r v"]
    )
    text = text.replace("f max r v", "w const -0.5\nq sub w s\nf max r q")
    plan = planned(text, precision)
    assert len(plan.sums) >= 1
    assert not len(plan.tapes)


ONE_SIDED = {
    "of x": "a sin x; s sub a c",
    "of y": "a sin y; s sub a c",
    "squared": "a sin x; b sub c a; d square b; s neg d",
    "of y and z": "a add y z; s sin a",
}


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("form", ONE_SIDED)
def test_a_value_of_one_variable_has_a_table(form: str, precision: Precision) -> None:
    """Alone, cut by a box or a disc, and among alternatives."""
    lines = ["x var-x", "y var-y", "z var-z", "c const 0.3", *ONE_SIDED[form].split("; "), "t const -0.1"]
    lines += ["p sub s t", "q sub t s", "w const 0.05", "n max p q", "band sub n w", *disc(0, 0.1, 0, 0.5)]
    lines += ["o max band d0", "u neg d0", "v max p u", "e const 0.7", "g abs y", "h sub g e", "i min q h"]
    lines += ["k max i d0", "l min v k"]
    for root in "band", "o", "l":
        number = next(i for i, line in enumerate(lines) if line.startswith(f"{root} "))
        corner = ["edge const -0.8", "far sub x edge", f"r min {root} far"]
        plan = planned("\n".join([*lines[: number + 1], *corner]), precision)
        assert not len(plan.tapes)


@pytest.mark.parametrize("text", ["v var-x; m sin v", "v var-y; m sin v", "v var-x; a sqrt v; m sub a v"])
def test_a_value_of_the_only_variable_has_a_table(text: str) -> None:
    """Also one that is not everywhere a number."""
    plan = planned("\n".join([*text.split("; "), "c const 0.2", "s sub m c"]))
    assert len(plan.sums) == 1
    assert not len(plan.tapes)


def test_long_lists_over_a_large_box_are_left_to_the_regions() -> None:
    """A box without many discs, which are many sums at every pixel; and without many boxes."""
    lines = ["x var-x", "y var-y", "h const 0.8", "a abs x", "b abs y", "m max a b", "c sub m h"]
    sides = list(lines)
    for i in range(30):
        lines += disc(i, -0.7 + 0.05 * i, 0.6 - 0.07 * (i * 7 % 19), 0.004)
        sides += disc(i, -0.7 + 0.05 * i, 0.6 - 0.07 * (i * 7 % 19), 0.004)[:5]
        sides += [f"k{i} abs dx{i}", f"l{i} abs dy{i}", f"m{i} max k{i} l{i}", f"e{i} sub m{i} r{i}"]
    few = [*lines[:7], *disc(0, 0, 0, 0.1), "n0 neg d0", "f max c n0"]
    assert planned("\n".join(few)).regions is None
    for some, name in (lines, "d"), (sides, "e"):
        for count in (3, 30):
            cut = [
                f"n{i} neg {name}{i}\nc{i + 1} max {'c' if i == 0 else f'c{i}'} n{i}" for i in range(count)
            ]
            plan = planned("\n".join([*some, *cut]))
            assert (plan.regions is not None) == (count == 30 and name == "d")


def disc(i: int, x: float, y: float, r: float) -> list[str]:
    return [
        f"cx{i} const {x}", f"cy{i} const {y}", f"r{i} const {r}", f"dx{i} sub x cx{i}", f"dy{i} sub y cy{i}",
        f"xx{i} square dx{i}", f"yy{i} square dy{i}", f"q{i} add xx{i} yy{i}", f"d{i} sub q{i} r{i}",
    ]  # fmt: skip


def test_all_is_distributed_over_few_alternatives() -> None:
    """A left or right half, cut with two discs."""
    lines = ["x var-x", "y var-y", *disc(0, -0.4, 0, 0.2), *disc(1, 0.4, 0, 0.2), *disc(2, 0, 0.2, 0.5)]
    plan = planned("\n".join([*lines, "a min d0 d1", "f max a d2"]))
    assert len(plan.starts) == 2
    assert len(plan.sums) == 4


def test_many_are_not() -> None:
    lines = ["x var-x", "y var-y", *disc(99, 0, 0, 0.6)]
    for i in range(20):
        lines += disc(i, -0.8 + 0.08 * i, 0.05 * (i % 5), 0.01)
    lines += [union(*(f"d{i}" for i in range(20))), "f max u18 d99"]
    plan = planned("\n".join(lines))
    assert len(plan.starts) < 20
    assert plan.regions is None


def test_terms_that_exclude_each_other_are_dropped() -> None:
    lines = [
        "x var-x",
        "y var-y",
        "a const 0.5",
        "l add x a",
        "r sub a x",
        "h min l r",
        "s abs x",
        "q const 0.6",
    ]
    plan = planned("\n".join([*lines, "w sub s q", "n neg y", "g max w n", "f max g h"]))
    assert len(plan.starts) <= 2


def test_sums_without_a_table_are_run_as_tapes() -> None:
    count = MOST_TABLES + 10
    lines = ["x var-x", "y var-y", "yy square y"]
    for i in range(count):
        lines += [f"k{i} const {1 + i / 7:.4f}", f"m{i} mul x k{i}", f"s{i} sin m{i}", f"a{i} add s{i} yy"]
        lines += [f"c{i} const {-0.9 - i / 1000:.4f}", f"f{i} sub a{i} c{i}"]
    plan = planned("\n".join([*lines, union(*(f"f{i}" for i in range(count)))]))
    assert len(plan.tapes) or plan.regions is not None
    assert plan.sums[:, 0].max() == MOST_TABLES - 1
    assert len(plan.x_bases) == MOST_TABLES


def test_tables_are_used_again_when_nothing_reads_them_any_more() -> None:
    """Bases that are long chains in x and in y, of nodes that are read twice and of other bases."""

    def lines(length: int, *most: float) -> list[str]:
        made = ["x var-x", "y var-y", "c const 0.3", "z var-z"]
        for axis in "xy":
            made += [f"{axis}0 sin {axis}", f"{axis}1 mul {axis}0 c", f"f{axis} exp z"]
            for i in range(2, length):
                a, b = f"{axis}{i - 1}", f"{axis}{i - 2}"
                forms = f"mul {a} c", f"add f{axis} {a}", f"add {a} {b}", f"sub {a} {axis}0"
                made.append(f"{axis}{i} {forms[i % 4]}")
        last, half = length - 1, length // 2
        for i, (a, b) in enumerate([(last, last), (half, 1), (half - 1, half)]):
            made += [f"s{i} add x{a} y{b}", f"t{i} const {most[i]}", f"d{i} sub s{i} t{i}"]
        return [*made, union("d0", "d1", "d2")]

    short = planned("\n".join(lines(12, 2.6, 0.85, 1.9)))
    long = planned("\n".join(lines(204, 4.0, 1.6, 3.7)))
    assert len(long.sums) == len(short.sums) == 3
    assert lay_out(long).scratch_bytes == lay_out(short).scratch_bytes
    assert make_device_code(long).tables == make_device_code(short).tables


def test_what_is_too_deep_is_left_to_the_regions() -> None:
    """Discs added and cut away by turns."""
    lines = ["x var-x", "y var-y", *disc(0, 0, 0, 0.1)]
    last = "d0"
    for i in range(1, 4 * DEEPEST_TERM):
        angle = 0.7 * i
        lines += disc(i, 0.6 * np.cos(angle), 0.6 * np.sin(angle), 0.25)
        lines += [f"n{i} neg d{i}", f"k{i} max {last} n{i}" if i % 2 else f"k{i} min {last} d{i}"]
        last = f"k{i}"
    plan = planned("\n".join(lines))
    assert plan.regions is not None


def test_loose_terms_are_left_to_the_regions() -> None:
    """A value of no simple form, in a large box and in a small one."""
    wave = ["x var-x", "y var-y", "p mul x y", "q sin p", "s exp q", "c const 1.05", "w sub c s"]
    assert planned("\n".join(wave)).regions is not None
    small = planned("\n".join([*wave, *disc(0, 0.3, 0.3, 0.01), "f max w d0"]))
    assert small.regions is None
    assert len(small.tapes) == 1
    assert LOOSE > 0.2**2 / (2 * 0.9) ** 2


@pytest.mark.parametrize(
    "text", ["x var-x\na abs x\nb const 1\nf add a b", "x var-x\na abs x\nb const 9\nf sub a b"]
)
def test_what_is_decided_needs_no_term(text: str) -> None:
    program = Source(text).program().restricted(VIEW.box(Precision.F32), Precision.F32, Promise.SIGN)
    lowered, _ = PassManager(parse_pipeline("predicates")).run(program)
    plan = make_plan(lowered)
    inside = "sub" in text
    assert len(plan.starts) == inside
    assert (find_backend("numba").prepare(lowered, 1).image(VIEW) == 255 * inside).all()
