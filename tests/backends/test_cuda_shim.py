"""The CUDA kernels, run on the CPU through the shim: the same bits as everybody else, whatever the order in
which threads run and however little memory there is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from absint.backends.cuda import picture as pictures
from absint.backends.cuda.engine import METHODS, CudaEngine
from absint.backends.cuda.source import kernel_source
from absint.backends.cuda_shim.driver import ShimDriver, compiler
from absint.base.errors import BackendError
from absint.evaluation.backend import find_backend
from absint.evaluation.question import question_kinds
from absint.evaluation.view import View
from absint.frontend.expr import minimum, sqrt, var
from absint.frontend.vm import parse_vm
from absint.fuzz.generate.generator import random_case, random_graph
from absint.fuzz.oracles.backends import Answers
from absint.ir.graph import Graph
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline
from tests.support.operands import scaled

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler (g++) here")

ORDERS = (0, 1, 2, 3)
PRECISIONS = pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
EVERY_ORDER = pytest.mark.parametrize("order", ORDERS)


def model_paths() -> Iterator[Path]:
    """The bundled models and the third-party ones."""
    folders = [Path(str(resources.files("absint.models")))]
    folders += [Path(os.environ["ABSINT_MODELS"])] if "ABSINT_MODELS" in os.environ else []
    for folder in folders:
        yield from sorted(folder.glob("*.vm"))


@cache
def model(path: Path) -> Graph:
    return parse_vm(path.read_text(encoding="utf-8"), path.name)


def lowered(graph: Graph, view: View, precision: Precision) -> Program:
    """A program as pictures are drawn from it."""
    source = Program(graph).restricted(view.box(precision), precision, Promise.SIGN)
    passes = parse_pipeline(find_backend("cuda_shim").profile.render_pipeline)
    return PassManager(passes, Analyses()).run(source)[0]


@PRECISIONS
@pytest.mark.parametrize("path", list(model_paths()), ids=lambda path: path.stem)
def test_models_are_drawn_exactly(path: Path, precision: Precision) -> None:
    """In every size up to 256, each in another order of threads."""
    for order, view in enumerate((View.square(256), View.square(101), View(200, 67), View(9, 33))):
        program = lowered(model(path), view, precision)
        expected = find_backend("numba").prepare(program).image(view)
        got = CudaEngine(program, ShimDriver(order)).image(view)
        assert np.array_equal(got, expected), (view, int((got != expected).sum()))


@EVERY_ORDER
def test_random_programs_agree_with_the_reference(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABSINT_SHIM_ORDER", str(order))
    backend = find_backend("cuda_shim")
    oracles = [Answers(backend, kind) for kind in question_kinds()]
    for seed in range(500 * order, 500 * order + scaled(500)):
        case = random_case(seed)
        for oracle in oracles:
            finding = oracle.check(case)
            assert finding is None, (seed, finding)


@PRECISIONS
@pytest.mark.parametrize("method", METHODS)
def test_every_method_draws_the_same(method: str, precision: Precision) -> None:
    for seed in range(scaled(6)):
        graph = random_graph(seed, 20, "shapes")
        view = View(70, 41)
        program = lowered(graph, view, precision)
        expected = find_backend("reference").prepare(program).image(view)
        assert np.array_equal(CudaEngine(program, ShimDriver(), method).image(view), expected)


@pytest.mark.parametrize("method", METHODS[:2])
def test_programs_that_are_not_lowered(method: str) -> None:
    view = View(130, 150)
    for path in list(model_paths())[:2]:
        program = Program(model(path)).restricted(view.box(Precision.F32), Precision.F32, Promise.SIGN)
        expected = find_backend("numba").prepare(program).image(view)
        assert np.array_equal(CudaEngine(program, ShimDriver(2), method).image(view), expected)


def test_a_frame_drawn_again_and_another_one() -> None:
    (path, *_) = model_paths()
    views = [View.square(64), View.square(64), View(40, 90, scale=0.5), View.square(64)]
    program = lowered(model(path), View.square(64, scale=2.0), Precision.F32)
    executable, engine = CudaEngine(program, ShimDriver()), find_backend("numba").prepare(program)
    for view in views:
        assert np.array_equal(executable.image(view), engine.image(view))


@pytest.mark.parametrize("memory", [1 << 28, 1 << 18])
def test_with_little_room_for_specialised_programs(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made larger; where it cannot be, regions keep the longer program."""
    view = View.square(150)
    (path, *_) = model_paths()
    program = lowered(model(path), view, Precision.F32)
    expected = find_backend("numba").prepare(program).image(view)
    monkeypatch.setattr(ShimDriver, "memory", lambda _: memory)
    for room in (1, 50, 1000):
        monkeypatch.setattr(pictures, "_FIRST_ROOM", room)
        executable = CudaEngine(program, ShimDriver(), "regions")
        assert np.array_equal(executable.image(view), expected)
        picture = executable._picture
        assert isinstance(picture, pictures.Picture)
        assert picture._room > room


def test_large_pictures_are_drawn_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    view = View(100, 90)
    (path, *_) = model_paths()
    program = lowered(model(path), view, Precision.F32)
    expected = find_backend("numba").prepare(program).image(view)
    for memory in (100, 3300, 5000):
        monkeypatch.setattr(ShimDriver, "memory", lambda self, memory=memory: memory)
        assert np.array_equal(CudaEngine(program, ShimDriver()).image(view), expected)


def test_no_memory_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class OutOfMemoryError(Exception):
        pass

    def refuse(*_: object) -> None:
        raise OutOfMemoryError("no room")

    (path, *_) = model_paths()
    executable = CudaEngine(lowered(model(path), View.square(9), Precision.F32), ShimDriver())
    monkeypatch.setattr(pictures.Picture, "draw", refuse)
    with pytest.raises(BackendError, match="too little memory for 9x9 pixels"):
        executable.image(View.square(9))


BARRIER = """
#define KERNEL_(name) extern "C" void name
KERNEL_(waits)(long long* x) { if (threadIdx.x < 40) __syncthreads(); while (x[0] == 0) __syncwarp(); }
KERNEL_(partial)(long long* x) { if (threadIdx.x < 3) __ballot_sync(7, 1); }
"""


@EVERY_ORDER
def test_threads_that_wait_for_ever_are_found(order: int) -> None:
    module = ShimDriver(order).compile("#define DEVICE static\n" + BARRIER)
    for name, message in (("waits", "do not come"), ("partial", "a part of a warp")):
        with pytest.raises(BackendError, match=message):
            module.launch(name, 1, 64, np.zeros(1, np.int64))


def test_a_removed_barrier_is_noticed() -> None:
    """In some order of threads."""
    text = kernel_source(Precision.F32)
    start = text.index("DEVICE u32 sum_mask")
    end = text.index("real low", start)
    broken = text[:start] + text[start:end].replace("__syncwarp();", "") + text[end:]
    assert broken != text
    view = View.square(64)
    program = lowered(circles(), view, Precision.F32)
    expected = find_backend("numba").prepare(program).image(view)
    wrong = 0
    for order in ORDERS:
        executable = CudaEngine(program, ShimDriver(order))
        assert np.array_equal(executable.image(view), expected)
        executable = CudaEngine(program, ShimDriver(order))
        executable.__dict__["_module"] = ShimDriver(order).compile(broken)
        wrong += not np.array_equal(executable.image(view), expected)
    assert wrong == len(ORDERS)


def circles() -> Graph:
    """Forty circles: terms of one sum each."""
    rng = np.random.default_rng(1)
    x, y = var("x"), var("y")
    parts = [
        sqrt((x - float(a)) ** 2 + (y - float(b)) ** 2) - float(r)
        for a, b, r in rng.uniform((-1, -1, 0.02), (1, 1, 0.1), (40, 3))
    ]
    return minimum(*parts).graph()


SANITIZED = """
import sys
import numpy as np
from absint.evaluation.backend import find_backend
from absint.backends.cuda_shim import driver
from absint.frontend.expr import minimum, sqrt, var
from absint.evaluation.question import question_kinds
from absint.fuzz.oracles.backends import Answers
from absint.fuzz.generate.generator import random_case, random_graph
driver.FLAGS = (*driver.FLAGS, "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g")
driver._library.__wrapped__.__defaults__ = (driver.FLAGS,)
backend = find_backend("cuda_shim")
for seed in range(int(sys.argv[1])):
    case = random_case(seed)
    for oracle in (Answers(backend, kind) for kind in question_kinds()):
        assert oracle.check(case) is None, seed
"""


def test_sanitizers_find_nothing() -> None:
    library = subprocess.run(
        [str(compiler()), "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(library).is_absolute():
        pytest.skip("the compiler has no AddressSanitizer")
    settings = {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0"}
    done = subprocess.run(
        [sys.executable, "-c", SANITIZED, str(scaled(40))],
        env=os.environ | settings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
