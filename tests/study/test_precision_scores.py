"""How much each set of domains decides of each bundled model: never less than what is recorded.

`golden/precision.json` holds, for a small grid of tiles, the share of undecided tiles and the mean number of
operations left, with the root's value and with only its sign demanded. The means are over all tiles, 0 where
decided, so that a tighter domain raises none of the three. A score that is worse fails, and one that is
better by more than `SLACK` asks to be recorded:
`pytest --update-golden tests/study/test_precision_scores.py`.
"""

from __future__ import annotations

import itertools
import json

import pytest

from absint import models
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.program import Program
from absint.ops.precision import Precision
from absint.study.specialisation import measure_regions
from tests.conftest import GOLDEN

FILE = GOLDEN / "precision.json"
DOMAINS = ("interval", "interval,affine", "interval,sign,affine")
SLACK = 0.01
"""Share by which a score may be better than recorded."""

TILES = {"tempest": (8, 8, 1)}
"""Along x, y and z; `ORDINARY` for the others. Affine forms of thousands of operations take seconds."""
ORDINARY = (16, 16, 4)

Scores = dict[str, float]
Table = dict[str, dict[str, Scores]]
HOW = "pytest --update-golden tests/study/test_precision_scores.py"


def measure(model: str, domains: str) -> Scores:
    program = Program(parse_vm(models.text(model), model), Precision.F32, Box.default())
    regions = measure_regions(program, TILES.get(model, ORDINARY), domains.split(","))
    scores = {
        "undecided": regions.undecided_share,
        "operations": float(regions.operations.mean()),
        "operations for the sign": float(regions.operations_for_sign.mean()),
    }
    return {name: round(score, 6) for name, score in scores.items()}


def complaints(recorded: Scores, found: Scores) -> list[str]:
    """What is worse, or so much better that it should be recorded."""
    lines = []
    for name, score in found.items():
        before = recorded[name]
        if score > before:
            lines.append(f"{name}: {score} is worse than {before}; if that is meant, run {HOW}")
        elif score < before * (1 - SLACK):
            lines.append(f"{name}: {score} is better than {before}; record it with {HOW}")
    return lines


def test_scores_are_as_recorded(request: pytest.FixtureRequest) -> None:
    found: Table = {
        model: {domains: measure(model, domains) for domains in DOMAINS} for model in models.names()
    }
    if request.config.getoption("--update-golden"):
        FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8", newline="\n")
        return
    recorded: Table = json.loads(FILE.read_text(encoding="utf-8"))
    places = {model: list(table) for model, table in found.items()}
    assert places == {model: list(table) for model, table in recorded.items()}, f"run {HOW}"
    wrong = [
        f"{model}, {domains}: {line}"
        for model, table in found.items()
        for domains, scores in table.items()
        for line in complaints(recorded[model][domains], scores)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_domain_more_is_never_worse() -> None:
    """And affine forms are better somewhere. Signs are not: no outcome here is the sign of a zero."""
    recorded: Table = json.loads(FILE.read_text(encoding="utf-8"))
    for table in recorded.values():
        for fewer, more in itertools.pairwise(DOMAINS):
            assert all(table[more][name] <= score for name, score in table[fewer].items())
    assert any(table["interval,affine"] != table["interval"] for table in recorded.values())


@pytest.mark.parametrize(
    ("found", "verdict"), [(10.0, None), (10.001, "worse"), (9.95, None), (9.8, "better"), (0.0, "better")]
)
def test_what_is_complained_of(found: float, verdict: str | None) -> None:
    lines = complaints({"operations": 10.0}, {"operations": found})
    assert len(lines) == (verdict is not None)
    assert all(f"is {verdict} than 10.0" in line and "--update-golden" in line for line in lines)
