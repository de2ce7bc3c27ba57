"""README.md and the pages of the manual: their blocks of code, and the command lines in these."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.support.command import ROOT

README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
"""The manual. Pages that only include a file at the root hold no blocks of their own."""


@dataclass(frozen=True)
class Block:
    """A fenced block of code. `line`: of the document, of its first line."""

    path: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.path.name}:{self.line}"


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a document."""
    text = path.read_text(encoding="utf-8")
    found = re.finditer(r"(?ms)^```([^\n`]*)\n(.*?)^```$", text)
    return [
        Block(path, text.count("\n", 0, match.start(2)) + 1, match[1].strip(), match[2]) for match in found
    ]


def command_lines(block: Block) -> list[str]:
    """The lines of a shell block, or those behind the prompts of a console block."""
    lines = block.text.splitlines()
    if block.language == "console":
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line.strip()] if block.language == "sh" else []


COMMAND = r"absint [a-z]+ [^`]+|(?:make|pip|pytest|python -m) [^`]+"


def commands_in_prose(path: Path) -> list[str]:
    """The command lines between backticks, in text and tables, that are more than a command's name.

    Variables set before the program and a program that measures it are left out.
    """
    prose = re.sub(r"(?ms)^```.*?^```$", "", path.read_text(encoding="utf-8"))
    before = r"(?:[A-Z_]+=\S+ |time |/usr/bin/time -v )*"
    found = re.findall(rf"`{before}({COMMAND})`", prose)
    return [" ".join(line.split()) for line in found]


def words_of(line: str) -> list[str]:
    """The words of a command line, up to a pipe or a redirection; without the prompt, and comments."""
    words = shlex.split(line.removeprefix("$ "), comments=True)
    return list(itertools.takewhile(lambda word: word not in ("|", ">"), words))
