"""`absint view`: whoever does not know the token is told nothing; a cookie takes over from the address."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from absint.viewer import admission
from absint.viewer.admission import CLOSED
from absint.viewer.server import page_files
from tests.viewer.viewing import Client, serving

SIZE = "width=8&height=8"


@pytest.fixture(scope="module")
def gear() -> Iterator[Client]:
    with serving("gear") as client:
        yield client


def paths() -> list[str]:
    """Everything that can be asked for, and what cannot."""
    answers = [f"/{name}?{SIZE}&column=1&row=1" for name in
               ("state", "events", "frame", "picture.png", "explain", "heat", "terms", "stages")]  # fmt: skip
    return [
        *page_files(),
        *answers,
        "/nothing",
        "/state?a=1&a=2",
        "/frame",
        "/?token=",
        "/state?token=x",
        "*",
        "/?once=",
    ]


@pytest.mark.parametrize("path", paths())
def test_nothing_is_told_without_the_token(gear: Client, path: str) -> None:
    other = admission.Admission(gear.server.port).token
    port, token = gear.server.port, gear.server.admission.token
    name = f"absint-{port}"
    wrong = ("", f"{name}={other}", f"{name}={token[:-1]}", f"{name}={token}x", f"{name}=", token,
             f"absint-{port + 1}={token}", f"{name}é={token}", f"x{name}={token}")  # fmt: skip
    for method in ("GET", "POST", "HEAD", "NONSENSE"):
        for cookie in wrong:
            answer = gear.send(path, method, headers={"Cookie": cookie})
            assert answer.status == 403, (method, cookie)
            assert method == "HEAD" or answer.error() == CLOSED
            assert "Set-Cookie" not in answer.headers


def test_a_person_is_told_in_plain_text(gear: Client) -> None:
    answer = gear.get("/", headers={"Cookie": "", "Accept": "text/html,*/*;q=0.8"})
    assert (answer.status, answer.body.decode()) == (403, f"absint view: {CLOSED}\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_secrets_are_long_and_new_each_time() -> None:
    made = [admission.Admission(1) for _ in range(3)]
    secrets = {secret for one in made for secret in (one.token, one.link_key)}
    assert len(secrets) == 6
    assert all(re.fullmatch(r"[\w-]{43}", secret) for secret in secrets)  # 256 bits


def test_the_printed_address_gives_a_cookie_that_opens_all(gear: Client) -> None:
    server = gear.server
    target = server.address.removeprefix(f"http://127.0.0.1:{server.port}")
    answer = gear.get(target, headers={"Cookie": ""})
    assert (answer.status, answer.body) == (200, page_files()["/"][1])
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert cookie == gear.cookie
    assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Strict"}  # no longer than the browser runs
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    for path in ("/", "/main.js", "/state"):
        for cookies in (cookie, f"other=1; {cookie}; b=2", f"absint-{server.port}=old; {cookie}"):
            answer = gear.get(path, headers={"Cookie": cookies})
            assert (answer.status, "Set-Cookie" in answer.headers) == (200, False)
    assert gear.get("/state", {"token": server.admission.token}, headers={"Cookie": ""}).status == 200


def test_the_link_may_stand_on_another_site(gear: Client) -> None:
    """Whoever follows it knows the token; what another site asks for by itself does not."""
    elsewhere = {"Cookie": "", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert gear.get("/", {"token": gear.server.admission.token}, headers=elsewhere).status == 200
    assert gear.get("/", headers=elsewhere | {"Cookie": gear.cookie}).status == 403
    for more in ({"Origin": "http://example.org"}, {"Host": "example.org"}):
        answer = gear.get("/", {"token": gear.server.admission.token}, headers=elsewhere | more)
        assert answer.status == 403


def test_a_browsers_link_opens_the_page_once(disc: Path) -> None:
    with serving(str(disc)) as client:
        server = client.server
        target = server.link.removeprefix(f"http://127.0.0.1:{server.port}")
        answers: list[int] = []

        def follow() -> None:
            answers.append(client.get(target, headers={"Cookie": ""}).status)

        threads = [threading.Thread(target=follow) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200] + [403] * 7
        assert client.get(target).status == 200  # by its cookie
        assert (
            client.get(server.address.removeprefix(f"http://127.0.0.1:{server.port}"), headers={}).status
            == 200
        )


def test_a_browsers_link_is_nothing_to_another_user(disc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(str(disc)) as client:
        key = {"once": client.server.admission.link_key}
        monkeypatch.setattr(admission, "may_be_own", lambda peer_port, port: False)
        assert client.get("/", key, headers={"Cookie": ""}).status == 403
        monkeypatch.undo()
        assert client.get("/", key, headers={"Cookie": ""}).status == 200  # it was not used up


def test_whose_a_connection_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as peer,
    ):
        port, peer_port = server.getsockname()[1], peer.getsockname()[1]
        assert admission.may_be_own(peer_port, port)
        if not os.path.exists("/proc/net/tcp"):
            pytest.skip("no other system tells")
        table = tmp_path / "tcp"
        monkeypatch.setattr(admission, "_CONNECTIONS", (str(table), str(tmp_path / "tcp6")))
        rows = Path("/proc/net/tcp").read_text().splitlines(keepends=True)
        for user, is_own in ((os.geteuid(), True), (os.geteuid() + 1, False)):
            changed = [row.split() for row in rows]
            for row in changed[1:]:
                row[7] = str(user if row[1].endswith(f":{peer_port:04X}") else 12345)
            table.write_text("\n".join(map(" ".join, changed)))
            assert admission.may_be_own(peer_port, port) is is_own
        table.write_text(rows[0])
        assert not admission.may_be_own(peer_port, port), "a connection that no table has"
        table.unlink()
        assert admission.may_be_own(peer_port, port)


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp6"), reason="no other system tells")
def test_whose_a_connection_by_version_6_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket of version 6 reaches an address of version 4 too, and stands in a table of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as peer:
        port = server.getsockname()[1]
        peer.connect(("::ffff:127.0.0.1", port))
        peer_port = peer.getsockname()[1]
        assert admission.may_be_own(peer_port, port)
        monkeypatch.setattr(admission.os, "geteuid", lambda: 12345)
        assert admission.may_be_own(peer_port, port) is (os.stat("/proc/self").st_uid in (0, 12345))


def test_what_is_no_request_tells_nothing(gear: Client) -> None:
    for head in (
        b"GET\r\n\r\n",
        b"GET /state HTTP/9.9\r\n\r\n",
        b"\xff\xfe / x\r\n\r\n",
        b"GET /" + b"a" * 70_000,
    ):
        with socket.create_connection(("127.0.0.1", gear.server.port), timeout=30) as connection:
            connection.sendall(head + b"\r\n\r\n")
            with connection.makefile("rb") as said, contextlib.suppress(ConnectionError):
                assert b"operations" not in said.read()
