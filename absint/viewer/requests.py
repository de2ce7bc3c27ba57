"""Requests of the page: their parameters, checked, with limits on the size of pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from absint.evaluation.view import View

from .admission import Refused

MOST_PIXELS = 1 << 24
"""Largest number of pixels of a picture on the page: more than any screen has."""

MOST_EXPORTED = 1 << 26
"""Largest number of pixels of a picture that is written to a file."""

_MOST_WORDS = 16
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?", re.ASCII
)
_CLIENT = re.compile(r"[0-9A-Za-z-]{0,40}", re.ASCII)


def check_no_body(headers: Message) -> None:
    """Raises `Refused` for a request with a body: no request of the page has one."""
    if "Transfer-Encoding" in headers or headers.get("Content-Length", "0").strip() != "0":
        raise Refused(HTTPStatus.BAD_REQUEST, "a request must not have a body")


class Query:
    """A request's path and parameters. Raises `Refused` for repeated or too many parameters."""

    def __init__(self, target: str) -> None:
        try:
            parts = urlsplit(target)
            words = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=_MOST_WORDS)
        except ValueError:
            raise _bad("the address cannot be read") from None
        self.path = parts.path
        self._words: Mapping[str, str] = dict(words)
        if len(self._words) != len(words):
            raise _bad("a parameter is given twice")

    def text(self, name: str) -> str:
        """A parameter's text; empty if it is missing."""
        return self._words.get(name, "")

    def client(self) -> str:
        """The name that the page has given itself. Raises `Refused` for an invalid one."""
        if not _CLIENT.fullmatch(name := self.text("client")):
            raise _bad(f"client: {name[:40]!r} is not a name")
        return name

    def whole(self, name: str, default: int | None = None, most: int = 1 << 53) -> int:
        """A parameter that is a whole number from 0 to `most`. Raises `Refused` for others, and if it is
        missing without a default.
        """
        word = self._words.get(name)
        if word is None and default is not None:
            return default
        if word is None or not re.fullmatch(r"[0-9]{1,16}", word, re.ASCII) or int(word) > most:
            raise _bad(f"{name}: {(word or '')[:40]!r} is not a whole number up to {most}")
        return int(word)

    def real(self, name: str, default: float) -> float:
        """A parameter that is a number. Raises `Refused` for others."""
        word = self._words.get(name)
        if word is None:
            return default
        if not _NUMBER.fullmatch(word):
            raise _bad(f"{name}: {word[:40]!r} is not a number")
        return float(word)

    def view(self, most_pixels: int = MOST_PIXELS) -> View:
        """The requested view. Raises `Refused` for too many pixels, and `ViewError`."""
        width, height = self.whole("width"), self.whole("height")
        if width * height > most_pixels:
            raise _bad(f"size {width}x{height}: too large, above {most_pixels} pixels")
        center = self.real("x", 0.0), self.real("y", 0.0)
        return View(width, height, center, self.real("scale", 1.0), self.real("z", 0.0))

    def pixel(self, view: View) -> tuple[int, int]:
        """The requested column and row of a view. Raises `Refused` for a pixel outside the view."""
        return self.whole("column", most=view.width - 1), self.whole("row", most=view.height - 1)


def _bad(message: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, message)
