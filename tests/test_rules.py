"""Every rewrite rule holds in its mode on all points where its precondition does, fires, and needs that.

Rules are data: both sides are evaluated with the op table's bodies on the full cross product of special and
random values of their letters. Preconditions are read point by point, as `absint.rules` says: `a < b` where
both are numbers, anything where one is NaN.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from operands import Column, distinct, random_bits, random_moderate, same, scaled

from absint.analysis import Analyses
from absint.graph import Graph, GraphBuilder
from absint.manager import LEVELS, PassManager, parse_pipeline, pass_names
from absint.ops.demand import Demand
from absint.ops.table import NEG, SPICY
from absint.ops.translate import array_form
from absint.precision import Precision
from absint.program import Box, Program, Promise
from absint.promise import check_promise
from absint.registry import find
from absint.rules import Mode, Pattern, Rule, RuleSet, parse_pattern
from absint.vm import parse_vm, write_vm

Values = dict[str, Column]


class PassRule(NamedTuple):
    """A rule and the pass that it belongs to."""

    pass_name: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.pass_name}.{self.rule.name}"


def rule_sets() -> Iterator[tuple[str, RuleSet]]:
    """The rule sets of all passes, by the passes' names."""
    for name in pass_names():
        module = __import__(find("passes", name).__module__, fromlist=["RULES"])
        if hasattr(module, "RULES"):
            yield name, module.RULES


RULES = [PassRule(name, rule) for name, rules in rule_sets() for rule in rules.rules]
CONDITIONAL = [
    pytest.param(entry, i, id=f"{entry}: {ast.unparse(part)}")
    for entry in RULES
    for i, part in enumerate(rule_conjuncts(entry.rule))
] if False else []
