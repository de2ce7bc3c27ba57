"""`absint view`: changes of the file, and the command from its first line to Ctrl-C."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

import absint
from absint.base.errors import DomainError, UsageError
from absint.cli.main import main
from absint.evaluation.view import View
from absint.rewriting.manager import LEVELS
from absint.viewer.server import Server
from tests.support.command import DISC, ROOT, entry_point, interruptible, one_line
from tests.viewer.viewing import Client, serving, words


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
        connection.request("GET", "/events", headers={"Cookie": client.cookie})
        response = connection.getresponse()
        assert response.headers["Content-Type"] == "text/event-stream"

        def news() -> Any:
            while not (line := response.readline()).startswith(b"data: "):
                assert line, "the stream has ended"
            return json.loads(line[6:])

        assert (news()["version"], disc.write_text("nonsense\n"), news()["trouble"]["line"]) == (0, 9, 1)
        connection.close()


# The command


def test_models_that_cannot_be_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bad, extra = tmp_path / "bad.vm", tmp_path / "extra.vm"
    bad.write_text("x var-x\nf sinh x\n")
    extra.write_text("x var-x\nt var-t\nf add x t\n")
    for model, word in ((str(bad), "2:3: unknown opcode"), (str(extra), "'t'"), ("nothing.vm", "cannot be")):
        assert main(["view", model, "--no-browser"]) == 2
        out, err = capfd.readouterr()
        assert (out, word in one_line(err)) == ("", True)
    assert main(["view", "gear", "--no-browser", "--passes", "fuld"]) == 2
    assert "fuld" in one_line(capfd.readouterr().err)
    assert main(["view", "gear", "--port", "65536"]) == 2
    assert "65535" in one_line(capfd.readouterr().err)
    with pytest.raises(DomainError):
        serving(str(extra)).__enter__()


def test_the_first_view_passes_and_precision_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    states, opened = [], []
    came = threading.Event()

    def serve(server: Server, poll_interval: float) -> None:
        states.append(server.session.state())
        assert came.wait(30) or "--no-browser" in words_
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", serve)
    monkeypatch.setattr("webbrowser.open", lambda address: (opened.append(address), came.set()))
    words_: list[str] = ["view", "gear", "--center", "-0.5,0.2", "--scale", "0.05", "--z=-1e-3"]
    assert main([*words_, "-O2", "--precision", "f64"]) == 0
    printed = capfd.readouterr().out.strip()
    (site, token), (link_site, key) = printed.split("?token="), opened[0].split("?once=")
    assert (site, token != key, len(opened)) == (
        link_site,
        True,
        1,
    )  # others see what a browser is started with
    words_ = ["view", "gear", "--no-browser", "--passes", "fold,minmax{rounds=2}", "--backend", "reference"]
    assert main(words_) == 0
    assert len(opened) == 1
    assert states[0]["start"] == {"x": -0.5, "y": 0.2, "scale": 0.05, "z": -1e-3}
    assert (states[0]["passes"], states[0]["precision"]) == (tuple(LEVELS[2].split(",")), "f64")
    assert states[1]["start"] == {"x": 0.0, "y": 0.0, "scale": 1.0, "z": 0.0}
    assert states[1]["passes"] == ("fold", "minmax{rounds=2}")
    assert [state["backend"] for state in states] == ["numba", "reference"]
    assert states[0]["session"] != states[1]["session"]


def test_a_port_in_use(disc: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(str(disc)) as client:
        port = client.server.port
        assert main(["view", str(disc), "--no-browser", "--port", str(port)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert one_line(err).startswith(f"absint: port {port}: not available: Address already in use")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("from_input", [False, True])
def test_control_c_ends_it_with_nothing_left(
    from_input: bool, disc: Path, request: pytest.FixtureRequest
) -> None:
    words_ = [sys.executable, "-m", "absint", "view", "-" if from_input else str(disc), "--no-browser"]
    pipe = subprocess.PIPE
    with interruptible():
        process = subprocess.Popen(words_, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT)
    request.addfinalizer(process.kill)  # where something fails before the signal
    assert process.stdin is not None
    assert process.stdout is not None
    if from_input:
        process.stdin.write(DISC.encode())
    process.stdin.close()
    process.stdin = None
    address = process.stdout.readline().decode()
    assert address.startswith("http://127.0.0.1:")
    parts = urlsplit(address.strip())
    port, query = parts.port, parts.query
    listening = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    listening.request("GET", f"/events?{query}")
    state = json.loads(listening.getresponse().readline()[6:])
    assert state["watched"] is not from_input
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    idle.request("GET", f"/state?{query}")
    assert json.loads(idle.getresponse().read())["name"] == state["name"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"", b"Ctrl-C ends it.\n")
    listening.close()
    idle.close()


def test_no_thread_is_left(disc: Path) -> None:
    before = {thread for thread in threading.enumerate() if not thread.name.startswith("absint-helper")}
    with serving(str(disc)) as client:
        connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=30)
        connection.request("GET", "/events", headers={"Cookie": client.cookie})
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
