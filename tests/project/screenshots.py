"""The screenshots in docs/: the viewer and the report of gear.

`python -m tests.project.screenshots` takes them.

They need a Chromium. Their colours are reduced to a palette, so that a picture takes less than `MOST_BYTES`.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.support.command import ROOT, entry_point
from tests.viewer.browsing import Window
from tests.viewer.viewing import serving

MODEL = "gear"
MOST_BYTES = 150_000
COLOURS = 128
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def save(shot: bytes, name: str) -> None:
    """Write a screenshot with a palette."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    reduced = picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    target = ROOT / "docs" / name
    reduced.save(target, optimize=True)
    assert target.stat().st_size < MOST_BYTES, f"{name}: {target.stat().st_size} bytes"


def shoot_viewer(browser: Any) -> None:
    """The viewer with the operations left on tiles, and a pixel of the gear held."""
    with serving(MODEL) as client:
        page = browser.new_page(viewport={"width": 1100, "height": 640}, device_scale_factor=2)
        window = Window(page, client)
        canvas = page.locator("#picture").bounding_box()
        page.check("#heat")
        page.mouse.click(canvas["x"] + 0.5 * canvas["width"], canvas["y"] + 0.22 * canvas["height"])
        window.settle()
        save(page.screenshot(), "viewer.png")


def shoot_report(browser: Any) -> None:
    """The head of the report's page, and its section on specialisation; those between are left out."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        entry_point("optimize", MODEL, "--report-file", str(file)).check_returncode()
        page = browser.new_page(viewport={"width": 1000, "height": 1085}, device_scale_factor=2)
        page.goto(file.as_uri())
        page.add_style_tag(content="#operations, #passes { display: none }")
        save(page.screenshot(), "report.png")


def main() -> int:
    """Take both. Returns 1 where there is no Chromium."""
    if CHROMIUM is None:
        sys.stderr.write("no chromium is on the path: the screenshots stay as they are\n")
        return 1
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        shoot_viewer(browser)
        shoot_report(browser)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
