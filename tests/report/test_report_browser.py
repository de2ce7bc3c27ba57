"""The report's page in a browser: no request, no error, and nothing wider than the screen."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from absint import models
from absint.frontend.vm import parse_vm, read_vm
from absint.ir.program import Program
from tests.report.pages import SOLID, page_of
from tests.report.test_report_html import EVIL

MODELS: dict[str, dict[str, Any]] = {
    **{name: {} for name in models.names()},
    "solid": {"level": 3},
    "unbounded": {"region": "all"},
    "oblong": {"region": "0:1000,-1:1", "level": 0},
    "evil": {"passes": ""},
    "constant": {},
}
TEXTS = {
    "solid": SOLID,
    "unbounded": SOLID,
    "oblong": SOLID,
    "evil": f"x var-x\n{EVIL} var-t\n{'n' * 500} max x {EVIL}\n",
    "constant": "a const 1\n",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of this machine."""
    try:
        driver = importlib.import_module("playwright.sync_api")
    except ImportError:
        pytest.skip("playwright is not installed (pip install playwright)")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"there is no browser here, none of {', '.join(BROWSERS)}")
    with driver.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


def complaints(browser: Any, file: Path, width: int, scheme: str) -> list[str]:
    """What is wrong with a page on a screen: requests, errors, what sticks out or is not shown."""
    heard: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.on("request", lambda request: heard.append(request.url))
    page.on("console", lambda message: heard.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    seen: list[str] = page.evaluate(
        """() => {
            const wide = document.documentElement.scrollWidth, screen = document.documentElement.clientWidth;
            const sizes = wide > screen ? [`${wide} pixels wide on a screen of ${screen}`] : [];
            const pictures = [...document.images].filter(each => each.src && !each.naturalWidth);
            return sizes.concat(pictures.map(each => `not shown: ${each.alt}`));
        }"""
    )
    page.close()
    return seen + [what for what in heard if what != file.as_uri() and not what.startswith("data:")]


@pytest.mark.parametrize("name", MODELS)
def test_a_page_in_a_browser(browser: Any, tmp_path: Path, name: str) -> None:
    source = TEXTS.get(name) or Program(parse_vm(models.text(name)))
    file = tmp_path / "page.html"
    file.write_text(page_of(source, model=name * 40, **MODELS[name]).text, encoding="utf-8")
    for width, scheme in ((390, "dark"), (1440, "light")):
        assert complaints(browser, file, width, scheme) == []


def test_prospero_in_a_browser(browser: Any, tmp_path: Path, models_dir: Path) -> None:
    page = page_of(Program(read_vm(models_dir / "prospero.vm")), model="prospero.vm")
    file = tmp_path / "page.html"
    file.write_text(page.text, encoding="utf-8")
    assert file.stat().st_size < 3_000_000
    assert complaints(browser, file, 390, "dark") == []


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        ('<img src="http://localhost:9/x.png" alt="far"/>', "http://localhost:9/x.png"),
        ('<img src="data:image/png;base64,AAAA" alt="broken"/>', "not shown: broken"),
        ('<svg><rect width="nan"/></svg>', "console: "),
        ('<div style="width: 3000px">wide</div>', "pixels wide"),
    ],
)
def test_what_is_wrong_is_found(browser: Any, tmp_path: Path, part: str, complaint: str) -> None:
    file = tmp_path / "page.html"
    file.write_text(f"<!DOCTYPE html><html><body>{part}</body></html>")
    assert any(complaint in each for each in complaints(browser, file, 390, "light"))


def test_nothing_of_a_policy_breach_is_loaded(browser: Any, tmp_path: Path) -> None:
    """Were a name out of a model ever to become an element, the page's policy would stop it."""
    text = page_of(SOLID).text
    file = tmp_path / "page.html"
    file.write_text(text.replace("</main>", "<script>document.title = 'taken'</script></main>"))
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.title() == "model.vm: absint report"
    page.close()


def test_a_page_on_paper(browser: Any, tmp_path: Path) -> None:
    """Dark colours are for screens."""
    file = tmp_path / "page.html"
    file.write_text(page_of(SOLID).text, encoding="utf-8")
    page = browser.new_page(color_scheme="dark")
    page.goto(file.as_uri())
    colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    assert page.evaluate(colours) == ["rgb(20, 21, 26)", "rgb(232, 230, 237)"]
    page.emulate_media(media="print")
    assert page.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert page.pdf().startswith(b"%PDF")
    page.close()
