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
        columns: Pointer[Pointer[Real]]       # the address of the first of many such addresses
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

from absint.native.arrays import address_of_contiguous

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

    `element`: the name of a number's type, or a record. `pointers`: how many addresses lead to an element: 0
    if the field holds it, 1 if it holds the address, 2 if that of addresses. `count`: how many elements the
    field holds, None for a single one.
    """

    offset: int
    element: str | type[Record]
    pointers: int
    count: int | None

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the field holds or points to, one after the other, for NumPy."""
        if self.pointers > 1:
            return np.dtype(np.int64)
        return np.dtype(self.element) if isinstance(self.element, str) else self.element.dtype

    @property
    def is_pointer(self) -> bool:
        """Whether the field holds an address."""
        return self.pointers > 0


def _targets_of(record: Any) -> dict[int, Any]:
    """What a record and those within it point to, by the places of the addresses.

    The outermost record keeps it: one within another is a new object whenever it is asked for.
    """
    while record._b_base_ is not None:
        record = record._b_base_
    try:
        found: dict[int, Any] = record._targets
    except AttributeError:
        found = record._targets = {}
    return found


class _Inner:
    """A field that holds a record: one that is assigned is copied, and kept with what it points to."""

    __slots__ = ("_inner", "_offset")

    def __init__(self, inner: Any, field: Field) -> None:
        self._inner, self._offset = inner, field.offset

    def __get__(self, record: Any, owner: type) -> Any:
        return self._inner.__get__(record, owner)

    def __set__(self, record: Any, value: Record) -> None:
        self._inner.__set__(record, value)
        _targets_of(record)[ctypes.addressof(record) + self._offset] = value


class _Address:
    """A field that holds an address, for the host: an int, or that of an array or a record, which is kept."""

    __slots__ = ("_dtype", "_get", "_record", "offset", "set_number")

    def __init__(self, number: Any, field: Field) -> None:
        self._get, self.set_number = number.__get__, number.__set__
        self.offset, self._dtype = field.offset, field.dtype
        self._record = field.element if field.pointers == 1 else None

    def __get__(self, record: Any, owner: type) -> Any:
        return self._get(record, owner)

    def __set__(self, record: Any, value: int | NDArray[Any] | Record) -> None:
        if isinstance(value, int):
            self.set_number(record, value)
        else:
            self.set_number(record, self.address_of(value))
            _targets_of(record)[ctypes.addressof(record) + self.offset] = value

    def address_of(self, value: NDArray[Any] | Record) -> int:
        """The address of an array or a record that the field takes."""
        if isinstance(value, Record):
            assert type(value) is self._record, f"a pointer to {self._record}, not {type(value)}"
            return ctypes.addressof(value)
        dtype = value.dtype
        assert dtype is self._dtype or dtype == self._dtype, f"a pointer to {self._dtype}, not {dtype}"
        return address_of_contiguous(value)


_Structure: Any = ctypes.Structure
_StructureType: Any = type(ctypes.Structure)  # it has no public name


class _RecordType(_StructureType):  # type: ignore[misc]  # as above
    """Makes the fields of a record from the annotations of its class."""

    fields: Mapping[str, Field]
    dtype: np.dtype[np.void]
    pointers: dict[str, _Address]
    row_dtype: np.dtype[Any] | None
    """The type of all fields, None if they have several, or are no single numbers."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        namespace.setdefault("__slots__", ())  # there is nothing but fields
        return super().__new__(cls, name, bases, namespace)

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:  # noqa: N805  # of a metaclass
        super().__init__(name, bases, namespace)
        precision = namespace.get("precision")
        hints = typing.get_type_hints(cls, include_extras=True)
        declared = {name: _declared(kind, precision) for name, kind in hints.items()}
        if not declared or any(_is_generic(element) for element, _, _ in declared.values()):
            return
        cls._fields_ = [(name, _c_type(*of_field)) for name, of_field in declared.items()]
        offsets = {name: getattr(cls, name).offset for name in declared}
        cls.fields = MappingProxyType({name: Field(offsets[name], *declared[name]) for name in declared})
        cls.pointers = {}
        for name, field in cls.fields.items():
            if field.is_pointer:
                cls.pointers[name] = _Address(getattr(cls, name), field)
                setattr(cls, name, cls.pointers[name])
            elif not isinstance(field.element, str) and field.count is None:
                setattr(cls, name, _Inner(getattr(cls, name), field))
        kinds = {(field.dtype, field.is_pointer, field.count) for field in cls.fields.values()}
        dtype, is_pointer, count = next(iter(kinds))
        is_row = len(kinds) == 1 and not is_pointer and count is None and dtype.names is None
        cls.row_dtype = dtype if is_row else None
        cls.dtype = np.dtype(
            {
                "names": list(declared),
                "formats": [_numpy_type(*of_field) for of_field in declared.values()],
                "offsets": list(offsets.values()),
                "itemsize": ctypes.sizeof(cls),
            }
        )


class Record(_Structure, metaclass=_RecordType):  # type: ignore[misc]  # mypy knows no metaclass of structures
    """A structure whose fields are the annotations of its class, aligned as C aligns them.

    Made from keyword arguments; the other fields are 0. A record that is not generic has `fields`, which says
    what lies where, and `dtype`, the same structure for NumPy, in which addresses are int64.
    """

    __slots__ = ("_targets",)  # what its addresses point to, by the places of the addresses

    def __init__(self, **values: Any) -> None:
        pointers, here = type(self).pointers, ctypes.addressof(self)
        targets = self._targets = dict[int, Any]()
        for name, value in values.items():
            if isinstance(value, int) or name not in pointers:
                setattr(self, name, value)
            else:  # the same as `setattr`, but records are made before every call of a kernel
                pointer = pointers[name]
                pointer.set_number(self, pointer.address_of(value))
                targets[here + pointer.offset] = value

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

    def target(self, name: str) -> Any:
        """The array or record whose address was assigned to a field."""
        return _targets_of(self)[self.address + self.fields[name].offset]

    @classmethod
    def empty(cls, count: int) -> NDArray[np.void]:
        """The same with any fields, for kernels to fill."""
        return np.empty(count, cls.dtype)

    @classmethod
    def view(cls, rows: NDArray[Any]) -> NDArray[np.void]:
        """The rows of a contiguous array as records, in the same memory: column i is the i-th field."""
        is_row = rows.dtype == cls.row_dtype and rows.shape[1] == len(cls.fields)
        assert is_row, f"{cls.__name__} is no row of {rows.dtype}"
        return rows.view(cls.dtype)[:, 0]


_made: dict[tuple[type[Record], str], type[Any]] = {}
"""The records of a precision that were made of generic ones."""


def _declared(kind: Any, precision: str | None) -> tuple[str | type[Record], int, int | None]:
    """`element`, `pointers` and `count` of a field, from its annotation."""
    pointers, count = 0, None
    while typing.get_origin(kind) is Pointer:
        pointers, kind = pointers + 1, typing.get_args(kind)[0]
    if typing.get_origin(kind) is Array:
        kind, (count,) = typing.get_args(kind)[0], typing.get_args(typing.get_args(kind)[1])
    return _element(kind, precision), pointers, count


def _element(kind: Any, precision: str | None) -> str | type[Record]:
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind if precision is None else kind.of(precision)
    name: str = kind.__metadata__[0]
    return _REALS[precision] if name == "real" and precision else name


def _is_generic(element: str | type[Record]) -> bool:
    return element == "real" if isinstance(element, str) else not hasattr(element, "fields")


def _c_type(element: str | type[Record], pointers: int, count: int | None) -> Any:
    if pointers:
        return ctypes.c_int64
    single = element if not isinstance(element, str) else np.ctypeslib.as_ctypes_type(element)
    return single if count is None else single * count


def _numpy_type(element: str | type[Record], pointers: int, count: int | None) -> Any:
    if pointers:
        return np.int64
    single = np.dtype(element) if isinstance(element, str) else element.dtype
    return single if count is None else (single, count)
