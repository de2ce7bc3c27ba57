"""Directives and a lexer of the manual's own.

`public` documents public names of a module from their docstrings. The build warns of a public name that no
page documents. `command` shows what a command of absint prints. `rooms` lists the packages. The lexer colours
`.vm` text.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Text
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[1]
LOG = logging.getLogger(__name__)


def public_names(module: ModuleType) -> list[str]:
    """The names of `__all__`, or else what the module defines without an underscore, in its order."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    inside = (module.__name__, module.__name__ + ".")
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and f"{getattr(value, '__module__', '')}.".startswith(inside[1])
    ]


def described(module: str, name: str) -> list[str]:
    """The lines of reStructuredText that document a public name."""
    value = getattr(importlib.import_module(module), name)
    if inspect.isclass(value):
        kind, options = ("exception" if issubclass(value, BaseException) else "class"), ["   :members:"]
    elif callable(value):
        kind, options = "function", []
    else:
        raise ValueError(f"{module}.{name} is neither a class nor a function: describe it in prose")
    return [f".. auto{kind}:: {module}.{name}", *options, ""]


class Public(SphinxDirective):
    """`{public} MODULE`: the docstrings of the names that its content lists, or of all public ones.

    `:prose:` lists names that the page itself describes.
    """

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"prose": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Parse the generated `autofunction` and `autoclass` directives in place."""
        (module,) = self.arguments
        names = " ".join(self.content).split() or public_names(importlib.import_module(module))
        prose = self.options.get("prose", "").split()
        found = self.env.metadata.setdefault(self.env.docname, {}).setdefault("documented", [])
        found += [f"{module}.{name}" for name in (*names, *prose)]
        lines = [line for name in names if name not in prose for line in described(module, name)]
        holder = nodes.container()
        restructured(self, lines, holder)
        return holder.children


def restructured(directive: SphinxDirective, lines: Iterable[str], holder: nodes.Element) -> None:
    """Parse reStructuredText, by MyST's own way of doing so, into `holder`."""
    text = ["```{eval-rst}", *lines, "```"]
    directive.state.nested_parse(StringList(text, directive.get_source_info()[0]), 0, holder)


def check_documented(app: Sphinx, env: Any) -> None:
    """Warn of public names that no page documents."""
    documented = {name for held in env.metadata.values() for name in held.get("documented", ())}
    for module in {name.rpartition(".")[0] for name in documented}:
        for name in public_names(importlib.import_module(module)):
            if f"{module}.{name}" not in documented and not inspect.ismodule(
                getattr(importlib.import_module(module), name)
            ):
                LOG.warning("%s.%s is public, and no page documents it", module, name)


class Command(SphinxDirective):
    """`{command} absint list passes`: what the command prints, at 80 columns."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Run the command in a process of its own; its failure is an error of the build."""
        program, *words = shlex.split(self.arguments[0])
        assert program == "absint"
        environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "absint", *words],
            cwd=ROOT,
            env=environment,
            text=True,
            capture_output=True,
        )
        if done.returncode:
            raise self.error(f"{self.arguments[0]}: {done.stderr.strip()}")
        block = nodes.literal_block(done.stdout, done.stdout.rstrip("\n"))
        block["language"] = "text"
        return [block]


class Rooms(SphinxDirective):
    """`{rooms}`: every package of absint, its folder, and the first paragraph of its docstring."""

    def run(self) -> list[nodes.Node]:
        """Read the list in pyproject.toml."""
        held = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
        lines = ["| package | folder | what it holds |", "|---|---|---|"]
        for package in held["packages"]:
            outer = next(name for name in prefixes(package) if name in held["package-dir"])
            folder = Path(held["package-dir"][outer], *package[len(outer) :].strip(".").split("."))
            tree = ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))
            text = " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())
            lines.append(f"| `{package}` | `{folder.as_posix()}/` | {text} |")
            self.env.note_dependency(str(ROOT / folder / "__init__.py"))
        holder = nodes.container()
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), 0, holder)
        return holder.children


def prefixes(package: str) -> list[str]:
    """A dotted name and those above it: `a.b`, `a`."""
    parts = package.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


class VmLexer(RegexLexer):
    """`.vm` text: a name, an opcode, operands; comments begin with `#`."""

    name = "vm"
    aliases: ClassVar[list[str]] = ["vm"]
    tokens: ClassVar[dict[str, Any]] = {
        "root": [
            (r"#.*", Comment),
            (r"^(\s*)(\S+)(\s+)([\w-]+)", bygroups(Text, Name.Variable, Text, Keyword)),
            (r"[-+]?(?:\d[\d.e+-]*|inf|nan)(?=\s)", Number),
            (r"\s+|\S+", Text),
        ]
    }


def escape_markup(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are prose with code in backticks: outside of it no character is markup."""
    text = "\n".join(lines)
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [re.sub(r"[\\*|]|_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
    lines[:] = "".join(parts).split("\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what this file adds."""
    app.add_directive("public", Public)
    app.add_directive("command", Command)
    app.add_directive("rooms", Rooms)
    app.add_lexer("vm", VmLexer)
    app.connect("autodoc-process-docstring", escape_markup)
    app.connect("env-check-consistency", check_documented)
    return {"parallel_read_safe": False}
