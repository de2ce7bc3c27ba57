"""What a generator draws from: a fast seeded stream for campaigns, or Hypothesis for tests that shrink.

A generator is written once, against `Choices`. The simplest alternative comes first everywhere, for that is
what Hypothesis shrinks towards.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Choices(Protocol):
    """A source of decisions."""

    def below(self, count: int) -> int:
        """A whole number from 0 to `count` - 1."""

    def real(self, lower: float, upper: float) -> float:
        """A number from `lower` to `upper`."""


class Seeded:
    """Decisions of a seed: the same seed, the same decisions."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, count: int) -> int:
        """See `Choices`."""
        return int(self._random.random() * count)

    def real(self, lower: float, upper: float) -> float:
        """See `Choices`."""
        return self._random.uniform(lower, upper)


class Drawn:
    """Decisions that Hypothesis makes. `draw`: what a composite strategy is given."""

    def __init__(self, draw: Any) -> None:
        from hypothesis import strategies  # a tool of development, not of campaigns

        self._draw = draw
        self._strategies = strategies

    def below(self, count: int) -> int:
        """See `Choices`."""
        return int(self._draw(self._strategies.integers(0, count - 1)))

    def real(self, lower: float, upper: float) -> float:
        """See `Choices`."""
        return float(self._draw(self._strategies.floats(lower, upper)))


def pick(choices: Choices, options: Sequence[T]) -> T:
    """One of the options."""
    return options[choices.below(len(options))]


def chance(choices: Choices, percent: int) -> bool:
    """True in so many cases of a hundred; false is the simpler answer."""
    return choices.below(100) >= 100 - percent
