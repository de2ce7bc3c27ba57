"""The fuzzer's own test: planted bugs leave nothing behind, and the oracles of campaigns find them."""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields

import pytest

from absint.base import registry
from absint.fuzz.campaign import Options
from absint.fuzz.planted.bugs import BUGS, plant
from absint.fuzz.planted.tools import Bug
from absint.fuzz.selftest import BugProcesses, Outcome, warm_up
from absint.ops.table import OPS
from absint.rewriting.manager import pass_names

QUICK = (
    "text:digits",
    "text:comment",
    "guard:case",
    "frame:columns",
    "values:last-block",
    "liveness:one-less",
    "ranges:nan",
    "stale:origins",
)
"""Found within some tens of programs, by four kinds of oracles."""


@pytest.fixture(scope="module")
def processes() -> BugProcesses:
    """Campaigns of all that there is, one process at a time."""
    warm_up()
    return BugProcesses(Options(["reference", "numba"], pass_names(), registry.names("domains")))


def patchable() -> dict[tuple[str, str], int]:
    """Whatever a bug may replace, by where it is: attributes of modules and classes, fields of operations."""
    modules = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "absint"}
    owners: dict[str, object] = dict(modules)
    for name, module in modules.items():
        for part, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == name:
                owners[f"{name}.{part}"] = value
    found = {
        (where, name): id(value)
        for where, owner in owners.items()
        for name, value in vars(owner).items()
        if not name.startswith("__") or name == "__init__"
    }
    for op in OPS:
        found |= {(op.name, one.name): id(getattr(op, one.name)) for one in fields(op)}
    return found


def test_there_are_fifty_bugs_with_names_of_their_own() -> None:
    names = [bug.name for bug in BUGS]
    assert len(names) >= 50
    assert len(set(names)) == len(names)
    assert all(bug.breaks for bug in BUGS)


def test_bugs_are_undone() -> None:
    before = patchable()
    for bug in BUGS:
        with plant(bug):
            assert len(patchable().items() ^ before.items()) > 2, f"{bug.name} patches nothing but the cache"
        assert patchable() == before, bug.name


def test_bugs_are_undone_after_an_error() -> None:
    before = patchable()
    for bug in BUGS[::10]:
        with pytest.raises(ZeroDivisionError), plant(bug):
            raise ZeroDivisionError
    assert patchable() == before


def test_nothing_is_found_where_nothing_is_planted(processes: BugProcesses) -> None:
    (outcome,) = processes.run([""], 25)
    assert outcome == Outcome("", 25, seconds=outcome.seconds)


@pytest.mark.parametrize("name", QUICK)
def test_quick_bugs_are_found(processes: BugProcesses, name: str) -> None:
    (outcome,) = processes.run([name], 400)
    assert outcome.found
    assert outcome.bug == name
    assert outcome.operations <= 10


def test_what_dies_is_found(processes: BugProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*arguments: object) -> None:
        sys.exit(3)

    monkeypatch.setattr("absint.fuzz.selftest.search", die)
    (outcome,) = processes.run(["text:digits"], 5)
    assert (outcome.oracle, outcome.what) == ("process", "died")


def test_a_bug_that_does_nothing_is_not_found(
    processes: BugProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    monkeypatch.setattr("absint.fuzz.selftest.find_bug", lambda name: Bug(name, "nothing", nullcontext))
    (outcome,) = processes.run(["nothing"], 5)
    assert not outcome.found
    assert outcome.programs == 5
