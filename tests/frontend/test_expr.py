"""Expressions make the graphs that they look like, however deep, and refuse what has no meaning."""

from __future__ import annotations

import copy
import gc
import itertools
import operator
import pickle
import random
from collections.abc import Callable

import numpy as np
import pytest

import absint
from absint.base.errors import ExpressionError
from absint.frontend import expr
from absint.frontend.expr import (
    FUNCTIONS,
    Expr,
    X,
    Y,
    Z,
    const,
    from_graph,
    maximum,
    minimum,
    substitute,
    to_graph,
    var,
)
from absint.frontend.vm import parse_vm, write_vm
from absint.ir.graph import Graph
from absint.ir.interpreter import interpret_concrete
from absint.ops.precision import Precision
from absint.ops.table import BY_NAME, OPS, SPICY

OPERATIONS = [op.name for op in OPS if not op.is_leaf]
DEEP = 10**6


def instructions(graph: Graph) -> str:
    """The program on one line, its nodes numbered."""
    return "; ".join(line.partition(" ")[2] for line in write_vm(graph).splitlines())


def value(shape: Expr, precision: Precision = Precision.F64, **variables: float) -> float:
    given = {name: precision.real(number) for name, number in variables.items()}
    return float(interpret_concrete(shape.graph(), precision, given)[-1])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_has_a_function(name: str) -> None:
    operands = (X, Y)[: BY_NAME[name].arity]
    graph = FUNCTIONS[name](*operands).graph()
    leaves = "".join(f"var-{axis}; " for axis in "xy"[: len(operands)])
    assert instructions(graph) == f"{leaves}{name} {' '.join(f'_{i}' for i in range(len(operands)))}"


def test_no_function_is_without_an_operation() -> None:
    assert set(FUNCTIONS) == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_functions_are_public_and_documented(name: str) -> None:
    function = FUNCTIONS[name]
    assert function.__doc__
    if function not in vars(operator).values():
        assert getattr(expr, function.__name__) is function
        assert getattr(absint, function.__name__) is function


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (X + 1, "var-x; const 1.0; add _0 _1"),
        (1 + X, "const 1.0; var-x; add _0 _1"),
        (X - Y, "var-x; var-y; sub _0 _1"),
        (2 - X, "const 2.0; var-x; sub _0 _1"),
        (X * Y * Z, "var-x; var-y; mul _0 _1; var-z; mul _2 _3"),
        (np.float32(0.5) * X, "const 0.5; var-x; mul _0 _1"),
        (X * np.float64(0.1), "var-x; const 0.1; mul _0 _1"),
        (np.int8(3) / X, "const 3.0; var-x; div _0 _1"),
        (X / 3, "var-x; const 3.0; div _0 _1"),
        (X % 2, "var-x; const 2.0; mod _0 _1"),
        (7 % X, "const 7.0; var-x; mod _0 _1"),
        (-X, "var-x; neg _0"),
        (+X, "var-x"),
        (abs(X), "var-x; abs _0"),
        (X**1, "var-x"),
        (X**2, "var-x; square _0"),
        (X**3.0, "var-x; square _0; mul _1 _0"),
        (X ** np.int64(13), "var-x; square _0; mul _1 _0; square _2; square _3; mul _4 _0"),
        (X**0.5, "var-x; sqrt _0"),
        (minimum(X, Y), "var-x; var-y; min _0 _1"),
        (maximum(X, 0), "var-x; const 0.0; max _0 _1"),
        (minimum(X, Y, Z), "var-x; var-y; min _0 _1; var-z; min _2 _3"),
        (maximum(X, Y, Z, 0), "var-x; var-y; max _0 _1; var-z; const 0.0; max _3 _4; max _2 _5"),
        ((X + Y) * (X + Y), "var-x; var-y; add _0 _1; mul _2 _2"),
        (const(-0.0) + 0.0, "const -0.0; const 0.0; add _0 _1"),
        (const(float("nan")) * float("inf"), "const nan; const inf; mul _0 _1"),
        (var("radius") - X, "var-radius; var-x; sub _0 _1"),
    ],
)
def test_what_is_written_is_what_is_built(built: Expr, expected: str) -> None:
    graph = to_graph(built)
    graph.verify()
    assert instructions(graph) == expected


def test_a_number_is_an_expression() -> None:
    assert instructions(to_graph(2)) == "const 2.0"


@pytest.mark.parametrize("exponent", [1, 2, 3, 7, 10, 31, 64])
def test_powers(exponent: int) -> None:
    assert value(X**exponent, x=3.0) == float(3**exponent) or exponent > 33
    assert value(X**exponent, x=2.0) == 2.0**exponent
    assert len((X**exponent).graph()) <= 2 * exponent.bit_length()


@pytest.mark.parametrize("exponent", [0, -1, 1.5, -0.5, float("nan"), float("inf"), 10**400, Y, "2", 2j])
def test_other_powers_say_what_to_write(exponent: float) -> None:
    with pytest.raises(ExpressionError, match=r"exp\(ln\(a\) \* p\)|too large"):
        X**exponent


def test_an_expression_as_exponent_says_what_to_write() -> None:
    with pytest.raises(ExpressionError, match=r"exp\(math\.log\(c\) \* p\)"):
        2**X


@pytest.mark.parametrize("order", [operator.lt, operator.le, operator.gt, operator.ge])
def test_expressions_have_no_order(order: Callable[[object, object], object]) -> None:
    for a, b in ((X, Y), (X, 0), (0, X), (np.float64(0), X)):
        with pytest.raises(TypeError, match="write a - b for a < b"):
            order(a, b)


@pytest.mark.parametrize(
    "use", [lambda: bool(X), lambda: X and Y, lambda: not X, lambda: max(X, Y), lambda: sorted([X, Y])]
)
def test_expressions_have_no_truth(use: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=r"before (it is|they are) evaluated"):
        use()


def test_equality_is_identity() -> None:
    assert X == X
    assert var("x") != X
    assert len({X, Y, X, var("x")}) == 3


@pytest.mark.parametrize("other", ["1", None, 1j, [1.0], np.ones(2), np.array(1.0)])
def test_operators_refuse_what_is_no_number(other: object) -> None:
    for sign in (operator.add, operator.sub, operator.mul, operator.truediv, operator.mod):
        for operands in ((X, other), (other, X)):
            if sign is operator.mod and isinstance(operands[0], str):
                continue  # formats the string
            with pytest.raises(TypeError):
                sign(*operands)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: expr.sin("x"), "sin: expected an expression or a number, not str 'x'"),
        (lambda: expr.atan2(X, None), "atan2: expected an expression or a number, not NoneType None"),
        (lambda: minimum(X, Y, [Z]), "minimum: expected"),
        (lambda: const("1"), "const: expected a number, not str '1'"),
        (lambda: const(X), "const: expected a number"),
        (lambda: X + 10**400, "too large"),
        (lambda: var("two words"), "var: a name is a word without blanks, not 'two words'"),
        (lambda: var(""), "var: a name is a word"),
        (lambda: substitute(X, x="y"), "substitute: x: expected"),
    ],
)
def test_errors_name_the_function(use: Callable[[], object], message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        use()
    assert message in str(caught.value)


def test_expressions_are_immutable() -> None:
    with pytest.raises(AttributeError):
        X.name = "y"  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize(("function", "opcode"), [(minimum, "min"), (maximum, "max")])
@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_the_grouping_of_minimum_shows_in_no_bit(
    function: Callable[..., Expr], opcode: str, count: int
) -> None:
    random_source = random.Random(count)
    fold = BY_NAME[opcode].body(Precision.F64)
    few = [0.0, -0.0, float("nan"), 1.0]
    cases = [*itertools.product(few, repeat=min(count, 4))]
    cases += [tuple(random_source.choices([*SPICY, *few], k=count)) for _ in range(500)]
    for case in cases:
        names = [f"v{i}" for i in range(len(case))]
        tree = value(function(*map(var, names)), **dict(zip(names, case, strict=True)))
        folded = np.float64(case[0])
        for number in case[1:]:
            folded = fold(folded, np.float64(number))
        assert repr(tree) == repr(float(folded)), case


def chain_of_sums(count: int) -> Expr:
    chain = X
    for _ in range(count):
        chain = chain + Y
    return chain


def test_a_chain_of_a_million_lives_and_dies() -> None:
    chain = chain_of_sums(DEEP)
    assert repr(chain).startswith("… + y + y")
    assert len(chain.graph()) == DEEP + 2
    del chain
    gc.collect()


def test_a_deep_graph_comes_back_and_moves() -> None:
    chain = from_graph(chain_of_sums(DEEP // 20).graph())
    moved = substitute(chain, x=Z)
    assert moved.operands[1] is chain.operands[1]
    assert len(pickle.loads(pickle.dumps(moved)).graph()) == DEEP // 20 + 2


def test_a_chain_of_signs_has_a_short_text() -> None:
    chain = X
    for _ in range(DEEP // 10):
        chain = -chain
    assert repr(chain) == "-" * 99 + "…"


def test_sharing_survives() -> None:
    power = X
    for _ in range(200):  # a tree of 2^200 leaves
        power = power * power
    assert len(power.graph()) == 201
    assert len(substitute(power, x=Y + 1).graph()) == 203
    assert len(from_graph(power.graph()).graph()) == 201
    assert len(pickle.loads(pickle.dumps(power)).graph()) == 201
    assert len(repr(power)) <= 100


def test_a_graph_comes_back_the_same() -> None:
    text = "a var-x\nb const 2.5\nd mul a b\nc var-t\ne atan2 d c\nf neg e\ng max f c\n"
    back = from_graph(parse_vm(text)).graph()
    assert instructions(back) == "var-x; const 2.5; mul _0 _1; var-t; atan2 _2 _3; neg _4; max _5 _3"


def test_substitution_is_simultaneous() -> None:
    swapped = substitute(X - Y * var("t"), x=Y, y=X, t=2)
    assert instructions(swapped.graph()) == "var-y; var-x; const 2.0; mul _1 _2; sub _0 _3"


def test_substitution_keeps_what_it_does_not_change() -> None:
    still = expr.sqrt(X) + 1
    shape = still * Y
    assert substitute(shape, z=X) is shape
    assert substitute(shape, y=Z).operands[0] is still


def test_copies_and_pickles() -> None:
    shape = expr.sqrt(X * X + Y) - 0.1
    assert copy.copy(shape) is copy.deepcopy(shape) is shape
    assert repr(pickle.loads(pickle.dumps(shape))) == repr(shape)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (X, "x"),
        (const(1), "1.0"),
        (expr.sqrt(X * X + Y) - 0.5, "sqrt(x * x + y) - 0.5"),
        (1 - (X - Y) - Z, "1.0 - (x - y) - z"),
        ((X + Y) * -(Z / 2), "(x + y) * -(z / 2.0)"),
        (-abs(-X) * 2, "-absolute(-x) * 2.0"),
        (expr.logical_not(minimum(X, abs(Y))), "logical_not(minimum(x, absolute(y)))"),
        (var("…"), "…"),
    ],
)
def test_text(shape: Expr, text: str) -> None:
    assert repr(shape) == text


def test_text_of_a_large_expression_shows_its_top() -> None:
    shape = maximum(*(X * i + Y for i in range(100)))
    assert len(repr(shape)) <= 100
    assert repr(shape).startswith("maximum(maximum(")
    assert "…" in repr(shape)
