"""Limits of kernels that their callers must know as well, to make room for scratch. Needs no Numba."""

from __future__ import annotations

DEEPEST_BOX = 32
"""Nested lists that `contract` looks into; what lies deeper shrinks nothing."""

MOST_ENTRIES = 4096
"""Entries of a term, its bands included; a larger one is not written but left to the regions."""
