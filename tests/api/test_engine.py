"""Engines: the same bits as functions that prepare everything anew, for a point, many points and pictures."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import absint
from absint import Box, Engine, View, X, Y, sqrt, var
from absint.base.errors import BackendError, DomainError, PromiseError, UsageError, VmError
from absint.base.registry import register, unregister
from absint.evaluation.preparation import Preparation
from absint.evaluation.questions.image import Image
from absint.evaluation.questions.values import Values
from absint.frontend.expr import to_graph
from absint.ir.program import Form, Promise, describe
from absint.ops.precision import Precision
from absint.rewriting.manager import PassResult

BACKENDS = pytest.mark.parametrize("backend", ["numba", "reference"])
VIEWS = (
    View(120, 90),
    View(64, 64, (0.3, -0.2), 0.1),
    View(50, 40, (30.0, 0.0), 10.0),
    View(9, 9, scale=1e9),
)


@BACKENDS
@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_answers_are_those_of_the_reference(backend: str, precision: str) -> None:
    engine = absint.compile("gear", backend=backend, precision=precision)
    x, y = np.linspace(-1, 1, 50), np.linspace(0.9, -1, 50)[:, None]
    want = absint.evaluate("gear", x, y, precision=precision)
    assert engine.values(x, y).tobytes() == want.tobytes()
    assert [engine.values(0.1, at).tobytes() for at in (0.2, 0.3)] == [
        absint.evaluate("gear", 0.1, at, precision=precision).tobytes() for at in (0.2, 0.3)
    ]
    for view in VIEWS:
        right = absint.render("gear", view, backend="reference", precision=precision)
        assert (engine.image(view) == right).all()
    lower = np.linspace(-1, 0.9, 20)
    found = engine.bounds({"x": (lower, lower + 0.1), "y": (0.0, 0.1), "z": (0.0, 0.0)})
    inside = engine.values(lower + 0.05, 0.05)
    assert ((found.lower <= inside) & (inside <= found.upper)).all()


def test_what_was_prepared_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the engine itself, and through the cache by whoever asks for the same."""
    engine = absint.compile("gear")
    values, picture = engine.values(0.5, 0.25), engine.image(VIEWS[0])
    monkeypatch.setattr(Preparation, "make", None)
    assert engine.values(0.5, 0.25) == values
    engine.image(VIEWS[1])
    again = absint.compile("gear")
    assert again.values(0.5, 0.25) == absint.evaluate("gear", 0.5, 0.25, backend="numba") == values
    assert (again.image(VIEWS[0]) == picture).all()


def test_an_engine_for_one_picture_does_not_serve_all_floats() -> None:
    """What `render` prepared for a view's box, and an engine without a region for any view, are apart."""
    disc = sqrt(X * X + Y * Y) - 0.5
    far = View(9, 9, scale=1e9)
    want = absint.render(disc, far, backend="reference")
    absint.render(disc, 16)
    assert (absint.compile(disc).image(far) == want).all()
    absint.render(disc, 16)
    assert (absint.render(disc, far) == want).all()


def test_evaluate_keeps_engines_apart() -> None:
    """By program, precision, promise and box: a sign program has the values of its source."""
    disc = sqrt(X * X + Y * Y) - 0.5
    exact = absint.optimize(disc, level=1, region=Box.of((0.0, 1.0), (0.0, 1.0)))
    sign = absint.optimize(disc, level=2, region=Box.of((0.0, 1.0), (0.0, 1.0)))
    want = absint.evaluate(disc, 0.1, 0.2)
    for model in (exact, sign, exact, disc, sign):
        assert absint.evaluate(model, 0.1, 0.2) == want
    assert absint.evaluate(disc, 0.1, 0.2, precision="f64") != want
    assert absint.evaluate(exact, -3.0, 0.0) == 2.5  # beyond its box the source answers


@pytest.mark.parametrize("count", [1, 100, 5000])
def test_few_points_and_many_give_the_same_bits(count: int) -> None:
    x, y = np.random.default_rng(count).uniform(-1, 1, (2, count)).astype(np.float32)
    for backend in ("numba", "reference"):
        values = absint.evaluate("tempest", x, y, backend=backend)
        assert values.tobytes() == absint.compile("tempest").values(x, y).tobytes()


def test_a_region_is_where_an_engine_may_be_asked() -> None:
    engine = absint.compile("gear", region=Box.of((-0.5, 0.5), (-0.5, 0.5), (0.0, 0.0)))
    part = View(40, 40, scale=0.4)
    assert (engine.image(part) == absint.render("gear", part)).all()
    assert engine.values(0.1, 0.2) == absint.evaluate("gear", 0.1, 0.2)
    with pytest.raises(DomainError):
        engine.image(View(40, 40))
    with pytest.raises(DomainError):
        engine.values(0.9, 0.0)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_level_that_cannot_answer_says_so_when_it_is_asked(level: int) -> None:
    engine = absint.compile("gear", level=level, region=Box.default())
    view = View(60, 60)
    assert (engine.image(view) == absint.render("gear", view)).all()
    if level < 2:
        assert engine.values(0.1, 0.2) == absint.evaluate("gear", 0.1, 0.2)
    else:
        for ask in (lambda: engine.values(0.1, 0.2), lambda: engine.bounds({"x": (0.0, 1.0)})):
            with pytest.raises(PromiseError, match=f"level {level} keeps only whether f < 0"):
                ask()


def test_variables_by_name() -> None:
    engine = absint.compile(sqrt(X * X + Y * Y) - var("r"))
    assert engine.values(3.0, 4.0, r=1.5) == 3.5
    with pytest.raises(DomainError, match="no position for the variable 'r'"):
        engine.image(64)
    with pytest.raises(DomainError, match="no value given for the variable 'r'"):
        engine.values(3.0, 4.0)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"level": 7}, UsageError),
        ({"level": "1"}, UsageError),
        ({"region": "all"}, UsageError),
        ({"threads": 0}, UsageError),
        ({"backend": "abacus"}, BackendError),
        ({"backend": None}, BackendError),
        ({"precision": "f16"}, UsageError),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        absint.compile("gear", **options)


def test_an_engine_is_public() -> None:
    assert isinstance(absint.compile("gear"), Engine)
    assert absint.compile("gear").precision is absint.Precision.F32
    assert absint.compile("gear").region == Box()


def test_what_cannot_be_answered_is_refused_when_it_is_compiled(tmp_path: Path) -> None:
    """Malformed text, and a region in which a written program does not hold, whether or not one is named."""
    bad, part = tmp_path / "bad.vm", tmp_path / "part.vm"
    bad.write_text("x var-x\ny frobnicate x\n")
    small = absint.optimize("gear", level=1, region=Box.of((-0.5, 0.5), (-0.5, 0.5), (0.0, 0.0)))
    part.write_text(absint.write_vm(small.graph, [describe(small)]))
    for region in (None, Box.default()):
        with pytest.raises(VmError, match="unknown opcode"):
            absint.compile(bad, region=region)
    with pytest.raises(DomainError, match="optimise its source for that"):
        absint.compile(part, region=Box.default())
    assert absint.compile(part).values(0.1, 0.2) == absint.evaluate("gear", 0.1, 0.2)


def test_a_model_is_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that changes while it is evaluated must not give its values to its former text."""
    from absint.frontend import vm

    path, read = tmp_path / "model.vm", list[str]()
    original = vm.read_text

    def read_text(name: str | Path) -> tuple[str, str]:
        read.append(str(name))
        return original(name)

    path.write_text("a var-x\n")
    monkeypatch.setattr("absint.api.read_text", read_text)
    assert absint.evaluate(path, 0.5, 0.0) == 0.5
    assert read == [str(path)]
    absint.compile(path)
    assert read == [str(path)] * 2


def test_engines_of_hand_made_programs_are_apart() -> None:
    """Whatever tells programs with one graph apart tells their engines apart."""
    graph = (X + 0.1).graph()
    source, written = absint.Program(graph), absint.Program(graph, specialised=True)
    for first, second in ((source, written), (written, source)):
        for program in (first, second):
            if program is source:
                assert absint.evaluate(program, 0.2, 0.0, precision="f64") == 0.2 + 0.1
            else:
                with pytest.raises(DomainError):
                    absint.evaluate(program, 0.2, 0.0, precision="f64")


def test_unpickled_models_are_optimised_and_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """NumPy gives unpickled arrays dtypes that are equal to its own, but other objects."""
    graph = absint.load("gear").graph
    other = pickle.loads(pickle.dumps(graph))
    monkeypatch.setenv("ABSINT_CACHE_DIR", str(tmp_path))  # where no plan of the model lies
    assert (absint.render(other, 40) == absint.render(graph, 40, backend="reference")).all()
    assert absint.write_vm(absint.optimize(other).graph) == absint.write_vm(absint.optimize(graph).graph)


def test_a_pass_registered_again_is_run() -> None:
    view, model = View(9, 9), X * X + Y * Y - 0.5
    pictures = []
    for root in (X - 2.0, X + 2.0):  # all inside, all outside
        graph = to_graph(root)

        @dataclass(frozen=True)
        class Constant:
            name: ClassVar[str] = "swap"
            promise: ClassVar[Promise] = Promise.SIGN
            takes: ClassVar[Form] = Form.REAL
            makes: ClassVar[Form] = Form.REAL

            def run(self, program: Any, analyses: Any, graph: Any = graph) -> PassResult:
                """Another program, which breaks the promise in sight."""
                return PassResult(dataclasses.replace(program, graph=graph), Counter())

        register("passes", Constant)
        try:
            preparation = Preparation(
                absint.load(model),
                Image,
                "reference",
                Precision.F32,
                Box.default(),
                "swap",
                knows_program=True,
            )
            pictures.append(preparation.find().engine.image(view).min())
        finally:
            unregister("passes", "swap")
    assert pictures == [255, 0]


@pytest.mark.parametrize("backend", ["numba", "reference", "cuda_shim"])
def test_samples_on_the_border_of_a_region_are_inside(backend: str) -> None:
    """0.1 is rounded to binary32, as positions are."""
    if backend == "cuda_shim" and shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    engine = absint.compile(
        X * X + Y * Y - 0.005, backend=backend, region=Box({"x": (-0.1, 0.1), "y": (-0.1, 0.1)})
    )
    picture = engine.image(View(9, 9, scale=0.1))
    assert picture[4, 4] == 255 and picture[0, 0] == 0
    picture[:] = 7
    assert engine.image(View(9, 9, scale=0.1))[0, 0] == 0  # pictures are the caller's own


def test_arrays_of_an_answer_are_separate() -> None:
    engine = absint.compile("gear")
    boxes = {"x": (np.zeros(3), np.ones(3)), "y": (0.0, 1.0), "z": (0.0, 0.0)}
    one, flags = np.empty(3, np.float32), np.empty(3, bool)
    with pytest.raises(UsageError, match="share memory"):
        engine.bounds(boxes, out=(one, one, flags))


@pytest.mark.parametrize("boxes", [3, None, {"x": 3.0}, {"x": (0, 1, 2)}, {"x": "ab"}])
def test_malformed_boxes_are_refused_with_out_and_without(boxes: Any) -> None:
    engine = absint.compile("gear")
    out = np.empty((), np.float32), np.empty((), np.float32), np.empty((), bool)
    for into in (None, out):
        with pytest.raises(UsageError, match="expected"):
            engine.bounds(boxes, out=into)
    with pytest.raises(UsageError, match="expected arrays by name"):
        Values(3)  # type: ignore[arg-type]  # what it is about


def test_the_answer_about_a_single_point_is_joined() -> None:
    engine = absint.compile("gear")
    question = Values({"x": 0.1, "y": 0.2, "z": 0.0})
    joined = question.join([engine.answer(part) for part in question.split(2)])
    assert joined.tobytes() == engine.answer(question).tobytes()
