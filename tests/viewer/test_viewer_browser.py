"""`absint view` in a real browser: what is painted is what `absint.render` draws, whatever came before."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import absint
from absint.viewer.admission import CLOSED, Admission
from tests.support.command import DISC
from tests.viewer.browsing import (
    COUNT_OVERLAY,
    Window,
    edge_of,
    luminance,
    playwright,
    wait_until,
    window_settles,
)
from tests.viewer.viewing import Client, serving

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

SIZES = {"wide": (1000, 640), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


Open = Callable[..., Window]
Served = Callable[[str], Client]


@pytest.fixture
def served() -> Iterator[Served]:
    """`served(model)`: a server that outlives the pages of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda model: stack.enter_context(serving(model))


@pytest.fixture
def opened(browser: Any, served: Served) -> Iterator[Open]:
    """`opened(client, "phone", color_scheme="dark")`; at the end, no console has complained."""
    windows = []

    def open_(client: Client, size: str = "wide", **options: Any) -> Window:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(60_000)
        windows.append(Window(context.new_page(), client))
        return windows[-1]

    yield open_
    for window in windows:
        window.page.unroute_all(behavior="ignoreErrors")
        window.page.context.close()
        assert window.complaints == []


@pytest.fixture(scope="module")
def spiral() -> Iterator[Client]:
    with serving("spiral") as client:
        yield client


@pytest.fixture(scope="module")
def tempest() -> Iterator[Client]:
    with serving("tempest") as client:
        yield client


def test_it_loads_pans_and_zooms_two_hundred_times(tempest: Client, opened: Open) -> None:
    window = opened(tempest)
    first = window.check("tempest")
    assert (first.center, first.scale) == ((0.0, 0.0), 1.0)
    window.drag(-70, 45)
    panned = window.check("tempest")
    step = 2 / (min(first.width, first.height) - 1)
    assert panned.center == pytest.approx((70 * step, 45 * step), abs=1e-12)
    place = edge_of(window)
    for _ in range(12):
        window.page.mouse.move(*place)
        window.page.mouse.wheel(0, -300)
    zoomed = window.check("tempest")
    assert zoomed.scale <= 1 / 200
    window.page.locator("#zoom-out").click()
    assert window.check("tempest").scale == pytest.approx(1.5 * zoomed.scale)
    window.page.locator("#reset").click()
    assert window.check("tempest") == first


@pytest.mark.parametrize("ratio", [1.5, 2])
def test_every_pixel_of_the_display_is_drawn(spiral: Client, opened: Open, ratio: float) -> None:
    window = opened(spiral, device_scale_factor=ratio)
    view = window.check("spiral")
    box = window.page.locator("#picture").bounding_box()
    assert (view.width, view.height) == (round(box["width"] * ratio), round(box["height"] * ratio))
    window.page.set_viewport_size({"width": 900, "height": 500})
    window.page.wait_for_timeout(100)
    assert window.check("spiral").height == 500 * ratio


def test_switching_passes_changes_the_program_and_not_the_picture(tempest: Client, opened: Open) -> None:
    window = opened(tempest)
    before = window.check("tempest")
    asked: list[str] = []
    window.page.on("request", lambda request: asked.append(request.url))
    left = operations_left(window)
    for name in ("predicates", "signdemand"):
        window.page.locator(f"input[data-pass={name}]").uncheck()
        assert window.check("tempest") == before
    assert any("/frame?" in url and "passes=111011110111" in url for url in asked)
    now = operations_left(window)
    assert now > left
    cells = window.page.locator("#passes tr:not(.rules)").nth(8).locator("td")
    assert [cells.nth(i).inner_text() for i in (1, 2, 3)] == ["", "", ""]
    assert "same-operation" in window.text("#passes")
    window.page.locator("input[data-pass=predicates]").check()
    window.check("tempest")
    assert operations_left(window) <= left * 2 < now


def operations_left(window: Window) -> int:
    match = re.match(r"([\d,]+) of ([\d,]+) operations left", window.text("#left"))
    assert match is not None, window.text("#left")
    left, whole = (int(number.replace(",", "")) for number in match.groups())
    assert left <= whole == absint.load("tempest").graph.operation_count
    return left


def test_a_change_on_disk_is_drawn(disc: Path, served: Served, opened: Open) -> None:
    client = served(str(disc))
    window = opened(client)
    window.check(disc)
    before, _ = window.picture()
    disc.write_text(DISC.replace("0.5", "0.8"))
    window.page.wait_for_selector("#news:has-text('has changed')")
    window.check(disc)
    assert not np.array_equal(before, window.picture()[0])


def test_an_error_shows_its_line_while_the_picture_stays(disc: Path, served: Served, opened: Open) -> None:
    client = served(str(disc))
    window = opened(client)
    window.check(disc)
    before, _ = window.picture()
    assert not window.page.locator("#trouble").is_visible()
    disc.write_text(DISC.replace("rr add xx yy", "rr add <b>xx yy"))
    window.page.wait_for_selector("#trouble:visible")
    assert window.text("#trouble p") == f"{disc}:5:8: operand '<b>xx' is not defined above"
    assert window.text("#trouble pre").split("\n") == ["5 | rr add <b>xx yy", "           ^"]
    window.drag(40, 0)
    window.settle()
    image, view = window.picture()
    good = disc.with_name("good.vm")
    good.write_text(DISC)
    assert np.array_equal(image, absint.render(good, view))
    assert not np.array_equal(image, before)
    disc.write_text(DISC)
    window.page.wait_for_selector("#trouble", state="hidden")
    window.check(disc)


def test_no_stale_frame_is_painted_after_a_fast_drag(spiral: Client, opened: Open) -> None:
    """Every answer is held back, and the first ones come in the wrong order."""
    window = opened(spiral)
    held: list[Any] = []
    window.page.route("**/frame?*", lambda route: held.append((route, route.fetch())))

    def let_come(which: int) -> None:
        route, response = held[which]
        assert response.status == 200
        route.fulfill(response=response)

    window.drag(-160, 60, steps=30)
    window.page.wait_for_timeout(300)
    wait_until(lambda: len(held) == 2, window)
    assert window.picture()[1].center != (0.0, 0.0)
    assert window.page.locator("#picture").get_attribute("data-settled") == "false"
    let_come(1)
    wait_until(lambda: len(held) == 3, window)  # one more is asked for, of the last view
    let_come(2)
    view = window_settles(window)
    let_come(0)  # the first of all comes last
    window.page.wait_for_timeout(300)
    assert len(held) == 3
    image, now = window.picture()
    assert now == view
    assert np.array_equal(image, absint.render("spiral", view))
    step = 2 / (min(view.width, view.height) - 1)
    assert view.center == pytest.approx((160 * step, 60 * step), abs=1e-12)


def test_frames_that_take_their_time(spiral: Client, opened: Open) -> None:
    window = opened(spiral)

    def slowly(route: Any) -> None:
        window.page.wait_for_timeout(120)
        route.continue_()

    window.page.route("**/frame?*", slowly)
    for dx, dy in ((60, 0), (0, 80), (-90, -30)):
        window.drag(dx, dy, steps=8)
    window.page.wait_for_timeout(1500)
    window.check("spiral")


def test_the_last_frame_moves_with_the_view_meanwhile(spiral: Client, opened: Open) -> None:
    window = opened(spiral)
    before, _ = window.picture()
    window.page.route("**/frame?*", lambda route: None)  # never answered
    window.drag(-50, 30)
    image, _ = window.picture()
    assert np.array_equal(image[30:, :-50], before[:-30, 50:])
    assert (image[:30] == 0x77).all()


def test_what_is_saved_is_what_render_writes(spiral: Client, opened: Open, tmp_path: Path) -> None:
    from absint.cli.main import main

    window = opened(spiral)
    window.drag(33, 21)
    window.page.locator("#save-width").fill("200")
    window.page.locator("#save-height").fill("90")
    with window.page.expect_download() as download:
        window.page.locator("#save-form button").click()
    assert download.value.suggested_filename == "spiral.png"
    command = window.text("#command").split()
    assert command[:3] == ["absint", "render", "spiral"]
    target = tmp_path / "rendered.png"
    command[command.index("-o") + 1] = str(target)
    assert main(command[1:]) == 0
    assert Path(download.value.path()).read_bytes() == target.read_bytes()


def test_overlays_and_the_pixel_under_the_cursor(tempest: Client, opened: Open) -> None:
    window = opened(tempest)
    window.page.mouse.move(1, 1)
    window.settle()
    bare = window.page.evaluate(COUNT_OVERLAY)
    window.page.locator("#heat").check()
    window.settle()
    assert window.page.evaluate(COUNT_OVERLAY) > bare + 10_000
    assert "tiles undecided" in window.text("#heat-facts")
    window.page.locator("#heat").uncheck()
    window.page.locator("#boxes").check()
    window.settle()
    assert window.page.evaluate(COUNT_OVERLAY) > bare + 1000
    image, view = window.picture()
    rows, columns = np.nonzero(image)
    middle = len(rows) // 2
    window.page.mouse.click(int(columns[middle]), int(rows[middle]))
    window.wait_for_text("#explained", "^Inside")
    assert "Smallest box here" in window.text("#term")
    first = window.text("#rows li >> nth=0")
    root = absint.load("tempest").graph.line_list[-1]
    assert f"line {root}" in first
    x = float(view.xs(absint.Precision.F32)[columns[middle]])
    row = absint.study.explain("tempest", x, float(view.ys(absint.Precision.F32)[rows[middle]]))[-1]
    assert f"{row['name']} {row['op']}" in first
    window.page.mouse.move(5, 300)  # the pixel is held
    window.page.wait_for_timeout(400)
    assert window.text("#explained").startswith("Inside")
    window.check("tempest")


def test_it_is_worked_by_keys_alone(served: Served, opened: Open) -> None:
    client = served("gyroid")
    window = opened(client)
    keyboard = window.page.keyboard
    first = window.check("gyroid")
    keyboard.press("Tab")
    assert focused(window) == "picture"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert window.page.evaluate(outline) == "solid"
    for key in ("ArrowRight", "ArrowUp", "+", "+", "Shift+ArrowLeft", "]"):
        keyboard.press(key)
    view = window.check("gyroid")
    assert view.center[0] > 0 < view.center[1]
    assert view.scale == pytest.approx(first.scale / 1.25**2)
    assert view.z > 0
    keyboard.press("i")
    window.wait_for_text("#explained", "^(Ins|Outs)ide")
    keyboard.press("Escape")
    assert window.text("#explained").startswith("Point at")
    for key in ("h", "b"):
        keyboard.press(key)
    window.settle()
    assert window.page.locator("#heat").is_checked()
    assert window.page.locator("#boxes").is_checked()
    seen = []
    while focused(window) != "fold" and len(seen) < 40:
        keyboard.press("Tab")
        seen.append(focused(window))
        assert window.page.evaluate(outline) == "solid", seen
    keyboard.press("Space")
    assert not window.page.locator("input[data-pass=fold]").is_checked()
    window.check("gyroid")
    keyboard.press("?")
    assert window.page.locator("#keys dl").is_visible()
    keyboard.press("0")
    assert window.check("gyroid") == first
    window.page.locator("#x").focus()
    keyboard.press("Control+a")
    keyboard.type("0.25")
    keyboard.press("Enter")
    assert window.check("gyroid").center == (0.25, 0.0)


def focused(window: Window) -> str:
    return str(window.page.evaluate("document.activeElement.dataset.pass ?? document.activeElement.id"))


def test_slices_of_a_model_with_z(served: Served, opened: Open) -> None:
    client = served("gyroid")
    window = opened(client)
    before, _ = window.picture()
    slider = window.page.locator("#z-slider")
    slider.evaluate("field => { field.value = 0.5; field.dispatchEvent(new Event('input')); }")
    assert window.check("gyroid").z == 0.5
    assert not np.array_equal(window.picture()[0], before)
    client = served("tempest")
    assert not opened(client).page.locator("#z-slider").is_visible()


def test_the_address_keeps_the_view(spiral: Client, opened: Open) -> None:
    window = opened(spiral)
    window.drag(31, 17)
    view = window.check("spiral")
    window.page.reload()
    assert window.check("spiral") == view


def test_the_token_leaves_the_address_and_the_page_can_be_opened_again(
    spiral: Client, tempest: Client, opened: Open
) -> None:
    window = opened(spiral)
    bare = f"http://127.0.0.1:{spiral.server.port}/"
    assert "token" not in window.page.url and window.page.url.startswith(bare)
    context = window.page.context
    assert "token" not in window.page.evaluate("document.cookie + document.referrer")
    for address, model in ((tempest.server.address, "tempest"), (bare, "spiral")):
        page = context.new_page()
        page.goto(address)
        playwright.expect(page.locator("#name")).to_have_text(re.compile(model))
    window.page.reload()
    window.check("spiral")
    context.clear_cookies()
    page = context.new_page()
    page.goto(bare)
    assert page.locator("body").inner_text().strip() == f"absint view: {CLOSED}"


def test_a_link_on_another_site_opens_the_page(spiral: Client, browser: Any) -> None:
    """The same browser can then reload it, and listens for news."""
    context = browser.new_context()
    page = context.new_page()
    link = f'<a href="{spiral.server.address}">here</a>'
    page.route("http://example.org/", lambda route: route.fulfill(body=link, content_type="text/html"))
    page.goto("http://example.org/")
    page.get_by_text("here").click()
    for _ in range(2):
        playwright.expect(page.locator("#name")).to_have_text(re.compile("spiral"))
        page.wait_for_selector("#picture[data-settled=true]")
        assert re.fullmatch(rf"http://127.0.0.1:{spiral.server.port}/(#.*)?", page.url)
        page.reload()
    context.close()


def test_a_page_whose_server_has_another_token_says_what_to_do(
    served: Served, opened: Open, disc: Path
) -> None:
    """As where `absint view` was started again on the same port."""
    client = served(str(disc))
    window = opened(client)
    client.server.admission = Admission(client.server.port)
    client.server.connections.close_all()
    window.wait_for_text("#news", CLOSED)
    assert all("403" in complaint for complaint in window.complaints)
    window.complaints.clear()


def test_two_fingers_on_a_phone(spiral: Client, opened: Open) -> None:
    window = opened(spiral, "phone", has_touch=True, is_mobile=True, device_scale_factor=2)
    first = window.check("spiral")
    assert window.page.evaluate("document.documentElement.scrollWidth") == SIZES["phone"][0]
    touch = window.page.context.new_cdp_session(window.page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    send("touchStart", (150, 200), (250, 200))
    for spread in range(0, 101, 10):
        send("touchMove", (150 - spread / 2, 200), (250 + spread / 2, 200))
    send("touchEnd")
    view = window.check("spiral")
    assert view.scale == pytest.approx(first.scale / 2, rel=0.02)
    send("touchStart", (200, 200))
    for shift in range(0, 41, 8):
        send("touchMove", (200 + shift, 200))
    send("touchEnd")
    assert window.check("spiral").center[0] < view.center[0]
    for selector in ("#zoom-in", "#zoom-out", "#reset"):
        box = window.page.locator(selector).bounding_box()
        assert min(box["width"], box["height"]) >= 44


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_in_light_and_dark(spiral: Client, opened: Open, scheme: str) -> None:
    window = opened(spiral, color_scheme=scheme)
    pairs = (("--ink", "--panel"), ("--soft", "--panel"), ("--ink", "--paper"), ("--accent", "--panel"),
             ("--bad", "--bad-paper"), ("--focus", "--panel"))  # fmt: skip
    colours = window.page.evaluate(
        "names => names.map(name => getComputedStyle(document.documentElement).getPropertyValue(name))",
        [name for pair in pairs for name in pair],
    )
    for (ink, paper), pair in zip(zip(colours[::2], colours[1::2], strict=True), pairs, strict=True):
        lighter, darker = sorted((luminance(ink), luminance(paper)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, pair
    assert (luminance(colours[1]) > 0.5) == (scheme == "light")
