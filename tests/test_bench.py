"""The benchmark: its baseline is the challenge's script, and it finds a backend that draws something else."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import absint
from absint import bench, cli, models
from absint.errors import ViewError
from absint.imageio import pgm
from absint.precision import Precision
from absint.program import Box, Program
from absint.registry import find
from absint.view import View
from absint.vm import parse_vm
from tests.challenge import draw
from tests.command import DISC


def unoptimised(text: str, precision: Precision = Precision.F32) -> Program:
    return Program(parse_vm(text)).restricted(Box.default(), precision)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str) -> tuple[int, str, str]:
        status = cli.main(["bench", *words])
        out, err = capfd.readouterr()
        return status, out, err

    return call


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("size", [2, 33, 64])
def test_the_baseline_draws_what_the_script_draws(precision: Precision, size: int) -> None:
    texts = [DISC, DISC + "g neg f\nu min g x\nw max u y\n", "d const 1\nunused var-y\nx var-x\n"]
    for text in texts:
        picture = bench.Baseline(unoptimised(text, precision)).image(View.square(size))
        assert picture.shape == (size, size)
        assert pgm(picture) == draw(text, size, precision.real)


def test_the_baseline_of_prospero(models_dir: Path) -> None:
    text = (models_dir / "prospero.vm").read_text()
    assert pgm(bench.Baseline(unoptimised(text)).image(View.square(64))) == draw(text, 64, np.float32)


@pytest.mark.parametrize("model", models.names())
def test_the_baseline_knows_every_opcode_of_the_bundled_models(model: str) -> None:
    view = View(24, 16, (0.1, -0.2), 0.7, 0.05)
    program = absint.load(model).restricted(view.box(Precision.F32), Precision.F32)
    assert np.array_equal(bench.Baseline(program).image(view), absint.render(model, view))


def test_the_baseline_drops_what_is_no_longer_used(monkeypatch: pytest.MonkeyPatch) -> None:
    alive, most = set(), 0

    class Counted(np.ndarray):
        def __del__(self) -> None:
            alive.discard(id(self))

    def call(a: np.ndarray) -> np.ndarray:
        nonlocal most
        made = (np.asarray(a) + np.float32(0.5)).view(Counted)
        alive.add(id(made))
        most = max(most, len(alive))
        return made

    monkeypatch.setitem(bench._CALLS, "sqrt", call)
    chain = "n0 var-x\n" + "".join(f"n{i + 1} sqrt n{i}\n" for i in range(20))
    bench.Baseline(unoptimised(chain)).image(View.square(4))
    assert most == 2  # an operand and the result


def test_the_table_has_a_row_for_each_evaluator(run: Callable[..., tuple[int, str, str]]) -> None:
    words = ("gear", "--sizes", "8,12", "--runs", "1", "--backends", "reference")
    status, out, err = run(*words)
    assert (status, err) == (0, "")
    rows = [line.split() for line in out.splitlines()[2:] if line]
    labels = [" ".join(row[2:-6]) for row in rows if row[0] == "gear"]
    assert labels == ["numpy", "reference -O0", "reference"] * 2
    assert [row[1] for row in rows if row[0] == "gear"] == ["8"] * 3 + ["12"] * 3
    assert all(row[-1] == "0" for row in rows if row[0] == "gear"), "no pixel differs"


def test_json_holds_every_sample(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    path = tmp_path / "disc.vm"
    path.write_text(DISC)
    words = ("gear", str(path), "--sizes", "8", "--runs", "3", "--precision", "f64", "--json")
    status, out, _ = run(*words)
    assert status == 0
    data = json.loads(out)
    assert (data["precision"], data["numpy"]) == ("f64", np.__version__)
    assert {row["model"] for row in data["results"]} == {"gear", "disc"}
    for row in data["results"]:
        assert len(row["samples_ms"]) >= 3
        assert row["min_ms"] == min(row["samples_ms"]) > 0
        assert row["median_ms"] == pytest.approx(statistics.median(row["samples_ms"]))
        assert row["differing_pixels"] == 0
        same_model = (other for other in data["results"] if other["model"] == row["model"])
        baseline = next(other for other in same_model if other["evaluator"] == "numpy")
        assert row["speedup"] == pytest.approx(baseline["min_ms"] / row["min_ms"])


def test_a_backend_that_draws_something_else_is_something_wrong(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = find("backends", "reference")
    right = kind.compile

    class Wrong:
        def __init__(self, program: Program) -> None:
            self.executable = right(kind(), program)

        def image(self, view: View) -> np.ndarray:
            picture: np.ndarray = self.executable.image(view).copy()
            picture[0, :3] ^= 255
            return picture

    def compile_wrongly(self: object, program: Program, threads: int | None = None) -> object:
        optimised = program.graph is not program.origin.graph
        return Wrong(program) if optimised else right(kind(), program)

    monkeypatch.setattr(kind, "compile", compile_wrongly)
    status, out, err = run("gear", "--sizes", "8", "--runs", "1", "--backends", "reference")
    assert status == 1
    assert err == "absint: another picture than the reference's at -O0: reference\n"
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("gear")] == ["0", "0", "3"]


def test_a_tie_of_zeros_is_where_the_baseline_may_differ() -> None:
    # min(+0, -0) is -0 here and either zero in NumPy; 1/-0 < 0 makes that one pixel of difference
    tie = "z const 0\nx var-x\nzero mul z x\nm min z zero\nf recip m\n"
    program = unoptimised(tie)
    view = View(2, 1)
    reference = find("backends", "reference")().compile(program).image(view)
    assert reference.tolist() == [[255, 0]]
    assert bench.Baseline(program).image(view).shape == (1, 2)


def test_a_constant_is_a_picture_too() -> None:
    assert bench.Baseline(unoptimised("a const -1\n")).image(View(3, 2)).tolist() == [[255] * 3] * 2


def test_a_size_that_the_machine_cannot_hold_is_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}[name])
    fixed: dict[str, Any] = {
        "backends": ["reference"],
        "precision": Precision.F32,
        "runs": 1,
        "progress": len,
    }
    assert bench.measure("disc", Program(parse_vm(DISC)), 64, **fixed).size == 64
    with pytest.raises(ViewError, match=r"the NumPy baseline takes 15 MiB .* this machine has 3 MiB"):
        bench.measure("disc", Program(parse_vm(DISC)), 1000, **fixed)
