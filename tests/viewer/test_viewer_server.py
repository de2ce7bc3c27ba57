"""`absint view`: what other sites are refused, and what is said to those who ask for what there is not."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from absint.viewer.server import page_files
from tests.viewer.viewing import Client, serving


@pytest.fixture(scope="module")
def gear() -> Iterator[Client]:
    with serving("gear") as client:
        yield client


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
            connection.sendall(f"GET /state HTTP/1.1\r\nCookie: {gear.cookie}\r\n{head}\r\n".encode())
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
        connection.request("GET", target, headers={"Cookie": gear.cookie})
        response = connection.getresponse()
        response.read()
        assert response.status == {"/nothing": 404, "/frame?width=16": 400}.get(target, 200)
    connection.close()


def test_no_question_finds_a_bug(gear: Client, capfd: pytest.CaptureFixture[str]) -> None:
    """Numbers at the ends of their ranges, in any place."""
    rng = np.random.default_rng(9)
    reals = ("0", "-1", "0.1", "1e-14", "5e-324", "1e9", "3.4e38", "-1e300", "1e400", "nan", "inf", "", "x")
    words_ = {"x": reals, "y": reals, "scale": reals, "z": reals, "column": "0129", "row": "019x"}
    words_ |= {"width": ("1", "2", "7", "64"), "height": ("1", "3", "50", "99999999")}
    statuses = []
    for _ in range(200):
        path = rng.choice(["/frame", "/heat", "/terms", "/stages", "/explain", "/picture.png"])
        given = {name: str(rng.choice(list(values))) for name, values in words_.items() if rng.random() < 0.7}
        answer = gear.get(str(path), {"width": "9", "height": "5"} | given)
        statuses.append(answer.status)
        assert answer.status in (200, 400), (path, given)
    assert set(statuses) == {200, 400}
    assert capfd.readouterr() == ("", "")
