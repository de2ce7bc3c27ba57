"""Every backend answers the questions of its profile as the reference does: whole, in parts, into arrays.

Backends and questions are those of the registry, so a new one of either is tested here by being there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import absint
from absint import Box, Precision, Promise, View
from absint.base import registry
from absint.base.errors import BackendError, UsageError
from absint.evaluation.backend import Backend, find_backend, profile_of
from absint.evaluation.engine import BackendEngine
from absint.evaluation.question import ArrayType, Question, Sample, question_kinds
from absint.evaluation.questions.bounds import Bounds
from absint.evaluation.questions.image import Image
from absint.evaluation.questions.values import Values
from absint.fuzz.cases import Case
from absint.fuzz.comparison import find_wrong_answer, to_host
from absint.fuzz.oracles.selection import check_safely, select
from absint.ir.program import Program
from absint.rewriting.promise import sample_points
from tests.backends.fast_values import SOLID

BOX = Box.of((-1.0, 1.0), (-1.0, 1.0), (0.0, 0.0))
SEEDS = range(8)
PRECISIONS = pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)

Kind = type[Question[Any]]


@pytest.fixture(params=registry.names("backends"))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend that can be used here."""
    try:
        return find_backend(request.param)
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture(params=registry.names("questions"))
def kind(request: pytest.FixtureRequest, backend: Backend) -> Kind:
    """Each question that the backend answers."""
    if request.param not in backend.profile.questions:
        pytest.skip(f"{backend.name} does not answer {request.param}")
    found: Kind = registry.find("questions", request.param)
    return found


def samples(precision: Precision) -> Iterator[Sample]:
    for seed in SEEDS:
        points = sample_points(("x", "y", "z"), BOX, precision, 40, seed)
        yield Sample(BOX, points, View(21, 17, (0.1, -0.2), 0.5), precision, seed)


def arrays(answer: Any) -> tuple[Any, ...]:
    return tuple(map(to_host, answer if isinstance(answer, tuple) else (answer,)))


def engine_of(backend: Backend, precision: Precision) -> BackendEngine:
    return backend.prepare(Program(SOLID, precision), 1)


@PRECISIONS
def test_answers_are_those_of_the_reference(backend: Backend, kind: Kind, precision: Precision) -> None:
    reference, engine = engine_of(find_backend("reference"), precision), engine_of(backend, precision)
    asked = [question for sample in samples(precision) if (question := kind.about(sample)) is not None]
    assert asked
    for question in asked:
        right, mine = reference.answer(question), engine.answer(question)
        case = Case(SOLID, precision, BOX, View(1, 1), 0)
        assert find_wrong_answer("conformance", question, case, right, mine) is None


@PRECISIONS
def test_a_question_says_what_its_answer_is_and_where_it_looks(
    backend: Backend, kind: Kind, precision: Precision
) -> None:
    engine = engine_of(backend, precision)
    for sample in samples(precision):
        question = kind.about(sample)
        assert question is not None
        found = arrays(engine.answer(question))
        assert [(array.shape, array.dtype) for array in found] == list(question.result(precision))
        box = question.box(precision)
        for index in np.ndindex(found[0].shape):
            for name, value in question.place(index, precision).items():
                lower, upper, may_nan = box.of_variable(name.partition(".")[0])
                assert lower <= value <= upper or (may_nan and value != value)


@PRECISIONS
@pytest.mark.parametrize("parts", [1, 3, 1000])
def test_the_answers_to_parts_make_up_the_whole(
    backend: Backend, kind: Kind, precision: Precision, parts: int
) -> None:
    engine = engine_of(backend, precision)
    for sample in samples(precision):
        question = kind.about(sample)
        assert question is not None
        split = question.split(parts)
        length = question.result(precision)[0].shape[0]
        assert len(split) == min(parts, length)
        joined = kind.join([_on_host(engine.answer(part)) for part in split])
        whole = engine.answer(question)
        assert [array.tobytes() for array in arrays(joined)] == [array.tobytes() for array in arrays(whole)]


def _on_host(answer: Any) -> Any:
    return type(answer)(*arrays(answer)) if isinstance(answer, tuple) else to_host(answer)


def room_for(types: tuple[ArrayType, ...], as_: type) -> Any:
    """Arrays to write an answer into, rows apart from each other, full of what is no answer."""
    made = []
    for shape, dtype in types:
        wide = np.full((*shape[:-1], 2 * shape[-1]) if len(shape) > 1 else shape, 77, dtype)
        made.append(wide[..., : shape[-1]])
    return made[0] if len(made) == 1 else as_(*made)


@PRECISIONS
def test_an_answer_is_written_where_it_is_wanted(backend: Backend, kind: Kind, precision: Precision) -> None:
    engine = engine_of(backend, precision)
    for sample in samples(precision):
        question = kind.about(sample)
        assert question is not None
        right = engine.answer(question)
        out = room_for(question.result(precision), type(right))
        assert engine.answer(question, out) is out
        assert [array.tobytes() for array in arrays(out)] == [array.tobytes() for array in arrays(right)]


@PRECISIONS
def test_nothing_is_written_into_other_arrays(backend: Backend, kind: Kind, precision: Precision) -> None:
    engine = engine_of(backend, precision)
    question = kind.about(next(samples(precision)))
    assert question is not None
    types = question.result(precision)
    right = room_for(types, type(engine.answer(question)))
    shape, dtype = types[0]
    frozen = np.zeros(shape, dtype)
    frozen.flags.writeable = False
    for wrong, found in (
        (np.zeros((*shape[:-1], shape[-1] + 1), dtype), r"\[.*\]$"),
        (np.zeros(shape, np.int16), r"int16\["),
        (frozen, "a read-only array"),
        (np.zeros((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2], "rows that are not contiguous"),
        (np.ma.zeros(shape, dtype), "a MaskedArray"),
        ([0.0], "a list"),
    ):
        out = wrong if len(types) == 1 else type(right)(wrong, *right[1:])
        with pytest.raises(
            UsageError, match=f"^out: expected a writeable .* with contiguous rows, found .*{found}"
        ):
            engine.answer(question, out)
    if len(types) > 1:
        with pytest.raises(
            UsageError, match=f"^out: expected a tuple of {len(types)} arrays, found a ndarray$"
        ):
            engine.answer(question, right[0])


def test_profiles_say_what_engines_answer(backend: Backend) -> None:
    engine = engine_of(backend, backend.profile.precisions[0])
    answered = {name for name in registry.names("questions") if hasattr(engine, f"answer_{name}")}
    assert answered == set(backend.profile.questions)


# A question and a backend that have no files


@dataclass(frozen=True, slots=True)
class Count(Question[Any]):
    """How many samples of a view are inside."""

    name: ClassVar[str] = "count"
    promise: ClassVar[Promise] = Promise.SIGN
    pipeline: ClassVar[str | None] = None

    view: View

    def box(self, precision: Precision) -> Box:
        return self.view.box(precision)

    def result(self, precision: Precision) -> tuple[ArrayType, ...]:
        return (ArrayType((1,), np.dtype(np.int64)),)

    def split(self, parts: int) -> list[Count]:
        return [self]

    @classmethod
    def about(cls, sample: Sample) -> Count | None:
        return cls(sample.view) if sample.is_drawable else None

    def place(self, index: tuple[int, ...], precision: Precision) -> dict[str, float]:
        return {"scale": self.view.scale}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The reference answers `count`, and so does a backend that counts one too many."""
    from absint.backends.arrays import ArrayEngine
    from absint.backends.reference import Reference

    def count(self: ArrayEngine, question: Count, out: Any = None) -> Any:
        return np.array([np.count_nonzero(self.image(question.view))])

    class Miscounting(ArrayEngine):
        def answer_count(self, question: Count, out: Any = None) -> Any:
            return count(self, question) + 1

    class Wrong(Reference):
        name = "wrong"
        profile = Reference.profile._replace(questions=(*Reference.profile.questions, "count"))

        def prepare(self, form: Any, threads: int | None = None, box: Box = BOX) -> ArrayEngine:
            return Miscounting(form, np, 1 << 16, self.name)

    monkeypatch.setattr(ArrayEngine, "answer_count", count, raising=False)
    monkeypatch.setattr(Reference, "profile", Wrong.profile)
    registry.register("questions", Count)
    registry.register("backends", Wrong)
    yield Wrong
    registry.unregister("questions", "count")
    registry.unregister("backends", "wrong")


def test_a_new_question_is_fuzzed_on_every_backend_that_answers_it(counted: Any) -> None:
    oracles = {oracle.name: oracle for oracle in select([counted(), find_backend("numba")], [], []).every}
    assert Count in question_kinds()
    assert {"count:wrong", "image:wrong", "image:numba"} <= set(oracles) and "count:numba" not in oracles
    case = Case(SOLID, Precision.F32, BOX, View(16, 16), 1)
    finding = check_safely(oracles["count:wrong"], case)
    assert finding is not None and finding.got == finding.expected + 1
    assert check_safely(oracles["image:wrong"], case) is None


@pytest.mark.usefixtures("counted")
def test_a_backend_says_who_answers_what_it_does_not() -> None:
    count = Count(View(8, 8))
    message = "^backend 'numba' does not answer 'count'; it is answered by reference, wrong$"
    with pytest.raises(BackendError, match=message):
        find_backend("numba").prepare(Program(SOLID)).answer(count)
    with pytest.raises(BackendError, match=message):
        absint.compile("gear").answer(count)
    assert absint.compile("gear", backend="reference").answer(count) == [
        np.count_nonzero(absint.render("gear", 8))
    ]


def test_a_question_that_no_backend_answers() -> None:
    with pytest.raises(BackendError, match="does not answer 'count'; no backend answers it"):
        absint.compile("gear").answer(Count(View(8, 8)))


def test_a_plan_has_no_values() -> None:
    """An engine that was prepared from a plan answers nothing that sees a value."""
    from absint.lowering.plan import make_plan

    plan = make_plan(absint.optimize(SOLID, level=3, region=BOX))
    engine = find_backend("numba").prepare(plan, 1, BOX)
    assert (engine.image(View(9, 9)) == absint.render(SOLID, 9)).all()
    with pytest.raises(BackendError, match="'values'"):
        engine.values(0.0, 0.0)
    with pytest.raises(UsageError, match="expected a program"):
        find_backend("reference").prepare(plan)


# Single questions


@pytest.mark.parametrize(
    ("rows", "columns"), [(range(3, 9), None), (None, range(1)), (range(16, 17), range(20, 21))]
)
def test_a_part_of_a_picture_has_the_pixels_of_the_whole(
    backend: Backend, rows: range | None, columns: range | None
) -> None:
    view = View(21, 17, (0.1, -0.2), 0.7)
    engine = engine_of(backend, backend.profile.precisions[0])
    whole = engine.image(view)
    part = engine.answer(Image(view, rows, columns))
    top, left = (rows or range(17)), (columns or range(21))
    assert (part == whole[top.start : top.stop, left.start : left.stop]).all()


@pytest.mark.parametrize(
    "rows", [range(0), range(5, 30), range(0, 10, 2), range(9, 3), slice(0, 5), 5, range(-2, 3)]
)
def test_what_is_no_part_of_a_picture(rows: Any) -> None:
    with pytest.raises(UsageError, match=r"rows .*: expected a part of range\(17\)"):
        Image(View(21, 17), rows)
    with pytest.raises(UsageError, match=r"columns .*: expected a part of range\(17\)"):
        Image(View(17, 21), None, rows)


@pytest.mark.parametrize("question", [None, "image", View(8, 8), Image])
def test_what_is_no_question(backend: Backend, question: Any) -> None:
    for engine in (engine_of(backend, backend.profile.precisions[0]), absint.compile("gear")):
        with pytest.raises(UsageError, match=r"^question .*: expected one, as Image\(View\(640, 480\)\)$"):
            engine.answer(question)


def test_points_that_broadcast_are_split_along_the_first_axis() -> None:
    engine = absint.compile("gear")
    question = Values({"x": np.linspace(-1, 1, 7), "y": np.linspace(-1, 1, 5)[:, None], "z": 0.0})
    parts = question.split(2)
    assert [part.result(Precision.F32)[0].shape for part in parts] == [(2, 7), (3, 7)]
    assert (Values.join([engine.answer(part) for part in parts]) == engine.answer(question)).all()
    single = Values({"x": 0.5, "y": 0.5, "z": 0.0})
    assert single.split(4)[0].result(Precision.F64)[0].shape == ()


def test_no_boxes_and_no_points_are_questions_too() -> None:
    engine = absint.compile("gear")
    none = np.zeros((0, 3))
    assert engine.values(none, none).shape == (0, 3)
    for question in (Values({"x": none, "y": none}), Bounds({"x": (none, none)})):
        assert len(question.split(3)) == 1
        assert question.box(Precision.F32) == Box()


def test_every_backend_has_a_profile_whether_or_not_it_can_be_used() -> None:
    for name in registry.names("backends"):
        profile = profile_of(name)
        assert set(profile.questions) <= set(registry.names("questions"))
        assert profile.precisions and profile.render_pipeline
    assert profile_of("cupy").on_device and not profile_of("numba").on_device
