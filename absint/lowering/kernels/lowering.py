"""The kernels of the lowering passes, of plans and of specialisation in two units, for few files are mapped
faster than many.
"""

from __future__ import annotations

from typing import Any

from absint.lowering.kernels import (
    bands,
    boxes,
    contraction,
    flatten,
    folds,
    predicates,
    remaining,
    simple_terms,
    sweep,
    terms,
    thresholds,
)

SHARED = (boxes, contraction, flatten, folds, predicates, simple_terms, sweep, terms)
"""The modules with kernels that serve both precisions."""

OF_A_PRECISION = (bands, boxes, contraction, remaining, sweep, thresholds)


def kernels(precision_name: str | None = None) -> dict[str, tuple[Any, Any]]:
    """Those for a precision, or those that serve both."""
    found: dict[str, tuple[Any, Any]] = {}
    if precision_name is None:
        for module in SHARED:
            found |= module.SHARED
    else:
        for maker in OF_A_PRECISION:
            found |= maker.kernels(precision_name)
    return found
