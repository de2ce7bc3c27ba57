"""The drawings of the report's page: the model, maps of tiles, boxes of terms, charts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import absint
from absint import api
from absint.evaluation.image_files import png
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.program import Program
from absint.report.charts import CURVE_POINTS, bar, boxes, curves, ranges, tile_map
from absint.report.data import page_tiles
from absint.report.markup import data_uri
from absint.report.pictures import MOST_OBLONG, PIXELS, ModelPicture, make_pictures
from absint.report.sections import TERMS_LISTED
from tests.report.pages import SOLID, decoded, page_of, words
from tests.support.command import DISC


def test_the_picture_is_the_engines() -> None:
    page = page_of(DISC)
    picture = page.pictures.picture
    assert isinstance(picture, ModelPicture)
    assert picture.image.shape == (PIXELS, PIXELS) and (picture.x, picture.y) == ((-1.0, 1.0), (-1.0, 1.0))
    pixels, _ = decoded(page.tree.find("body/header/figure/div/img").get("src"))  # type: ignore[union-attr]  # it is there
    at = (np.arange(PIXELS) + 0.5) / PIXELS * 2 - 1
    values = absint.evaluate(Program(parse_vm(DISC)), at[None, :], -at[:, None])
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
    assert isinstance(picture, ModelPicture)
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
    assert isinstance(pictures.picture, ModelPicture)
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


def test_a_png_with_colours() -> None:
    palette = np.array([[0, 0, 0, 0], [9, 8, 7, 255]], np.uint8)
    pixels, colours = decoded(data_uri(png(np.eye(3, dtype=np.uint8), palette)))
    assert (pixels == np.eye(3)).all() and colours is not None and (colours == palette).all()
