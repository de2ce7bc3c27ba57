"""Writes `libm_tables.py`: polynomial coefficients and constants of sin, cos, ..., ln.

    python -m absint.ops.libm.generate_tables

Needs mpmath. Every polynomial is our own fit: interpolation at the Chebyshev nodes of the range that the
argument reduction leaves, a little widened, then each coefficient rounded to binary64. That is within a
factor of two or so of the best polynomial, and the accuracy tests measure what is left. The 24-bit digits
of 2/π serve the exact reduction of huge arguments, after Payne and Hanek (1983).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpmath import mp, mpf

_Real = Any  # mpmath's number, which has no type information
_Function = Callable[[_Real], _Real]

WIDER = "1.0001"
"""Rounding in the argument reduction can leave an argument this much outside of its range."""


def fit(function: _Function, lower: _Real, upper: _Real, terms: int) -> list[float]:
    """Coefficients, constant first, of the polynomial that interpolates at the Chebyshev nodes."""
    middle, radius = (lower + upper) / 2, (upper - lower) / 2
    nodes = [middle + radius * mp.cos(mp.pi * (2 * i + 1) / (2 * terms)) for i in range(terms)]
    differences = [function(node) for node in nodes]
    for order in range(1, terms):
        for i in range(terms - 1, order - 1, -1):
            rise = differences[i] - differences[i - 1]
            differences[i] = rise / (nodes[i] - nodes[i - order])
    coefficients = [mpf(0)]
    for difference, node in zip(reversed(differences), reversed(nodes), strict=True):
        shifted = [mpf(0), *coefficients]
        scaled = [node * c for c in coefficients] + [mpf(0)]
        coefficients = [s - t for s, t in zip(shifted, scaled, strict=True)]
        coefficients[0] += difference
    return [float(c) for c in coefficients[:terms]]


def split(value: _Real, sizes: tuple[int, ...]) -> list[float]:
    """Cut a number into doubles of at most so many bits each; the last takes the rounded rest."""
    parts = []
    for size in sizes:
        _, exponent = mp.frexp(value)
        unit = mpf(2) ** (exponent - size)
        parts.append(mp.floor(value / unit) * unit)
        value -= parts[-1]
    return [float(part) for part in [*parts, value]]


def two_over_pi() -> list[float]:
    """The 24-bit digits of 2/π after two zeros: enough for the largest binary64 argument."""
    digits = []
    rest = 2 / mp.pi
    for _ in range(50):
        rest *= 1 << 24
        digits.append(mp.floor(rest))
        rest -= digits[-1]
    return [0.0, 0.0, *map(float, digits)]


def polynomials() -> dict[str, tuple[str, list[float]]]:
    """Name -> (what it approximates, coefficients). `z` is the square of the reduced argument `r`."""
    wider = mpf(WIDER)
    quarter = (mp.pi / 4 * wider) ** 2
    half_ln2 = mp.ln(2) / 2 * wider  # off centre below: a node at 0 would cancel all digits
    eighth = (mp.sqrt(2) - 1) ** 2 * wider
    tenth = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * wider

    def of_root(function: _Function) -> _Function:
        return lambda z: function(mp.sqrt(z))

    families: list[tuple[str, str, _Function, _Real, _Real, tuple[int, int]]] = [
        ("SIN", "(sin(r)/r - 1)/z", of_root(lambda r: (mp.sin(r) / r - 1) / r**2), mpf(0), quarter, (5, 7)),
        ("COS", "(cos(r) - 1 + z/2)/z²", of_root(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4), mpf(0),
         quarter, (5, 7)),
        ("EXP", "(exp(r) - 1 - r)/r²", lambda r: (mp.exp(r) - 1 - r) / r**2, -half_ln2,
         half_ln2 * wider, (8, 11)),
        ("ASIN", "(asin(r)/r - 1)/z", of_root(lambda r: (mp.asin(r) / r - 1) / r**2), mpf(0), wider / 4,
         (10, 14)),
        ("ATAN", "(atan(r)/r - 1)/z", of_root(lambda r: (mp.atan(r) / r - 1) / r**2), mpf(0), eighth,
         (8, 12)),
        ("LN", "(2 atanh(r)/r - 2)/z", of_root(lambda r: (2 * mp.atanh(r) / r - 2) / r**2), mpf(0), tenth,
         (5, 8)),
    ]  # fmt: skip
    return {
        f"{name}{precision}": (meaning, fit(function, lower, upper, count))
        for name, meaning, function, lower, upper, terms in families
        for precision, count in zip((32, 64), terms, strict=True)
    }


def constants() -> dict[str, float]:
    """Constants in parts: a name that ends in _LO is what is missing from the one before it."""
    pi = mp.pi
    found: dict[str, float] = {"TWO_BY_PI": float(2 / pi), "LOG2_E": float(1 / mp.ln(2))}
    for name, value in ("PI", +pi), ("HALF_PI", pi / 2), ("QUARTER_PI", pi / 4):
        found[name] = float(value)
        found[f"{name}_LO"] = float(value - mpf(float(value)))
    found["THREE_QUARTER_PI"] = float(3 * pi / 4)
    found["THREE_QUARTER_PI_LO"] = float(3 * pi / 4 - mpf(float(3 * pi / 4)))
    found["TWO_PI"] = float(2 * pi)
    found["TWO_PI_LO"] = float(2 * pi - mpf(float(2 * pi)))
    for i, part in enumerate(split(pi / 2, (33, 33, 33))):
        found[f"HALF_PI_{i + 1}"] = part
    found["LN2_HI"], found["LN2_LO"] = split(mp.ln(2), (32,))
    found["LN2"] = float(mp.ln(2))
    found["TAN_EIGHTH_PI"] = float(mp.sqrt(2) - 1)
    return found


def text() -> str:
    """The module `libm_tables`."""
    with mp.workprec(1600):  # 2/π to 1200 bits; and the fits cancel
        lines = ['"""Generated by `generate_tables`: do not edit."""', "", "# fmt: off"]
        for name, value in constants().items():
            lines.append(f"{name} = {value!r}")
        for name, (meaning, coefficients) in polynomials().items():
            lines += ["", f"{name} = (", *(f"    {c!r}," for c in coefficients), ")", f'"""{meaning}."""']
        digits = [f"{int(digit)}.0," for digit in two_over_pi()]
        rows = ["    " + " ".join(digits[i : i + 8]) for i in range(0, len(digits), 8)]
        lines += ["", "TWO_OVER_PI = (", *rows, ")", '"""2/π in digits of 24 bits, after two zeros."""']
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("tables.py").write_text(text(), encoding="utf-8")
