"""The tables of `absint list`; each entry is described by the first sentence of its docstring."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

from absint import models
from absint.base.registry import find, names
from absint.frontend.vm import VARIABLE_PREFIX
from absint.native.terminal import plain_table
from absint.ops.demand import LABELS
from absint.ops.precision import Precision
from absint.ops.table import CONST, OPS, REFUSED, Op
from absint.rewriting.manager import pass_names, rule_sets
from absint.rewriting.rules import Mode

if TYPE_CHECKING:
    from rich.table import Table


def list_models() -> Table:
    """The bundled models."""
    table = plain_table("Models", "name", "what it is")
    for name in models.names():
        table.add_row(name, models.describe(name).removesuffix("."))
    return table


def list_passes() -> Table:
    """Passes, which make up a pipeline, and the analyses that passes use."""
    table = plain_table("Passes", "name", "keeps", "works on", "options", "what it does")
    for name in pass_names():
        kind = find("passes", name)
        options = ",".join(f"{option.name}={option.default}" for option in fields(kind))
        table.add_row(name, kind.promise.value, kind.takes.value, options, _of_module(kind))
    for name in names("analyses"):
        table.add_row(name, "(analysis)", "", "", _of_module(find("analyses", name)))
    return table


def list_backends() -> Table:
    """Backends, and how to get those that cannot be used on this machine."""
    table = plain_table("Backends", "name", "available", "what it is, or how to get it")
    for name in names("backends"):
        kind = find("backends", name)
        availability = kind().probe()
        description = _of_module(kind)
        if not availability.available:
            description += f"; {availability.reason}"
        table.add_row(name, "yes" if availability.available else "no", description)
    return table


def list_domains() -> Table:
    """Abstract domains."""
    table = plain_table("Domains", "name", "what it knows")
    for name in names("domains"):
        table.add_row(name, _of_module(find("domains", name)))
    return table


def list_rules() -> Table:
    """The rewrite rules, in the order in which each pass tries them."""
    table = plain_table("Rules", "pass", "rule", "keeps", "rewrite", "where", "why")
    for name, rules in rule_sets():
        for rule in rules.rules:
            keeps = f"sign: {LABELS[rule.sees]}" if rule.mode is Mode.SIGN else rule.mode.value
            table.add_row(name, rule.name, keeps, f"{rule.pattern} → {rule.replacement}", rule.when, rule.why)
    return table


def list_ops() -> Table:
    """The opcodes of `.vm` text, including those that absint refuses."""
    table = plain_table("Operations", "opcode", "operands", "meaning", right=("operands",))
    for op in OPS:
        table.add_row(*_row_of(op))
    for name, reason in REFUSED.items():
        table.add_row(name, "", f"refused: {reason}")
    return table


def _row_of(op: Op) -> tuple[str, str, str]:
    if op.is_leaf:
        if op is CONST:
            return op.name, "0", "a number"
        return f"{VARIABLE_PREFIX}NAME", "0", "a variable; pictures have x, y and z"
    return op.name, str(op.arity), first_sentence(inspect.getdoc(op.body(Precision.F32)))


def _of_module(kind: type) -> str:
    """The description of a class: the first sentence of its module's docstring."""
    return first_sentence(sys.modules[kind.__module__].__doc__)


def first_sentence(text: str | None) -> str:
    """The first sentence of a docstring, on one line and without the full stop."""
    paragraph = " ".join((text or "").strip().split("\n\n")[0].split())
    return re.split(r"\.(?= [A-Z]|$)", paragraph, maxsplit=1)[0]


SECTIONS: dict[str, Callable[[], Table]] = {
    "models": list_models,
    "passes": list_passes,
    "backends": list_backends,
    "domains": list_domains,
    "ops": list_ops,
    "rules": list_rules,
}
"""The tables by section."""
