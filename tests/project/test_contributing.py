"""CONTRIBUTING.md says what works: its files, put into a copy of the project, are found, tested and fuzzed.

The copy holds the operation, the pass, the domain and the backend that the page shows, and nothing else is
edited. What the tests of the project then ask of them is asked there, in processes of their own. The same
files with one thing wrong must fail there. Kernels that are not made of them come from the user's cache.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("absint", "passes", "backends", "fuzz", "tests", "docs")
FILES = ("pyproject.toml", "Makefile", "README.md", "CONTRIBUTING.md", "CITATION.cff")
BLOCK = re.compile(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
"""A file's path in the text, and behind it the whole file."""
OP, PASS, DOMAIN, BACKEND = (
    "absint/ops/extensions/length.py",
    "passes/double.py",
    "absint/domains/constant.py",
    "backends/walk.py",
)
ADDED: dict[str, str] = dict(BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))

MODEL = "x var-x\ny var-y\nd length x y\ne add d d\nk const 1\nf sub e k\n"
DRAW = """
import numpy as np
import absint
from absint import X, Y

model = absint.load("model.vm")
written = absint.write_vm(model.graph)
assert absint.write_vm(absint.parse_vm(written)) == written and "length" in written
pictures = [absint.render(model, 32, backend=name) for name in ("reference", "numba", "walk")]
assert all(np.array_equal(pictures[0], picture) for picture in pictures)
assert 0 < np.count_nonzero(pictures[0]) < pictures[0].size
built = absint.length(X, Y)
assert absint.evaluate(built, x=[3.0], y=[4.0]).tolist() == [5.0]
assert "sqrt(a * a + b * b)" in absint.length.__doc__
"""


SECONDS = itertools.count(int(time.time()) - 100_000)
"""Times of the files, all of them past."""

LOWER = """
import absint
from absint import X, Y, Box, length
from absint.frontend.expr import to_graph
from absint.ir.program import Program
from absint.rewriting.instruments import VerifyEach
from absint.rewriting.manager import PassManager, parse_pipeline
from absint.ops.table import BAND, BY_NAME

def lowered(made, pipeline):
    program = Program(to_graph(made), "f32", Box.of((0.0, 2.0), (-2.0, 2.0)))
    after, steps = PassManager(parse_pipeline(pipeline), instruments=[VerifyEach()]).run(program)
    graph = after.graph
    bands = {}
    for node in range(len(graph)):
        if graph.op[node] == BAND.code:
            value = graph.args[node, 0]
            bands[graph.variables.get(value, graph.record(value).name)] = graph.logic.bands[node].tolist()
    return bands, {rewrite.rule for step in steps for rewrite in step.rewrites}

bands, rules = lowered(length(X, 0.75) - 1.25, "predicates")
print(bands, rules)
assert set(bands) == {"x"} and "through-length" in rules  # 0.75 and 1 make 1.25
assert bands["x"][0] == -float("inf") and 1 - 1e-6 < bands["x"][1] < 1
bands, rules = lowered(length(X, Y) - 1.25, "predicates,contract")
print(bands, rules)
assert set(bands) == {"x", "y", "length"} and "boxed" in rules
assert 1.25 < bands["x"][1] < 1.26 and -1.26 < bands["y"][0] < -1.25
"""
"""Shows a threshold pushed through the operation, and a box contracted through it."""

SIZE = 30
"""Of the fuzzer's programs: small, for they are many and finds are reduced."""


LONGEST = 900
"""Seconds that one process may take before it is taken to hang: the first compiles kernels."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the page's files."""
    folder = tmp_path_factory.mktemp("project")
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)
    for path, text in ADDED.items():
        write(folder / path, text)
    (folder / "model.vm").write_text(MODEL, encoding="utf-8")
    time.sleep(0.2)  # kernels are kept only if their sources are older than the process
    return folder


@contextmanager
def changed(project: Path, path: str, good: str, wrong: str) -> Iterator[None]:
    """A file with one thing wrong in it."""
    text = ADDED[path]
    assert text.count(good) == 1
    try:
        write(project / path, text.replace(good, wrong))
        yield
    finally:
        write(project / path, text)


def write(path: Path, text: str) -> None:
    """Write a file, each time as of another second: from that Python knows that its bytecode is stale."""
    path.write_text(text, encoding="utf-8")
    second = next(SECONDS)
    os.utime(path, (second, second))


def python(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """An interpreter that imports the copy."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = outer | {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST
    )


def run_tests(project: Path, selection: str, *files: str) -> subprocess.CompletedProcess[str]:
    """Some tests of the copy."""
    paths = [f"tests/{file}" for file in files]
    return python(project, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *paths, "-k", selection)


def fuzz(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A small campaign of the copy's."""
    common = ("--backends", "reference,walk", "--passes", "double,fold", "--domains", "interval,constant")
    return python(project, "-m", "absint", "fuzz", *common, "--size", str(SIZE), *words)


def assert_passes(done: subprocess.CompletedProcess[str], least: int) -> None:
    """At least so many tests ran, and none failed."""
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) passed", done.stdout)
    assert found is not None and int(found[1]) >= least, done.stdout[-500:]


def test_the_page_shows_one_file_of_each_kind() -> None:
    assert list(ADDED) == [OP, PASS, DOMAIN, BACKEND]


def test_programs_with_the_operation_are_read_drawn_and_written(project: Path) -> None:
    done = python(project, "-c", DRAW)
    assert done.returncode == 0, done.stderr
    listed = python(project, "-m", "absint", "list").stdout
    assert all(re.search(rf"(?m)^{Path(path).stem} ", listed) for path in ADDED)


def test_the_operation_is_lowered_and_contracted_like_a_built_in(project: Path) -> None:
    done = python(project, "-c", LOWER)
    assert done.returncode == 0, done.stdout + done.stderr


def test_passes_and_domains_are_taken_by_name(project: Path) -> None:
    words = ("--passes", "double", "--domains", "constant", "--verify-each", "--stats")
    done = python(project, "-m", "absint", "optimize", "model.vm", *words)
    assert done.returncode == 0, done.stderr
    assert "add-self" in done.stderr
    assert re.search(r"(?m)^\w+ mul d ", done.stdout) and not re.search(r"(?m) add d d$", done.stdout)


def test_completeness_covers_the_files(project: Path) -> None:
    files = ["conformance/test_completeness.py", "project/test_imports.py", "project/test_architecture.py"]
    files += ["project/test_packaging.py"]
    selection = "completeness or rooms or architecture or every_package"
    assert_passes(run_tests(project, selection, *files), 150)


def test_the_operation_is_tested(project: Path) -> None:
    files = ["frontend/test_expr.py", "frontend/test_vm.py", "fuzz/test_proofs.py", "conformance"]
    files += ["ops/test_demand_rules.py", "ops/test_operations.py", "ops/test_translate.py"]
    files += ["ops/test_rules.py", "ops/test_derivatives.py"]
    done = run_tests(project, "(length or without_a_record) and not cuda_shim", *files)
    assert_passes(done, 70)


def test_pass_domain_and_backend_are_tested(project: Path) -> None:
    files = ["rewriting/test_rules.py", "conformance", "passes/test_pass_laws.py"]
    selection = "double or test_bottom_and_top or constant and sub- or walk and sub-"
    assert_passes(run_tests(project, selection, *files), 50)


def test_the_fuzzer_draws_the_operation_and_finds_nothing(project: Path) -> None:
    done = fuzz(project, "--programs", "300", "--json", "--corpus", "none")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    summary = json.loads(done.stdout)
    assert summary["programs"] == 300
    assert not (project / "none").exists()
    drawn = f"""
from absint.fuzz.generate.generator import random_case
from absint.ops.table import BY_NAME
print(sum(BY_NAME["length"].code in random_case(seed, {SIZE}).graph.op for seed in range(300)))
"""
    assert int(python(project, "-c", drawn).stdout) >= 20


WRONG = {
    "an interval rule": (
        OP, "return sqrt_(lower, upper, nan)", "return sqrt_(lower, lower, nan)",
        "length and interval", "conformance/test_domains.py",
    ),
    "a demand rule": (
        OP, "demand.of_absorbing", "demand.no_operands", "length", "ops/test_demand_rules.py",
    ),
    "a monotone rule": (
        OP, "return 1 if lower >= 0.0 else -1 if upper <= 0.0 else 0, lower, upper",
        "return 1, lower, upper", "length and monotone", "ops/test_rules.py",
    ),
    "a backward rule": (
        OP, "far = upper * 1.000001 + 1e-22", "far = upper", "length and backward", "ops/test_rules.py",
    ),
    "a derivative": (
        OP, "return b / result * tangent", "return a / result * tangent",
        "length and quotients", "ops/test_derivatives.py",
    ),
    "a claim": (
        OP, "return sqrt(a * a + b * b)", "return sqrt(a * a + b)", "without_a_record", "fuzz/test_proofs.py",
    ),
    "a rule": (
        PASS, '"mul(a, 2.0)"', '"mul(a, a)"', "add-self or without_a_record", "rewriting/test_rules.py",
    ),
    "a domain": (
        DOMAIN, "return self._flat(super().join(a, b))", "return a",
        "constant", "conformance/test_domains.py",
    ),
    "a backend": (
        BACKEND, "value < 0", "value <= 0", "walk and sub-", "conformance/test_backends.py",
    ),
}  # fmt: skip
"""What may be wrong: the file, the line as it should be and as it is, and the tests that must say so."""


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_caught_by_the_tests(name: str, project: Path) -> None:
    path, good, wrong, selection, file = WRONG[name]
    if selection == "without_a_record":
        pytest.importorskip("bitwuzla", reason="the solver is not installed")
    with changed(project, path, good, wrong):
        done = run_tests(project, selection, file)
    assert done.returncode == 1, done.stdout[-2000:]
    assert re.search(r"(?m)^FAILED ", done.stdout), done.stdout[-2000:]


@pytest.mark.parametrize("name", ["an interval rule", "a rule"])
def test_what_is_wrong_is_found_by_the_fuzzer(name: str, project: Path, tmp_path: Path) -> None:
    path, good, wrong, *_ = WRONG[name]
    with changed(project, path, good, wrong):
        done = fuzz(project, "--programs", "80", "--corpus", str(tmp_path / "finds"))
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    assert list((tmp_path / "finds").glob("*.vm"))
