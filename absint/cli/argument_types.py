"""Types of command-line arguments: for each a function from text to value, which argparse calls.

Each raises `argparse.ArgumentTypeError`, whose message argparse prints after the option's name. Texts that
Python takes too are parsed elsewhere: regions by `absint.ir.region_text`, pipelines by
`absint.rewriting.manager`.
"""

from __future__ import annotations

import argparse
import re
from pathlib import PurePath

from absint.base.errors import shown, shown_path


def real(text: str) -> float:
    """A number."""
    try:
        if "_" in text:  # Python allows underscores between digits; the command line does not
            raise ValueError
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a number") from None


def pair(text: str) -> tuple[float, float]:
    """Two numbers, `x,y`."""
    parts = text.split(",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not of the form x,y")
    return real(parts[0]), real(parts[1])


def count(text: str) -> int:
    """A whole number from 1."""
    if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a whole number from 1")
    return int(text)


def whole(text: str) -> int:
    """A whole number from 0."""
    if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a whole number")
    return int(text)


def port(text: str) -> int:
    """A port, 0 to 65535."""
    if whole(text) >= 1 << 16:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a port, 0 to 65535")
    return int(text)


_UNITS = {"s": 1, "m": 60, "h": 3600}


def duration(text: str) -> float:
    """A time such as `90s`, `10m` or `2h`, in seconds."""
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smh]?)", text, re.ASCII)
    if not match or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a time such as 90s, 10m or 2h")
    return float(match[1]) * _UNITS[match[2] or "s"]


def square(text: str) -> tuple[int, int]:
    """The size of a square picture."""
    return count(text), count(text)


def size(text: str) -> tuple[int, int]:
    """The size of a picture, `WxH`."""
    width, x, height = text.partition("x")
    if not (width and x and height):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not of the form WxH, as 800x600")
    return count(width), count(height)


def sizes(text: str) -> list[int]:
    """Whole numbers from 1, separated by commas."""
    return [count(part) for part in text.split(",")]


REPORTS = {"": "table", ".txt": "table", ".json": "json", ".html": "html", ".htm": "html"}
"""Formats of reports by file suffix."""

REPORT_SUFFIXES = ", ".join(filter(None, REPORTS))


def report_file(text: str) -> str:
    """The path of a report, whose suffix selects the format."""
    if PurePath(text).suffix.lower() not in REPORTS:
        raise argparse.ArgumentTypeError(f"{shown_path(text)}: a report's name ends in {REPORT_SUFFIXES}")
    return text


def words(text: str) -> list[str]:
    """Names, separated by commas."""
    found = [word.strip() for word in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a list of names separated by commas")
    return found
