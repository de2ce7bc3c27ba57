"""Sources of random choices: a fast seeded stream for campaigns, or Hypothesis for tests that shrink.

A generator is written once, for any `Choices`. It lists the simplest alternative first, because Hypothesis
shrinks towards the first one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Choices(Protocol):
    """A source of random choices."""

    def below(self, count: int) -> int:
        """A whole number from 0 to `count` - 1."""

    def real(self, lower: float, upper: float) -> float:
        """A real number from `lower` to `upper`."""


class SeededChoices:
    """Choices determined by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, count: int) -> int:
        """See `Choices`."""
        return int(self._random.random() * count)

    def real(self, lower: float, upper: float) -> float:
        """See `Choices`."""
        return self._random.uniform(lower, upper)


class HypothesisChoices:
    """Choices made by Hypothesis. `draw`: the argument of a composite strategy."""

    def __init__(self, draw: Any) -> None:
        from hypothesis import strategies  # installed for tests, not for campaigns

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
    """True with a probability in per cent; False is the simpler alternative."""
    return choices.below(100) >= 100 - percent
