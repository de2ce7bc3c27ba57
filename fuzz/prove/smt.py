"""The SMT solver: translates rules into Bitwuzla terms and decides theorems.

A rule's two sides and a format enter, terms leave. An operation's semantics are not repeated here: the typed
tree of its body is translated, and only the primitives of that language have an SMT spelling. So a proof is
about the bodies that every backend runs. `Real` is the format, every step rounds to nearest even, and there
is one NaN, of unknown sign. Bodies that leave the format (`wide`, integers, tables) have no term.

`fmod` is very expensive for a solver. The first attempt replaces it by an over-approximation: a proof with
that is a proof, and a counterexample counts only if the bodies confirm it.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bitwuzla import Bitwuzla, Kind, Option, Options, Result, RoundingMode, TermManager, version

from absint.base.memo import cached_property
from absint.ops.demand import Demand
from absint.ops.printers.subset import analyse
from absint.ops.printers.typed_tree import (
    Assign,
    Binary,
    Call,
    Const,
    Expr,
    Function,
    Local,
    Negative,
    Not,
    Primitive,
    Select,
    Type,
)
from absint.rewriting.rules import Mode, Pattern, Rule

from .theorems import Answer, Format, Theorem, Verdict

Term = Any
"""A Bitwuzla term; the package ships no types."""


class UnsupportedError(TypeError):
    """A body leaves the format, so it has no term."""


_ARITHMETIC = {"+": Kind.FP_ADD, "-": Kind.FP_SUB, "*": Kind.FP_MUL, "/": Kind.FP_DIV}
_COMPARISONS = {
    "<": Kind.FP_LT,
    ">": Kind.FP_GT,
    "<=": Kind.FP_LEQ,
    ">=": Kind.FP_GEQ,
    "==": Kind.FP_EQUAL,
}
_LOGIC = {"and": Kind.AND, "or": Kind.OR}
_WHOLE = {"floor": RoundingMode.RTN, "trunc": RoundingMode.RTZ}


class Terms:
    """Terms of one format, in one manager. `exact`: primitives must not be over-approximated."""

    def __init__(self, format_: Format, exact: bool = True) -> None:
        self.format = format_
        self.exact = exact
        self.coarse = False
        """Whether a term is an over-approximation, with more values than the body has."""
        self.manager = TermManager()
        self.nearest = self.manager.mk_rm_value(RoundingMode.RNE)
        self.encodings: dict[str, Term] = {}
        """The letters used so far, as bit vectors."""

    def make(self, kind: Kind, *operands: Term) -> Term:
        """The term of one operation."""
        return self.manager.mk_term(kind, list(operands))

    def letter(self, name: str) -> Term:
        """The term of a letter: any float."""
        if name not in self.encodings:
            sort = self.manager.mk_bv_sort(self.format.width)
            self.encodings[name] = self.manager.mk_const(sort, name)
        return self._from_bits(self.encodings[name])

    def number(self, value: float) -> Term:
        """A constant, rounded to the format."""
        encoding = int(self.format.round(value).view(self.format.bits_type))
        return self._from_bits(self.manager.mk_bv_value(self.manager.mk_bv_sort(self.format.width), encoding))

    def _from_bits(self, encoding: Term) -> Term:
        sizes = [self.format.exponent, self.format.significand]
        return self.manager.mk_term(Kind.FP_TO_FP_FROM_BV, [encoding], sizes)

    def pattern(self, pattern: Pattern, letters: Mapping[str, Term]) -> Term:
        """The term of a side of a rule."""
        if pattern.number is not None:
            return self.number(pattern.number)
        if pattern.op is None:
            return letters[pattern.letter]
        body = analyse(pattern.op.body(self.format.precision), self.format.precision)
        return self.function(body, [self.pattern(operand, letters) for operand in pattern.operands])

    def function(self, function: Function, operands: Sequence[Term]) -> Term:
        """The term of a function's result. Raises `UnsupportedError` for loops and several results."""
        values = dict(zip(function.parameters, operands, strict=True))
        for statement in function.body:
            if not isinstance(statement, Assign) or len(statement.names) > 1:
                raise UnsupportedError(f"{function.name}: a loop or several values")
            values[statement.names[0]] = self.expression(statement.value, values)
        if len(function.results) > 1:
            raise UnsupportedError(f"{function.name} returns several values")
        return self.expression(function.results[0], values)

    def expression(self, node: Expr, values: Mapping[str, Term]) -> Term:
        """The term of an expression in a body."""
        match node:
            case Const(type=type_, value=value) if type_ is self.format.type:
                return self.number(value)
            case Const(type=Type.BOOL, value=value):
                return self.manager.mk_true() if value else self.manager.mk_false()
            case Local(name=name):
                return values[name]
            case Negative(operand=operand):
                return self.make(Kind.FP_NEG, self.expression(operand, values))
            case Not(operand=operand):
                return self.make(Kind.NOT, self.expression(operand, values))
            case Binary(symbol=symbol, left=left, right=right):
                return self._binary(symbol, self.expression(left, values), self.expression(right, values))
            case Select(test=test, body=body, orelse=orelse):
                return self.make(Kind.ITE, *(self.expression(part, values) for part in (test, body, orelse)))
            case Call(target=target, operands=operands):
                return self.function(target, [self.expression(operand, values) for operand in operands])
            case Primitive(type=type_, name=name, operands=operands) if type_ is self.format.type:
                return self._primitive(name, [self.expression(operand, values) for operand in operands])
        raise UnsupportedError(f"{type(node).__name__} of type {node.type.value}")

    def _binary(self, symbol: str, left: Term, right: Term) -> Term:
        if symbol == "!=":
            return self.make(Kind.NOT, self.make(Kind.FP_EQUAL, left, right))
        if symbol in _ARITHMETIC:
            return self.make(_ARITHMETIC[symbol], self.nearest, left, right)
        kind = _COMPARISONS.get(symbol) or _LOGIC.get(symbol)
        if kind is None:
            raise UnsupportedError(f"{symbol} of integers")
        return self.make(kind, left, right)

    def _primitive(self, name: str, operands: list[Term]) -> Term:
        match name:
            case "abs":
                return self.make(Kind.FP_ABS, *operands)
            case "sqrt":
                return self.make(Kind.FP_SQRT, self.nearest, *operands)
            case "floor" | "trunc":
                return self.make(Kind.FP_RTI, self.manager.mk_rm_value(_WHOLE[name]), *operands)
            case "copysign":
                return self._copysign(*operands)
            case "fmod":
                return self._fmod(*operands)
        raise UnsupportedError(f"{name}()")

    def _copysign(self, size: Term, sign: Term) -> Term:
        # sound: SMT's NaN has no sign; the float's sign is unknown, so it may be either
        unknown = self.manager.mk_const(self.manager.mk_bool_sort())
        nan = self.make(Kind.FP_IS_NAN, sign)
        negative = self.make(Kind.ITE, nan, unknown, self.make(Kind.FP_IS_NEG, sign))
        magnitude = self.make(Kind.FP_ABS, size)
        return self.make(Kind.ITE, negative, self.make(Kind.FP_NEG, magnitude), magnitude)

    def _fmod(self, a: Term, b: Term) -> Term:
        """The truncated remainder, from IEEE's remainder, whose quotient is rounded to nearest."""
        dividend, divisor = self.make(Kind.FP_ABS, a), self.make(Kind.FP_ABS, b)
        if not self.exact:
            self.coarse = True
            # sound: for |a| < |b| the quotient truncates to 0, so |a| remains; NaN gives NaN; else any value
            sort = self.manager.mk_fp_sort(self.format.exponent, self.format.significand)
            anything = self.manager.mk_const(sort)
            ordered = self.make(Kind.FP_GEQ, dividend, divisor)
            large = self.make(Kind.ITE, ordered, anything, self.manager.mk_fp_nan(sort))
            small = self.make(Kind.FP_LT, dividend, divisor)
            return self._copysign(self.make(Kind.ITE, small, dividend, large), a)
        rest = self.make(Kind.FP_REM, dividend, divisor)
        below = self.make(Kind.FP_LT, rest, self.number(0.0))
        # exact: the sum is |a| mod |b|, which is a float
        size = self.make(Kind.ITE, below, self.make(Kind.FP_ADD, self.nearest, rest, divisor), rest)
        return self._copysign(size, a)

    def holds(self, part: str, letters: Mapping[str, Term]) -> Term:
        """A condition of a precondition as a term. Each is true on NaN, except `number`."""
        tree = ast.parse(part, mode="eval").body
        if isinstance(tree, ast.Call):
            assert isinstance(tree.func, ast.Name)
            return self._predicate(tree.func.id, ast.unparse(tree.args[0]), letters)
        assert isinstance(tree, ast.Compare), f"not a precondition: {part!r}"
        left, right = letters[ast.unparse(tree.left)], tree.comparators[0]
        bound = letters[right.id] if isinstance(right, ast.Name) else self.number(ast.literal_eval(right))
        return self.make(Kind.NOT, self.make(_CONTRARY[type(tree.ops[0])], left, bound))

    def _predicate(self, name: str, letter: str, letters: Mapping[str, Term]) -> Term:
        value = letters[letter]
        if name in _EXCLUDES:
            return self.make(Kind.NOT, self.make(_EXCLUDES[name], value))
        assert name == "power_of_two", f"not a predicate: {name!r}"
        encoding, digits = self.encodings[letter], self.format.significand - 1
        fraction = self.manager.mk_term(Kind.BV_EXTRACT, [encoding], [digits - 1, 0])
        exponent = self.manager.mk_term(Kind.BV_EXTRACT, [encoding], [self.format.width - 2, digits])
        sort = self.manager.mk_bv_sort(self.format.exponent)
        # the biased exponents of 2^e and 2^-e are at least 1: so the biased exponent is in [1, 2 bias - 1]
        largest = 2 * (2 ** (self.format.exponent - 1) - 1) - 1
        zero = self.manager.mk_bv_zero(self.manager.mk_bv_sort(digits))
        power = self.make(
            Kind.AND,
            self.make(Kind.EQUAL, fraction, zero),
            self.make(Kind.BV_UGE, exponent, self.manager.mk_bv_value(sort, 1)),
            self.make(Kind.BV_ULE, exponent, self.manager.mk_bv_value(sort, largest)),
        )
        return self.make(Kind.OR, power, self.make(Kind.FP_IS_NAN, value))

    def agree(self, rule: Rule, left: Term, right: Term) -> Term:
        """The claim that two sides agree in the rule's mode. SMT's `=` compares bits, with one NaN."""
        same = self.make(Kind.EQUAL, left, right)
        if rule.mode is Mode.BITS:
            return same
        if rule.mode is Mode.ZERO:
            return self.make(Kind.OR, same, self.make(Kind.FP_EQUAL, left, right))
        number = self.make(Kind.NOT, self.make(Kind.FP_IS_NAN, right))
        claims = [self.make(Kind.OR, number, self.make(Kind.FP_IS_NAN, left))]
        zero = self.number(0.0)
        for demand, kind in ((Demand.NEGATIVE, Kind.FP_LT), (Demand.POSITIVE, Kind.FP_GT)):
            if rule.sees & demand:
                answers = (self.make(kind, side, zero) for side in (left, right))
                claims.append(self.make(Kind.EQUAL, *answers))
        return self.make(Kind.AND, *claims)

    @cached_property
    def _simplifier(self) -> Bitwuzla:
        return Bitwuzla(self.manager, Options())

    def is_true(self, claim: Term) -> bool:
        """Whether a claim about constants is true for all signs of NaNs."""
        simple = self._simplifier.simplify_term(claim)
        if simple.is_value():
            return bool(simple.is_true())
        solver = Bitwuzla(self.manager, Options())
        solver.assert_formula(self.make(Kind.NOT, claim))
        return bool(solver.check_sat() == Result.UNSAT)


_CONTRARY = {ast.Lt: Kind.FP_GEQ, ast.LtE: Kind.FP_GT, ast.Gt: Kind.FP_LEQ, ast.GtE: Kind.FP_LT}
_EXCLUDES = {"number": Kind.FP_IS_NAN, "finite": Kind.FP_IS_INF, "nonzero": Kind.FP_IS_ZERO}

PROVER = f"bitwuzla {version()}"


def decide(theorem: Theorem, format_: Format, seconds: float, exact: bool = False) -> Answer:
    """Search for a counterexample, for at most `seconds`. `exact`: without over-approximated primitives."""
    start = time.perf_counter()
    terms = Terms(format_, exact)
    letters = {letter: terms.letter(letter) for letter in theorem.letters()}
    left, right = (terms.pattern(side, letters) for side in (theorem.rule.left, theorem.rule.right))
    options = Options()
    options.set(Option.PRODUCE_MODELS, True)
    options.set(Option.TIME_LIMIT_PER, max(1, int(seconds * 1000)))
    solver = Bitwuzla(terms.manager, options)
    for part in theorem.parts:
        solver.assert_formula(terms.holds(part, letters))
    solver.assert_formula(terms.make(Kind.NOT, terms.agree(theorem.rule, left, right)))
    result = solver.check_sat()
    point = None
    if result == Result.SAT:
        point = {
            letter: float(format_.of_bits(int(solver.get_value(encoding).value(2), 2)))
            for letter, encoding in terms.encodings.items()
        }
        # the solver chose the signs of NaNs and the values of over-approximated terms: the bodies must
        # confirm
        if not theorem.refuted_by(point, format_):
            result, point = Result.UNKNOWN, None
    elapsed = time.perf_counter() - start
    if result == Result.UNKNOWN and terms.coarse and elapsed < seconds:
        answer = decide(theorem, format_, seconds - elapsed, exact=True)
        return answer._replace(seconds=answer.seconds + elapsed)
    return Answer(_VERDICTS[result], PROVER, elapsed, point)


_VERDICTS = {
    Result.UNSAT: Verdict.PROVED,
    Result.SAT: Verdict.REFUTED,
    Result.UNKNOWN: Verdict.UNDECIDED,
}
