"""The time and working directory of absint's import: sources changed after that are not those that run."""

from __future__ import annotations

import os
import time

LOADED_AT = time.time_ns()
"""Time of import, in nanoseconds since 1970, before any other module of absint was read."""

try:
    FOLDER = os.getcwd()
    """The working directory at import, which `sys.path` may contain; empty if it did not exist."""
except OSError:
    FOLDER = ""
