"""Known bugs, to be planted one at a time: who finds them all can be trusted to find others.

Each is a name, a sentence, and a patch of the running process that undoes itself. Kernels are compiled code,
so bugs are planted around them, in what they are given and in what they return. While one is planted nothing
is written to the cache, where it would outlive the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from absint import cache

from . import planted_domains, planted_engines, planted_lowering, planted_rules
from .planted_tools import Bug, always, replaced

BUGS: tuple[Bug, ...] = (
    *planted_rules.BUGS,
    *planted_domains.BUGS,
    *planted_engines.BUGS,
    *planted_lowering.BUGS,
)


@contextmanager
def plant(bug: Bug) -> Iterator[None]:
    """The bug is there, and the cache is not written."""
    with replaced(cache, "write", always(None)), bug.plant():
        yield


def find_bug(name: str) -> Bug:
    """The bug of a name."""
    return next(bug for bug in BUGS if bug.name == name)
