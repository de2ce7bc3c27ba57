"""Profiles: what a backend can do, declared as data, so that callers need not try things out."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from absint.ops.precision import Precision


class Availability(NamedTuple):
    """Whether a backend can be used on this machine; if not, `reason` says why, and how to get it."""

    available: bool
    reason: str = ""


class Takes(Enum):
    """The form from which a backend prepares pictures."""

    PROGRAM = "program"
    PLAN = "plan"
    """A plan (`absint.lowering.plan`) for pictures, and a program for values, which a plan does not have."""


class Profile(NamedTuple):
    """What a backend can do.

    `questions`: names of the questions that its engines answer. `render_pipeline`: text of the pipeline that
    prepares a program for pictures. `methods`: ways of drawing, the default first; `NAME:METHOD` selects one.
    `threaded`: whether several threads may work on one answer. `on_device`: whether points and answers may
    lie in a device's memory. `test_only`: whether the backend serves tests only, as a stand-in for another
    one.
    """

    questions: tuple[str, ...]
    render_pipeline: str
    precisions: tuple[Precision, ...] = tuple(Precision)
    takes: Takes = Takes.PROGRAM
    methods: tuple[str, ...] = ()
    threaded: bool = False
    on_device: bool = False
    test_only: bool = False
