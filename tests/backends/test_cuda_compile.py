"""The CUDA kernels are compiled for real, for every architecture that counts, by NVIDIA's own compilers.

They come as wheels and need no GPU. `cuda_limits.json` holds what each kernel may use; to write it anew:
`python -m pytest tests/backends/test_cuda_compile.py --update-golden`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from absint.backends.cuda.source import IEEE, OPTIONS, kernel_source
from absint.native import cache as kept
from absint.ops import extensions
from absint.ops.precision import Precision

LIMITS = Path(__file__).with_name("cuda_limits.json")
ARCHITECTURES = ("75", "80", "90", "120")
PIXEL_KERNELS = ("values", "draw_terms", "draw_regions")
PRECISIONS = pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
EVERY_ARCHITECTURE = pytest.mark.parametrize("architecture", ARCHITECTURES)
_REPORT = re.compile(
    r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
    r"(\d+) bytes spill loads.*?Used (\d+) registers",
    re.DOTALL,
)


def ptxas() -> Path | None:
    """NVIDIA's assembler, from its wheel."""
    found = importlib.util.find_spec("nvidia")
    for root in (found.submodule_search_locations or []) if found else []:
        path = Path(root, "cuda_nvcc", "bin", "ptxas")
        if path.exists():
            return path
    return None


@pytest.fixture(autouse=True)
def compilers() -> None:
    """Skips where the wheels are not installed."""
    if importlib.util.find_spec("cuda") is None or ptxas() is None:
        pytest.skip("NVIDIA's compilers are not installed: pip install 'absint[dev]'")


def once(make: Callable[[list[str], bytes], bytes], package: str, words: list[str], text: bytes) -> bytes:
    """What a compiler makes of a text with these words. Done once per machine, as kernels are compiled: the
    user's cache holds it under the compiler's version, the words and the text, all that it depends on.
    """
    key = "\n".join([f"tests: {make.__name__} of {package} {version(package)}", *words, text.decode()])
    found = kept.read(key)
    if found is None:
        found = make(words, text)
        kept.write(key, found)
    return found


@cache
def ptx(precision: Precision, architecture: str, options: tuple[str, ...] = OPTIONS) -> bytes:
    """What NVRTC makes of all kernels."""
    words = [f"--gpu-architecture=compute_{architecture}", *options]
    return once(compile_with_nvrtc, "nvidia-cuda-nvrtc-cu12", words, kernel_source(precision).encode())


def compile_with_nvrtc(options: list[str], source: bytes) -> bytes:
    """PTX of CUDA C++."""
    from cuda.bindings import nvrtc

    _, program = nvrtc.nvrtcCreateProgram(source, b"kernels.cu", 0, [], [])
    given = [option.encode() for option in options]
    (error,) = nvrtc.nvrtcCompileProgram(program, len(given), given)
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode(errors="replace")
    _, size = nvrtc.nvrtcGetPTXSize(program)
    text = b" " * size
    nvrtc.nvrtcGetPTX(program, text)
    nvrtc.nvrtcDestroyProgram(program)
    return text.rstrip(b"\0")


def resources(precision: Precision, architecture: str) -> dict[str, dict[str, int]]:
    """What `ptxas -v` says that each kernel uses."""
    words = [f"-arch=sm_{architecture}", "-v"]
    said = once(assemble, "nvidia-cuda-nvcc-cu12", words, ptx(precision, architecture)).decode()
    names = ("stack", "spill_stores", "spill_loads", "registers")
    return {
        kernel: dict(zip(names, map(int, numbers), strict=True)) for kernel, *numbers in _REPORT.findall(said)
    }


def assemble(options: list[str], text: bytes) -> bytes:
    """What ptxas says of a PTX text."""
    with tempfile.NamedTemporaryFile(suffix=".ptx") as file:
        file.write(text)
        file.flush()
        command = [str(ptxas()), *options, "-o", os.devnull, file.name]
        done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr


@PRECISIONS
@EVERY_ARCHITECTURE
def test_kernels_stay_within_their_limits(
    precision: Precision, architecture: str, request: pytest.FixtureRequest
) -> None:
    used = resources(precision, architecture)
    limits: dict[str, Any] = json.loads(LIMITS.read_text()) if LIMITS.exists() else {}
    key = f"{precision.value} sm_{architecture}"
    if request.config.getoption("--update-golden"):
        limits[key] = used
        LIMITS.write_text(json.dumps(limits, indent=1, sort_keys=True) + "\n")
    assert used.keys() == limits[key].keys()
    if not extensions.names():  # the table is that of the format's operations
        for kernel, numbers in used.items():
            for name, number in numbers.items():
                assert number <= limits[key][kernel][name], f"{kernel} uses more {name}"
    for kernel in PIXEL_KERNELS:
        assert used[kernel]["spill_stores"] == used[kernel]["spill_loads"] == 0, kernel


@PRECISIONS
def test_no_multiplication_is_fused_with_an_addition(precision: Precision) -> None:
    assert not re.search(rb"\b(fma|mad)\.(rn|rz|rm|rp)?\.?f(32|64)", ptx(precision, "90"))


@PRECISIONS
def test_without_the_flag_some_would_be(precision: Precision) -> None:
    """What the flags are for, and that the search above finds it."""
    loose = tuple(option for option in OPTIONS if option not in IEEE)
    assert re.search(rb"\bfma\.rn\.f(32|64)", ptx(precision, "90", loose))


@PRECISIONS
def test_divisions_and_roots_are_rounded_correctly(precision: Precision) -> None:
    text = ptx(precision, "90")
    kind = b"f32" if precision is Precision.F32 else b"f64"
    assert b"div.rn." + kind in text
    assert b"sqrt.rn." + kind in text
    assert not re.search(rb"\b(div|sqrt)\.(approx|full)|\.ftz\.", text)
