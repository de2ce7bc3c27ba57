"""The report's page: well-formed, on its own, and with the numbers of the JSON report."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from absint import api, cli, models
from absint.analysis import RewriteBudget
from absint.errors import BackendError
from absint.imageio import png
from absint.markup import Markup, element, escaped
from absint.program import Box, Program
from absint.report import page_tiles
from absint.report_charts import CURVE_POINTS, bar, boxes, curves, ranges, tile_map
from absint.report_html import report_page
from absint.report_parts import TEXT_LENGTH
from absint.report_pictures import MOST_OBLONG, PIXELS, Picture, make_pictures
from absint.report_sections import MISSED_MOST, SECTIONS, TERMS_LISTED
from absint.vm import parse_vm
from tests.command import DISC, one_line
from tests.pages import Page, decoded, page_of, words

SOLID = """x var-x
y var-y
z var-z
xx square x
yy square y
sum add xx yy
half const 0.5
disc sub sum half
twice add xx yy
wave sin x
high sub wave twice
m min high z
n sub m yy
out max disc n
"""

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
    assert report_page(json.loads(json.dumps(edge.report)), edge.pictures) == edge.text


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


# The pictures


def test_the_picture_is_the_engines() -> None:
    page = page_of(DISC)
    picture = page.pictures.picture
    assert isinstance(picture, Picture)
    assert picture.image.shape == (PIXELS, PIXELS) and (picture.x, picture.y) == ((-1.0, 1.0), (-1.0, 1.0))
    pixels, _ = decoded(page.tree.find("body/header/figure/div/img").get("src"))  # type: ignore[union-attr]  # it is there
    at = (np.arange(PIXELS) + 0.5) / PIXELS * 2 - 1
    values = api.evaluate(Program(parse_vm(DISC)), at[None, :], -at[:, None])
    assert (pixels == np.where(values < 0, 255, 0)).all()
    assert "at z" not in words(page.tree.find("body/header/figure"))


@pytest.mark.parametrize(
    ("region", "x", "y", "z", "part"),
    [
        ("0:2,0:1,2:4", (0.0, 2.0), (0.0, 1.0), 3.0, False),
        ("all", (-1.0, 1.0), (-1.0, 1.0), 0.0, True),
        ("-inf:-3,0.25:inf,1:inf", (-5.0, -3.0), (0.25, 2.25), 1.0, True),
        ("0:1000,-1:1,-4:-3", (500 - MOST_OBLONG, 500 + MOST_OBLONG), (-1.0, 1.0), -3.5, True),
    ],
)
def test_what_a_picture_shows_of_a_region(
    region: str, x: tuple[float, float], y: tuple[float, float], z: float, part: bool
) -> None:
    picture = page_of(SOLID, region).pictures.picture
    assert isinstance(picture, Picture)
    assert picture.x == pytest.approx(x) and picture.y == pytest.approx(y)
    assert (picture.z, picture.part) == (z, part)
    height, width = picture.image.shape
    assert max(width, height) == PIXELS
    assert width / height == pytest.approx((x[1] - x[0]) / (y[1] - y[0]))


def test_samples_stay_in_the_box_of_a_program_that_holds_only_there() -> None:
    """Even where the sides are no multiples of a pixel."""
    box = Box.of((0.1, 0.7), (-0.3, 0.6), (0.2, 0.3))
    written = api.optimize(Program(parse_vm(SOLID)), region=box)
    program = Program(written.graph, written.precision, written.box, written.promise, specialised=True)
    pictures = make_pictures(program, program, ["interval"])
    assert isinstance(pictures.picture, Picture)
    assert pictures.picture.z == pytest.approx(0.25)
    assert not pictures.picture.part


def test_maps_have_a_colour_for_every_undecided_tile() -> None:
    page = page_of(SOLID)
    found = [part for part in page.tree.iter("img") if part.get("class") == "tiles"]
    assert len(found) == len(page.report["regions"]) == 2
    counts = [np.array(row["map"]) for row in page.report["regions"]]
    most = max(int(each.max()) for each in counts)
    for part, count in zip(found, counts, strict=True):
        pixels, palette = decoded(part.get("src"))
        assert palette is not None and pixels.shape == count.shape
        assert ((pixels == 0) == (count < 0)).all() and (palette[:, 3] == [0] + [255] * 255).all()
        assert (pixels[count >= 0] == 1 + np.round(254 * np.sqrt(count[count >= 0] / most))).all()
    assert (np.concatenate([each.ravel() for each in counts]) >= 0).any()


def test_a_finer_map_where_that_is_quick() -> None:
    short = Program(parse_vm(DISC))
    steps = "".join(f"s{i} add {f's{i - 1}' if i else 'x'} x\n" for i in range(20_000))
    assert page_tiles(short, ["interval"]) == (16, 64, 128)
    assert page_tiles(short, ["interval", "affine"]) == page_tiles(short, ["affine"]) == (16, 64)
    assert page_tiles(Program(parse_vm(f"x var-x\n{steps}")), ["interval"]) == (16, 64)


def test_the_map_has_its_first_row_at_the_top() -> None:
    page = page_of("x var-x\ny var-y\nk const 0.6\nf sub k y\n")
    (first, *_) = page.report["regions"]
    assert (np.array(first["map"]) >= 0).any(axis=1).tolist() == [True, False, False, False]


def test_the_map_of_a_solid_shows_what_is_undecided_at_any_height() -> None:
    page = page_of("z var-z\nk const 0.6\nf sub k z\n")
    (first, *_) = page.report["regions"]
    assert first["tiles"] == [4, 4, 4] and first["undecided"] == 0.25
    assert first["map"] == [[1] * 4] * 4
    assert "4 × 4 × 4 tiles, the most along z" in page.section("specialisation")


def test_term_boxes_lie_over_the_picture() -> None:
    """Two squares, of which each has a box; coordinates are thousandths of the picture's sides."""
    page = page_of(
        "x var-x\ny var-y\na const 0.5\nb const 0.25\nl add x a\nll abs l\nr sub x a\nrr abs r\n"
        "yb sub y b\nyy abs yb\np max ll yy\nq max rr yy\ns min p q\nf sub s b\n"
    )
    drawn = [part for part in page.tree.iter("rect") if part.get("class") == "box"]
    found = sorted(
        [round(float(part.attrib[name])) for name in ("x", "y", "width", "height")] for part in drawn
    )
    assert found == [[125, 250, 250, 250], [625, 250, 250, 250]]
    assert len(page.rows("Terms")) == len(page.pictures.terms) == 2
    for part in drawn:
        assert re.fullmatch(r"line \d+: \d+ comparisons, \d+ operations", words(part.find("title")))


def test_the_largest_terms_are_listed() -> None:
    discs = "".join(
        f"c{i} const {i / 100}\nd{i} sub x c{i}\ne{i} square d{i}\ng{i} add e{i} yy\nh{i} sub g{i} c{i}\n"
        f"m{i} min {f'm{i - 1}' if i else f'h{i}'} h{i}\n"
        for i in range(TERMS_LISTED + 5)
    )
    page = page_of(f"x var-x\ny var-y\nyy square y\n{discs}")
    assert isinstance(page.pictures.terms, list) and len(page.pictures.terms) > TERMS_LISTED
    assert len(page.rows("Terms")) == TERMS_LISTED


def test_charts() -> None:
    empty = ranges((0.0, float("inf")), (float("inf"), float("-inf")))
    assert "nan" not in empty and empty.count("<rect") == 1
    assert ranges((0.0, 1.0), (2.0, 4.0)).count("<rect") == 2
    assert ET.fromstring(ranges((0.0, 1.0), (2.0, 4.0)))[1].attrib | {"class": ""} == {
        "class": "", "x": "50", "y": "6", "width": "50", "height": "4"
    }  # fmt: skip
    assert bar(0, (0, 0, "left")).count('width="0"') == 1
    long = list(range(10 * CURVE_POINTS + 3))
    line = ET.fromstring(curves([("after", long)], "a curve", "step")).findall(".//path")[-1].attrib["d"]
    assert line.count("V") <= CURVE_POINTS and f"V0H{len(long)}" in line  # the peak is not lost
    image = ET.fromstring(tile_map([[-1, 0], [3, 12]], 12, "a map"))
    assert decoded(image.get("src"))[0].tolist() == [[0, 1], [128, 255]]
    outside = boxes(((0, 1), (0, 1)), [((-float("inf"), 0.5, -3, float("inf")), "a term")], "boxes")
    assert re.search(r'x="0" y="0" width="500" height="1000"', outside)


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
    assert escaped("a < b & 'c'") == "a &lt; b &amp; &#x27;c&#x27;"
    assert escaped(Markup("<b>")) == "<b>"
    assert (
        element("p", "<", element("b", "&"), class_="x<y", data_label=None)
        == '<p class="x&lt;y">&lt;<b>&amp;</b></p>'
    )
    assert element("td") == "<td></td>" and element("rect", x=1) == '<rect x="1"/>'
    with pytest.raises(AssertionError):
        element("img", "text")


def test_a_png_with_colours() -> None:
    palette = np.array([[0, 0, 0, 0], [9, 8, 7, 255]], np.uint8)
    pixels, colours = decoded(
        element("img", src=f"data:image/png;base64,{_base64(png(np.eye(3, dtype=np.uint8), palette))}")[10:-3]
    )
    assert (pixels == np.eye(3)).all() and colours is not None and (colours == palette).all()


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


# The command line

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Exit status, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(arguments)
        out, err = capfd.readouterr()
        return status, out, err

    return call


@pytest.fixture
def disc(tmp_path: Path) -> str:
    path = tmp_path / "a<b>.vm"
    path.write_text(DISC)
    return str(path)


def test_a_page_goes_to_a_file_or_to_standard_output(run: Run, disc: str, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    assert run("optimize", disc, "--report", "--format", "html", "--report-file", str(target)) == (0, "", "")
    status, out, err = run("optimize", disc, "--report", "--format", "html", "-o", str(tmp_path / "out.vm"))
    assert (status, err) == (0, "")
    for text in (target.read_text(encoding="utf-8"), out):
        tree = ET.fromstring(text)
        assert words(tree.find("body/header/div/h1")) == "a<b>.vm"
    assert (tmp_path / "out.vm").read_text().startswith("# precision")


@pytest.mark.parametrize(
    ("name", "words_", "begins"),
    [
        ("r.html", [], "<!DOCTYPE html>"),
        ("r.HTM", [], "<!DOCTYPE html>"),
        ("r.json", [], "{"),
        ("r.txt", [], "precision f32"),
        ("r", [], "precision f32"),
        ("r.html", ["--format", "table"], "precision f32"),
        ("r.txt", ["--format", "html"], "<!DOCTYPE html>"),
    ],
)
def test_the_format_is_as_asked_for_or_as_the_name_says(
    run: Run, disc: str, tmp_path: Path, name: str, words_: list[str], begins: str
) -> None:
    assert run("optimize", disc, "--report-file", str(tmp_path / name), *words_) == (0, "", "")
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)


def test_a_page_is_written_whole_or_not_at_all(run: Run, disc: str, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    bad = tmp_path / "bad.vm"
    bad.write_text("x sinh\n")
    for words_ in ([str(bad)], [disc, "--region", "1:0,0:1"], [disc, "--domains", "none"]):
        status, out, err = run("optimize", *words_, "--report-file", str(target))
        assert (status, out) == (2, "")
        one_line(err)
        assert target.read_text() == "old"
    status, out, err = run("optimize", disc, "--format", "html")
    assert (status, out) == (2, "")
    assert "add --report or --report-file" in one_line(err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a<b>.vm", "bad.vm", "report.html"]


def test_a_page_of_standard_input_and_of_a_lowered_program(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(DISC.encode())))
    status, out, _ = run("optimize", "-", "-O3", "--report", "--format", "html")
    tree = ET.fromstring(out)
    assert status == 0
    assert words(tree.find("body/header/div/h1")) == "standard input"
    assert any("The result, lowered" in words(part) for part in tree.iter("caption"))


def test_bundled_models_have_pages(run: Run, tmp_path: Path) -> None:
    for model in models.names():
        if model == "tempest":
            continue  # much larger, and in the test that opens pages in a browser
        target = tmp_path / f"{model}.html"
        assert run("optimize", model, "--report-file", str(target)) == (0, "", "")
        tree = ET.parse(target).getroot()
        assert tree.find("body/header/figure/div/img") is not None
        assert target.stat().st_size < 1_000_000
