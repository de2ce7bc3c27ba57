"""Values at random points: the numba backend against NumPy op by op, in turns.

python -m tests.backends.bench_values MODEL.vm [POINTS] [PRECISION]
"""

from __future__ import annotations

import sys
import time

import numpy as np

from absint.api import run_pipeline
from absint.cli.bench import Baseline
from absint.evaluation.backend import find_backend
from absint.frontend.vm import read_vm
from absint.ir.box import Box
from absint.ir.program import Program
from absint.native.terminal import write_out
from absint.ops.precision import as_precision

CHUNK = 1 << 20
"""Points that the baseline takes at a time."""


def main(model: str, count: str = "10000000", precision_name: str = "f32", runs: int = 3) -> None:
    """Print the minima and their ratio, and how many values differ."""
    precision = as_precision(precision_name)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (2, int(count))).astype(precision.dtype)
    source = Program(read_vm(model))
    box = Box.of((-1.0, 1.0), (-1.0, 1.0), (0.0, 0.0))
    optimised, _ = run_pipeline(source, level=1, region=box, precision=precision)
    executable = find_backend("numba").prepare(optimised, 1)
    plain, _ = run_pipeline(source, level=0, region=box, precision=precision)
    baseline = Baseline(plain)
    times: dict[str, list[float]] = {"numpy": [], "numba": []}
    for _ in range(runs):
        start = time.perf_counter()
        parts = [
            baseline.values({"x": x[i : i + CHUNK], "y": y[i : i + CHUNK], "z": precision.real(0)})
            for i in range(0, len(x), CHUNK)
        ]
        times["numpy"].append(time.perf_counter() - start)
        start = time.perf_counter()
        values = executable.values(x, y)
        times["numba"].append(time.perf_counter() - start)
    differing = int((np.concatenate(parts) != values).sum())
    fastest = {name: min(seconds) for name, seconds in times.items()}
    ratio = fastest["numpy"] / fastest["numba"]
    write_out(
        f"{model}, {len(x):,} points, {precision.value}: numpy {fastest['numpy']:.2f} s, "
        f"numba {fastest['numba']:.3f} s on 1 thread, {ratio:.1f} times faster, {differing} values differ\n"
    )


if __name__ == "__main__":
    main(*sys.argv[1:4])
