"""All checks that need a GPU, in one run: `make gpu-check`.

The script compares every operation and the pictures of all models with the CPU, bit for bit; fuzzes; looks
for memory errors if `compute-sanitizer` is installed; and measures times. It writes a JSON file and prints a
table. Exit status 1 if anything differs. `--backend cuda_shim --quick` tests the script itself without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from absint.evaluation.backend import Backend, find_backend
from absint.evaluation.view import View
from absint.frontend.vm import parse_vm, write_vm
from absint.ir.graph import AXES, Graph, GraphBuilder
from absint.ir.program import Program, Promise
from absint.native import children
from absint.ops.precision import Precision
from absint.ops.table import OPS, SPICY, Op
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline

from .engine import CudaEngine
from .source import kernel_source

FRAMES, QUICK_FRAMES = 30, 3
"""Frames of which the median is taken."""

CPU_POINTS = 10**7
"""Most points that the CPU engine computes; its time for more points is extrapolated in proportion."""

MOST_GENERATED = 2000
"""Most operations of a program that is compiled to straight-line code."""


@dataclass
class Result:
    """One line of the table. `good`: None where nothing was compared."""

    what: str
    good: bool | None
    figure: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass
class Settings:
    """The extent of the checks."""

    backend: Backend
    sizes: tuple[int, ...]
    points: int
    fuzz_seconds: int
    frames: int


def check_operations(settings: Settings) -> Iterator[Result]:
    """Compare all operations on all combinations of special values, and on random bits."""
    rng = np.random.default_rng(0)
    reference = find_backend("reference")
    for precision in Precision:
        wrong = []
        ops = [op for op in OPS if not op.is_leaf]
        for op in ops:
            program = Program(_graph_of(op), precision)
            columns = _operands(op, precision, rng)
            given = dict(zip("xyz", [*columns, np.zeros(1), np.zeros(1)], strict=False))
            got, expected = (one.prepare(program).values(**given) for one in (settings.backend, reference))
            if not _same(got, expected, precision):
                wrong.append(op.name)
        yield Result(
            f"operations, {precision.value}", not wrong, ", ".join(wrong) or f"{len(ops)} equal in bits"
        )


def _graph_of(op: Op) -> Graph:
    builder = GraphBuilder()
    return builder.build(builder.apply(op, *(builder.variable(name) for name in "xy"[: op.arity])))


def _operands(op: Op, precision: Precision, rng: np.random.Generator) -> list[NDArray[Any]]:
    with np.errstate(over="ignore"):
        special = np.array([0.0, -0.0, *SPICY, *op.spicy]).astype(precision.dtype)
    grids = np.meshgrid(*[special] * op.arity, indexing="ij")
    size = precision.dtype.itemsize
    return [
        np.concatenate([grid.ravel(), np.frombuffer(rng.bytes(size * 100_000), precision.dtype)])
        for grid in grids
    ]


def _same(got: NDArray[Any], expected: NDArray[Any], precision: Precision) -> bool:
    bits = precision.bits_dtype
    return bool(((got.view(bits) == expected.view(bits)) | (np.isnan(got) & np.isnan(expected))).all())


def models() -> Iterator[tuple[str, Graph]]:
    """The bundled models and those of `ABSINT_MODELS`."""
    paths = [path for path in resources.files("absint.models").iterdir() if path.name.endswith(".vm")]
    texts = sorted((path.name, path.read_text(encoding="utf-8")) for path in paths)
    if folder := os.environ.get("ABSINT_MODELS"):
        texts += [(path.name, path.read_text(encoding="utf-8")) for path in sorted(Path(folder).glob("*.vm"))]
    for name, text in texts:
        graph = parse_vm(text, name)
        if set(graph.variables.values()) <= set(AXES):
            yield name.removesuffix(".vm"), graph


def check_pictures(settings: Settings) -> Iterator[Result]:
    """Compare all models in all sizes and both precisions with the CPU engine, and time frames."""
    for name, graph in models():
        for precision in Precision:
            for size in settings.sizes:
                what = f"{name} {size} {precision.value}"
                yield _compare(what, graph, View.square(size), precision, settings.backend, settings.frames)


def check_methods(settings: Settings) -> Iterator[Result]:
    """Compare every method but the first, at the smallest size."""
    view = View.square(settings.sizes[0])
    for name, graph in models():
        for method in settings.backend.profile.methods[1:]:
            if method == "arrays" or (method == "generated" and graph.operation_count > MOST_GENERATED):
                continue
            backend = find_backend(f"{settings.backend.name}:{method}")
            yield _compare(f"{name}, {method}", graph, view, Precision.F32, backend, settings.frames)


def _compare(
    what: str, graph: Graph, view: View, precision: Precision, backend: Backend, repetitions: int
) -> Result:
    source = Program(graph).restricted(view.box(precision), precision, Promise.SIGN)
    cpu = find_backend("numba")
    expected = cpu.prepare(_lower(source, cpu)).image(view)
    engine = backend.prepare(_lower(source, backend))
    start = time.perf_counter()
    got = engine.image(view)
    first = time.perf_counter() - start
    wrong = int((got != expected).sum())
    numbers: dict[str, Any] = {"wrong": wrong, "first_s": first}
    figure = f"{wrong} pixels differ, " * bool(wrong) + f"first {first * 1e3:.1f} ms"
    if isinstance(engine, CudaEngine):
        for _ in range(2):  # the first repetition records a CUDA graph
            engine.image(view)
        frames = [engine.frame_seconds(view) for _ in range(repetitions)]
        median = statistics.median(frames)
        figure += f", frame {median * 1e6:.1f} us; {engine.describe()}"
        numbers |= {"frame_s": median, "least_s": min(frames)}
    return Result(what, not wrong, figure, numbers)


def _lower(source: Program, backend: Backend) -> Program:
    """The program after the backend's render pipeline."""
    return PassManager(parse_pipeline(backend.profile.render_pipeline), Analyses()).run(source)[0]


def check_compiling(settings: Settings) -> Iterator[Result]:
    """Time compiling the kernels: from a text that is in no cache, and from the same text again."""
    for precision in Precision:
        engine = settings.backend.prepare(Program(_graph_of(OPS[-1]), precision))
        assert isinstance(engine, CudaEngine)
        driver, place = engine.driver, engine.driver.xp.zeros(8, np.int64)
        text = f"{kernel_source(precision)}\n// {time.time_ns()}\n"
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            driver.compile(text).launch("tabulate", 1, 32, place, 0, 0, place, 0, place, place)
            driver.download(place)
            seconds.append(time.perf_counter() - start)
        figure = f"{seconds[0] * 1e3:.0f} ms, again {seconds[1] * 1e3:.2f} ms"
        yield Result(f"compiling, {precision.value}", None, figure, {"seconds": seconds})


def check_setup(settings: Settings) -> Iterator[Result]:
    """Time from the text of a model to its first picture at the smallest size, with compiled kernels."""
    view = View.square(settings.sizes[0])
    for name, graph in models():
        text = write_vm(graph, [])
        start = time.perf_counter()
        box = view.box(Precision.F32)
        source = Program(parse_vm(text, name)).restricted(box, Precision.F32, Promise.SIGN)
        settings.backend.prepare(_lower(source, settings.backend)).image(view)
        seconds = time.perf_counter() - start
        yield Result(f"set-up of {name}", None, f"{seconds * 1e3:.1f} ms", {"seconds": seconds})


def check_values(settings: Settings) -> Iterator[Result]:
    """Compare and time values of the largest model at many points, on the device and on the CPU."""
    name, graph = max(models(), key=lambda model: len(model[1]))
    program = Program(graph, Precision.F32)
    rng = np.random.default_rng(1)
    points = [rng.uniform(-1, 1, settings.points).astype(np.float32) for _ in range(2)]
    engine = settings.backend.prepare(program)
    assert isinstance(engine, CudaEngine)
    driver = engine.driver
    there = [driver.xp.asarray(column) for column in points]
    got = driver.download(engine.values(*there))
    out = driver.xp.empty(settings.points, np.float32)

    def work() -> None:
        engine.values(*there, out=out)

    seconds = min(driver.seconds(work) for _ in range(3))
    part = [column[: min(settings.points, CPU_POINTS)] for column in points]
    on_cpu = find_backend("numba").prepare(program)
    on_cpu.values(*(column[:1000] for column in part))
    start = time.perf_counter()
    expected = on_cpu.values(*part)
    cpu = (time.perf_counter() - start) * settings.points / len(part[0])
    good = _same(got[: len(expected)], expected, Precision.F32)
    figure = f"{settings.points:.0e} points in {seconds * 1e3:.2f} ms, {cpu / seconds:.1f}x the CPU engine"
    yield Result(f"values of {name}", good, figure, {"seconds": seconds, "cpu_seconds": cpu})


def check_fuzz(settings: Settings) -> Iterator[Result]:
    """Run a fuzzing campaign against the reference."""
    command = children.python(
        "-m", "absint", "fuzz", "--backends", f"reference,{settings.backend.name}",
        "--time", f"{settings.fuzz_seconds}s", "--jobs", str(min(4, os.cpu_count() or 1)), "--json",
    )  # fmt: skip
    done = subprocess.run(command, env=children.environment(), capture_output=True, text=True, check=False)
    summary = json.loads(done.stdout) if done.stdout else {}
    figure = f"{summary.get('programs', 0)} programs, {len(summary.get('finds', []))} finds"
    yield Result("fuzz", done.returncode == 0, figure, {"summary": summary, "said": done.stderr[-2000:]})


def check_memory(settings: Settings) -> Iterator[Result]:
    """Run `small_run` under compute-sanitizer."""
    tool = shutil.which("compute-sanitizer")
    if tool is None or settings.backend.name != "cupy":
        yield Result("compute-sanitizer", None, "not available")
        return
    script = "from absint.backends.cuda import check; check.small_run()"
    for kind in ("memcheck", "racecheck"):
        command = [tool, "--tool", kind, "--error-exitcode", "3", *children.command(script)]
        try:
            done = subprocess.run(
                command, env=children.environment(), capture_output=True, text=True, timeout=90, check=False
            )
        except subprocess.TimeoutExpired:
            yield Result(f"compute-sanitizer {kind}", None, "not finished after 90 s")
            continue
        good = done.returncode == 0
        yield Result(f"compute-sanitizer {kind}", good, "no errors" if good else done.stdout[-500:])


def small_run() -> None:
    """Compute pictures, values and bounds of one model; a sanitizer watches."""
    backend = find_backend("cupy")
    _, graph = next(models())
    view = View.square(200)
    for precision in Precision:
        box = view.box(precision)
        source = Program(graph).restricted(box, precision, Promise.SIGN)
        for program in (_lower(source, backend), source):
            backend.prepare(program).image(view)
        engine = backend.prepare(Program(graph, precision))
        engine.values(np.linspace(-1, 1, 1000), 0.5)
        engine.bounds({"x": (np.zeros(100), np.ones(100)), "y": (np.zeros(100), np.ones(100))})


CHECKS = {
    "operations": check_operations,
    "pictures": check_pictures,
    "methods": check_methods,
    "compiling": check_compiling,
    "setup": check_setup,
    "values": check_values,
    "memory": check_memory,
    "fuzz": check_fuzz,
}


def main() -> int:
    """Run the checks named on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m absint.backends.cuda.check", description=__doc__)
    parser.add_argument("--backend", default="cupy", help="cupy, or cuda_shim to try the script itself")
    parser.add_argument("--quick", action="store_true", help="small sizes and short runs")
    parser.add_argument("--only", default=",".join(CHECKS), help="some of: " + ", ".join(CHECKS))
    parser.add_argument("--output", type=Path, default=Path("out/gpu-check.json"), help="the JSON file")
    options = parser.parse_args()
    backend = find_backend(options.backend)
    settings = Settings(backend, (1024, 2048, 4096), 10**8, 120, FRAMES)
    if options.quick:
        settings = Settings(backend, (64,), 10**4, 5, QUICK_FRAMES)
    console = Console()
    results: list[Result] = []
    options.output.parent.mkdir(parents=True, exist_ok=True)
    for name in options.only.split(","):
        for result in _run_check(name, settings):
            results.append(result)
            console.print(f"{result.what}: {result.figure}", highlight=False)
            report = {"device": _device(backend), "results": [asdict(one) for one in results]}
            options.output.write_text(json.dumps(report, indent=1) + "\n")  # results so far, if it is cut off
    table = Table("check", "good", "figure")
    for result in results:
        table.add_row(result.what, {True: "yes", False: "NO", None: ""}[result.good], result.figure)
    console.print(table)
    return int(any(result.good is False for result in results))


def _run_check(name: str, settings: Settings) -> Iterator[Result]:
    """The results of a check. An exception becomes a result, so that the other checks still run."""
    try:
        yield from CHECKS[name](settings)
    except Exception as error:
        said = traceback.format_exc()
        yield Result(name, False, f"{type(error).__name__}: {error}", {"traceback": said})


def _device(backend: Backend) -> dict[str, Any]:
    """Facts about the device that the checks ran on."""
    if backend.name != "cupy":
        return {"name": backend.name}
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return {
        "name": properties["name"].decode(),
        "capability": cupy.cuda.Device().compute_capability,
        "cupy": cupy.__version__,
        "runtime": cupy.cuda.runtime.runtimeGetVersion(),
        "driver": cupy.cuda.runtime.driverGetVersion(),
    }


if __name__ == "__main__":
    sys.exit(main())
