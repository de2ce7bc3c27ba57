"""Known bugs, planted one at a time: a fuzzer that finds them all can be trusted to find others.

Each bug is a name, a sentence, and a reversible patch of the running process. Kernels are compiled code, so
bugs are planted in their arguments and results. Passes get their bounds from the patched domain, not from
kernels compiled before. While a bug is planted nothing is written to the cache, where it would outlive the
process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np

from absint.ir.interpreter import box_intervals, interpret_abstract
from absint.ir.program import Program
from absint.native import cache
from absint.rewriting.analysis import DEFAULT_DOMAINS, Columns, make_domain

from . import (
    domains as planted_domains,
)
from . import (
    engines as planted_engines,
)
from . import (
    graphs as planted_graphs,
)
from . import (
    guards as planted_guards,
)
from . import (
    lowering as planted_lowering,
)
from . import (
    rules as planted_rules,
)
from .tools import Bug, always, module_of, replaced

BUGS: tuple[Bug, ...] = (
    *planted_rules.BUGS,
    *planted_domains.BUGS,
    *planted_engines.BUGS,
    *planted_lowering.BUGS,
    *planted_guards.BUGS,
    *planted_graphs.BUGS,
)

NOTHING = Bug("", "nothing: the patches that every planted bug needs, and no bug", nullcontext)


@contextmanager
def plant(bug: Bug) -> Iterator[None]:
    """Plant a bug, and disable writes to the cache."""
    bounds = module_of("analyses", "bounds")
    with (
        replaced(cache, "write", always(None)),
        replaced(bounds, "_sweep_intervals", _interpreted),
        bug.plant(),
    ):
        yield


def _interpreted(_: object) -> Callable[[Program], Columns]:
    """Makes a substitute for the native sweep: bounds in the default domains, interpreted node by node."""

    def bounds(program: Program) -> Columns:
        domain = make_domain(DEFAULT_DOMAINS, program.precision)
        elements = interpret_abstract(program.graph, domain, box_intervals(program))
        lower, upper, may_nan = zip(*map(domain.to_interval, elements), strict=True)
        return Columns(np.array(lower, np.float64), np.array(upper, np.float64), np.array(may_nan, bool))

    return bounds


def find_bug(name: str) -> Bug:
    """The bug with this name; `NOTHING` for the empty name."""
    return next(bug for bug in (NOTHING, *BUGS) if bug.name == name)
