"""The command `absint view`: serves the page until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import threading
import webbrowser

from absint.base.errors import shown_path
from absint.evaluation.view import View
from absint.native.terminal import DONE, Progress, note, write_out
from absint.rewriting.manager import LEVELS

from .server import Server
from .session import Session
from .source import ModelSource

SWITCH_INTERVAL = 0.5e-3
"""Seconds for which a thread may keep the interpreter: short, so that pictures do not wait for studies."""


def view(arguments: argparse.Namespace) -> int:
    """Draw the model once, print the page's address, open it in a browser, and answer requests until Ctrl-C.

    Standard output is the address and nothing else. Returns the exit status.
    """
    pipeline = LEVELS[arguments.level] if arguments.passes is None else arguments.passes
    given = (arguments.center, arguments.scale, arguments.z)
    start = None
    if any(value is not None for value in given):
        start = View(8, 8, arguments.center or (0.0, 0.0), _or(arguments.scale, 1.0), _or(arguments.z, 0.0))
    with Progress(f"reading {shown_path(arguments.model)}"):
        source = ModelSource(arguments.model)
        session = Session(
            source, pipeline=pipeline, precision=arguments.precision, start=start, backend=arguments.backend
        )
        server = Server(session, arguments.port)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        session.start_watching()
        write_out(server.address + "\n")
        note("Ctrl-C ends it.")
        if arguments.browser:
            threading.Thread(target=webbrowser.open, args=(server.link,), daemon=True).start()
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        pass  # the intended end
    finally:
        server.close()
        sys.setswitchinterval(usual)
    return DONE


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
