"""Reading a report's page back: its elements, tables, pictures and text."""

from __future__ import annotations

import base64
import struct
import xml.etree.ElementTree as ET
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.api import run_pipeline
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.program import Program
from absint.report.data import make_report
from absint.report.html import report_page
from absint.report.pictures import Pictures, make_pictures

TILES = (4, 8)

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


@dataclass(frozen=True)
class Page:
    """A report's data, and the page made of it. `text`: of the page."""

    report: dict[str, Any]
    pictures: Pictures
    text: str

    @cached_property
    def tree(self) -> ET.Element:
        """The page as XML; raises where it is not well-formed."""
        return ET.fromstring(self.text)

    def rows(self, caption: str) -> list[list[str]]:
        """The cells of the table whose caption begins so, as text, without the heading."""
        (found,) = (
            table for table in self.tree.iter("table") if words(table.find("caption")).startswith(caption)
        )
        return [[words(cell) for cell in row] for row in found.findall("tbody/tr")]

    def section(self, name: str) -> str:
        """The text of a section."""
        (found,) = (part for part in self.tree.iter("section") if part.get("id") == name)
        return words(found)


def words(part: ET.Element | None) -> str:
    """The text of an element, with single blanks."""
    assert part is not None
    return " ".join("".join(part.itertext()).split())


def page_of(
    source: str | Program, region: str | None = None, *, model: str = "model.vm", **options: Any
) -> Page:
    """The page of a model's text."""
    program = source if isinstance(source, Program) else Program(parse_vm(source))
    domains = options.get("domains", ["interval"])
    box = None if region is None else Box.parse(region)
    result, steps = run_pipeline(program, region=box, **options)
    # the times are all that differs from run to run
    steps = [step._replace(seconds=0.001 * number) for number, step in enumerate(steps, 1)]
    report = make_report(
        program, steps, result, domains, model=model, tiles=TILES, budget=options.get("budget")
    )
    pictures = make_pictures(program, result, domains)
    return Page(report, pictures, report_page(report, pictures))


def decoded(address: str | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """The pixels of a PNG in a data URI, and its palette with opacity if it has one."""
    assert address is not None
    kind, _, content = address.partition(",")
    assert kind == "data:image/png;base64"
    data = base64.b64decode(content, validate=True)
    chunks: dict[bytes, bytes] = {}
    position = 8
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        chunks[name] = data[position + 8 : position + 8 + length]
        position += 12 + length
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    if b"PLTE" not in chunks:
        return rows[:, 1:], None
    colours = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
    opacity = np.frombuffer(chunks[b"tRNS"], np.uint8)[:, None]
    return rows[:, 1:], np.concatenate([colours, opacity], axis=1)
