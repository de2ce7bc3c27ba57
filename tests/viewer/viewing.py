"""What the tests of the viewer share: a served session, and questions put to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from absint.evaluation.view import View
from absint.rewriting.manager import LEVELS
from absint.viewer.server import Server
from absint.viewer.session import Session
from absint.viewer.source import ModelSource


class Answer(NamedTuple):
    """A status, headers and content."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(self.body, parse_constant=refuse)

    def error(self) -> str:
        """The line that a refusal says, and nothing more."""
        said = self.json
        assert list(said) == ["error"]
        assert "Traceback" not in said["error"]
        assert "\n" not in said["error"]
        return str(said["error"])

    def image(self, view: View) -> NDArray[np.uint8]:
        """The picture in a frame."""
        bits = np.frombuffer(self.body, np.uint8).reshape(view.height, -1)
        return np.unpackbits(bits, axis=1, count=view.width) * np.uint8(255)


def words(view: View, **more: Any) -> dict[str, Any]:
    """The words by which a view is asked for."""
    x, y = view.center
    asked = {"width": view.width, "height": view.height, "x": x, "y": y, "scale": view.scale, "z": view.z}
    return asked | more


class Client:
    """Asks a server, each question on a connection of its own, with the cookie of its page."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.session = server.session
        self.cookie = f"absint-{server.port}={server.admission.token}"

    def get(self, path: str, given: dict[str, Any] | None = None, **options: Any) -> Answer:
        """`options`: method, headers, body."""
        target = f"{path}?{urlencode(given)}" if given else path
        return self.send(target, **options)

    def send(
        self, target: str, method: str = "GET", headers: dict[str, str] | None = None, body: Any = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, target, body=body, headers={"Cookie": self.cookie} | (headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.msg, response.read())


@contextlib.contextmanager
def serving(model: str, **options: Any) -> Iterator[Client]:
    """A server in threads of this process. `options`: of `Session`."""
    session = Session(ModelSource(model), pipeline=options.pop("pipeline", LEVELS[3]), **options)
    server = Server(session)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        session.start_watching()
        yield Client(server)
    finally:
        server.shutdown()
        server.close()
        thread.join()
