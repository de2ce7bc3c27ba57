"""Authorisation: a request must know the token of the printed address, and must not come from another site's
page.

Every user of the machine can connect to 127.0.0.1; the token proves that a client has read the terminal of
`absint view`. The page's first request has the token in its address. Later requests have it in a cookie,
since requests for page files and event streams cannot carry a header of the page's own.

Known gap: a browser sends a cookie to all servers of a host, whatever their port, so another server on this
machine, visited in the same browser, learns the token.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import threading
from contextlib import suppress
from email.message import Message
from http import HTTPStatus

from absint.base.errors import AbsintError

CLOSED = "open the address that absint view has printed"
"""The answer to a request without a secret."""

_BYTES = 32
"""Length of a secret, in bytes."""

_SECRET = re.compile(r"[?&](token|once)=([\w-]+)", re.ASCII)
_CONNECTIONS = ("/proc/net/tcp", "/proc/net/tcp6")
"""Linux's tables of connections, which name the owner of each."""


class Refused(AbsintError):  # noqa: N818  # it is an answer
    """A refused request; the answer is a status and a line of text."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Admission:
    """The secrets of one server. Thread-safe.

    `token` is valid as long as the server runs. `link_key` opens the page once: it is passed on a browser's
    command line, which other users of the machine can read.
    """

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(_BYTES)
        self.link_key = secrets.token_urlsafe(_BYTES)
        self._port = port
        self._cookie = f"absint-{port}"  # with the port, since a browser sends the cookies of all ports
        self._cookies = re.compile(rf"(?:^|;)\s*{self._cookie}=([\w-]+)", re.ASCII)
        self._link_is_open = True
        self._lock = threading.Lock()

    def check(self, target: str, headers: Message, peer: tuple[str, int]) -> dict[str, str]:
        """Authorise a request. Returns headers for the answer: the cookie, if the secret was in the address.

        `target`: the requested address. `peer`: the other end of the connection. Raises `Refused` for a
        request without a secret, and for one that another site's page may have sent.
        """
        self._check_names(headers)
        if self._is_in_address(target, peer):  # a link, wherever it was followed
            return {"Set-Cookie": f"{self._cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"}
        _check_site(headers)
        cookies = self._cookies.findall("; ".join(headers.get_all("Cookie", [])))
        if not any(_equal(cookie, self.token) for cookie in cookies):
            raise _forbidden(CLOSED)
        return {}

    def _check_names(self, headers: Message) -> None:
        """Raises `Refused` if the host or origin is not this server: an attacker may let a name of his own
        resolve to this machine.
        """
        names, port = ("127.0.0.1", "localhost"), self._port
        own = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())
        hosts = headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].strip().lower() not in own:
            raise _forbidden("this server answers to 127.0.0.1 and localhost only")
        origins = headers.get_all("Origin", [])
        if any(origin.strip().lower() not in {f"http://{host}" for host in own} for origin in origins):
            raise _forbidden("requests from pages of other sites are refused")

    def _is_in_address(self, target: str, peer: tuple[str, int]) -> bool:
        """Whether an address holds a valid secret. Using the link's key invalidates it."""
        for kind, given in _SECRET.findall(target):
            if kind == "token" and _equal(given, self.token):
                return True
            if kind == "once" and _equal(given, self.link_key) and may_be_own(peer[1], self._port):
                with self._lock:
                    was_open, self._link_is_open = self._link_is_open, False
                if was_open:
                    return True
        return False


def may_be_own(peer_port: int, port: int) -> bool:
    """Whether a connection to a port of this machine may belong to a process of this user, or of root.

    False if Linux lists the other end as another user's, or does not list it. Other systems: always true.
    Ends opened for IPv6 are in a table of their own.
    """
    rows: list[list[str]] = []
    tables = 0
    for path in _CONNECTIONS:
        with suppress(OSError), open(path, encoding="ascii") as table:
            rows += [row.split() for row in table][1:]
            tables += 1
    if not tables:  # not Linux
        return True
    ends = f":{peer_port:04X}", f":{port:04X}"
    users = {int(row[7]) for row in rows if (row[1][-5:], row[2][-5:]) == ends}
    return bool(users) and users <= {0, os.geteuid()}


def _check_site(headers: Message) -> None:
    """Raises `Refused` if the browser reports that another site made the request."""
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise _forbidden("requests from pages of other sites are refused")


def _equal(given: str, secret: str) -> bool:
    """Compare in a time that does not depend on where the strings differ."""
    return hmac.compare_digest(given.encode(), secret.encode())


def _forbidden(message: str) -> Refused:
    return Refused(HTTPStatus.FORBIDDEN, message)
