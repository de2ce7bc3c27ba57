"""Measurements of models, passes and domains, as arrays and dicts."""

from absint.study.measure import (
    executable,
    explain,
    heatmap,
    memory,
    precision_of,
    quadtree,
    stages,
    terms,
    tiles,
    times,
)

__all__ = [
    "executable",
    "explain",
    "heatmap",
    "memory",
    "precision_of",
    "quadtree",
    "stages",
    "terms",
    "tiles",
    "times",
]
