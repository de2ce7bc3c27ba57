"""Frames of the viewer: how long the server works on one, and how long its client waits for it.

python -m tests.viewer.bench_view MODEL [WIDTHxHEIGHT] [FRAMES]

The server runs in a process of its own. One walk pans at scale 1, the other zooms in to 200 times at a spot
on an edge.
"""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np

import absint
from absint.evaluation.view import View
from absint.native.terminal import write_out

DEPTH = 200.0


def main(model: str, size: str = "1024x768", count: str = "300") -> None:
    """Print the median and the 95th percentile of each walk."""
    width, height = map(int, size.split("x"))
    command = [sys.executable, "-m", "absint", "view", model, "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        address = urlsplit(server.stdout.readline().strip())
        assert address.port is not None, f"absint view {model} has not started"
        connection = http.client.HTTPConnection("127.0.0.1", address.port)
        write_out(f"{model}, {width}x{height}, {count} frames each; milliseconds, median / 95th percentile\n")
        asked = {"width": width, "height": height} | dict(parse_qsl(address.query))
        for name, walk in walks(model):
            served, waited = times(connection, walk, asked | {"client": name}, int(count))
            parts = [f"{what} {np.median(ms):.2f} / {np.percentile(ms, 95):.2f}"
                     for what, ms in (("server", served), ("client", waited))]  # fmt: skip
            write_out(f"{name:6} {', '.join(parts)}\n")
        connection.close()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


Walk = Callable[[float], tuple[float, float, float]]
"""From 0 to 1, to x, y and scale."""


def walks(model: str) -> Iterator[tuple[str, Walk]]:
    """The two walks by name."""
    x, y = edge(model)
    yield "pan", lambda t: (0.5 * np.sin(6.3 * t), 0.5 * t - 0.25, 1.0)
    yield "zoom", lambda t: (x * min(1.0, 10 * t), y * min(1.0, 10 * t), DEPTH**-t)


def edge(model: str) -> tuple[float, float]:
    """A point on the picture's outline, the nearest to the middle; the middle if there is none."""
    view = View.square(257)
    image = absint.render(model, view) > 0
    rows, columns = np.nonzero(image[:, 1:] != image[:, :-1])
    if len(rows) == 0:
        return 0.0, 0.0
    nearest = np.argmin((rows - 128) ** 2 + (columns - 128) ** 2)
    precision = absint.load(model).precision
    return float(view.xs(precision)[columns[nearest]]), float(view.ys(precision)[rows[nearest]])


def times(
    connection: http.client.HTTPConnection, walk: Walk, words: dict[str, Any], count: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of the server and of the client, for each frame of a walk but the first ten."""
    served, waited = [], []
    for i in range(-10, count):
        x, y, scale = walk(max(0, i) / count)
        question = urlencode(words | {"x": x, "y": y, "scale": scale, "number": i + 11})
        start = time.perf_counter()
        connection.request("GET", f"/frame?{question}")
        response = connection.getresponse()
        response.read()
        seconds = time.perf_counter() - start
        assert response.status == 200, response.reason
        if i >= 0:
            served.append(float(response.headers["X-Milliseconds"]))
            waited.append(1e3 * seconds)
    return served, waited


if __name__ == "__main__":
    main(*sys.argv[1:4])
