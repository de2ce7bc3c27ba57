"""What an oracle says of a case that it does not like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """`oracle`: its name. `what`: one sentence. `point`, `expected`, `got`: where and how values differ."""

    oracle: str
    what: str
    point: Mapping[str, float] = field(default_factory=dict)
    expected: Any = None
    got: Any = None

    def account(self) -> str:
        """All of it for people: numbers in decimal and as hexadecimal floats."""
        lines = [f"{self.oracle}: {self.what}"]
        lines += [f"  {name} = {shown(value)}" for name, value in self.point.items()]
        if self.expected is not None or self.got is not None:
            lines += [f"  expected {shown(self.expected)}", f"  got      {shown(self.got)}"]
        return "\n".join(lines)


def shown(value: Any) -> str:
    """A value in decimal, and a number as a hexadecimal float too."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value!r} ({value.hex()})"
