"""The pass `bands`: bands of one value joined, and freed of what an enclosing `all` says."""

from __future__ import annotations

import numpy as np
import pytest

from absint.ir.box import Box
from absint.ops.precision import Precision
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import parse_pipeline
from tests.support.lowered import (
    answers,
    applied,
    lowered_program,
    points_around,
    random_lowered,
    settled,
    shape,
)
from tests.support.operands import scaled

LEAVES = "x var-x; y var-y"
MAX = 3.4028234663852886e38
TINY = 1.401298464324817e-45


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # intersection
        ("a band x 0 2; b band x 1 3; p all a b", "x 1.0 2.0"),
        ("a band x 0 1; b band x 1 3; p all a b", "x 1.0 1.0"),
        ("a band x 0 1; b band x 2 3; p all a b", "false"),
        ("a band x -inf 1; b band x 0 inf; c band y 0 1; p all a b c", "all(x 0.0 1.0, y 0.0 1.0)"),
        # union: overlapping, touching, no float between, and apart
        ("a band x 0 2; b band x 1 3; p any a b", "x 0.0 3.0"),
        ("a band x 0 1; b band x 1 3; p any a b", "x 0.0 3.0"),
        (f"a band x -1 -{TINY}; b band x 0 1; p any a b", "x -1.0 1.0"),
        (f"a band x -1 0; b band x {TINY} 1; p any a b", "x -1.0 1.0"),
        (f"a band x -1 -{TINY}; b band x {TINY} 1; p any a b", "any(x -1.0 <0.0, x >0.0 1.0)"),
        (f"a band x 0 {MAX}; b band x inf inf; p any a b", "x 0.0 inf"),
        ("a band x -inf 1; b band x 0 inf; p any a b", "x -inf inf"),
        ("a band x 2 3; b band x 0 1; c band x 0.5 2.5; p any a b c", "x 0.0 3.0"),
        ("a band x 0 1; b band x 2 3; p any a b", "any(x 0.0 1.0, x 2.0 3.0)"),
        # what the enclosing `all` says
        ("a band x 0 1; b band x -1 2; c band y 0 1; q any b c; p all a q", "x 0.0 1.0"),
        ("a band x 0 1; b band x 2 3; c band y 0 1; q any b c; p all a q", "all(x 0.0 1.0, y 0.0 1.0)"),
        ("a band x 0 1; b band x 0.5 3; c band y 0 1; q any b c; p all a q",
         "all(any(x 0.5 inf, y 0.0 1.0), x 0.0 1.0)"),
        ("a band x 0 1; b band x -3 0.5; c band y 0 1; q any b c; p all a q",
         "all(any(x -inf 0.5, y 0.0 1.0), x 0.0 1.0)"),
        ("a band x -inf inf; b band x 0 inf; c band y 0 1; q any b c; p all a q",
         "all(any(x 0.0 inf, y 0.0 1.0), x -inf inf)"),
        # several levels down
        ("a band x 0 1; b band x -1 1; c band y 0 1; d band y 5 6; q all b c; r any q d; p all a r",
         "all(any(y 0.0 1.0, y 5.0 6.0), x 0.0 1.0)"),
        # neighbours in one list must not each drop out because of the other
        ("a band x 0 1; b band x 0 1; c band y 0 1; d band y 3 4; q any a c; r any b d; p all q r",
         "all(any(x 0.0 1.0, y 0.0 1.0), any(x 0.0 1.0, y 3.0 4.0))"),
    ],
)  # fmt: skip
def test_bands_of_one_value(text: str, expected: str) -> None:
    after = applied("bands", lowered_program(f"{LEAVES}; {text}", Box()))
    assert shape(after) == expected


def test_the_next_float_is_of_the_precision() -> None:
    """Nothing lies between in binary32, but much in binary64."""
    text = (
        f"x var-x; a band x 0 1; b band x {float(np.nextafter(np.float32(1), np.float32(2)))!r} 2; p any a b"
    )
    assert shape(applied("bands", lowered_program(text))) == "x 0.0 2.0"
    assert shape(applied("bands", lowered_program(text, precision=Precision.F64))).startswith("any(")


def test_what_is_shared_is_not_freed_of_what_one_user_says() -> None:
    """q is asked below two lists of which only one says something of x."""
    bands = "a band x 0 1; b band x -1 2; c band y 0 1; d band y 5 6"
    start = lowered_program(f"{LEAVES}; {bands}; q any b c; p all a q; r all d q; s any p r", Box())
    after = applied("bands", start)
    points = points_around(np.random.default_rng(1), start, start.graph)
    assert (answers(start, points) == answers(after, points)).all()
    assert "x -1.0 2.0" in shape(after)


def test_nan_is_outside_of_all_bands() -> None:
    """`-inf <= v <= inf` is not `true` where v may be NaN."""
    start = lowered_program("x var-x; s sqrt x; a band s -inf 1; b band s 0 inf; p any a b", Box())
    after = applied("bands", start)
    assert shape(after) == "sqrt -inf inf"
    points = {"x": np.array([4.0, -1.0, np.nan, -0.0], np.float32)}
    assert answers(after, points).tolist() == [True, False, False, True]


def test_random_programs() -> None:
    for seed in range(scaled(150)):
        rng = np.random.default_rng((3, seed))
        start, witness = random_lowered(rng)
        after = applied("bands", start)
        assert answers(after, witness).all(), seed
        points = points_around(rng, start, start.graph)
        assert (answers(start, points) == answers(after, points)).all(), seed
        assert settled("bands", after), seed


def test_uses_are_counted() -> None:
    text = f"{LEAVES}; a band x 0 1; b band x -1 2; c band y 0 1; d band y 0.5 3; q any b c d; p all a q"
    _, rewrites = parse_pipeline("bands")[0].run(lowered_program(text), Analyses())
    assert {rewrite.rule: uses for rewrite, uses in rewrites.items()} == {"unite-bands": 1, "implied-band": 1}
