"""The command line and the report's page: where it goes, and in which format."""

from __future__ import annotations

import io
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from absint import models
from absint.cli.main import main
from tests.report.pages import words
from tests.support.command import DISC, one_line

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Exit status, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
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
