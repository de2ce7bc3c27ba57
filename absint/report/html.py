"""The report as a page: one self-contained HTML file, readable on a phone, on paper and by a screen reader.

The data of `absint.report.data` and the pictures of `absint.report.pictures` enter, the page's text leaves.
The page contains no script and loads nothing; its content security policy forbids both.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from absint.base.version import __version__
from absint.report.markup import Markup, element, join
from absint.report.pictures import Pictures
from absint.report.sections import SECTIONS, headline, picture_of

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def report_page(report: dict[str, Any], pictures: Pictures) -> str:
    """The page's text: HTML that is also well-formed XML."""
    title = f"{report['model'] or 'model'}: absint report"
    style = resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", title),
        element("link", rel="icon", href="data:,"),  # without it, a browser requests an icon from the server
        element("style", Markup(style)),
    )
    body = element(
        "body",
        element("a", "Skip to the report", class_="skip", href="#report"),
        element("header", headline(report), picture_of(pictures)),
        _contents(),
        element("main", *(_section(name, report, pictures) for name in SECTIONS), id="report"),
        element("footer", element("p", f"Made by absint {__version__}.")),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _contents() -> Markup:
    links = [element("li", element("a", title, href=f"#{name}")) for name, (title, _) in SECTIONS.items()]
    return element("nav", element("ul", *links), aria_label="Sections")


def _section(name: str, report: dict[str, Any], pictures: Pictures) -> Markup:
    title, content = SECTIONS[name]
    heading = element("h2", title, id=f"{name}-title")
    return element(
        "section", heading, join(content(report, pictures)), id=name, aria_labelledby=f"{name}-title"
    )
