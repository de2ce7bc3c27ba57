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
from absint import models
from absint.backends.arrays import ArrayEngine
from absint.base.errors import ViewError
from absint.base.registry import find
from absint.cli import bench
from absint.cli.main import main
from absint.evaluation.image_files import pgm
from absint.evaluation.questions.image import Image
from absint.evaluation.view import View
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.program import Program
from absint.native.terminal import table_text
from absint.ops.precision import Precision
from tests.support.challenge import draw
from tests.support.command import DISC


def unoptimised(text: str, precision: Precision = Precision.F32) -> Program:
    return Program(parse_vm(text)).restricted(Box.default(), precision)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str) -> tuple[int, str, str]:
        status = main(["bench", *words])
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
    lines = out.splitlines()
    assert lines[0] == "Frames in f32, times in ms"
    assert [line for line in lines if line.startswith("gear")] == ["gear, 8x8", "gear, 12x12"]
    rows = [line.split() for line in lines if line.startswith("  ")]
    assert [" ".join(row[:-6]) for row in rows] == ["numpy", "reference -O0", "reference"] * 2
    assert all(row[-1] == "0" for row in rows), "no pixel differs"


def test_the_table_fits_into_eighty_columns() -> None:
    def timing(name: str, threads: int | None) -> bench.Timing:
        times = {"setup": 27.018, "first": 142.562, "samples": [0.853e-3, 12.0]}
        return bench.Timing(name, True, threads, lambda: np.zeros((1, 1), np.uint8), "", **times)

    results = [
        bench.Result("tempest", 1024, [timing(bench.BASELINE, None), timing("reference", None)]),
        bench.Result("prospero", 4096, [timing(bench.BASELINE, None), timing("numba", 16)]),
    ]
    text = table_text(bench.table(results, Precision.F32), None)
    assert max(map(len, text.splitlines())) <= 80
    words = text.split()
    assert {"27,018", "142,562", "0.853", "6,000", "1.00×"} <= set(words)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.000"), (1e-7, "0.000"), (12.3456e-6, "0.012"), (1.23456e-3, "1.235"), (0.0123456, "12.35"),
     (0.123456, "123.5"), (1.23456, "1,235"), (123.456, "123,456")],
)  # fmt: skip
def test_times_have_four_digits(seconds: float, text: str) -> None:
    assert bench._milliseconds(seconds) == text


def test_json_sums_samples_up_or_holds_them_all(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "disc.vm"
    path.write_text(DISC)
    words = ("gear", str(path), "--sizes", "8", "--runs", "3", "--precision", "f64", "--json")
    status, out, _ = run(*words)
    assert status == 0
    data = json.loads(out)
    assert (data["precision"], data["numpy"]) == ("f64", np.__version__)
    assert {row["model"] for row in data["results"]} == {"gear", "disc"}
    assert not any("samples_ms" in row for row in data["results"])
    data = json.loads(run(*words, "--samples")[1])
    for row in data["results"]:
        assert len(row["samples_ms"]) == row["samples"] >= 3
        assert row["min_ms"] == min(row["samples_ms"]) > 0
        assert row["median_ms"] == pytest.approx(statistics.median(row["samples_ms"]))
        assert row["min_ms"] <= row["lower_quartile_ms"] <= row["median_ms"] <= row["upper_quartile_ms"]
        assert row["differing_pixels"] == 0
        same_model = (other for other in data["results"] if other["model"] == row["model"])
        baseline = next(other for other in same_model if other["evaluator"] == "numpy")
        assert row["speedup"] == pytest.approx(baseline["min_ms"] / row["min_ms"])


def test_a_backend_that_draws_something_else_is_something_wrong(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = find("backends", "reference")
    right = kind.prepare

    class Wrong(ArrayEngine):
        def answer_image(self, question: Image, out: Any = None) -> np.ndarray:
            picture = super().answer_image(question)
            picture[0, :3] ^= 255
            return picture

    def prepare_wrongly(self: object, program: Program, threads: int | None = None) -> object:
        optimised = program.graph is not program.origin.graph
        return Wrong(program, np, 1 << 16) if optimised else right(self, program)

    monkeypatch.setattr(kind, "prepare", prepare_wrongly)
    status, out, err = run("gear", "--sizes", "8", "--runs", "1", "--backends", "reference")
    assert status == 1
    assert err == "absint: another picture than the reference's at -O0: reference\n"
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("  ")] == ["0", "0", "3"]


def test_a_tie_of_zeros_is_where_the_baseline_may_differ() -> None:
    # min(+0, -0) is -0 here and either zero in NumPy; 1/-0 < 0 makes that one pixel of difference
    tie = "z const 0\nx var-x\nzero mul z x\nm min z zero\nf recip m\n"
    program = unoptimised(tie)
    view = View(2, 1)
    reference = find("backends", "reference")().prepare(program).image(view)
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
