"""Elements of HTML and SVG as text that is also well-formed XML.

Whatever is no `Markup` is escaped, so a name out of a model cannot become a part of the page.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable

_EMPTY = frozenset({"img", "link", "meta"})
"""Elements of HTML that never have content."""
_SHAPES = frozenset({"path", "rect"})
"""Elements of SVG that may have none."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Text as it shall be read. What XML or UTF-8 cannot hold becomes U+FFFD."""
    return text if isinstance(text, Markup) else Markup(html.escape(_UNPRINTABLE.sub("\ufffd", text)))


def joined(parts: Iterable[str], separator: str = "") -> Markup:
    """Parts one after the other."""
    return Markup(escaped(separator).join(map(escaped, parts)))


def element(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """An element. Of attributes' names a last `_` is dropped, the others become `-`; None leaves one out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    assert not (children and name in _EMPTY), f"<{name}> holds nothing"
    if name in _EMPTY or (name in _SHAPES and not children):
        return Markup(f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{joined(children)}</{name}>")


def data_uri(png: bytes) -> str:
    """A PNG as an address that holds all of it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
