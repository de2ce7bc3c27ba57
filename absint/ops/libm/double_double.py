"""Unevaluated sums of two binary64 numbers, without fused operations (Dekker 1971, Knuth).

Each function returns (sum or product rounded, its exact error), provided nothing overflows or becomes
subnormal. They belong to the subset of `subset`.
"""

from __future__ import annotations

from absint.ops.primitives import Wide


def two_sum(a: Wide, b: Wide) -> tuple[Wide, Wide]:
    """a + b, exactly."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def fast_two_sum(a: Wide, b: Wide) -> tuple[Wide, Wide]:
    """a + b, exactly, where |a| >= |b| or a = 0."""
    total = a + b
    return total, b - (total - a)


def halves(a: Wide) -> tuple[Wide, Wide]:
    """Split into two numbers of at most 26 bits each; |a| < 2^996."""
    c = 134217729.0 * a  # 2^27 + 1
    high = c - (c - a)
    return high, a - high


def two_product(a: Wide, b: Wide) -> tuple[Wide, Wide]:
    """a * b, exactly."""
    product = a * b
    a_high, a_low = halves(a)
    b_high, b_low = halves(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error
