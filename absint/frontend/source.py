"""A source: the text of a program, with its guard, precision, digest and graph, each computed at most once.

`known_source` returns the same `Source` for the same text, so that a file loaded again is not parsed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from absint.base.memo import Recent, cached_property
from absint.frontend.guard import Guard, read_guard
from absint.frontend.vm import parse_vm
from absint.ir.graph import Graph
from absint.ir.program import Program
from absint.ops.precision import Precision

_SHORT = 1 << 20
"""Characters of the longest text whose source `known_source` remembers."""


class Source:
    """The text of a program. `path`: the text's name in messages. Sources with equal text and path are
    equal.
    """

    def __init__(self, text: str, path: str = "<text>") -> None:
        self.text = text
        self.path = path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source) and (self.text, self.path) == (other.text, other.path)

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Source({len(self.text)} characters, {self.path!r})"

    @cached_property
    def guard(self) -> Guard | None:
        """The text's guard; None if the program is valid everywhere. Raises `VmError` for a malformed
        guard.
        """
        return read_guard(self.text, self.path)

    @property
    def precision(self) -> Precision:
        """The guard's precision; binary32 without a guard. Raises as `guard` does."""
        return Precision.F32 if self.guard is None else self.guard.precision

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()

    def program(self, read: Callable[[str, str], Graph] = parse_vm) -> Program:
        """The program of the text, the same object each time. Raises `VmError` for malformed text.

        `read`: `parse_vm`, or `scan_vm` if the kernels are loaded already; loading them takes longer than
        parsing.
        """
        known: Program | None = self.__dict__.get("_program")
        if known is None:
            guard = self.guard
            graph = read(self.text, self.path)
            made = Program(graph) if guard is None else Program(graph, *guard, specialised=True)
            known = self.__dict__.setdefault("_program", made)
        return known


def program_of(source: Source | Program) -> Program:
    """The program of a source, or the program itself. Raises `VmError` for malformed text."""
    return source.program() if isinstance(source, Source) else source


_sources: Recent[tuple[str, str], Source] = Recent(8)
"""The sources used last, by text and path."""


def known_source(text: str, path: str) -> Source:
    """The source of a text; the same object as before, if the text is short and was used recently."""
    known = _sources.get((text, path))
    if known is None:
        known = Source(text, path)
        if len(text) <= _SHORT:
            _sources.put((text, path), known)
    return known
