"""Calls of the public interface with hostile arguments.

`python -m tests.api.hostile SEED FIRST COUNT [JOURNAL]` makes COUNT calls.

What is public is found by introspection; an argument is drawn by its name, now and then as junk. A call must
raise an `AbsintError` or a `TypeError`, or give what the same call gives for plain arguments, computed by the
reference. The number of the call is in the journal before it is made, so that a crash of the interpreter can
be replayed.
"""

from __future__ import annotations

import inspect
import mmap
import operator
import struct
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, partial
from random import Random
from typing import Any, NamedTuple

import numpy as np

import absint
from absint import api
from absint.base import registry
from absint.base.errors import AbsintError
from absint.domains.lattice import Interval
from absint.evaluation import backend
from absint.evaluation import image_files as imageio
from absint.evaluation.view import Grid, View
from absint.frontend import expr, vm
from absint.frontend.expr import Expr, X, Y
from absint.ir import tape
from absint.ir.box import Box
from absint.ir.graph import Graph, GraphBuilder
from absint.ir.program import Program, Promise
from absint.lowering import plan
from absint.ops.precision import Precision
from absint.ops.table import ADD, NEG, SUB, VAR
from absint.rewriting.manager import Step
from absint.shapes import lettering as text
from absint.shapes import solids as shapes
from absint.study import measure as study

from .hostile_values import (
    JUNK,
    Draw,
    Given,
    graph,
    junk,
    number,
    one_of,
    pair,
    picture,
    points,
    same,
    whole,
)
from .hostile_values import text as word

EXPRESSIONS: tuple[Expr, ...] = (
    shapes.circle(0.5), absint.maximum(abs(X) - 0.5, Y - 0.25), absint.sin(X * 5) - Y * absint.var("z"),
    X - Y, absint.const(-1.0), absint.sqrt(X) / Y,
)  # fmt: skip
GRAPHS = tuple(one.graph() for one in EXPRESSIONS)
LOWERED = absint.optimize(EXPRESSIONS[1], level=3)
PROGRAMS = (*map(Program, GRAPHS), LOWERED, absint.optimize(EXPRESSIONS[1], level=1))
VIEWS = (View(9, 7), View(16, 16, (0.25, 0.0), 0.5), View(1, 5), View(33, 2, z=0.5))
BOXES = (Box(), Box.default(), Box.parse("-1:1,0:2"), Box({"x": (0.0, 0.0), "t": (-1.0, 1.0)}))


def _model(random: Random) -> Given:
    kind = random.randrange(8)
    if kind == 0:
        return graph(random, GRAPHS)
    if kind == 1:
        given = graph(random, GRAPHS)
        return given if not isinstance(given.value, Graph) else Given(Program(given.value), given.plain)
    if kind == 2:
        return same(random.choice(("no-such-model", "", ".", "/", "\ud800.vm")))
    return same(random.choice((*EXPRESSIONS, *GRAPHS, *PROGRAMS)))


def _view(random: Random) -> Given:
    if random.random() < 0.5:
        return same(random.choice(VIEWS))
    size = whole(1, 5, 16)(random)
    return size


def _box(random: Random) -> Given:
    ends = {"x": (-1, 0), "y": (0.5, 0.5), "z": (-2, 2), "t": (0, 0)}
    names = random.choice((("x", "y"), ("x",), ("x", "y", "z", "t"), ()))
    drawn = {name: pair(number(*ends[name]))(random) for name in names}
    plain = {name: given.plain for name, given in drawn.items()}
    return Given(
        {name: given.value for name, given in drawn.items()}, JUNK if JUNK in plain.values() else plain
    )


def _ranges(random: Random) -> Given:
    names = random.choice((("x", "y"), ("x",), ("x", "y", "z"), ("t",)))
    drawn = {name: (points(random), points(random)) for name in names}
    if random.random() < 0.7:
        drawn = {name: (number(-1, -0.5)(random), number(0, 0.5, 2)(random)) for name in names}
    value: dict[Any, Any] = {name: (low.value, high.value) for name, (low, high) in drawn.items()}
    plain = {name: (low.plain, high.plain) for name, (low, high) in drawn.items()}
    if random.random() < 0.1:
        value[random.choice(names)] = random.choice(
            ((1.0,), (0.0, 1.0, 2.0), "ab", 5, None, {"a": 1, "b": 2})
        )
        return Given(value, JUNK)
    flat = [one for ends in plain.values() for one in ends]
    return Given(value, JUNK if any(one is JUNK for one in flat) else plain)


def _vector(random: Random) -> Given:
    size = random.choice((2, 2, 2, 3))
    drawn = [number(0, 0.25, -1, 3)(random) for _ in range(size)]
    kind = random.choice((tuple, list, iter))
    return Given(kind([one.value for one in drawn]), tuple(one.plain for one in drawn))


def _polygon(random: Random) -> Given:
    corners = [_vector(random) for _ in range(random.randrange(6))]
    return Given([one.value for one in corners], [one.plain for one in corners])


def _operand(random: Random) -> Given:
    return same(random.choice(EXPRESSIONS)) if random.random() < 0.5 else number(0, 0.5, 2, -3)(random)


class Engines(NamedTuple):
    """A program, prepared by two backends."""

    tried: Any
    reference: Any


@cache
def _engines(number_of_program: int, name: str) -> Engines:
    program = PROGRAMS[number_of_program]
    return Engines(*(backend.find_backend(one).prepare(program, 2) for one in (name, "reference")))


def _engine(random: Random) -> Given:
    found = _engines(random.randrange(len(PROGRAMS)), random.choice(("numba", "reference")))
    return Given(found.tried, found.reference)


def _builder(random: Random) -> Given:
    made = GraphBuilder()
    x = made.variable("x")
    made.append(SUB.code, x, made.constant(0.25))
    return Given(made, JUNK)


def _with_junk(draw: Draw, share: float) -> Draw:
    return lambda random: junk(random) if random.random() < share else draw(random)


def _field(random: Random, name: str) -> Given:
    """A field of some graph, which need not fit the others."""
    return Given(getattr(random.choice(GRAPHS), name), JUNK)


_PASSES = ("", "fold,cse", "minmax{rounds=2},dce", "cse,predicates,flatten,bands,contract", "nope", "a{", ",")
BY_NAME: dict[str, Draw] = {
    "a": _operand, "align": word("left", "right"), "at": _vector, "axes": word("x", "y"),
    "axis": word("x", "y", "z"), "b": _operand,
    "backend": one_of("numba", "reference", "numba:x", "cuda", ""),
    "bounds": _box, "box": one_of(*BOXES), "boxes": _ranges, "budget": one_of(None),
    "center": pair(number(0, 0.25, -0.5)), "code": whole(ADD.code, NEG.code, 250, 300),
    "comments": one_of((), ["a", "b\nc"]), "contenders": one_of({}), "count": whole(1, 3),
    "data": one_of(b"x"),
    "domains": one_of(("interval",), ["sign", "affine"]),
    "engine": _engine, "expr": _operand,
    "factor": _operand, "graph": partial(graph, sound=GRAPHS), "grid": one_of(*Grid, "linspace", "pixel"),
    "height": whole(1, 5, 16), "image": one_of(np.zeros((2, 3), np.uint8)), "instruments": one_of(()),
    "kind": word("passes", "x"), "level": whole(0, 1, 2, 3), "levels": whole(0, 1, 2), "line": whole(0, 3),
    "lower": _vector, "made": one_of(type("Mine", (), {"name": "mine"}), type("Nobody", (), {})),
    "maker": one_of(backend.find_backend("numba"), backend.find_backend("reference")), "model": _model,
    "more": _operand, "n": whole(1, 5), "name": word("x", "a b", ""), "node": whole(0, 1, 2, -1, 9),
    "normal": _vector, "op": one_of(ADD, NEG, VAR), "operands": whole(0, 1, 2), "other": one_of(*BOXES),
    "others": one_of(*EXPRESSIONS), "palette": one_of(None, np.zeros((2, 4), np.uint8)),
    "passes": one_of(None, *_PASSES), "path": word("m.vm"), "pixels": whole(1, 1000), "point": _vector,
    "points": _polygon, "precision": one_of(None, "f32", "f64", *Precision), "program": one_of(*PROGRAMS),
    "promise": one_of("bits", "sign", *Promise), "region": one_of(None, *BOXES),
    "root": one_of(None, 0, 1, 2, 9, -5), "runs": whole(1), "scale": number(1, 0.5, 3),
    "shape": one_of(*EXPRESSIONS), "shapes": one_of(*EXPRESSIONS), "source": one_of(None, *PROGRAMS),
    "specialised": one_of(False), "string": word("ab", "a\nB", "", "é"),
    "terms": one_of(True, False),
    "text": word("a var-x\n", "a b", ""), "threads": one_of(None, 1, 2, np.int8(2), 2**31), "upper": _vector,
    "value": number(0, 1.5, -2), "variable": word("x", "q"), "view": _view, "width": whole(1, 5, 16, 33),
}  # fmt: skip
"""How arguments are drawn, by the name of the parameter; others are numbers."""

OF_SUBJECT: dict[tuple[str, str], Draw] = {
    **{("evaluate", name): points for name in ("x", "y", "z")},
    **{("values", name): points for name in ("x", "y", "z")},
    **{("Box.of", name): pair(number(0.5, 2)) for name in ("x", "y", "z")},
    **{("capsule", name): _vector for name in "ab"},
    **{("smooth_union", name): one_of(*EXPRESSIONS) for name in "ab"},
    **{("exponential_union", name): one_of(*EXPRESSIONS) for name in "ab"},
    **{("GraphBuilder.append", name): whole(0, 1, -1, 2**40, -9) for name in "ab"},
    **{("GraphBuilder.copy", name): whole(0, 1, -1) for name in "ab"},
    **{("Graph", field.name): partial(_field, name=field.name) for field in fields(Graph)},
    **{(name, "view"): one_of(*VIEWS) for name in ("image", "image_into", "executable")},
    **{("build_and_evaluate", name): whole(0) for name in "ab"},
    ("build_and_evaluate", "code"): whole(ADD.code, SUB.code),
    ("build_and_evaluate", "value"): number(0),
    ("build_and_evaluate", "name"): one_of(None, "n"),
    ("find_backend", "name"): word("numba", "reference", "nope", "numba:x"),
    ("Box.parse", "text"): word("-1:1,0:2", "all", "x=0:1,t=-1:1", "1:0,0:1", "x"),
    ("circle", "center"): _vector, ("sphere", "center"): _vector,
    ("precision_of", "domains"): one_of((("interval",),), [["interval", "affine"]]),
    ("box", "lower"): _vector,
}  # fmt: skip


# What is called


def values(engine: Any, x: Any, y: Any, z: Any = 0.0) -> Any:
    """`Engine.values`."""
    return engine.values(x, y, z)


def bounds(engine: Any, boxes: Any) -> Any:
    """`Engine.bounds`."""
    return engine.bounds(boxes)


def image(engine: Any, view: Any) -> Any:
    """`Engine.image`."""
    return engine.image(view)


def image_into(engine: Any, view: Any, seed: Any) -> Any:
    """`Engine.image` into something."""
    if not isinstance(view, View) or not isinstance(seed, int):
        return engine.image(view)
    return engine.image(view, out=picture(view.height, view.width, Random(seed)))


def prepare_program(maker: Any, program: Any, threads: Any) -> Any:
    """`Backend.prepare`, and a value, if the program has any."""
    made = maker.prepare(program, threads)
    return made.image(View(4, 4)) if made.program.graph.lowered else made.values(0.25, 0.5)


def build_and_evaluate(code: Any, a: Any, b: Any, value: Any, variable: Any, name: Any, line: Any) -> Any:
    """A builder with anything in it, all the way to values and a picture."""
    made = GraphBuilder()
    made.append_variable(variable, name, line)
    made.append(code, a, b, value, None, line)
    built = made.build()
    absint.render(built, 4)
    return absint.evaluate(built, 0.5, 0.5, backend="numba")


_OPERATORS = ("add", "sub", "mul", "truediv", "mod", "pow", "neg", "pos", "abs")
OTHERS: tuple[Callable[..., Any], ...] = (
    values, bounds, image, image_into, prepare_program, build_and_evaluate, text.text, text.text_width,
    api.run_pipeline, vm.dump_vm, expr.to_graph, expr.from_graph, expr.substitute, plan.make_plan,
    tape.make_tape, imageio.pgm, imageio.png, imageio.write_whole, registry.register, registry.unregister,
    backend.find_backend,
)  # fmt: skip
CLASSES = (Box, Graph, GraphBuilder, Program, View, Expr)
_SELF: dict[type, Draw] = {
    Box: one_of(*BOXES), Graph: one_of(*GRAPHS, LOWERED.graph), GraphBuilder: _builder,
    Program: one_of(*PROGRAMS), View: one_of(*VIEWS), Expr: one_of(*EXPRESSIONS),
}  # fmt: skip


class Subject(NamedTuple):
    """Something to call, and how its arguments are drawn."""

    name: str
    call: Callable[..., Any]
    parameters: tuple[inspect.Parameter, ...]
    receiver: type | None = None


def _subjects() -> Iterator[Subject]:
    for name in absint.__all__:
        found = getattr(absint, name)
        if isinstance(found, types.ModuleType):
            for member in found.__all__:
                yield _subject(member, getattr(found, member))
        elif inspect.isfunction(found) or (
            isinstance(found, type)
            and not issubclass(found, Enum | Exception)
            and not inspect.isabstract(found)
        ):
            yield _subject(name, found)
    for kind in CLASSES:
        for name, member in vars(kind).items():
            if name[0] == "_":
                continue
            if isinstance(member, staticmethod):
                yield _subject(f"{kind.__name__}.{name}", member.__func__)
            elif inspect.isfunction(member):
                yield _subject(f"{kind.__name__}.{name}", member, kind)
    for function in OTHERS:
        yield _subject(function.__name__, function)
    for name in _OPERATORS:
        function = getattr(operator, name)
        names = list(inspect.signature(function).parameters)
        for position, receiver in enumerate(names):  # which operand is an expression
            parameters = tuple(_positional(other) for other in names if other != receiver)
            call = function if position == 0 else partial(_swapped, function)
            yield Subject(name, call, parameters, Expr)


def _positional(name: str) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY)


def _swapped(function: Callable[..., Any], a: Any, b: Any) -> Any:
    return function(b, a)


def _subject(name: str, function: Any, receiver: type | None = None) -> Subject:
    parameters = list(inspect.signature(function).parameters.values())
    return Subject(name, function, tuple(parameters[1:] if receiver else parameters), receiver)


SUBJECTS = tuple(_subjects())
_HEAVY = {"times", "read_vm", "Graph.to_networkx"} | {
    one.name for one in SUBJECTS if getattr(one.call, "__module__", "") == "absint.study.measure"
}
_OFTEN = {
    "evaluate",
    "render",
    "values",
    "bounds",
    "image",
    "image_into",
    "View",
    "Box",
    "build_and_evaluate",
}
_WEIGHTS = [0.25 if one.name in _HEAVY else 3.0 if one.name in _OFTEN else 1.0 for one in SUBJECTS]
_OPTIONS: dict[str, Callable[..., Any]] = {
    "optimize": api.run_pipeline, "heatmap": study.tiles, "View.square": View,
}  # fmt: skip
"""The functions whose parameters stand for others' `**options`."""


_TRUSTED = {"engine", "maker", "runs", "terms"}
"""Parameters that stand for the object of a method, a switch, and how often to do what takes time."""

_LOOKUPS = {"Graph.operands", "Graph.record", "Graph.label"}
"""Methods that look a node up, and raise what a list or an array raises for what it does not have."""


_WRITERS = {"write_whole"}
"""Functions whose messages show a path as it is."""


class Call(NamedTuple):
    """A call, and the same with plain arguments, None if it has none."""

    subject: Subject
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    plain: tuple[tuple[Any, ...], dict[str, Any]] | None


def draw_call(seed: int, number_of_call: int) -> Call:
    """The call of a number."""
    random = Random(f"{seed}:{number_of_call}")
    subject = random.choices(SUBJECTS, _WEIGHTS)[0]
    share = random.choice((0.0, 0.05, 0.3))
    positional: list[Given] = []
    named: dict[str, Given] = {}
    if subject.receiver is not None:
        positional.append(_SELF[subject.receiver](random))
    for parameter in subject.parameters:
        draw = _drawer(subject.name, parameter.name)
        if parameter.name not in _TRUSTED:
            draw = _with_junk(draw, share)
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += [draw(random) for _ in range(random.randrange(4))]
        elif parameter.kind is parameter.VAR_KEYWORD:
            named |= _named(subject, random, share)
        elif parameter.default is not parameter.empty and random.random() < 0.4:
            continue
        elif parameter.kind is parameter.KEYWORD_ONLY or named:
            named[parameter.name] = draw(random)
        elif parameter.default is parameter.empty:
            positional.append(draw(random))
        else:
            named[parameter.name] = draw(random)
    given = [*positional, *named.values()]
    call = tuple(one.value for one in positional), {name: one.value for name, one in named.items()}
    plain = tuple(one.plain for one in positional), {name: one.plain for name, one in named.items()}
    if "backend" in plain[1]:
        plain[1]["backend"] = "reference"
    return Call(subject, call, None if any(one.plain is JUNK for one in given) else plain)


def _drawer(subject: str, parameter: str) -> Draw:
    return OF_SUBJECT.get((subject, parameter)) or BY_NAME.get(parameter) or number(0, 0.25, 0.5, 2)


def _named(subject: Subject, random: Random, share: float) -> dict[str, Given]:
    """Arguments for `**options`."""
    options = _OPTIONS.get(subject.name)
    if options is None:
        names = ["t"] if random.random() < 0.2 else []
        draw = _operand if subject.name == "substitute" else points
        return {name: _with_junk(draw, share)(random) for name in names}
    known = [one.name for one in list(inspect.signature(options).parameters.values())[1:]]
    names = random.sample(known, random.randrange(3))
    names = [name for name in names if name not in {one.name for one in subject.parameters} - {"options"}]
    return {
        name: _with_junk(_drawer(subject.name, name), share)(random) for name in names if name != "height"
    }


# What is right


def differ(a: Any, b: Any) -> bool:
    """Whether two results differ."""
    if isinstance(a, Expr) and isinstance(b, Expr):
        a, b = a.graph(), b.graph()
    if isinstance(a, np.ndarray | np.generic):
        a, b = np.asarray(a), np.asarray(b)
        wrong = (a != b) & ~((a != a) & (b != b)) if a.shape == b.shape and a.dtype == b.dtype else np.True_
        return bool(wrong.any()) or (
            a.dtype.kind == "f" and bool((np.signbit(a) != np.signbit(b))[a == a].any())
        )
    if isinstance(a, Interval):
        return any(map(differ, a[:2], b[:2])) or differ(a.may_nan, b.may_nan)
    if isinstance(a, GraphBuilder | Box | View) or not is_dataclass(a) or isinstance(a, type):
        return _plain_differ(a, b)
    return type(a) is not type(b) or any(
        differ(getattr(a, field.name), getattr(b, field.name))
        for field in fields(a)
        if field.name != "source"
    )


def _plain_differ(a: Any, b: Any) -> bool:
    if isinstance(a, Step):
        return differ(a[:-1], b[:-1])  # without its time
    if isinstance(a, View | Box):
        return type(a) is not type(b) or repr(a) != repr(b)  # types of fields count
    if isinstance(a, Mapping):
        return set(a) != set(b) or any(differ(a[key], b[key]) for key in a if key != "seconds")
    if isinstance(a, list | tuple):
        return len(a) != len(b) or any(map(differ, a, b))
    if isinstance(a, float):
        return type(a) is not type(b) or (a != b and (a == a or b == b))
    if type(a).__module__.startswith("absint.backends"):
        return False
    return type(a) is not type(b) or (a != b and type(a).__eq__ is not object.__eq__)


def try_call(call: Call) -> str:
    """What is wrong with a call; nothing if all is right."""
    try:
        result = call.subject.call(*call.arguments[0], **call.arguments[1])
    except (AbsintError, TypeError) as error:
        return _complaint(call.subject.name, error)
    except (IndexError, ValueError):
        return "" if call.subject.name in _LOOKUPS else traceback.format_exc()
    except Exception:
        return traceback.format_exc()
    if call.plain is None or call.subject.name in _LOOKUPS:
        return ""
    try:
        expected = call.subject.call(*call.plain[0], **call.plain[1])
    except Exception as error:
        return f"taken, but of plain arguments: {error!r}"
    return "" if not differ(result, expected) else f"gave {result!r}, of plain arguments {expected!r}"


def _complaint(subject: str, error: Exception) -> str:
    """What is wrong with an error of absint: it has one short line for people."""
    message = str(error)
    if not isinstance(error, AbsintError) or subject in _WRITERS:
        return ""
    if len(message) > 600 or any(char < " " or "\x7f" <= char < "\xa0" for char in message):
        return f"a message of {len(message)} characters: {message[:300]!r}"
    return ""


def note_line(line: str) -> None:
    """A line for whoever reads the output, at once."""
    sys.stdout.write(line.encode("ascii", "backslashreplace").decode() + "\n")
    sys.stdout.flush()


def main(seed: int, first: int, count: int, journal: str = "") -> int:
    """Make calls; the exit status is 1 if one went wrong."""
    warnings.simplefilter("ignore")
    note: Any = bytearray(8)
    if journal:
        with open(journal, "r+b") as file:
            note = mmap.mmap(file.fileno(), 8)
    found = 0
    for number_of_call in range(first, first + count):
        note[:8] = struct.pack("<q", number_of_call)
        call = draw_call(seed, number_of_call)
        if wrong := try_call(call):
            found += 1
            note_line(f"python -m tests.api.hostile {seed} {number_of_call} 1: {call.subject.name}")
            note_line(wrong if len(wrong) < 3000 else wrong[:1000] + "\n…\n" + wrong[-2000:])
            if found >= 20:
                break
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:4]), *sys.argv[4:]))
