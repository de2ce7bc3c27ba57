"""Records: kernels and host see the same fields."""

from __future__ import annotations

import gc
import weakref
from typing import Any, Literal

import numpy as np
import pytest
from numba import cfunc, njit, types

from absint.native.arrays import address_of
from absint.native.record_pointers import address_of_record, copy_records, place_of, pointer_to
from absint.native.records import Array, Float64, Int32, Int64, Pointer, Real, Record, UInt8


class Part(Record):
    mark: UInt8
    begin: Int32
    weights: Array[Float64, Literal[4]]


class Span(Record):
    begin: Int32
    end: Int32


class Task(Record):
    rows: Int64
    samples: Pointer[Real]
    columns: Pointer[Pointer[Real]]
    parts: Pointer[Part]
    pairs: Array[Part, Literal[2]]
    whole: Part
    scale: Real


class TwoTasks(Record):
    first: Task
    second: Task


class Inner(Record):
    parts: Pointer[Part]


class Outer(Record):
    inner: Array[Inner, Literal[2]]


def kernel(precision: str) -> Any:
    tasks = pointer_to(Task.of(precision))

    @njit
    def begin_later(task: Any, k: Any) -> Any:
        part = task.parts[k]
        part.begin += task.rows
        part.weights[2] = 2.5
        return part

    @cfunc(types.int64(types.int64))
    def run(address: Any) -> Any:
        task = tasks(address)
        for i in range(task.rows):
            task.samples[i] *= task.scale
            task.whole.begin += begin_later(task, i).begin
        for column in range(2):
            task.columns[column][1] = task.samples[0]
        task.columns[1] = task.columns[1] + 1
        task.columns[1][1] = (task.samples + 1)[1]
        task.pairs[1].mark = 7
        place_of(task, "scale")[0] += task.rows
        task.parts = task.parts[1]
        return address_of_record(task.parts)

    return run.ctypes


@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_a_kernel_reads_and_writes_the_fields_of_the_host(precision: str) -> None:
    samples = np.arange(3, dtype={"f32": np.float32, "f64": np.float64}[precision])
    parts = Part.array(3)
    parts["begin"] = [1, 2, 3]
    column = np.zeros(3, samples.dtype)
    columns = np.array([address_of(column), address_of(column)])
    task = Task.of(precision)(rows=3, samples=samples, columns=columns, parts=parts, scale=1.5)
    second = kernel(precision)(task.address)
    assert samples.tolist() == [0, 1.5, 3]
    assert parts["begin"].tolist() == [4, 5, 6] and parts["weights"].tolist() == [[0, 0, 2.5, 0]] * 3
    assert column.tolist() == [0, 0, 3] and columns[1] == columns[0] + column.itemsize
    assert task.scale == 4.5
    assert task.whole.begin == 15 and task.pairs[1].mark == 7 and task.pairs[0].mark == 0
    assert task.parts == second == address_of(parts) + Part.dtype.itemsize


def test_fields_lie_where_c_has_them() -> None:
    assert {name: field.offset for name, field in Part.fields.items()} == {
        "mark": 0,
        "begin": 4,
        "weights": 8,
    }
    assert Part.dtype.itemsize == 40
    assert Task.of("f32").fields["whole"].offset == 32 + 80
    assert Task.of("f32").dtype.itemsize == 32 + 80 + 40 + 8
    assert Task.of("f32") is Task.of("f32") and Part.of("f32") is Part


def test_rows_of_numbers_are_records_in_the_same_memory() -> None:
    rows = np.arange(6, dtype=np.int32).reshape(3, 2)
    spans = Span.view(rows)
    spans["end"] = 9
    assert rows.tolist() == [[0, 9], [2, 9], [4, 9]] and Span.view(rows[:0]).shape == (0,)
    for wrong in (rows.astype(np.int64), np.zeros((3, 3), np.int32)):
        with pytest.raises(AssertionError, match="Span is no row of int"):
            Span.view(wrong)


def test_records_are_copied() -> None:
    spans_at = pointer_to(Span)

    @cfunc(types.void(types.int64))
    def run(address: Any) -> Any:
        spans = spans_at(address)
        copy_records(spans[1], spans, 2)

    rows = np.arange(8, dtype=np.int32).reshape(4, 2)
    run.ctypes(address_of(rows))
    assert rows.tolist() == [[0, 1], [0, 1], [2, 3], [6, 7]]


def test_a_record_keeps_what_it_points_to_alive() -> None:
    parts = Part.array(2)
    alive = weakref.ref(parts)
    task = Task.of("f64")(parts=parts)
    del parts
    gc.collect()
    assert alive() is not None
    task.parts = Part.array(1)
    gc.collect()
    assert alive() is None


def test_a_record_keeps_alive_what_a_copied_record_points_to() -> None:
    samples = np.zeros(3)
    alive = weakref.ref(samples)
    pair = TwoTasks.of("f64")(first=Task.of("f64")(samples=samples))
    assert pair.first.samples == address_of(samples)
    del samples
    gc.collect()
    assert alive() is not None
    pair.first = Task.of("f64")()
    gc.collect()
    assert alive() is None


def test_a_record_within_another_keeps_what_it_points_to_alive() -> None:
    outer = Outer()
    for i in range(2):
        outer.inner[i].parts = Part.array(i + 1)
    alive = weakref.ref(parts := Part.array(3))
    outer.inner[1].parts = parts
    del parts
    gc.collect()
    assert alive() is not None
    del outer
    gc.collect()
    assert alive() is None


def test_what_no_kernel_would_read_is_refused() -> None:
    task = Task.of("f32")()
    with pytest.raises(AttributeError, match="no attribute 'row'"):
        task.row = 3
    with pytest.raises(AttributeError, match="no attribute 'row'"):
        Task.of("f32")(row=3)
    with pytest.raises(AssertionError, match="float32"):
        task.samples = np.zeros(3)
    with pytest.raises(AssertionError, match="contiguous"):
        task.samples = np.zeros(6, np.float32)[::2]


def test_a_pointer_to_another_record_is_refused() -> None:
    task = Task.of("f32")()
    with pytest.raises(AssertionError, match="a pointer to"):
        task.parts = Task.of("f32")()
    task.parts = Part(begin=3)
