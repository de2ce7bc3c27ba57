"""What planting a bug takes: a bug as data, and patches of the running process that undo themselves."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from absint.base.registry import find

Plant = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Bug:
    """A bug that can be planted. `breaks`: what is wrong while `plant()` is entered, in one sentence."""

    name: str
    breaks: str
    plant: Plant


def module_of(kind: str, name: str, part: str = "") -> Any:
    """The module of a pass or backend, or a part of it: other wings are reached through the registry only."""
    home = find(kind, name).__module__
    return importlib.import_module(f"{home}.{part}" if part else home)


@contextmanager
def replaced(target: Any, attribute: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """What `make` makes of an attribute stands in its place. `target`: a module, a class that has the
    attribute itself, or an instance, which may be frozen.
    """
    old = vars(target)[attribute] if isinstance(target, type | ModuleType) else getattr(target, attribute)
    _put(target, attribute, make(old))
    try:
        yield
    finally:
        _put(target, attribute, old)


def _put(target: Any, attribute: str, value: Any) -> None:
    if isinstance(target, type | ModuleType):
        setattr(target, attribute, value)
    else:
        object.__setattr__(target, attribute, value)


def planted(target: Any, attribute: str, make: Callable[[Any], Any]) -> Plant:
    """A plant that replaces one attribute."""
    return lambda: replaced(target, attribute, make)


def together(*plants: Plant) -> Plant:
    """A plant of several."""

    @contextmanager
    def plant() -> Iterator[None]:
        with ExitStack() as stack:
            for one in plants:
                stack.enter_context(one())
            yield

    return plant


def edited(target: Any, attribute: str, edit: Callable[[Any], Any]) -> Plant:
    """A plant in which what a function returns is edited."""

    def make(old: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **named: edit(old(*arguments, **named))

    return planted(target, attribute, make)


def always(answer: Any) -> Callable[[Any], Any]:
    """Makes a function that gives one answer."""
    return lambda old: lambda *arguments, **named: answer
