"""`absint view` without a browser: pictures, studies, changes of the file, and who is refused."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import absint
from absint import cli
from absint.errors import DomainError, UsageError
from absint.imageio import png
from absint.manager import LEVELS
from absint.view import View
from absint.viewer.drawing import REACHES
from absint.viewer.server import page_files
from absint.viewer.session import Superseded
from tests.command import DISC, ROOT, entry_point, one_line
from tests.viewing import Client, serving, words


@pytest.fixture(scope="module")
def gear() -> Iterator[Client]:
    with serving("gear") as client:
        yield client


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    path = tmp_path / "disc.vm"
    path.write_text(DISC)
    return path


# Pictures


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
    assert answer.headers["X-Repeats"] == str(view.duplicate_samples(absint.Precision.F32))


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
    assert cli.main(["render", "gear", "-o", str(target), "--size", "123x45", *place]) == 0
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
    assert cli.main(words_) == 0
    view = View(80, 60, (0.2, 0.1), 1.0)
    xs, ys = view.xs(absint.Precision.F32), view.ys(absint.Precision.F32)
    inside = ((ys >= -0.125) & (ys <= 2))[:, None] & ((xs >= -0.25) & (xs <= 1))
    with serving(str(target)) as client:
        answer = client.get("/frame", words(view))
        left, top, right, bottom = map(int, answer.headers["X-Defined"].split(","))
        rows, columns = np.nonzero(inside)
        assert (left, top) == (columns.min(), rows.min())
        assert (right, bottom) == (columns.max() + 1, rows.max() + 1)
        assert np.array_equal(answer.image(view), np.where(inside, absint.render(disc, view), 0))
        assert client.get("/frame", words(View(8, 8, (5.0, 5.0)))).headers["X-Defined"] == "0,0,0,0"
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


# Studies


def test_heat_counts_what_is_left(gear: Client) -> None:
    view = View(200, 100, (0.1, 0.0), 0.9)
    heat = gear.get("/heat", words(view, passes="00000000000")).json
    box = view.box(absint.Precision.F32)
    assert heat["box"] == [*box.bounds["x"], *box.bounds["y"]]
    assert (heat["columns"], heat["rows"]) == (40, 20)
    assert len(heat["left"]) == 40 * 20
    # a tile with both colours is undecided
    image = absint.render("gear", view) > 0
    parts = image.reshape(20, 5, 40, 5)
    mixed = parts.any(axis=(1, 3)) & ~parts.all(axis=(1, 3))
    assert mixed.any()
    assert (np.array(heat["left"]).reshape(20, 40) > 0)[mixed].mean() > 0.9  # samples lie on tiles' edges
    assert 0 in heat["left"]


def test_terms_cover_the_picture() -> None:
    view = View(128, 96, (0.0, 0.0), 0.8)
    with serving("tempest") as client:
        answer = client.get("/terms", words(view)).json
        off = client.get("/terms", words(view, passes="11111110111")).json
    assert answer["lowered"]
    assert len(answer["terms"]) > 10
    precision = absint.Precision.F32
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
        assert answer["x"] == float(view.xs(absint.Precision.F32)[column])
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
    answer = gear.get("/stages", words(View(64, 64), passes="10100100000")).json
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


# Changes


def wait_for(client: Client, version: int) -> dict[str, Any]:
    """The state, once there is that much news."""
    assert client.session.wait_for_news(version - 1, 30)
    return client.session.state()


def test_a_change_of_the_file_is_seen(disc: Path) -> None:
    view = View(48, 48)
    with serving(str(disc)) as client:
        assert client.get("/state").json["watched"]
        disc.write_text(DISC.replace("0.5", "0.8"))
        state = wait_for(client, 1)
        assert (state["generation"], state["trouble"]) == (2, None)
        answer = client.get("/frame", words(view))
        assert answer.headers["X-Generation"] == "2"
        assert np.array_equal(answer.image(view), absint.render(disc, view))


def test_an_error_has_its_place_and_the_last_good_picture_stays(disc: Path) -> None:
    view = View(48, 48)
    want = absint.render(disc, view)
    with serving(str(disc)) as client:
        disc.write_text(DISC.replace("rr add xx yy", "rr\tadd xx why"))
        trouble = wait_for(client, 1)["trouble"]
        assert trouble["message"].startswith(f"{disc}:5:11: operand 'why' is not defined above")
        assert (trouble["line"], trouble["column"], trouble["text"]) == (5, 11, "rr\tadd xx why")
        assert np.array_equal(client.get("/frame", words(view)).image(view), want)
        disc.write_bytes(b"x var-x\n\xff\n")
        trouble = wait_for(client, 2)["trouble"]
        assert (trouble["message"], trouble["line"]) == (f"{disc}:2:1: byte 0xff is not UTF-8 text", None)
        disc.write_text("x var-x\nt var-t\nf add x t\n")
        assert "'t'" in wait_for(client, 3)["trouble"]["message"]
        disc.unlink()
        assert "cannot be read" in wait_for(client, 4)["trouble"]["message"]
        assert np.array_equal(client.get("/frame", words(view)).image(view), want)
        disc.write_text(DISC)
        state = wait_for(client, 5)
        assert (state["trouble"], state["generation"]) == (None, 2)


def test_a_change_that_keeps_size_and_time_is_seen(disc: Path) -> None:
    with serving(str(disc)) as client:
        times = os.stat(disc).st_mtime_ns
        disc.write_text(DISC.replace("0.5", "0.7"))
        os.utime(disc, ns=(times, times))
        assert wait_for(client, 1)["generation"] == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_in_the_files_place_is_not_waited_for(disc: Path) -> None:
    with serving(str(disc)) as client:
        disc.unlink()
        os.mkfifo(disc)
        wait_until(client, lambda trouble: trouble is not None and "no longer a file" in trouble["message"])
        disc.unlink()
        disc.write_text(DISC.replace("0.5", "0.25"))
        wait_until(client, lambda trouble: trouble is None)


def wait_until(client: Client, wanted: Callable[[Any], bool]) -> None:
    """Until the trouble is the wanted one; there may be another in between."""
    deadline = time.monotonic() + 30
    while not wanted(trouble := client.session.state()["trouble"]):
        assert time.monotonic() < deadline, trouble
        time.sleep(0.02)


def test_a_file_that_is_written_again_is_no_news(disc: Path) -> None:
    with serving(str(disc)) as client:
        os.utime(disc)
        assert not client.session.wait_for_news(0, 1.0)


def test_news_are_sent_to_those_who_listen(disc: Path) -> None:
    with serving(str(disc)) as client:
        connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=30)
        connection.request("GET", "/events")
        response = connection.getresponse()
        assert response.headers["Content-Type"] == "text/event-stream"

        def news() -> Any:
            while not (line := response.readline()).startswith(b"data: "):
                assert line, "the stream has ended"
            return json.loads(line[6:])

        assert (news()["version"], disc.write_text("nonsense\n"), news()["trouble"]["line"]) == (0, 9, 1)
        connection.close()


# Who is refused


@pytest.mark.parametrize("path", ["/", "/state", "/events", "/frame?width=8&height=8", "/main.js"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.org"},
        {"Host": "127.0.0.1:1"},
        {"Host": ""},
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_other_sites_are_refused(gear: Client, path: str, headers: dict[str, str]) -> None:
    answer = gear.get(path, headers=headers)
    assert answer.status == 403
    assert answer.error()


def test_own_names_are_answered(gear: Client) -> None:
    for name in ("127.0.0.1", "localhost", "LocalHost"):
        host = f"{name}:{gear.server.port}"
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert gear.get("/state", headers=headers).status == 200


def test_requests_without_a_host_or_with_two(gear: Client) -> None:
    own = f"Host: 127.0.0.1:{gear.server.port}\r\n"
    for head in ("", own * 2, own + "Host: example.org\r\n"):
        with socket.create_connection(("127.0.0.1", gear.server.port), timeout=30) as connection:
            connection.sendall(f"GET /state HTTP/1.1\r\n{head}\r\n".encode())
            assert connection.recv(64).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    "path",
    ["/../cli.py", "/page/../server.py", "/%2e%2e/cli.py", "//etc/passwd", "/..%2fcli.py", "/server.py",
     "/index.html/", "/%00", "/main.js%00", "/favicon.ico"],
)  # fmt: skip
def test_no_other_file_is_served(gear: Client, path: str) -> None:
    answer = gear.send(path)
    assert answer.status == 404
    assert answer.error() == "there is nothing of that name"


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/frame", "width"),
        ("/frame?width=8", "height"),
        ("/frame?width=0&height=8", "at least one pixel"),
        ("/frame?width=5000&height=5000", "too large"),
        ("/picture.png?width=9000&height=9000", "too large"),
        ("/frame?width=99999999999999999999&height=8", "whole number"),
        ("/frame?width=-8&height=8", "whole number"),
        ("/frame?width=8&width=8&height=8", "twice"),
        ("/frame?width=8&height=8&scale=0", "scale"),
        ("/frame?width=8&height=8&scale=nan", "not a number"),
        ("/frame?width=8&height=8&x=1e999", "finite"),
        ("/frame?width=8&height=8&x=1e300", "overflow"),
        ("/frame?width=8&height=8&x=1_0", "not a number"),
        ("/frame?width=8&height=8&passes=2", "passes"),
        ("/frame?width=8&height=8&client=%3Cscript%3E", "client"),
        ("/explain?width=8&height=8&column=8&row=0", "column"),
        ("/frame?" + "&".join(f"a{i}=1" for i in range(40)), "cannot be read"),
    ],
)
def test_bad_questions_are_told_why(gear: Client, path: str, word: str) -> None:
    answer = gear.send(path)
    assert answer.status == 400
    assert word in answer.error()


def test_bodies_and_other_methods_are_refused(gear: Client) -> None:
    assert gear.get("/state", body=b"x").status == 400
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
        assert gear.get("/state", method=method).status == 501
    assert gear.get("/state?" + "a" * 70_000).status == 414


def test_a_bug_is_told_in_the_terminal_only(
    gear: Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(gear.session, "state", broken)
    answer = gear.get("/state")
    assert (answer.status, answer.error()) == (500, "internal error: the terminal says more")
    assert "a secret" in capfd.readouterr().err


def test_every_file_of_the_page_is_served_under_a_strict_policy(gear: Client) -> None:
    assert {"/", "/index.html", "/main.js", "/style.css"} < set(page_files())
    for path, (kind, content) in page_files().items():
        answer = gear.get(path)
        assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, kind, content)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    html = page_files()["/"][1].decode()
    assert html.count("<script") == html.count('<script type="module" src="')
    assert "style=" not in html


def test_a_connection_takes_many_questions(gear: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gear.server.port, timeout=30)
    for target in ("/state", "/frame?width=16&height=16", "/nothing", "/frame?width=16", "/state"):
        connection.request("GET", target)
        response = connection.getresponse()
        response.read()
        assert response.status == {"/nothing": 404, "/frame?width=16": 400}.get(target, 200)
    connection.close()


# The command


def test_models_that_cannot_be_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bad, extra = tmp_path / "bad.vm", tmp_path / "extra.vm"
    bad.write_text("x var-x\nf sinh x\n")
    extra.write_text("x var-x\nt var-t\nf add x t\n")
    for model, word in ((str(bad), "2:3: unknown opcode"), (str(extra), "'t'"), ("nothing.vm", "cannot be")):
        assert cli.main(["view", model, "--no-browser"]) == 2
        out, err = capfd.readouterr()
        assert (out, word in one_line(err)) == ("", True)
    assert cli.main(["view", "gear", "--no-browser", "--passes", "fuld"]) == 2
    assert "fuld" in one_line(capfd.readouterr().err)
    assert cli.main(["view", "gear", "--port", "65536"]) == 2
    assert "65535" in one_line(capfd.readouterr().err)
    with pytest.raises(DomainError):
        serving(str(extra)).__enter__()


def test_a_port_in_use(gear: Client, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["view", "gear", "--no-browser", "--port", str(gear.server.port)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert one_line(err).startswith(f"absint: port {gear.server.port}: cannot be had: Address already in use")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("from_input", [False, True])
def test_control_c_ends_it_with_nothing_left(from_input: bool, disc: Path) -> None:
    words_ = [sys.executable, "-m", "absint", "view", "-" if from_input else str(disc), "--no-browser"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words_, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    if from_input:
        process.stdin.write(DISC.encode())
    process.stdin.close()
    process.stdin = None
    address = process.stdout.readline().decode()
    assert address.startswith("http://127.0.0.1:")
    port = int(address.rstrip("/\n").rpartition(":")[2])
    listening = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    listening.request("GET", "/events")
    state = json.loads(listening.getresponse().readline()[6:])
    assert state["watched"] is not from_input
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    idle.request("GET", "/state")
    idle.getresponse().read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"", b"Ctrl-C ends it.\n")
    listening.close()
    idle.close()


def test_no_thread_is_left(disc: Path) -> None:
    before = {thread for thread in threading.enumerate() if not thread.name.startswith("absint-helper")}
    with serving(str(disc)) as client:
        connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=30)
        connection.request("GET", "/events")
        connection.getresponse().readline()
    connection.close()
    after = {thread for thread in threading.enumerate() if not thread.name.startswith("absint-helper")}
    assert after <= before


def test_help_has_examples() -> None:
    done = entry_point("view", "--help")
    assert done.returncode == 0
    assert b"absint view gear" in done.stdout


def test_what_a_source_refuses(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no bundled model"), serving("nosuch"):
        pass
    with pytest.raises(UsageError, match="Is a directory"), serving(str(tmp_path)):
        pass


def test_a_png_of_the_whole_view_equals_its_frame(gear: Client) -> None:
    view = View(31, 17, (0.1, 0.1), 0.4)
    assert gear.get("/picture.png", words(view)).body == png(gear.get("/frame", words(view)).image(view))
