"""`absint view`: connections that never ask keep nobody out, whatever the system is short of."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from absint.viewer import connections, server
from absint.viewer.connections import MOST
from tests.support.command import ROOT, interruptible
from tests.viewer.viewing import Client, serving

HALF_OPEN = 1000


@contextlib.contextmanager
def half_open(port: int, count: int, said: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have begun to ask."""
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(count):
            made.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)))
            with contextlib.suppress(ConnectionError):  # closed already to make room
                made[-1].sendall(said)
        yield made


def is_closed(connection: socket.socket) -> bool:
    """Whether the server closes a connection, within the time that the connection has."""
    try:
        return connection.recv(64) == b""
    except ConnectionError:
        return True


def viewer_threads() -> int:
    return sum("process_request" in thread.name for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def short_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listeners that have left are noticed soon."""
    monkeypatch.setattr(server, "HEARTBEAT", 0.1)


@pytest.fixture(scope="module")
def gear() -> Iterator[Client]:
    with serving("gear") as client:
        yield client


@pytest.mark.skipif(os.name != "posix", reason="limits as POSIX has them")
@pytest.mark.parametrize("files", [None, 256])
def test_a_thousand_half_open_connections(
    files: int | None, disc: Path, request: pytest.FixtureRequest
) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HALF_OPEN + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"no more than {hard} files can be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    request.addfinalizer(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
    words = [sys.executable, "-m", "absint", "view", str(disc), "--no-browser"]
    if files is not None:
        words = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *words]
    pipe = subprocess.PIPE
    with interruptible():
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, cwd=ROOT)
    request.addfinalizer(process.kill)
    assert process.stdout is not None
    parts = urlsplit(process.stdout.readline().decode().strip())
    assert parts.port is not None

    def ask() -> None:
        honest = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=30)
        with contextlib.closing(honest):
            honest.request("GET", f"/state?{parts.query}")
            assert honest.getresponse().status == 200

    for said in (b"", b"GET /state HTTP/1.1\r\nHost: 127.0.0.1\r\nX:"):
        with half_open(parts.port, HALF_OPEN, said):
            ask()
            ask()
        ask()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"", b"Ctrl-C ends it.\n")


def test_who_is_known_stays_and_threads_are_few(gear: Client) -> None:
    port = gear.server.port
    honest = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    page = {"Cookie": gear.cookie}
    with contextlib.closing(honest), half_open(port, 0, b""):
        honest.request("GET", "/state", headers=page)
        honest.getresponse().read()
        kept = honest.sock
        with half_open(port, 3 * MOST, b"GET ") as strangers:
            assert viewer_threads() <= MOST + 1
            honest.request("GET", "/state", headers=page)
            assert honest.getresponse().read()
            assert honest.sock is kept
            assert is_closed(strangers[0])


def test_connections_that_are_kept_are_few_too(gear: Client) -> None:
    """Pages that leave their connections open: the oldest go."""
    with contextlib.ExitStack() as stack:
        for _ in range(2 * MOST):
            one = http.client.HTTPConnection("127.0.0.1", gear.server.port, timeout=30)
            stack.enter_context(contextlib.closing(one))
            one.request("GET", "/state", headers={"Cookie": gear.cookie})
            assert one.getresponse().read()
        assert viewer_threads() <= MOST + 1


def test_a_connection_that_is_answered_is_not_closed(gear: Client) -> None:
    listening = http.client.HTTPConnection("127.0.0.1", gear.server.port, timeout=30)
    with contextlib.closing(listening):
        listening.request("GET", "/events", headers={"Cookie": gear.cookie})
        response = listening.getresponse()
        assert response.readline().startswith(b"data: ")
        with half_open(gear.server.port, 2 * MOST, b"GET "):
            assert gear.get("/state").status == 200
        lines = [response.readline() for _ in range(3)]
        assert b": still here\n" in lines


def test_too_many_that_are_answered(gear: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    monkeypatch.setattr(connections, "_ROOM_WITHIN", 0.1)
    wait_for_threads(0)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", gear.server.port), timeout=30))
            host = f"Host: 127.0.0.1:{gear.server.port}"
            one.sendall(f"GET /events HTTP/1.1\r\n{host}\r\nCookie: {gear.cookie}\r\n\r\n".encode())
            assert one.recv(64).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", gear.server.port), timeout=30) as third:
            assert third.recv(64).startswith(b"HTTP/1.1 503 ")


def wait_for_threads(count: int) -> None:
    deadline = time.monotonic() + 30
    while viewer_threads() != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("said", [b"", b"GET /state HTTP/1.1\r\n", b"GET /state HTTP/1.1\r\nHost: x\r\n"])
def test_a_request_has_to_be_there_in_time(
    gear: Client, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connections, "ASK_WITHIN", 0.2)
    with half_open(gear.server.port, 1, said) as (one,):
        assert is_closed(one)


def test_a_request_that_drips_in_is_no_request(gear: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ASK_WITHIN", 0.5)
    with half_open(gear.server.port, 1, b"GET /state HTTP/1.1\r\n") as (one,):
        deadline = time.monotonic() + 30
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < deadline:
                one.sendall(b"X: y\r\n")
                time.sleep(0.05)
        assert time.monotonic() < deadline


def test_a_kept_connection_may_wait_and_then_goes(gear: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE", 0.5)
    one = http.client.HTTPConnection("127.0.0.1", gear.server.port, timeout=30)
    with contextlib.closing(one):
        one.request("GET", "/state", headers={"Cookie": gear.cookie})
        assert one.getresponse().read()
        assert one.sock is not None and is_closed(one.sock)


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "x"), OSError(errno.ENFILE, "x"), OSError(errno.ENOBUFS, "x"),
              ConnectionAbortedError(errno.ECONNABORTED, "x"), MemoryError()]
)  # fmt: skip
def test_connections_that_cannot_be_had(
    gear: Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: BaseException
) -> None:
    """It asks again, and not as often as it can."""
    usual, times = socket.socket.accept, []

    def accept(self: socket.socket) -> Any:
        times.append(time.monotonic())
        if len(times) < 6:
            raise error
        return usual(self)

    wait_for_threads(0)
    with half_open(gear.server.port, 1, b"GET ") as (one,):
        wait_for_threads(1)
        monkeypatch.setattr(socket.socket, "accept", accept)
        assert gear.get("/state").status == 200
        if not isinstance(error, ConnectionError):
            assert is_closed(one)
            assert times[5] - times[0] > 0.2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_threads_that_cannot_be_started(
    gear: Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: BaseException
) -> None:
    usual, refused = threading.Thread.start, []

    def start(self: threading.Thread) -> None:
        if "process_request" in self.name and len(refused) < 3:
            refused.append(self)
            raise error
        usual(self)

    wait_for_threads(0)
    with half_open(gear.server.port, 2, b"GET ") as made:
        wait_for_threads(2)
        monkeypatch.setattr(threading.Thread, "start", start)
        for _ in range(3):
            with pytest.raises((ConnectionError, http.client.BadStatusLine)):
                gear.get("/state")
        assert gear.get("/state").status == 200
        assert all(map(is_closed, made))
    assert capfd.readouterr() == ("", "")


def test_out_of_memory_is_a_line(
    gear: Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def check(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(gear.server.admission, "check", check)
    with pytest.raises((ConnectionError, http.client.BadStatusLine)):
        gear.get("/state")
    monkeypatch.undo()
    assert gear.get("/state").status == 200
    assert capfd.readouterr().err == "out of memory: a connection was closed\n"
