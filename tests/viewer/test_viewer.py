"""`absint view` without a browser: pictures, and answers about them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import absint
from absint.backends.arrays import ArrayEngine
from absint.cli.main import main
from absint.engine import REACHES
from absint.evaluation.image_files import png
from absint.evaluation.preparation import Preparation
from absint.evaluation.questions.image import Image
from absint.evaluation.view import View
from absint.rewriting.manager import LEVELS
from absint.viewer.session import Superseded
from tests.support.command import one_line
from tests.viewer.viewing import Client, serving, words


@pytest.fixture(scope="module")
def gear() -> Iterator[Client]:
    with serving("gear") as client:
        yield client


# Pictures


F32 = absint.Precision.F32
TOO_DEEP = "ignore:.*too deep"
"""What `absint.render` says of a view whose columns repeat; the page says so too."""


@pytest.mark.filterwarnings(TOO_DEEP)
@pytest.mark.parametrize(
    "view",
    [
        View(101, 64),
        View(64, 101, (0.3, -0.2), 0.005, -1e-3),
        View(33, 33, (1.0, 1.0), 1e-6),
        View(65, 40, (0.1, 0.0), 50.0),
        View(40, 40, (0.0, 0.0), 2.0 * REACHES[-1]),
        View(1, 1),
    ],
)
def test_a_frame_is_the_picture_that_render_draws(gear: Client, view: View) -> None:
    answer = gear.get("/frame", words(view))
    assert answer.status == 200
    assert np.array_equal(answer.image(view), absint.render("gear", view))
    assert answer.headers["X-Defined"] == f"0,0,{view.width},{view.height}"
    assert answer.headers["X-Repeats"] == str(view.duplicate_samples(F32))


@pytest.mark.parametrize("model", ["gear", "gyroid", "blend"])
def test_the_picture_is_the_same_whichever_passes_are_on(model: str) -> None:
    view = View(90, 70, (0.1, 0.2), 0.7, 0.05)
    want = absint.render(model, view, backend="reference")
    count = len(LEVELS[3].split(","))
    rng = np.random.default_rng(5)
    choices = ["1" * count, "0" * count, *("".join(map(str, rng.integers(0, 2, count))) for _ in range(6))]
    with serving(model) as client:
        operations = set()
        for switches in choices:
            answer = client.get("/frame", words(view, passes=switches))
            assert np.array_equal(answer.image(view), want), switches
            operations.add(answer.headers["X-Operations"])
    assert len(operations) > 1  # other programs drew it


def test_a_saved_picture_is_the_file_of_render(gear: Client, tmp_path: Path) -> None:
    target = tmp_path / "gear.png"
    place = ("--center", "0.3,-0.2", "--scale", "0.25", "--z", "0.125")
    assert main(["render", "gear", "-o", str(target), "--size", "123x45", *place]) == 0
    answer = gear.get("/picture.png", words(View(123, 45, (0.3, -0.2), 0.25, 0.125)))
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.body == target.read_bytes()


@pytest.mark.filterwarnings(TOO_DEEP)
def test_binary64(disc: Path) -> None:
    view = View(64, 64, (0.5, 0.0), 1e-7)
    with serving(str(disc), precision="f64") as client:
        image = client.get("/frame", words(view)).image(view)
    assert np.array_equal(image, absint.render(disc, view, precision="f64"))
    assert not np.array_equal(image, absint.render(disc, View(64, 64, (0.5, 0.0), 1e-7), precision="f32"))


def test_a_program_that_holds_in_a_box_is_drawn_there(disc: Path, tmp_path: Path) -> None:
    target = tmp_path / "part.vm"
    words_ = ("optimize", str(disc), "--region", "-0.25:1,-0.125:2,0:0", "-o", str(target))
    assert main(words_) == 0
    view = View(80, 60, (0.2, 0.1), 1.0)
    xs, ys = view.xs(F32), view.ys(F32)
    inside = ((ys >= -0.125) & (ys <= 2))[:, None] & ((xs >= -0.25) & (xs <= 1))
    with serving(str(target)) as client:
        answer = client.get("/frame", words(view))
        left, top, right, bottom = map(int, answer.headers["X-Defined"].split(","))
        rows, columns = np.nonzero(inside)
        assert (left, top) == (columns.min(), rows.min())
        assert (right, bottom) == (columns.max() + 1, rows.max() + 1)
        assert np.array_equal(answer.image(view), np.where(inside, absint.render(disc, view), 0))
        assert client.get("/frame", words(View(8, 8, (5.0, 5.0)))).headers["X-Defined"] == "0,0,0,0"
        for study in ("/heat", "/terms", "/stages"):
            assert "refused" not in client.get(study, words(view)).json
            assert "holds for" in client.get(study, words(View(8, 8, (5.0, 5.0)))).json["refused"]
        assert client.get("/heat", words(view)).json["box"] == [-0.25, 1.0, -0.125, view.ys(F32)[0]]
        pixel = client.get("/explain", words(view, column=left, row=top)).json
        assert pixel["inside"] == bool(absint.render(disc, view)[top, left])
        assert "outside of the region" in client.get("/explain", words(view, column=0, row=0)).json["refused"]
        start = client.get("/state").json["start"]
        assert (start["x"], start["y"], start["z"]) == (0.375, 0.9375, 0.0)
        refused = client.get("/picture.png", words(view))
        assert (refused.status, "reaches beyond" in refused.error()) == (400, True)
        refused = client.get("/frame", words(View(8, 8, (0.2, 0.1), 0.01, z=1.0)))
        assert (refused.status, "holds for z" in refused.error()) == (400, True)


@pytest.mark.parametrize(
    "text",
    ["k const -1\n", "k const nan\n", "x var-x\nf neg x\n",
     "x var-x\ny var-y\nz var-z\na mod x y\nf sub a z\n",
     "x var-x\nm const -1\na add x m\nl ln a\nf sqrt l\n"],
)  # fmt: skip
def test_programs_of_any_kind(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.vm"
    path.write_text(text)
    view = View(40, 30, (0.3, 0.2), 3.0)
    with serving(str(path)) as client:
        image = client.get("/frame", words(view)).image(view)
        assert np.array_equal(image, absint.render(path, view, backend="reference"))
        for study in ("/heat", "/terms", "/stages", "/explain"):
            assert client.get(study, words(view, column=3, row=4)).status == 200


def test_a_pipeline_of_no_pass() -> None:
    view = View(50, 40, (0.1, 0.2), 0.3)
    with serving("gear", pipeline="") as client:
        assert client.get("/state").json["passes"] == []
        assert np.array_equal(client.get("/frame", words(view)).image(view), absint.render("gear", view))
        (stage,) = client.get("/stages", words(view)).json["stages"]
        assert stage["operations"] == absint.load("gear").graph.operation_count


def test_a_png_of_the_whole_view_equals_its_frame(gear: Client) -> None:
    view = View(31, 17, (0.1, 0.1), 0.4)
    assert gear.get("/picture.png", words(view)).body == png(gear.get("/frame", words(view)).image(view))


# Backends


def test_another_backend_draws_the_same_pages() -> None:
    """Whole, and where the program holds on a part of the view only."""
    view = View(40, 30, (0.9, 0.0), 0.5)
    frames = []
    for backend in ("numba", "reference"):
        with serving("gear", backend=backend) as client:
            assert client.get("/state").json["backend"] == backend
            answer = client.get("/frame", words(view))
            frames.append((answer.image(view).tobytes(), answer.headers["X-Operations"]))
            assert (client.get("/picture.png", words(view)).body) == png(absint.render("gear", view))
    assert frames[0] == frames[1]


def test_the_backend_that_is_asked_for_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is found again in the cache for the next picture of the same box."""
    drawn, answer_image = list[View](), ArrayEngine.answer_image

    def noted(self: ArrayEngine, question: Image, out: Any = None) -> Any:
        drawn.append(question.seen)
        return answer_image(self, question, out)

    monkeypatch.setattr(ArrayEngine, "answer_image", noted)
    views = [View(24, 24, (0.1, 0.0), scale) for scale in (1.0, 0.5)]
    with serving("gear", backend="reference") as client:
        drawn.clear()
        monkeypatch.setattr(Preparation, "make", None)
        for view in views:
            assert client.get("/frame", words(view)).status == 200
    assert drawn == views


def test_a_backend_that_cannot_be_used_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    for name, reason in (("abacus", "unknown backend 'abacus'"), ("numba:terms", "has no method 'terms'")):
        assert main(["view", "gear", "--no-browser", "--backend", name]) == 2
        captured = capfd.readouterr()
        assert captured.out == ""
        assert reason in one_line(captured.err)


# Studies


def test_heat_counts_what_is_left(gear: Client) -> None:
    view = View(200, 100, (0.1, 0.0), 0.9)
    heat = gear.get("/heat", words(view, passes="000000000000")).json
    box = view.box(F32)
    assert heat["box"] == [*box.bounds["x"], *box.bounds["y"]]
    assert (heat["columns"], heat["rows"]) == (40, 20)
    assert len(heat["left"]) == 40 * 20
    # a tile with both colours is undecided
    image = absint.render("gear", view) > 0
    parts = image.reshape(20, 5, 40, 5)
    mixed = parts.any(axis=(1, 3)) & ~parts.all(axis=(1, 3))
    assert mixed.any()
    assert (np.array(heat["left"]).reshape(20, 40) >= 0)[mixed].mean() > 0.9  # samples lie on tiles' edges
    assert -1 in heat["left"]


def test_terms_cover_the_picture() -> None:
    view = View(128, 96, (0.0, 0.0), 0.8)
    with serving("tempest") as client:
        answer = client.get("/terms", words(view)).json
        off = client.get("/terms", words(view, passes="111111110111")).json
    assert answer["lowered"]
    assert len(answer["terms"]) > 10
    precision = F32
    covered = np.zeros((view.height, view.width), bool)
    for term in answer["terms"]:
        left, right, bottom, top = map(float, term["box"])
        xs, ys = view.xs(precision), view.ys(precision)
        covered |= ((ys >= bottom) & (ys <= top))[:, None] & ((xs >= left) & (xs <= right))
        assert all(first <= last for first, last in term["lines"])
    assert not ((absint.render("tempest", view) > 0) & ~covered).any()
    assert covered.mean() < 0.9
    assert off == {"generation": 1, "lowered": False, "terms": []}


def test_a_pixel_is_explained_by_its_own_value(gear: Client) -> None:
    view = View(60, 50, (0.2, 0.1), 0.6, 0.01)
    image = absint.render("gear", view)
    rng = np.random.default_rng(0)
    seen = set()
    for column, row in zip(rng.integers(0, 60, 12).tolist(), rng.integers(0, 50, 12).tolist(), strict=True):
        answer = gear.get("/explain", words(view, column=column, row=row)).json
        assert answer["inside"] == bool(image[row, column])
        assert answer["inside"] == (answer["value"] < 0)
        assert answer["x"] == float(view.xs(F32)[column])
        assert answer["rows"][-1]["value"] == answer["value"]
        assert answer["count"] == len(answer["rows"])
        seen.add(answer["inside"])
    assert seen == {True, False}


def test_what_is_not_finite_is_spelled_out(tmp_path: Path) -> None:
    path = tmp_path / "odd.vm"
    path.write_text("x var-x\nz const 0\nf div z z\ng min f x\n")
    with serving(str(path)) as client:
        answer = client.get("/explain", words(View(9, 9), column=2, row=2)).json
    assert (answer["value"], answer["inside"]) == ("nan", False)


def test_stages_say_what_each_pass_did(gear: Client) -> None:
    answer = gear.get("/stages", words(View(64, 64), passes="101001000000")).json
    assert [stage["pass"] for stage in answer["stages"]] == ["", "fold", "cse", "dce"]
    assert answer["stages"][0]["operations"] > answer["stages"][-1]["operations"]
    assert answer["stages"][2]["rewrites"]


def test_a_superseded_question_is_not_answered(gear: Client) -> None:
    """The drawing is held up, while two more questions of the same page come in."""
    view = View(64, 64)
    answers: dict[int, int] = {}

    def ask(number: int) -> None:
        answers[number] = gear.get("/frame", words(view, client="page", number=number)).status

    threads = [threading.Thread(target=ask, args=(number,)) for number in (1, 2, 3)]
    with gear.session.shown.drawer._drawing:
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        waiting = time.monotonic() + 30
        while gear.session._newest.get(("page", "picture")) != 3 and time.monotonic() < waiting:
            time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert answers == {1: 204, 2: 204, 3: 200}
    with pytest.raises(Superseded):
        gear.session.picture(view, "", "page", 2)
    assert gear.session.picture(view, "", "another", 1)
