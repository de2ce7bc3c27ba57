"""Backends with several ways of drawing, on the command line; and the script that checks a GPU."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from absint.backends.cuda import check
from absint.backends.cuda_shim.driver import compiler
from absint.backends.cupy import Cupy
from absint.base.errors import BackendError
from absint.base.registry import find
from absint.cli.main import main
from absint.evaluation.backend import find_backend, usual_backends
from absint.evaluation.image_files import pgm
from absint.evaluation.profile import Availability
from absint.evaluation.view import View
from absint.frontend.vm import parse_vm
from absint.ir.program import Program
from tests.support.command import DISC, one_line

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler (g++) here")
UNAVAILABLE = Availability(False, "CuPy is not installed; pip install it")


@needs_compiler
def test_a_backend_with_a_method() -> None:
    program = Program(parse_vm(DISC))
    pictures = [
        find_backend(name).prepare(program).image(View.square(40))
        for name in ("reference", "cuda_shim", "cuda_shim:regions", "cuda_shim:generated")
    ]
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)


@needs_compiler
def test_each_method_describes_itself() -> None:
    for method, words in (("terms", "pixel|terms|regions"), ("regions", "regions"), ("generated", "code")):
        executable = find_backend(f"cuda_shim:{method}").prepare(Program(parse_vm(DISC)))
        assert any(word in executable.describe() for word in words.split("|"))
        assert executable.describe().startswith(method)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("numba:terms", "backend 'numba' has no method 'terms'; it has one way of drawing"),
        ("cupy:", "backend 'cupy' has no method ''; its methods: terms, regions, generated, arrays"),
        ("cupy:fast", "backend 'cupy' has no method 'fast'; its methods: terms, regions, generated, arrays"),
    ],
)
def test_methods_that_do_not_exist(name: str, message: str) -> None:
    with pytest.raises(BackendError) as caught:
        find_backend(name)
    assert str(caught.value) == message


def test_backends_that_stand_in_for_others_are_not_used_unasked() -> None:
    assert "cuda_shim" not in usual_backends()
    assert {"numba", "reference"} <= set(usual_backends())
    assert find("backends", "cuda_shim")().profile.test_only


@needs_compiler
def test_render_with_a_method(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    model = tmp_path / "disc.vm"
    model.write_text(DISC)
    given = ["--backend", "cuda_shim", "--method", "regions", "-n", "33", "-o", "-"]
    assert main(["render", str(model), *given]) == 0
    expected = find_backend("reference").prepare(Program(parse_vm(DISC))).image(View.square(33))
    assert capfdbinary.readouterr().out == pgm(expected)


@needs_compiler
def test_bench_compares_methods(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "disc.vm"
    model.write_text(DISC)
    given = ["--backends", "numba,cuda_shim", "--method", "terms,regions", "--sizes", "16", "--runs", "1"]
    assert main(["bench", str(model), *given, "--json"]) == 0
    results = json.loads(capfd.readouterr().out)["results"]
    descriptions = {result["evaluator"]: result["description"] for result in results}
    assert list(descriptions) == ["numpy", "numba", "cuda_shim:terms", "cuda_shim:regions"]
    assert descriptions["numba"] == ""
    assert descriptions["cuda_shim:regions"].startswith("regions: ")


@pytest.mark.parametrize(
    "words",
    [
        ["render", "gear", "-o", "-", "--backend", "cupy"],
        ["render", "gear", "-o", "-", "--backend", "cupy", "--method", "arrays"],
        ["bench", "gear", "--backends", "numba,cupy"],
        ["fuzz", "--backends", "cupy", "--programs", "1"],
    ],
)
def test_without_a_gpu_commands_say_how_to_get_one(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Cupy, "probe", lambda _: UNAVAILABLE)
    assert main(words) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert one_line(captured.err).endswith(f"backend 'cupy' is not available: {UNAVAILABLE.reason}")


@needs_compiler
def test_the_script_that_checks_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the shim, a little of it."""
    output = tmp_path / "made" / "check.json"
    words = [
        "check",
        "--backend",
        "cuda_shim",
        "--quick",
        "--only",
        "operations,pictures,methods,compiling,setup,memory",
    ]
    monkeypatch.setattr(sys, "argv", [*words, "--output", str(output)])
    assert check.main() == 0
    report = json.loads(output.read_text())
    whats = [result["what"] for result in report["results"]]
    assert {"operations, f32", "operations, f64", "gear 64 f32", "set-up of gear"} <= set(whats)
    assert not any(result["good"] is False for result in report["results"])


@needs_compiler
def test_the_script_fails_where_something_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["check", "--backend", "cuda_shim", "--quick", "--only", "operations"]
    monkeypatch.setattr(sys, "argv", [*words, "--output", str(tmp_path / "check.json")])
    monkeypatch.setattr(check, "_same", lambda *_: False)
    assert check.main() == 1
