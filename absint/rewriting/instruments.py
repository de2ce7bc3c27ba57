"""Instruments: observers of a pass manager's run, which print or verify. Passes do neither themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from absint.base.errors import GraphError, PipelineError, VerificationError, shown
from absint.frontend.vm import dump_vm
from absint.ir.program import Promise, describe
from absint.rewriting.manager import Step, format_pass, pass_names
from absint.rewriting.promise import band_ends, check_promise, sample_points


@dataclass
class PrintAfter:
    """Writes the program as `.vm` text after some passes. `which`: `all`, `changed` (passes that changed the
    program) or the name of a pass.
    """

    which: str
    stream: TextIO

    def __post_init__(self) -> None:
        if self.which not in ("all", "changed", *pass_names()):
            known = ", ".join(pass_names())
            raise PipelineError(f"--print-after {shown(self.which)}: expected all, changed or one of {known}")

    def after_pass(self, step: Step) -> None:
        """Write the program if this pass is among those chosen."""
        changed = step.after.graph is not step.before.graph
        if self.which == "all" or self.which == step.pass_.name or (self.which == "changed" and changed):
            self.stream.write(
                dump_vm(step.after.graph, [f"after {format_pass(step.pass_)}", describe(step.after)])
            )


@dataclass
class VerifyEach:
    """Verifies, after each pass, the graph's invariants and, on `count` random and special points, the
    promise.

    Raises `VerificationError`, which names the pass and the point.
    """

    count: int = 2000

    def after_pass(self, step: Step) -> None:
        """Verify one step."""
        name = format_pass(step.pass_)
        before, after = step.before, step.after
        try:
            after.graph.verify()
        except GraphError as error:
            raise VerificationError(f"pass {name} broke the graph: {error}") from error
        if (after.precision, after.box, after.origin) != (before.precision, before.box, before.origin):
            raise VerificationError(
                f"pass {name} changed the program's precision, box or origin: {describe(after)}"
            )
        if after.promise is not before.promise and after.promise is not step.pass_.promise:
            raise VerificationError(
                f"pass {name} promises {step.pass_.promise.value}, not {after.promise.value}"
            )
        if after.graph.lowered and after.promise is not Promise.SIGN:
            raise VerificationError(f"pass {name} made a lowered program that promises its bits")
        if before.graph.lowered and not after.graph.lowered:
            raise VerificationError(f"pass {name} made a real program of a lowered one")
        if after.graph is before.graph:
            return
        graphs = (before.graph, after.graph)
        variables = {name for graph in graphs for name in graph.variables.values()}
        points = sample_points(
            variables, before.box, before.precision, self.count, special=band_ends(*graphs)
        )
        # a pass may keep more than the program still promises, but never less
        found = check_promise(before, after, points, after.promise)
        if found is not None:
            raise VerificationError(f"pass {name} broke its promise: {found}")
