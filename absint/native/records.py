"""Typed records: memory that host and kernels share, declared once by field name and type.

A record is a C structure. The host fills its fields by name; a kernel that gets its address reads and writes
the same fields by the same names, see `absint.native.record_pointers`. Needs no Numba.

    class Part(Record):
        "What one task is about."
        begin: Int32                          # a number
        weights: Array[Float64, Literal[4]]   # some numbers, within the record

    class Task(Record):
        rows: Int64
        samples: Pointer[Real]                # the address of the first of many numbers
        parts: Pointer[Part]                  # the address of the first of many records
        whole: Part                           # a record within this one

    task = Task.of("f32")(rows=16, samples=array, parts=Part.array(3))
    kernel(task.address)

A record with numbers of type `Real` is generic: `Task.of("f32")` is the one for binary32.
"""

from __future__ import annotations

import ctypes
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.native.arrays import address_of

UInt8 = Annotated[int, "uint8"]
UInt16 = Annotated[int, "uint16"]
Int32 = Annotated[int, "int32"]
Int64 = Annotated[int, "int64"]
UInt64 = Annotated[int, "uint64"]
Float32 = Annotated[float, "float32"]
Float64 = Annotated[float, "float64"]
Real = Annotated[float, "real"]
"""A float32 or float64, whichever the record is made `of`."""

_REALS = {"f32": "float32", "f64": "float64"}
_Element = TypeVar("_Element")
_Count = TypeVar("_Count")


class Pointer(Generic[_Element]):
    """The type of a field that holds an address, of the first of many numbers or records.

    For the host the field is an int. An array, or a record, can be assigned instead: its address is stored,
    and the record keeps it alive.
    """

    def __get__(self, instance: object, owner: type | None = None) -> int:
        raise NotImplementedError  # for type checkers alone: `Record` gives fields their own descriptors

    def __set__(self, instance: object, value: int | NDArray[Any] | Record) -> None:
        raise NotImplementedError


class Array(Generic[_Element, _Count]):
    """The type of a field that holds so many numbers or records: `Array[Int64, Literal[16]]`."""

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        raise NotImplementedError

    def __set__(self, instance: object, value: Any) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Field:
    """A field: where it lies in its record, in bytes, and what lies there.

    `element`: the name of a number's type, or a record. `is_pointer`: whether the field holds an element's
    address. `count`: how many elements the field holds, None for a single one.
    """

    offset: int
    element: str | type[Record]
    is_pointer: bool
    count: int | None


class _RecordType(type(ctypes.Structure)):  # type: ignore[misc]  # it has no public name
    """Makes the fields of a record from the annotations of its class."""

    fields: Mapping[str, Field]
    dtype: np.dtype[np.void]

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        precision = namespace.get("precision")
        hints = typing.get_type_hints(cls, include_extras=True)
        declared = {name: _declared(kind, precision) for name, kind in hints.items()}
        if not declared or any(_is_generic(element) for element, _, _ in declared.values()):
            return
        cls._fields_ = [(name, _c_type(*of_field)) for name, of_field in declared.items()]
        offsets = {name: getattr(cls, name).offset for name in declared}
        cls.fields = MappingProxyType({name: Field(offsets[name], *declared[name]) for name in declared})
        cls.dtype = np.dtype(
            {
                "names": list(declared),
                "formats": [_numpy_type(*of_field) for of_field in declared.values()],
                "offsets": list(offsets.values()),
                "itemsize": ctypes.sizeof(cls),
            }
        )


class Record(ctypes.Structure, metaclass=_RecordType):
    """A structure whose fields are the annotations of its class, aligned as C aligns them.

    Made from keyword arguments; the other fields are 0. A record that is not generic has `fields`, which says
    what lies where, and `dtype`, the same structure for NumPy, in which addresses are int64.
    """

    def __init__(self, **values: Any) -> None:
        super().__init__()
        for name, value in values.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        field = type(self).fields.get(name)
        if field is None:
            raise AttributeError(f"{type(self).__name__} has no field {name!r}")
        if field.is_pointer and not isinstance(value, int):
            self.__dict__.setdefault("_pointed_to", {})[name] = value  # alive as long as the record
            value = value.address if isinstance(value, Record) else _address_of(value, field)
        super().__setattr__(name, value)

    @classmethod
    def of(cls, precision: str) -> type[Any]:
        """The record whose `Real` fields are those of "f32" or "f64"; itself, if it is not generic."""
        if hasattr(cls, "fields"):
            return cls
        made = _made.get((cls, precision))
        if made is None:
            namespace = {"__module__": cls.__module__, "precision": precision}
            made = _RecordType(f"{cls.__name__}_{precision}", (cls,), namespace)
            made = _made.setdefault((cls, precision), made)
        return made

    @property
    def address(self) -> int:
        """Where the record lies."""
        return ctypes.addressof(self)

    @classmethod
    def array(cls, count: int) -> NDArray[np.void]:
        """Many records, all fields 0, as an array of NumPy's."""
        return np.zeros(count, cls.dtype)


_made: dict[tuple[type[Record], str], type[Any]] = {}
"""The records of a precision that were made of generic ones."""


def _declared(kind: Any, precision: str | None) -> tuple[str | type[Record], bool, int | None]:
    """`element`, `is_pointer` and `count` of a field, from its annotation."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Pointer:
        return _element(arguments[0], precision), True, None
    if origin is Array:
        return _element(arguments[0], precision), False, typing.get_args(arguments[1])[0]
    return _element(kind, precision), False, None


def _element(kind: Any, precision: str | None) -> str | type[Record]:
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind if precision is None else kind.of(precision)
    name: str = kind.__metadata__[0]
    return _REALS[precision] if name == "real" and precision else name


def _is_generic(element: str | type[Record]) -> bool:
    return element == "real" if isinstance(element, str) else not hasattr(element, "fields")


def _c_type(element: str | type[Record], is_pointer: bool, count: int | None) -> Any:
    if is_pointer:
        return ctypes.c_int64
    single = element if not isinstance(element, str) else np.ctypeslib.as_ctypes_type(element)
    return single if count is None else single * count


def _numpy_type(element: str | type[Record], is_pointer: bool, count: int | None) -> Any:
    if is_pointer:
        return np.int64
    single = np.dtype(element) if isinstance(element, str) else element.dtype
    return single if count is None else (single, count)


def _address_of(array: NDArray[Any], field: Field) -> int:
    """Where an array of a pointer's elements lies."""
    expected = np.dtype(field.element) if isinstance(field.element, str) else field.element.dtype
    assert array.dtype == expected, f"a pointer to {expected} is no address of {array.dtype}"
    assert array.flags.c_contiguous, "a kernel takes contiguous arrays"
    return address_of(array)
