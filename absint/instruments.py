"""Instruments: what watches a pass manager's run. Passes print and check nothing themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from absint.errors import GraphError, PipelineError, VerificationError
from absint.manager import Step, format_pass, pass_names
from absint.program import describe
from absint.promise import check_promise, sample_points
from absint.vm import write_vm


@dataclass
class PrintAfter:
    """Writes the program as `.vm` text after passes: `which` is `all`, `changed` or a pass's name."""

    which: str
    stream: TextIO

    def __post_init__(self) -> None:
        if self.which not in ("all", "changed", *pass_names()):
            raise PipelineError(
                f"--print-after {self.which!r}: expected all, changed or one of {', '.join(pass_names())}"
            )

    def after_pass(self, step: Step) -> None:
        """Print if this pass is one to print after."""
        changed = step.after.graph is not step.before.graph
        if self.which == "all" or self.which == step.pass_.name or (self.which == "changed" and changed):
            self.stream.write(
                write_vm(step.after.graph, [f"after {format_pass(step.pass_)}", describe(step.after)])
            )


@dataclass
class VerifyEach:
    """Checks, after each pass, the graph's invariants and the pass's promise on random and spicy points.

    Raises `VerificationError` naming the pass and the point.
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
            raise VerificationError(f"pass {name} changed what the program is true of: {describe(after)}")
        if after.promise is not before.promise and after.promise is not step.pass_.promise:
            raise VerificationError(
                f"pass {name} promises {step.pass_.promise.value}, not {after.promise.value}"
            )
        if after.graph is before.graph:
            return
        variables = {*step.before.graph.variables.values(), *step.after.graph.variables.values()}
        points = sample_points(variables, step.before.box, step.before.precision, self.count)
        # a pass may keep more than the program still promises, but never less
        found = check_promise(step.before, step.after, points, step.after.promise)
        if found is not None:
            raise VerificationError(f"pass {name} broke its promise: {found}")
