"""A page of the viewer in a browser, and what is painted there."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import absint
from absint.evaluation.view import View
from tests.viewer.viewing import Client

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

READ_PICTURE = """() => {
    const canvas = document.getElementById("picture");
    const { width, height } = canvas;
    const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    let grey = "", alike = true;
    for (let i = 0; i < data.length; i += 4) {
        alike &&= data[i] === data[i + 1] && data[i] === data[i + 2] && data[i + 3] === 255;
        grey += String.fromCharCode(data[i]);
    }
    return { grey: btoa(grey), alike, view: canvas.dataset.view, settled: canvas.dataset.settled };
}"""

COUNT_OVERLAY = """() => {
    const canvas = document.getElementById("overlay");
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return data.reduce((count, value, i) => count + (i % 4 === 3 && value > 0), 0);
}"""


class Window:
    """A page, with all that its console said."""

    def __init__(self, page: Any, client: Client) -> None:
        self.page = page
        self.client = client
        self.complaints: list[str] = []
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self._hear("error", str(error)))
        page.goto(client.server.address)
        self.settle()

    def _hear(self, kind: str, text: str) -> None:
        by_the_test = "willReadFrequently" in text  # it reads the canvas again and again
        if kind in ("error", "warning") and not by_the_test:
            self.complaints.append(text)

    def settle(self) -> None:
        """Wait until what is painted is what is wanted, and all studies are there."""
        self.page.wait_for_selector("#picture[data-settled=true]")
        self.page.wait_for_timeout(300)  # studies are asked for a moment after the last movement
        self.page.wait_for_selector("#panel[aria-busy=false]")
        self.page.wait_for_selector("#picture[data-settled=true]")

    def picture(self) -> tuple[NDArray[np.uint8], View]:
        """What is painted, and the view that is wanted."""
        read = self.page.evaluate(READ_PICTURE)
        assert read["alike"]
        width, height, x, y, scale, z = map(float, read["view"].split())
        view = View(int(width), int(height), (x, y), scale, z)
        return np.frombuffer(base64.b64decode(read["grey"]), np.uint8).reshape(view.height, view.width), view

    def check(self, model: str | Path) -> View:
        """The painted picture is that of the view, and it is no blank one."""
        self.settle()
        image, view = self.picture()
        assert np.array_equal(image, absint.render(model, view))
        assert 0 < (image > 0).mean() < 1
        return view

    def drag(self, dx: float, dy: float, steps: int = 12) -> None:
        box = self.page.locator("#picture").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + dx, y + dy, steps=steps)
        self.page.mouse.up()

    def wait_for_text(self, selector: str, pattern: str) -> None:
        playwright.expect(self.page.locator(selector)).to_have_text(re.compile(pattern), timeout=30_000)

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())


def edge_of(window: Window) -> tuple[int, int]:
    """A place in the window on the picture's outline, near the middle; it is as many pixels as CSS has."""
    image, _ = window.picture()
    rows, columns = np.nonzero(image[:, 1:] != image[:, :-1])
    nearest = np.argmin(np.hypot(rows - image.shape[0] / 2, columns - image.shape[1] / 2))
    return int(columns[nearest]) + 1, int(rows[nearest])


def wait_until(condition: Callable[[], bool], window: Window) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        window.page.wait_for_timeout(20)


def window_settles(window: Window) -> View:
    window.page.wait_for_selector("#picture[data-settled=true]")
    return window.picture()[1]


def luminance(colour: str) -> float:
    """Relative luminance as the Web Content Accessibility Guidelines define it."""
    channels = [int(colour.strip()[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
