"""The fast reader gives the graph that the parser gives, and raises what it raises."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from absint import models
from absint.base.errors import VmError
from absint.frontend.vm import parse_vm, write_vm
from absint.frontend.vm_scan import _scan, scan_vm
from absint.ir.graph import Graph
from tests.support.graphs import graphs
from tests.support.operands import scaled

TEXT = "# a comment\n\n  x var-x\ny\tvar-y \r\nc const 1.5\nd const -2e-3\n a add x c\nb mul a d\nk neg b\n"
PIECES = [
    *"xyabcdk _\t\n\r.e+-0123456789#", "\x0b", "\x1c", "\xa0", "é", "\ufeff", "\x7f", "\x00", "\x85",
    "const ", "var-", "var-x", "add ", "neg ", "min", "nan", "inf", "1_0", "sin a\n", " \n", "rand ",
]  # fmt: skip


def assert_same(text: str) -> None:
    """Graph or message, both readers give the same."""
    try:
        expected = parse_vm(text, "model.vm")
    except VmError as error:
        with pytest.raises(VmError) as caught:
            scan_vm(text, "model.vm")
        assert str(caught.value) == str(error)
        return
    assert_equal(scan_vm(text, "model.vm"), expected)


def assert_equal(graph: Graph, expected: Graph) -> None:
    """Two graphs are the same in all fields, bit for bit."""
    for field in ("op", "args", "constants", "lines"):
        array, other = getattr(graph, field), getattr(expected, field)
        assert array.dtype == other.dtype
        assert array.tobytes() == other.tobytes()
        assert not array.flags.writeable
    assert list(graph.variables.items()) == list(expected.variables.items())
    assert graph.names == expected.names


@pytest.mark.parametrize("name", models.names())
def test_models_are_read_by_the_kernel(name: str) -> None:
    text = models.text(name)
    graph = _scan(text)
    assert graph is not None
    assert_equal(graph, parse_vm(text))


def test_comments_are_read_by_the_kernel() -> None:
    text = "# é\n  x var-x # why é\n\t# note\ny neg x #\n\nz const 2\t# a b c d e f\n"
    graph = _scan(text)
    assert graph is not None
    assert_equal(graph, parse_vm(text))
    assert graph.lines.tolist() == [2, 4, 6]


def test_third_party_models_too(models_dir: Path) -> None:
    for path in sorted(models_dir.glob("*.vm")):
        text = path.read_text(encoding="utf-8")
        graph = _scan(text)
        assert graph is not None
        assert_equal(graph, parse_vm(text))


@given(graphs())
def test_written_graphs_are_read(graph: Graph) -> None:
    assert_same(write_vm(graph))


def test_damaged_text_gives_what_the_parser_gives() -> None:
    rng = random.Random(0)
    for _ in range(scaled(1500)):
        pieces = list(TEXT)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(pieces))
            pieces[place : place + rng.randint(0, 1)] = [rng.choice(PIECES)] * rng.randint(0, 1)
        assert_same("".join(pieces))


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "#", "# only", "x", "x var-x", "x var-x\n#", "x var-", "x var", "\ufeffx var-x",
        "x var-x y",
        "x var-x\nx var-y", "a neg a", "a neg b\nb var-x", "#a var-x", " #a var-x", "a const 1 2", "a const",
        "é var-x", "a var-é", "# é\na var-x", "\ud800 var-x", "a\x1fb var-x", "a unknown b", "a squareroot b",
        "x var-x\ns atan2 x x\nt compare s x", "a const 1\r\nb const 2\r", "x var-time_of_day",
        "x var-x # why", "x var-x#why", "x # var-x", "  # é\nx var-x #é\n", "x var-x\ny neg x # # #\n\t#",
        "x const 1 #2\n",
        "x var-x\x1c# why\n", "x var-x #\r\ny neg x\r#\r\n",
    ],
)  # fmt: skip
def test_odd_texts(text: str) -> None:
    assert_same(text)


NUMBERS = (
    st.floats().map(repr)
    | st.tuples(st.integers(-(10**20), 10**20), st.integers(-330, 330)).map(lambda n: f"{n[0]}e{n[1]}")
    | st.decimals(allow_nan=False, allow_infinity=False, places=6).map(str)
    | st.from_regex(r"[+-]?[0-9]{0,20}\.?[0-9]{0,20}(e[+-]?[0-9]{0,4})?", fullmatch=True)
)


@given(NUMBERS)
@example("-0")
@example("-.0e5")
@example("9007199254740993")
@example("9007199254740991e22")
@example("1e22")
@example("1e23")
@example("8.5e-22")
@example("1_0")
@example("infinity")
@example("1e+")
@example("1e0000001")
@settings(max_examples=scaled(400))
def test_numbers_have_the_same_bits(number: str) -> None:
    assert_same(f"c const {number}")


def test_plain_numbers_need_no_help() -> None:
    """Those that models hold are made by the kernel, exactly."""
    rng = np.random.default_rng(0)
    texts = [f"{value:.{digits}f}" for digits in range(8) for value in rng.uniform(-99, 99, 200)]
    texts += [f"{value:.5e}" for value in rng.uniform(-1e6, 1e6, 200)]
    lines = [f"c{i} const {text}" for i, text in enumerate(texts)]
    graph = _scan("\n".join(lines))
    assert graph is not None
    assert graph.constants.tolist() == [float(text) for text in texts]
