"""The fast reader of `.vm` text, for programs that are drawn natively, where kernels are loaded anyway.

A kernel reads plain, well-formed text. All other text, including malformed text, is left to `parse_vm`, so
that graphs and errors are the same.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from absint.frontend.vm import parse_vm
from absint.frontend.vm_scan_records import Opcode, ScanTask, Span, Unread
from absint.ir.graph import BYTE_ORDER_MARK, Graph, mark_verified
from absint.ir.records import RECORD_SOURCES, Operands
from absint.native import units
from absint.ops.table import CONST, OPS

SCANNER = units.Named(
    "absint.frontend.vm_scan_kernel", (), ("absint.frontend.vm_scan_records", *RECORD_SOURCES, "absint.ops")
)
"""The kernel's unit."""

WORD = 8
"""Longest opcode, in bytes, that the kernel reads."""


def scan_vm(text: str, path: str = "<text>") -> Graph:
    """The same graph or error as `parse_vm`, several times as fast."""
    graph = _scan(text)
    return parse_vm(text, path) if graph is None else graph


def _scan(text: str) -> Graph | None:
    """The graph of a text; None for text that the kernel refuses."""
    try:
        data = np.frombuffer(text.removeprefix(BYTE_ORDER_MARK).encode() or b"\n", np.uint8)
    except UnicodeEncodeError:
        return None
    if len(data) >= 1 << 31:
        return None
    n = int(np.count_nonzero(data == ord("\n"))) + 1
    op, lines = np.empty(n, np.uint8), np.empty(n, np.int32)
    args, constants = np.empty((n, 2), np.int32), np.empty(n)
    names, unread = np.empty(len(data) + n, np.uint8), Unread.empty(n)
    slots, opcodes = np.full(1 << (2 * n).bit_length(), -1, np.int32), _opcodes()
    task = ScanTask(
        text=data, length=len(data), opcodes=opcodes, opcode_count=len(opcodes),
        slots=slots, mask=len(slots) - 1, op=op, operands=Operands.view(args), constants=constants,
        lines=lines, name_spans=Span.empty(n), names=names, unread=unread,
    )  # fmt: skip
    count = units.load(SCANNER.module, depends=SCANNER.depends)["scan"](task.address)
    if count <= 0:
        return None
    variables = {}
    for node, (first, end) in unread[: task.unread_count].tolist():
        word = data[first:end].tobytes().decode()
        if op[node] != CONST.code:
            variables[node] = word
            continue
        try:
            constants[node] = float(word)
        except ValueError:
            return None
        if "_" in word:  # Python's digit groups
            return None
    return mark_verified(
        Graph(
            op=op[:count],
            args=args[:count],
            constants=constants[:count],
            variables=variables,
            names=tuple(names[: task.names_length - 1].tobytes().decode().split("\n")),
            lines=lines[:count],
        )
    )


@functools.cache
def _opcodes() -> NDArray[np.void]:
    """The operations that the kernel reads, records `Opcode`."""
    known = [op for op in OPS if not op.is_leaf and len(op.name) <= WORD]
    words = [int.from_bytes(op.name.encode(), "little") for op in known]
    return np.array([(word, op.code, op.arity) for word, op in zip(words, known, strict=True)], Opcode.dtype)
