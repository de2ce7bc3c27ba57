"""The report's page: well-formed, on its own, and with the numbers of the JSON report."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from absint import api
from absint.base.errors import BackendError
from absint.native.terminal import render_text
from absint.report.data import growth, json_bytes
from absint.report.html import report_page
from absint.report.markup import Markup, element, escape
from absint.report.parts import TEXT_LENGTH
from absint.report.sections import MISSED_MOST, SECTIONS
from absint.report.tables import print_report
from absint.rewriting.analysis import RewriteBudget
from tests.report.pages import SOLID, Page, page_of, words
from tests.support.command import DISC

EDGES: dict[str, tuple[str, dict[str, Any]]] = {
    "a disc": (DISC, {}),
    "a solid": (SOLID, {}),
    "a solid, lowered": (SOLID, {"level": 3}),
    "no passes": (SOLID, {"level": 0}),
    "no region": (SOLID, {"region": "all"}),
    "no end of x": (SOLID, {"region": "-inf:inf,-1:1"}),
    "no end of anything": (SOLID, {"region": "-inf:0,5:inf,1:inf"}),
    "no bounds of y": (SOLID, {"region": "x=-1:1"}),
    "a line": (SOLID, {"region": "0.5:0.5,-1:1"}),
    "a point": (SOLID, {"region": "0.5:0.5,0:0,0:0"}),
    "oblong": (SOLID, {"region": "0:1e6,-1:1"}),
    "overflow": (SOLID, {"region": "-1e308:1e308,-1e308:1e308", "precision": "f64"}),
    "another variable": ("x var-x\nt var-t\nr mul x t\nm min r x\n", {}),
    "a constant": ("a const -1\n", {}),
    "nothing but NaN": ("a const nan\n", {}),
    "NaN in an arm": ("x var-x\nn const nan\nm max x n\nb const inf\nd div b x\nk min d m\n", {"level": 0}),
    "a variable": ("x var-x\n", {}),
    "nothing is inside": (DISC, {"region": "2:3,2:3"}),
    "all is inside": (DISC, {"region": "-0.1:0.1,-0.1:0.1"}),
    "bisected": (SOLID, {"budget": 1}),
    "no rewrite": (SOLID, {"budget": 0}),
    "binary64": (SOLID, {"precision": "f64", "domains": ["interval", "affine"]}),
    "options of a pass": (SOLID, {"passes": "cse,minmax{rounds=2},dce"}),
}


@pytest.fixture(scope="module", params=EDGES)
def edge(request: pytest.FixtureRequest) -> Page:
    """The page of each model above."""
    text, options = EDGES[request.param]
    if "budget" in options:
        options = options | {"budget": RewriteBudget(options["budget"])}
    return page_of(text, **options)


class Checker(HTMLParser):
    """Collects what an HTML parser sees, and checks that every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._see(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._see(tag, attrs)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def _see(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


def test_a_page_is_well_formed(edge: Page) -> None:
    assert edge.text.startswith("<!DOCTYPE html>\n")
    assert edge.tree.tag == "html" and edge.tree.get("lang") == "en"
    seen = Checker(edge.text)
    ids = [value for _, name, value in seen.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    places = [value[1:] for tag, name, value in seen.attributes if (tag, name) == ("a", "href")]
    assert set(places) <= set(ids) and set(SECTIONS) <= set(places)
    labels = [value for _, name, value in seen.attributes if name == "aria-labelledby"]
    assert labels and set(labels) <= set(ids)


def test_a_page_asks_for_nothing(edge: Page) -> None:
    seen = Checker(edge.text)
    assert not seen.names & {"script", "iframe", "object", "embed", "base", "form", "video", "audio"}
    for tag, name, value in seen.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "srcset", "data", "action"):
            assert value.startswith(("data:", "#")), (tag, name, value[:80])
    outside = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]*", "", edge.text)
    assert not re.search(r"https?://|url\(|@import|javascript:", outside)


def test_a_page_is_readable_aloud(edge: Page) -> None:
    """One first heading, then sections; a text for each picture, a caption and headings for each table."""
    tree = edge.tree
    levels = [part.tag for part in tree.iter() if re.fullmatch("h[1-6]", part.tag)]
    assert levels == ["h1"] + ["h2"] * len(SECTIONS)
    for image in tree.iter("img"):
        assert image.get("alt") is not None and image.get("width") and image.get("height")
    for drawing in tree.iter("svg"):
        assert (drawing.get("aria-hidden") == "true") != bool(drawing.get("aria-label"))
    for table in tree.iter("table"):
        assert words(table.find("caption"))
        columns = len(table.findall("thead/tr/*"))
        for row in table.findall("tbody/tr"):
            assert row[0].tag == "th" and row[0].get("scope") == "row" and len(row) == columns


def test_shapes_have_numbers_for_coordinates(edge: Page) -> None:
    for part in edge.tree.iter("rect"):
        x, y, width, height = (float(part.attrib[name]) for name in ("x", "y", "width", "height"))
        assert np.isfinite([x, y, width, height]).all() and width >= 0 and height >= 0
    for part in edge.tree.iter("path"):
        assert re.fullmatch(r"(?:[MVH][0-9.e+]+(?: [0-9.e+]+)?|Z)+", part.attrib["d"]), part.attrib["d"][:80]


def test_a_page_is_the_same_again(edge: Page) -> None:
    assert report_page(json.loads(json_bytes(edge.report)), edge.pictures) == edge.text


# The numbers


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_numbers_are_those_of_the_report(level: int) -> None:
    page = page_of(SOLID, level=level)
    report = page.report
    source, result = report["source"], report["result"]
    for caption, key in (
        ("Operations by opcode", "histogram"),
        ("Operations by the variables", "variability"),
    ):
        names = {**source[key], **result[key]}
        found = {name: (int(before), int(after)) for name, _, before, after in page.rows(caption)}
        assert found == {name: (source[key].get(name, 0), result[key].get(name, 0)) for name in names}
    assert page.rows("The program")[0] == ["operations", str(source["operations"]), str(result["operations"])]
    memory = {row[0]: row[1:] for row in page.rows("Memory for 1,048,576 points")}
    for name, key in (("values alive at most", "peak_live"), ("register slots", "slots")):
        assert memory[name] == [str(report["memory"][side][key]) for side in ("source", "result")]
    assert [row[1:] for row in page.rows("Operations left on undecided tiles")] == [
        [f"{row['undecided']:.1%}", f"{row['operations_left']:.1f}", f"{row['operations_left_for_sign']:.1f}"]
        for row in report["regions"]
    ]
    for name in ("precision", "promise"):
        assert report[name] in words(page.tree.find("body/header"))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_passes_and_rewrites_are_those_of_the_report(level: int) -> None:
    page = page_of(SOLID, level=level)
    passes = page.report["passes"]
    rows = page.rows("Operations left after each pass")
    assert [[row[0], *map(int, row[2:4])] for row in rows[:-1]] == [
        [row["pass"], row["after"], row["before"] - row["after"]] for row in passes
    ]
    assert [float(row[4]) for row in rows] == [
        *(pytest.approx(row["ms"]) for row in passes), pytest.approx(sum(row["ms"] for row in passes))
    ]  # fmt: skip
    assert rows[-1][:4] == [
        "total",
        "",
        str(passes[-1]["after"]),
        str(passes[0]["before"] - passes[-1]["after"]),
    ]
    rewrites = [
        [rewrite["rule"], row["pass"], rewrite["mode"], str(rewrite["count"])]
        for row in passes
        for rewrite in row["rewrites"]
    ]
    assert rewrites
    assert [[row[0], *row[2:]] for row in page.rows("Rewrites by rule")] == rewrites


def test_what_a_pass_made_worse_is_marked_in_words() -> None:
    page = page_of(SOLID, passes="dce")
    assert not any(growth(row) for row in page.report["passes"])
    assert "more" not in page.section("passes") and "▲" not in page.section("passes")
    twice = "x var-x; y var-y; a sin x; b add a y; c sin b; d cos b; e add c d; f sin x; g add e f"
    merged = page_of(twice.replace("; ", "\n"), passes="cse")  # keeps sin x while e is computed
    (row,) = merged.report["passes"]
    assert (row["before"], row["after"], row["peak_live_before"], row["peak_live_after"]) == (7, 6, 3, 4)
    assert growth(row).startswith("▲ more values alive: 3 to 4") and "operations" not in growth(row)
    assert growth(row) in merged.section("passes")
    assert f"{growth(row)}; same-operation 1 (bits)" in render_text(
        lambda at: print_report(merged.report, at), None
    )


def test_missed_choices_have_lines_text_and_bounds() -> None:
    page = page_of(SOLID)
    (first,) = page.report["missed"][:1]
    (row,) = page.rows("Choices left open")[:1]
    assert row[0] == f"line {first['line']}"
    assert row[1] == first["text"] == SOLID.splitlines()[first["line"] - 1]
    assert row[2] == first["demand"]
    for cell, arm in zip(row[3:5], (first["left"], first["right"]), strict=True):
        assert cell.startswith(f"[{arm['lower']:.4g}, {arm['upper']:.4g}]")
        assert cell.endswith(SOLID.splitlines()[arm["line"] - 1])
    assert row[6] == f"{first['overlap']:.1%}"
    assert (
        page_of(EDGES["NaN in an arm"][0], level=0)
        .rows("Choices left open")[0][4]
        .startswith("no number, may be NaN")
    )


def test_no_more_missed_choices_than_can_be_read() -> None:
    steps = [f"m{i} {('min', 'max')[i % 2]} {f'm{i - 1}' if i else 'x'} y" for i in range(MISSED_MOST + 7)]
    page = page_of("x var-x\ny var-y\n" + "\n".join(steps), passes="")
    shown = len(page.rows("Choices left open")) + len(page.rows("More choices left open"))
    assert (len(page.report["missed"]), shown) == (MISSED_MOST + 7, MISSED_MOST)
    assert f"has all {MISSED_MOST + 7}" in page.section("missed")


# What cannot be shown says why


@pytest.mark.parametrize(
    ("name", "section", "reason"),
    [
        ("no passes", "passes", "No pass was run"),
        ("no rewrite", "passes", "No rule was used"),
        ("no region", "specialisation", "The region has no bounds in x and y"),
        ("no bounds of y", "specialisation", "The region has no bounds in x and y"),
        ("no end of x", "specialisation", "The region has no end in x, so tiles are not cut along x"),
        ("a constant", "specialisation", "Every tile is decided"),
        ("a constant", "missed", "No min or max is left"),
        ("a constant", "memory", "Nothing is computed"),
        ("a constant", "operations", "there are none"),
        ("nothing is inside", "terms", "f is below 0 nowhere in the region"),
        ("another variable", "terms", "there is no picture: an image has no position for the variable 't'"),
        ("a solid, lowered", "terms", "The result, lowered"),
    ],
)
def test_a_section_says_why_it_is_short(name: str, section: str, reason: str) -> None:
    text, options = EDGES[name]
    if "budget" in options:
        options = options | {"budget": RewriteBudget(options["budget"])}
    assert reason in page_of(text, **options).section(section)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "another variable",
            "No picture: an image has no position for the variable 't', only for x, y and z.",
        ),
        ("a line", "No picture: the region has no extent in x."),
    ],
)
def test_the_head_says_why_there_is_no_picture(name: str, reason: str) -> None:
    assert reason in words(page_of(EDGES[name][0], **EDGES[name][1]).tree.find("body/header"))


def test_an_engine_that_cannot_draw_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise BackendError("no <engine> here")

    monkeypatch.setattr(api, "render", refuse)
    page = page_of(DISC)
    assert page.pictures.picture == "no <engine> here"
    assert "No picture: no <engine> here." in words(page.tree.find("body/header"))


def test_where_a_run_was_stopped() -> None:
    page = page_of(SOLID, budget=RewriteBudget(1))
    assert page.report["bisected"]["rewrites"] == 1
    assert f"after 1 rewrites, the last: {page.report['bisected']['last']}" in words(
        page.tree.find("body/header")
    )
    assert page_of(SOLID).report["bisected"] is None


# Names are text


EVIL = "</title></style><script>alert(1)</script>&amp;\"'<b>"


def test_names_are_escaped() -> None:
    page = page_of(
        f"x var-x\ny var-y\n{EVIL} max x y\n\x07bell min {EVIL} x\n{'n' * 500} max \x07bell y\n",
        model=f"{EVIL}\udcff.vm", passes="",
    )  # fmt: skip
    assert Checker(page.text).names.isdisjoint({"script", "b"})
    assert words(page.tree.find("head/title")) == f"{EVIL}\ufffd.vm: absint report"
    instructions = {row[1] for row in page.rows("Choices left open")}
    assert f"{EVIL} max x y" in instructions
    assert f"\ufffdbell min {EVIL} x" in instructions
    assert max(map(len, instructions)) == TEXT_LENGTH + 1
    page.text.encode()


def test_names_of_variables_and_boxes_are_escaped() -> None:
    page = page_of("x var-x\nt var-<t>&\nf add x t\n", "x=-1:1,y=-1:1,<t>&=0:1")
    header = words(page.tree.find("body/header"))
    assert "<t>& 0 to 1" in header and "variable '<t>&'" in header


def test_markup() -> None:
    assert escape("a < b & 'c'") == "a &lt; b &amp; &#x27;c&#x27;"
    assert escape(Markup("<b>")) == "<b>"
    assert (
        element("p", "<", element("b", "&"), class_="x<y", data_label=None)
        == '<p class="x&lt;y">&lt;<b>&amp;</b></p>'
    )
    assert element("td") == "<td></td>" and element("rect", x=1) == '<rect x="1"/>'
    with pytest.raises(AssertionError):
        element("img", "text")
