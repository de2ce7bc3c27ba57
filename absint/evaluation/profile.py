"""What a backend can do, as data: whoever uses backends reads their profiles and tries nothing out."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from absint.ops.precision import Precision


class Availability(NamedTuple):
    """Whether a backend can be used here; if not, why and how to get it."""

    available: bool
    reason: str = ""


class Takes(Enum):
    """What a backend prepares pictures from."""

    PROGRAM = "program"
    PLAN = "plan"
    """A plan (`absint.lowering.plan`), and a program too: a plan has a sign only, no values."""


class Profile(NamedTuple):
    """What a backend can do.

    `questions`: names of the questions that its engines answer. `render_pipeline`: text of the passes before
    a picture. `methods`: ways of drawing, the usual one first; `NAME:METHOD` names one of them. `threaded`:
    several threads may work on one answer. `on_device`: points and answers may lie in a device's memory.
    `test_only`: the backend stands in for another one where that one cannot be used, so only tests ask it.
    """

    questions: tuple[str, ...]
    render_pipeline: str
    precisions: tuple[Precision, ...] = tuple(Precision)
    takes: Takes = Takes.PROGRAM
    methods: tuple[str, ...] = ()
    threaded: bool = False
    on_device: bool = False
    test_only: bool = False
