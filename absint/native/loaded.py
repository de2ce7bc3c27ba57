"""When and where absint was imported: newer sources may not be those that run."""

from __future__ import annotations

import os
import time

LOADED_AT = time.time_ns()
"""Nanoseconds since 1970, before any other module of absint was read."""

try:
    FOLDER = os.getcwd()
    """The working directory then, empty if it is gone: Python may have spelled it out in `sys.path`."""
except OSError:
    FOLDER = ""
