"""The finding of an oracle: what is wrong with a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What an oracle found wrong. `oracle`: its name. `what`: one sentence. `point`, `expected`, `got`: where
    values differ, and the values.
    """

    oracle: str
    what: str
    point: Mapping[str, float] = field(default_factory=dict)
    expected: Any = None
    got: Any = None

    def describe(self) -> str:
        """The finding as lines of text, with numbers in decimal and as hexadecimal floats."""
        lines = [f"{self.oracle}: {self.what}"]
        lines += [f"  {name} = {number_text(value)}" for name, value in self.point.items()]
        if self.expected is not None or self.got is not None:
            lines += [f"  expected {number_text(self.expected)}", f"  got      {number_text(self.got)}"]
        return "\n".join(lines)


def number_text(value: Any) -> str:
    """A value as text; a float in decimal and in hexadecimal."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value!r} ({value.hex()})"
