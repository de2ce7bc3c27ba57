"""Who may ask: whoever knows the token of the printed address, and no page of another site.

Every user of a machine reaches 127.0.0.1. The token shows that one has read the terminal of `absint view`.
The first request of the page has the token in its address; a cookie takes over from there, since neither page
files nor event streams can be asked for with a header of one's own.

Not guarded against: a browser sends a cookie to all servers of a host, whatever their port, so that another
server of this machine, visited in the same browser, is told the token.
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
"""What whoever has no secret is told."""

_BYTES = 32
"""Of a secret."""

_SECRET = re.compile(r"[?&](token|once)=([\w-]+)", re.ASCII)
_CONNECTIONS = ("/proc/net/tcp", "/proc/net/tcp6")
"""Where Linux tells of each connection whose it is."""


class Refused(AbsintError):  # noqa: N818  # it is an answer
    """A request that gets no answer but a status and a line."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Admission:
    """The secrets of one server. For any number of threads.

    `token` opens everything for as long as the server runs. `link_key` opens the page once: it is for the
    command line of a browser, which other users of the machine can read.
    """

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(_BYTES)
        self.link_key = secrets.token_urlsafe(_BYTES)
        self._port = port
        self._cookie = f"absint-{port}"  # cookies of all ports are sent together
        self._cookies = re.compile(rf"(?:^|;)\s*{self._cookie}=([\w-]+)", re.ASCII)
        self._link_is_open = True
        self._lock = threading.Lock()

    def check(self, target: str, headers: Message, peer: tuple[str, int]) -> dict[str, str]:
        """Raises `Refused` for a request that has no secret, or that another site's page may have sent.

        `target`: the address as it was asked for. `peer`: the other end of the connection. Returns headers of
        the answer: the cookie, where the secret was in the address.
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
        """Raises `Refused` for a name that an attacker points at this machine, and for its pages."""
        names, port = ("127.0.0.1", "localhost"), self._port
        own = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())
        hosts = headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].strip().lower() not in own:
            raise _forbidden("this server answers to 127.0.0.1 and localhost only")
        origins = headers.get_all("Origin", [])
        if any(origin.strip().lower() not in {f"http://{host}" for host in own} for origin in origins):
            raise _forbidden("another site's page has no business here")

    def _is_in_address(self, target: str, peer: tuple[str, int]) -> bool:
        """Whether an address holds a secret. It uses the link's key up."""
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
    """Whether a connection to a port of this machine may be of a process of this user.

    False where Linux says that the other end is another user's, or does not know the connection; root may act
    for anybody. An end that was opened for version 6 of the protocol stands in a table of its own.
    """
    rows: list[list[str]] = []
    tables = 0
    for path in _CONNECTIONS:
        with suppress(OSError), open(path, encoding="ascii") as table:
            rows += [row.split() for row in table][1:]
            tables += 1
    if not tables:  # another system
        return True
    ends = f":{peer_port:04X}", f":{port:04X}"
    users = {int(row[7]) for row in rows if (row[1][-5:], row[2][-5:]) == ends}
    return bool(users) and users <= {0, os.geteuid()}


def _check_site(headers: Message) -> None:
    """Raises `Refused` for what a browser says another site has asked for."""
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise _forbidden("another site's page has no business here")


def _equal(given: str, secret: str) -> bool:
    """In a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode(), secret.encode())


def _forbidden(message: str) -> Refused:
    return Refused(HTTPStatus.FORBIDDEN, message)
