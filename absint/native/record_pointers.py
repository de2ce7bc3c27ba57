"""Records in kernels: a typed pointer to a record has its fields as attributes. Imported only where Numba is.

    tasks = pointer_to(Task.of("f32"))

    def run(address):
        task = tasks(address)
        for i in range(task.rows):
            task.parts[i].begin += 1      # a pointer is indexed as an array is, without bounds checks
            total += sum_of(task.samples + i * task.rows, task.rows)    # numbers from the one at an index on

Reading a field is one load, or none for what lies within the record: that gives a pointer to it.
`place_of(task, "rows")` is a pointer to a field that holds a number.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import raw_memmove
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.extending import (
    intrinsic,
    lower_builtin,
    lower_getattr_generic,
    lower_setattr_generic,
    models,
    register_model,
)

from absint.native.records import Field, Record


class RecordPointer(types.Type):  # type: ignore[misc]  # Numba has no types for mypy
    """Numba's type of the address of a record, the first of many perhaps."""

    def __init__(self, record: type[Record]) -> None:
        self.record = record
        super().__init__(name=f"RecordPointer({record.__module__}.{record.__qualname__})")


@register_model(RecordPointer)
class _PointerModel(models.PrimitiveModel):  # type: ignore[misc]  # as above
    def __init__(self, manager: Any, kind: RecordPointer) -> None:
        super().__init__(manager, kind, ir.IntType(8).as_pointer())


def _pointer_type(field: Field) -> Any:
    """A pointer to what a field holds or points to."""
    if isinstance(field.element, str):
        kind = types.CPointer(getattr(types, field.element))
    else:
        kind = RecordPointer(field.element)
    for _ in range(field.pointers - 1):
        kind = types.CPointer(kind)
    return kind


def _is_number(field: Field) -> bool:
    return isinstance(field.element, str) and not field.is_pointer and field.count is None


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]  # as above
    key = RecordPointer

    def generic_resolve(self, kind: RecordPointer, name: str) -> Any:
        field = kind.record.fields.get(name)
        if field is None:
            return None
        return getattr(types, str(field.element)) if _is_number(field) else _pointer_type(field)


def _place(builder: Any, pointer: Any, field: Field, kind: Any) -> Any:
    """The place of a field, as an LLVM pointer to `kind`."""
    place = builder.gep(pointer, [ir.Constant(ir.IntType(64), field.offset)], inbounds=True)
    return builder.bitcast(place, kind.as_pointer())


@lower_getattr_generic(RecordPointer)
def _read(context: Any, builder: Any, kind: RecordPointer, pointer: Any, name: str) -> Any:
    field = kind.record.fields[name]
    if _is_number(field):
        data = context.get_data_type(getattr(types, str(field.element)))
        return builder.load(_place(builder, pointer, field, data))
    target = context.get_value_type(_pointer_type(field))
    if field.is_pointer:
        return builder.inttoptr(builder.load(_place(builder, pointer, field, ir.IntType(64))), target)
    return builder.bitcast(_place(builder, pointer, field, ir.IntType(8)), target)


@lower_setattr_generic(RecordPointer)
def _write(context: Any, builder: Any, sig: Any, arguments: Any, name: str) -> Any:
    pointer, value = arguments
    field = sig.args[0].record.fields[name]
    if field.is_pointer:
        address = builder.ptrtoint(value, ir.IntType(64))
        builder.store(address, _place(builder, pointer, field, ir.IntType(64)))
        return
    assert _is_number(field), f"{name} lies within its record: write what it holds"
    builder.store(value, _place(builder, pointer, field, value.type))


@infer_global(operator.getitem)
class _Item(AbstractTemplate):  # type: ignore[misc]  # as above
    def generic(self, arguments: Any, keywords: Any) -> Any:
        pointer, index = arguments
        if isinstance(pointer, RecordPointer) and isinstance(index, types.Integer):
            return signature(pointer, pointer, types.int64)
        return None


@lower_builtin(operator.getitem, RecordPointer, types.int64)
def _item(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
    pointer, index = arguments
    size = ir.Constant(ir.IntType(64), sig.args[0].record.dtype.itemsize)
    return builder.gep(pointer, [builder.mul(index, size)], inbounds=True)


@infer_global(operator.add)
class _Sum(AbstractTemplate):  # type: ignore[misc]  # as above
    def generic(self, arguments: Any, keywords: Any) -> Any:
        pointer, index = arguments
        if isinstance(pointer, types.CPointer) and isinstance(index, types.Integer):
            return signature(pointer, pointer, types.int64)
        return None


@lower_builtin(operator.add, types.CPointer, types.int64)
def _moved(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
    return builder.gep(arguments[0], [arguments[1]])


@intrinsic(prefer_literal=True)
def place_of(typingctx: Any, pointer: Any, name: Any) -> Any:
    """A pointer to a field that holds a number; `name` is written where it is called."""
    field = pointer.record.fields[name.literal_value]
    kind = _pointer_type(field)

    def codegen(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        return _place(builder, arguments[0], field, context.get_data_type(kind.dtype))

    return kind(pointer, name), codegen


def pointer_to(record: type[Record]) -> Any:
    """A function for kernels: from an address, an int64, to a pointer to records."""
    kind = RecordPointer(record)

    @intrinsic
    def pointer(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(kind))

        return kind(types.int64), codegen

    return pointer


@intrinsic
def address_of_record(typingctx: Any, pointer: Any) -> Any:
    """The address of the record that a pointer points to, an int64."""

    def codegen(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], ir.IntType(64))

    return types.int64(pointer), codegen


@intrinsic
def copy_records(typingctx: Any, target: Any, source: Any, count: Any) -> Any:
    """Copy so many records from one pointer to another of the same type; the two may overlap."""
    assert target == source, "records are copied to records of their type"

    def codegen(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        raw_memmove(builder, *arguments, sig.args[0].record.dtype.itemsize)
        return context.get_dummy_value()

    return types.void(target, source, types.int64), codegen
