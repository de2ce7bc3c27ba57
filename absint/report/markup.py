"""Elements of HTML and SVG, as text that is also well-formed XML.

Every string that is not a `Markup` is escaped, so a name from a model cannot inject markup into the page.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable

_EMPTY = frozenset({"img", "link", "meta"})
"""Elements of HTML that never have content."""
_SHAPES = frozenset({"path", "rect"})
"""Elements of SVG that are written as empty elements if they have no content."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is already markup and is not escaped again."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Escape text; markup stays unchanged. Characters that XML or UTF-8 cannot hold become U+FFFD."""
    return text if isinstance(text, Markup) else Markup(html.escape(_UNPRINTABLE.sub("\ufffd", text)))


def join(parts: Iterable[str], separator: str = "") -> Markup:
    """The concatenation of parts, each escaped unless it is markup."""
    return Markup(escape(separator).join(map(escape, parts)))


def element(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """An element with children and attributes.

    In an attribute's name a trailing `_` is dropped and other `_` become `-`. An attribute that is None is
    left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    assert not (children and name in _EMPTY), f"<{name}> holds nothing"
    if name in _EMPTY or (name in _SHAPES and not children):
        return Markup(f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{join(children)}</{name}>")


def data_uri(png: bytes) -> str:
    """A PNG file as a `data:` URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
