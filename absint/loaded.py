"""When absint was imported: sources that are newer may not be those that run."""

from __future__ import annotations

import time

LOADED_AT = time.time_ns()
"""Nanoseconds since 1970, before any other module of absint was read."""
