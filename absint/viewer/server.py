"""HTTP on 127.0.0.1: serves the page, pictures as packed bits or PNG, studies as JSON, and a stream of state
changes.

All requests are GET, and none changes what other clients see. `admission` authorises requests, and
`connections` limits their number. A client's errors are answered in one line; errors of the server are
printed in the terminal.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import quote

import numpy as np

from absint.base.errors import AbsintError, DomainError, UsageError
from absint.evaluation.image_files import png
from absint.evaluation.view import View
from absint.native.terminal import note

from . import studies
from .admission import Admission, Refused
from .connections import IDLE, Connections
from .requests import MOST_EXPORTED, Query, check_no_body
from .session import Session, Shown, Superseded

HOST = "127.0.0.1"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Media types of the files of `page/`, by suffix."""

_SAFETY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

HEARTBEAT = 10.0
"""Seconds between messages to a waiting page; sending them detects a client that has left."""

GONE = (ConnectionError, TimeoutError)
"""Exceptions that mean that a client has left."""

_PAUSE = 0.05
"""Seconds before a connection that could not be accepted is tried again."""

_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@cache
def page_files() -> dict[str, tuple[str, bytes]]:
    """The page's files by path, as (media type, content). No other files are served."""
    found = {}
    for entry in resources.files(__package__).joinpath("page").iterdir():
        suffix = os.path.splitext(entry.name)[1]
        if suffix in TYPES:
            found[f"/{entry.name}"] = TYPES[suffix], entry.read_bytes()
    found["/"] = found["/index.html"]
    return found


class Server(ThreadingHTTPServer):
    """Serves a session until closed. `port`: 0 for any. Raises `UsageError` if it is not available."""

    request_queue_size = 128

    def __init__(self, session: Session, port: int = 0) -> None:
        self.session = session
        self.connections = Connections()
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            reason = error.strerror or str(error)
            hint = ": leave --port out for a free one" if error.errno == errno.EADDRINUSE else ""
            raise UsageError(f"port {port}: not available: {reason}{hint}") from error
        self.port: int = self.server_address[1]
        self.admission = Admission(self.port)
        site = f"http://{HOST}:{self.port}/"
        self.address = f"{site}?token={self.admission.token}"
        self.link = f"{site}?once={self.admission.link_key}"

    def server_bind(self) -> None:
        """Bind the socket. Unlike the base class, this does not look up the machine's name in the network."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept the next connection. Without a free file handle or memory, a waiting connection is closed,
        and the new one stays in the queue.
        """
        try:
            return super().get_request()
        except (OSError, MemoryError) as error:
            if not isinstance(error, GONE):
                self.connections.make_room()
                time.sleep(_PAUSE)
            raise OSError("no connection") from error

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection's requests in a daemon thread, so that the process can end without it."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        if not self.connections.add(request, thread):
            request.sendall(_TOO_MANY)
            self.shutdown_request(request)
            return
        try:
            thread.start()
        except (RuntimeError, MemoryError):  # no thread can be started
            self.connections.remove(request)
            self.connections.make_room()
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        super().shutdown_request(request)
        self.connections.remove(request)

    def service_actions(self) -> None:
        """Close late connections; called several times a second."""
        self.connections.close_late()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an exception in a connection's thread, unless it means that the client has left."""
        error = sys.exception()
        if isinstance(error, MemoryError):
            note("out of memory: a connection was closed")
        elif not isinstance(error, GONE):
            note(traceback.format_exc().rstrip())

    def close(self) -> None:
        """End the session, close all connections, and wait briefly for threads that still answer."""
        self.session.stop()
        self.server_close()
        deadline = time.monotonic() + 2.0
        for thread in self.connections.close_all():
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def handle_one_request(self) -> None:
        """Wait for a request, and answer it."""
        super().handle_one_request()
        self.server.connections.wait(self.connection)

    def parse_request(self) -> bool:
        """Read and authorise a request. Returns False if there is none, or if it was refused."""
        if not super().parse_request():
            return False
        self.server.connections.answer(self.connection)
        try:
            self._cookie = self.server.admission.check(self.path, self.headers, self.client_address)
        except Refused as refusal:
            self.close_connection = True  # the next bytes may be the request's body
            self._send_error(refusal.status, str(refusal))
            return False
        return True

    def do_GET(self) -> None:
        """Answer a request."""
        try:
            check_no_body(self.headers)
            query = Query(self.path)
            if query.path in page_files():
                self._send(*page_files()[query.path], headers=self._cookie)
            elif query.path in _ANSWERS:
                _ANSWERS[query.path](self, query)
            else:
                raise Refused(HTTPStatus.NOT_FOUND, "there is nothing of that name")
        except Superseded:
            self._send("", b"", HTTPStatus.NO_CONTENT)
        except Refused as refusal:
            self.close_connection = True  # the next bytes may be the request's body
            self._send_error(refusal.status, str(refusal))
        except AbsintError as error:
            self._send_error(HTTPStatus.BAD_REQUEST, str(error))
        except MemoryError:
            self._send_error(HTTPStatus.SERVICE_UNAVAILABLE, "out of memory; a smaller size takes less")
        except GONE:
            raise
        except Exception:
            note(traceback.format_exc().rstrip())
            self.close_connection = True
            self._send_error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error: the terminal says more")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that `http.server` itself refuses, such as one with an unknown method."""
        self.close_connection = True
        self._send_error(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def log_message(self, *_: Any) -> None:
        """Do not log requests."""

    def version_string(self) -> str:
        """The server's name, without version numbers."""
        return "absint"

    def _send_error(self, status: HTTPStatus, message: str) -> None:
        """Send an error message: as plain text to a browser window, else as JSON."""
        headers = getattr(self, "headers", None)  # not set before they are read
        if headers is not None and "text/html" in headers.get("Accept", ""):
            self._send("text/plain; charset=utf-8", f"absint view: {message}\n".encode(), status)
        else:
            self._send("application/json", json.dumps({"error": message}).encode(), status)

    def _send_json(self, answer: dict[str, Any]) -> None:
        self._send("application/json", json.dumps(answer, allow_nan=False).encode())

    def _send(
        self,
        kind: str,
        body: bytes,
        status: HTTPStatus = HTTPStatus.OK,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (_SAFETY | (headers or {})).items():
            self.send_header(name, value)
        if kind:
            self.send_header("Content-Type", kind)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    # Answers

    def _state(self, _: Query) -> None:
        self._send_json(self.server.session.state())

    def _events(self, _: Query) -> None:
        """Send the state, now and after each change, as server-sent events."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        for name, value in _SAFETY.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        session, version = self.server.session, -1
        while not session.is_stopping:
            if session.wait_for_news(version, HEARTBEAT) and not session.is_stopping:
                state = session.state()
                version = state["version"]
                self.wfile.write(f"data: {json.dumps(state, allow_nan=False)}\n\n".encode())
            else:
                self.wfile.write(b": still here\n\n")
            self.wfile.flush()

    def _frame(self, query: Query) -> None:
        """Send a picture as packed bits, 1 where `f < 0`, row by row, each row padded to whole bytes."""
        start = time.perf_counter()
        view, session = query.view(), self.server.session
        shown, picture = session.picture(view, query.text("passes"), query.client(), query.whole("number", 0))
        bits = np.packbits(picture.image, axis=1).tobytes()
        headers = {
            "X-Generation": str(shown.generation),
            "X-Defined": ",".join(map(str, picture.defined)),
            "X-Operations": str(picture.operations),
            "X-Repeats": str(view.duplicate_samples(shown.drawer.precision)),
            "X-Milliseconds": f"{1e3 * (time.perf_counter() - start):.3f}",
        }
        self._send("application/octet-stream", bits, headers=headers)

    def _picture(self, query: Query) -> None:
        """Send a picture as PNG, as `absint render` writes it."""
        view, session = query.view(MOST_EXPORTED), self.server.session
        shown, picture = session.picture(view, query.text("passes"), "", 0)
        if picture.defined != (0, 0, view.width, view.height):
            box = shown.program.box
            raise UsageError(f"the program holds for {box} only, and the picture reaches beyond that")
        name = quote(os.fsencode(f"{os.path.splitext(session.source.name)[0]}.png"))
        self._send("image/png", png(picture.image), headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}"
        })  # fmt: skip

    def _study(self, what: Callable[[Shown, View, str], dict[str, Any]], query: Query) -> None:
        """Send the answer of a long study."""
        view, pipeline = query.view(), self.server.session.pipeline(query.text("passes"))
        self._answer(query, studies.study_lock, lambda shown: what(shown, view, pipeline))

    def _explain(self, query: Query) -> None:
        """Send the explanation of a pixel."""
        view = query.view()
        pixel = query.pixel(view)
        self._answer(query, studies.explain_lock, lambda shown: studies.explain(shown, view, *pixel))

    def _answer(self, query: Query, turn: threading.Lock, what: Callable[[Shown], dict[str, Any]]) -> None:
        """Compute an answer while holding the lock `turn`, and send it.

        Raises `Superseded` if the client has sent a newer request of the same kind meanwhile. A `DomainError`
        is an answer too, as `refused`.
        """
        session, client, number = self.server.session, query.client(), query.whole("number", 0)
        session.ask(client, query.path, number)
        with turn:
            session.check_newest(client, query.path, number)
            shown = session.shown
            try:
                answer = what(shown)
            except DomainError as error:
                answer = {"refused": str(error)}
        self._send_json({"generation": shown.generation} | answer)


_ANSWERS: dict[str, Callable[[Handler, Query], None]] = {
    "/state": Handler._state,
    "/events": Handler._events,
    "/frame": Handler._frame,
    "/picture.png": Handler._picture,
    "/explain": Handler._explain,
    "/heat": lambda handler, query: handler._study(studies.heat, query),
    "/terms": lambda handler, query: handler._study(studies.terms, query),
    "/stages": lambda handler, query: handler._study(studies.stages, query),
}
"""Answers by path."""
