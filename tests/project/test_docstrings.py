"""The public face explains itself: what each function takes and gives, in which shapes and units, and errors.

What can be told from the code is checked: that arrays are said by type and shape, that a function that checks
what it is given names the error, that angles and lengths have units.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import absint
from absint import shapes, study
from absint.base import errors
from absint.base.errors import AbsintError, ExpressionError
from absint.frontend import expr

ARRAY = re.compile(r"\b(u?int|float|bool)\d*\[[\w, +]+\]|array of the broadcast shape")
ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, AbsintError)
}
RADIANS, LENGTHS = re.compile(r"\bradians\b"), re.compile(r"\bmodel units\b")


def of_package(package: ModuleType) -> Iterator[tuple[str, Any]]:
    """What a package shows, by the name that users write."""
    for name in package.__all__:
        yield f"{package.__name__.removeprefix('absint.')}.{name}", getattr(package, name)


FACE: dict[str, Any] = {name: getattr(absint, name) for name in absint.__all__}
FACE |= {expr.FUNCTIONS[name].__name__: expr.FUNCTIONS[name] for name in expr.FUNCTIONS if name.isalpha()}
FACE |= dict(of_package(shapes)) | dict(of_package(study))
FUNCTIONS = {name: value for name, value in FACE.items() if inspect.isfunction(value)}
CLASSES = {name: value for name, value in FACE.items() if inspect.isclass(value)}


def methods() -> Iterator[Any]:
    """The public methods and properties of public classes, and what makes an instance."""
    for name, kind in CLASSES.items():
        for key, value in vars(kind).items():
            function = getattr(value, "fget", None) or getattr(value, "func", None) or value
            function = getattr(function, "__func__", function)
            if inspect.isfunction(function) and function.__qualname__.startswith(f"{kind.__name__}."):
                making = key in ("__init__", "__post_init__")
                if making or not key.startswith("_"):
                    yield pytest.param(function, kind if making else function, id=f"{name}.{key}")


METHODS = list(methods())


def raised(function: Callable[..., Any]) -> set[str]:
    """The errors of absint's own that a function raises itself."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError):  # what a dataclass makes has no source
        return set()
    made = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    return {
        one.func.id for one in made if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
    } & ERRORS


def returns_array(function: Callable[..., Any]) -> bool:
    return "NDArray" in str(inspect.signature(function).return_annotation)


def test_the_face_is_looked_at() -> None:
    assert {"render", "sqrt", "minimum", "shapes.circle", "study.tiles"} <= set(FUNCTIONS)
    assert {"View", "Box", "Program", "Graph", "GraphBuilder"} <= set(CLASSES)
    assert len(METHODS) > 25


@pytest.mark.parametrize("name", FACE)
def test_all_of_it_is_documented(name: str) -> None:
    text = inspect.getdoc(FACE[name]) or ""
    assert len(text.split()) >= 3
    assert text == text.strip()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_name_what_they_raise(name: str) -> None:
    """Whoever takes arguments checks them, or leaves that to the calls that it is given."""
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    named = set(re.findall(r"`(\w+Error)`", text))
    assert named <= ERRORS
    assert raised(function) <= named
    assert named or not inspect.signature(function).parameters or "raises goes through" in text


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_shapes_and_units(name: str) -> None:
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    if returns_array(function):
        assert ARRAY.search(text), "say dtype[shape]"
    parameters = set(inspect.signature(function).parameters)
    if parameters & {"angle"} or re.fullmatch("a?(sin|cos|tan)2?", name):
        assert RADIANS.search(text)
    if name.startswith("shapes.") and parameters & {"radius", "thickness", "distance", "center", "dx", "z0"}:
        assert LENGTHS.search(text)


@pytest.mark.parametrize(("function", "documented"), METHODS)
def test_methods_say_what_they_raise_and_return(function: Any, documented: Any) -> None:
    text = inspect.getdoc(documented) or ""
    assert len(text.split()) >= 2
    assert raised(function) <= set(re.findall(r"`(\w+Error)`", text))
    if returns_array(function):
        assert ARRAY.search(text), "say dtype[shape]"


def refused(number: float) -> float:
    """Half of it."""
    if number < 0:
        raise ExpressionError("below zero")
    return number / 2


def test_what_is_missing_would_be_seen() -> None:
    assert raised(refused) == {"ExpressionError"}
    assert raised(raised) == set()
    assert returns_array(study.heatmap) and not returns_array(study.stages)
    assert ARRAY.search("uint8[height, width]: a picture") and not ARRAY.search("an array of numbers")
