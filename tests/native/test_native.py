"""Kernels are compiled once, loaded without Numba, and never stale."""

from __future__ import annotations

import ctypes
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from absint.base.errors import BackendError
from absint.lowering import cache as lowering_cache
from absint.native import sources, units

ROOT = Path(__file__).parents[2]
SAMPLE = "tests.native.native_sample"
X86 = platform.machine().lower() in ("x86_64", "amd64")

# What a process does with the sample's kernels, for all tests that look from outside.
REPORT = """
import json, sys
from absint.native import units
compiled = []
units.observers.append(compiled.append)
unit = units.load("tests.native.native_sample", "plain")
print(json.dumps([compiled, "numba" in sys.modules, unit["ints"](5, -2)]))
"""


# Before a process's code where kernels cannot be kept: what `print(json.dumps([warned, …]))` shows of it.
WARNED = """
import warnings
from absint.native.units import CacheWarning
warned = []
warnings.simplefilter("always", CacheWarning)
warnings.showwarning = lambda message, *_: warned.append(str(message))
"""


def run(code: str, cache: Path, *path: Path, cwd: Path = ROOT, **environment: str) -> Any:
    """What a fresh process prints, as JSON; an empty standard error and status 0 are asserted."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=cwd,
        env=os.environ
        | {"ABSINT_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *path)))}
        | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the sample."""
    folder = tmp_path_factory.mktemp("built")
    assert run(REPORT, folder) == [["native_sample plain"], True, 42]
    return folder


@pytest.fixture(scope="module")
def unit(built: Path) -> units.Unit:
    """The sample, loaded into this process from the cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABSINT_CACHE_DIR", str(built))
        return units.load(SAMPLE, "plain")


@pytest.fixture
def cache(built: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to spoil."""
    return Path(shutil.copytree(built, tmp_path / "cache"))


def test_the_next_process_does_not_import_numba(built: Path) -> None:
    assert run(REPORT, built) == [[], False, 42]


def test_every_type_passes_in_and_out(unit: units.Unit) -> None:
    thin = ctypes.c_float(0.1).value
    assert unit["add32"](1.5, 0.1) == ctypes.c_float(3 + thin).value != 3.1
    assert unit["add64"](1.5, 0.1) == 3.1
    assert unit["mix"](-(2**52), 0.1, 3.0) == float(-(2**52)) + thin * 3.0 + 0.1
    assert unit["ints"](2**60, 1) == 2**63 - 1
    assert unit["nothing"](7) is None


def test_arithmetic_is_ieee(unit: units.Unit) -> None:
    assert unit["divide"](1.0, -0.0) == -math.inf
    assert math.isnan(unit["divide"](0.0, 0.0))
    assert unit["divide"](5e-324, 1.0) == 5e-324
    assert unit["add64"](math.inf, 1.0) == math.inf


def test_functions_of_the_c_library_are_found(unit: units.Unit) -> None:
    assert unit["rem"](-5.5, 2.0) == -1.5


def test_jump_tables_and_vector_loops_are_placed_right(unit: units.Unit) -> None:
    assert unit["choose"](9) == -(6.0 / 3)
    total = 0
    for i in range(1003):
        total ^= i * i
    assert unit["squares"](1003) == total


def test_kernels_call_each_other_by_address(unit: units.Unit) -> None:
    again = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_double)(unit.address("add64"))
    assert again(2.0, 3.0) == 7.0
    assert len({unit.address(name) for name in unit.names}) == len(unit.names)


def test_a_unit_is_loaded_once_per_process(unit: units.Unit) -> None:
    assert units.load(SAMPLE, "plain") is unit


def test_threads_run_in_parallel(unit: units.Unit) -> None:
    started, ended = threading.Event(), []

    def work() -> None:
        started.set()
        unit["spin"](2 * 10**8)
        ended.append(time.perf_counter())

    thread = threading.Thread(target=work)
    begin = time.perf_counter()
    thread.start()
    started.wait()
    time.sleep(0.01)  # the worker is inside the kernel now, and takes the lock along if it does not let go
    awake = time.perf_counter()
    thread.join()
    assert awake - begin < (ended[0] - begin) / 2


@pytest.mark.parametrize("arguments", ["plain", "other"])  # from the cache; compiled in this process
def test_exit_with_a_thread_inside_a_kernel(cache: Path, arguments: str) -> None:
    code = f"""
import json, threading, time
from absint.native import units
unit = units.load("{SAMPLE}", "{arguments}")
threading.Thread(target=unit["spin"], args=(10**15,), daemon=True).start()
time.sleep(0.1)
print(json.dumps(unit["ints"](1, 1)))
"""
    assert run(code, cache) == 7


def test_threads_that_load_at_once_get_one_unit(cache: Path) -> None:
    code = f"""
import json, threading
from absint.native import units
compiled, found = [], []
units.observers.append(compiled.append)
threads = [threading.Thread(target=lambda: found.append(units.load("{SAMPLE}", "many"))) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps([compiled, len(found), len(set(map(id, found)))]))
"""
    assert run(code, cache) == [["native_sample many"], 4, 1]


@pytest.mark.parametrize("keep", [0, 1000])
def test_a_truncated_file_is_rebuilt(cache: Path, keep: int) -> None:
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[:keep])
    assert run(REPORT, cache) == [["native_sample plain"], True, 42]
    assert run(REPORT, cache) == [[], False, 42]


def test_a_changed_byte_of_code_is_rebuilt(cache: Path) -> None:
    (path,) = cache.iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert run(REPORT, cache) == [["native_sample plain"], True, 42]


def test_without_a_cache_folder_kernels_are_compiled_in_memory(tmp_path: Path) -> None:
    """And that is said, once."""
    blocked = tmp_path / "file"
    blocked.touch()
    more = 'units.load("tests.native.native_sample", "other"); '
    more += 'print(json.dumps([warned, unit["ints"](5, -2)]))'
    code = WARNED + REPORT.replace("print", "str") + more
    [warned, answer] = run(code, blocked / "cache")
    assert warned == [f"{EACH}: {blocked / 'cache'}: Not a directory; ABSINT_CACHE_DIR names another folder"]
    assert answer == 42
    assert list(tmp_path.iterdir()) == [blocked]


EACH = "kernels are compiled anew by each process, which takes up to a minute"


@pytest.mark.skipif(os.name != "posix", reason="files as POSIX has them")
def test_an_entry_that_cannot_be_replaced_is_said_too(cache: Path) -> None:
    (path,) = cache.iterdir()
    path.unlink()
    path.mkdir()
    [warned, answer] = run(
        WARNED + REPORT.replace("print", "str") + 'print(json.dumps([warned, unit["ints"](5, -2)]))', cache
    )
    (said,) = warned
    assert said.startswith(f"{EACH}: {cache}: ")
    assert answer == 42


def test_a_clock_behind_the_sources_times_is_said_once(cache: Path) -> None:
    """All sources look newer than the process then; the kernels in the cache may be others."""
    early = "import time; now = time.time_ns; time.time_ns = lambda: now() - 10**9 * 86400 * 365 * 30\n"
    early += "import absint; time.time_ns = now\n"
    [warned, compiled] = run(
        early + WARNED + REPORT.replace("print", "str") + "print(json.dumps([warned, compiled]))", cache
    )
    (said,) = warned
    assert said.startswith(f"{EACH}: {ROOT / 'tests' / 'native' / 'native_sample.py'} ")
    assert "the clock is behind" in said
    assert compiled == ["native_sample plain"]


def test_processes_that_build_at_once_agree(tmp_path: Path) -> None:
    environment = os.environ | {"ABSINT_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", REPORT], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [json.loads(one.communicate()[0])[2] for one in both] == [42, 42]
    assert len(list(tmp_path.iterdir())) == 1
    assert run(REPORT, tmp_path) == [[], False, 42]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without FIFOs")
def test_a_fifo_in_place_of_numbas_settings_is_not_waited_for(cache: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".numba_config.yaml")
    assert run(REPORT, cache, cwd=tmp_path) == [[], False, 42]


def test_a_setting_of_numba_that_changes_code_rebuilds(cache: Path) -> None:
    assert run(REPORT, cache, NUMBA_OPT="1") == [["native_sample plain"], True, 42]


def test_a_setting_of_numba_that_changes_no_code_does_not(cache: Path) -> None:
    assert run(REPORT, cache, NUMBA_NUM_THREADS="1") == [[], False, 42]


KERNELS = """
from numba import int64
from package.deep.number import NUMBER
def answer(a): return a + NUMBER
def kernels(): return {"answer": (answer, int64(int64))}
"""
USE = """
import json, sys
from absint.native import units
compiled = []
units.observers.append(compiled.append)
unit = units.load("package.kernels_of_mine", depends=["package.deep"])
print(json.dumps([compiled, unit["answer"](1), "package" in sys.modules]))
"""


def write(path: Path, text: str) -> None:
    """Write a source, long enough ago for the processes that come."""
    path.write_text(text)
    time.sleep(1.2 * sources._MARGIN / 1e9)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with kernels."""
    package = tmp_path / "package"
    (package / "deep").mkdir(parents=True)
    for folder in (package, package / "deep"):
        (folder / "__init__.py").touch()
    (package / "kernels_of_mine.py").write_text(KERNELS)
    write(package / "deep" / "number.py", "NUMBER = 1")
    return package


def test_changed_sources_are_rebuilt(tmp_path: Path, package: Path) -> None:
    cache = tmp_path / "cache"
    assert run(USE, cache, tmp_path) == [["kernels_of_mine"], 2, True]
    assert run(USE, cache, tmp_path) == [[], 2, False]  # the package is found and read, not run
    write(package / "deep" / "number.py", "NUMBER = 10 # same date or not")
    assert run(USE, cache, tmp_path) == [["kernels_of_mine"], 11, True]
    write(package / "kernels_of_mine.py", KERNELS.replace("a + ", "a - "))
    assert run(USE, cache, tmp_path) == [["kernels_of_mine"], -9, True]
    assert run(USE, cache, tmp_path) == [[], -9, False]


def test_a_package_stands_for_the_modules_that_lie_in_it(
    tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And for none deeper; who depends on packages inside packages names them."""
    monkeypatch.syspath_prepend(tmp_path)
    assert [name for name, _ in sources._files.__wrapped__("package")] == [
        "__init__.py",
        "kernels_of_mine.py",
    ]
    for name in lowering_cache.SOURCES:
        folders = {Path(path).parent for _, path in sources._files(name) if path.endswith("__init__.py")}
        inner = {child.parent.name for folder in folders for child in folder.glob("*/__init__.py")}
        assert {f"{name}.{one}" for one in inner} <= set(lowering_cache.SOURCES)


OLD = """
import package.deep.number, pathlib
pathlib.Path(package.deep.number.__file__).write_text("NUMBER = 10")
"""
MEANWHILE = """
import pathlib
number, = filter(pathlib.Path.exists, (pathlib.Path(folder, "package/deep/number.py") for folder in sys.path))
units.observers.append(lambda label: number.write_text("NUMBER = 10"))
"""


@pytest.mark.parametrize(("edit", "answer"), [(OLD, 2), (MEANWHILE, 11)], ids=["before", "meanwhile"])
def test_a_process_that_has_seen_other_sources_keeps_nothing(
    edit: str, answer: int, tmp_path: Path, package: Path
) -> None:
    """Sources are edited after a process has imported them, or between its look at them and their import."""
    cache, start = tmp_path / "cache", USE.index("unit =")
    code = WARNED + USE[:start] + edit + USE[start:]
    assert run(code, cache, tmp_path) == [["kernels_of_mine"], answer, True]
    assert not list(cache.glob("*"))
    time.sleep(1.2 * sources._MARGIN / 1e9)
    assert run(USE, cache, tmp_path) == [["kernels_of_mine"], 11, True]
    assert run(USE, cache, tmp_path) == [[], 11, False]


def test_nor_does_it_take_what_others_have_kept(tmp_path: Path, package: Path) -> None:
    cache, start = tmp_path / "cache", USE.index("unit =")
    write(package / "deep" / "number.py", "NUMBER = 10")
    assert run(USE, cache, tmp_path) == [["kernels_of_mine"], 11, True]
    write(package / "deep" / "number.py", "NUMBER = 1")
    code = WARNED + USE[:start] + OLD + USE[start:]
    assert run(code, cache, tmp_path) == [["kernels_of_mine"], 2, True]


def test_numba_s_settings_in_the_working_directory_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = []
    for text in (None, "opt: 1", "opt: 2"):
        if text is not None:
            (tmp_path / ".numba_config.yaml").write_text(text)
        seen.append(json.dumps(units._environment.__wrapped__()))
    assert len(set(seen)) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_child_forked_while_a_thread_loads_can_load(built: Path) -> None:
    code = f"""
import json, os, signal, threading, time, warnings
from absint.native import units
warnings.simplefilter("ignore")  # newer Pythons warn of just this
inside, mapped = threading.Event(), []
def slow(*arguments, original=units._map):
    inside.set()
    time.sleep(0.3)
    mapped.append(original(*arguments))
    return mapped[-1]
units._map = slow
thread = threading.Thread(target=units.load, args=("{SAMPLE}", "plain"))
thread.start()
inside.wait()
child = os.fork()  # waits for the thread
if child == 0:
    signal.alarm(30)
    os._exit(units.load("{SAMPLE}", "plain")["ints"](5, -2) if mapped else 1)
thread.join()
print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""
    assert run(code, built) == 42


def test_a_missing_module_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"absint\.nowhere"):
        units.load("absint.nowhere.deeper")


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        ("raises", "kernel raises may raise an exception"),
        ("prints", "kernel prints needs numba_gil_ensure"),
        ("sine", r"kernel sine needs llvm\.sin\.f64"),
        ("power", r"kernel power needs llvm\.pow\.f64"),
        ("loose", "kernel loose is compiled with `fastmath`"),
        ("half", "kernel half has an argument or result of type 'int32'"),
        ("wrong", "kernel wrong returns float64, not int64"),
    ],
)
def test_kernels_that_break_the_rules_are_refused(kernel: str, why: str) -> None:
    from absint.native import build as native_build

    with pytest.raises(native_build.KernelError, match=why):
        native_build.build("tests.native.native_sample_bad", (kernel,))


@pytest.mark.skipif(not X86, reason="the CPUs named are x86")
@pytest.mark.parametrize(
    ("cpu", "add", "widest"),
    [("x86-64", "addsd", "xmm"), ("haswell", "vaddsd", "ymm"), ("znver4", "vaddsd", "zmm")],
)
def test_assembly_is_of_the_cpu_named_and_fuses_nothing(cpu: str, add: str, widest: str) -> None:
    text = units.assembly(SAMPLE, "plain", cpu=cpu)
    functions = dict(re.findall(r"(?ms)^(\w+):\s*$(.*?)^\.Lfunc_end", text))
    assert {f"absint_{name}" for name in ("add32", "mix", "spin")} <= set(functions)
    (mix,) = (body for name, body in functions.items() if "3mix" in name)
    assert re.search(rf"\s{add}\s", mix)
    assert max(re.findall("%([xyz]mm)", text)) == widest
    assert not re.search(r"\bvfn?m(add|sub)", text)


def test_missing_units_are_compiled_at_once_by_processes_of_their_own(tmp_path: Path) -> None:
    code = """
import json, sys
from absint.native import units
said = []
units.observers.append(said.append)
wanted = [units.Named("tests.native.native_sample", (argument,), ()) for argument in ("plain", "other")]
units.compile_missing(wanted)
units.compile_missing(wanted)
found = [units.load(unit.module, *unit.arguments)["ints"](5, -2) for unit in wanted]
print(json.dumps([said, found, "numba" in sys.modules]))
"""
    labels = "native_sample plain, native_sample other"
    assert run(code, tmp_path) == [[labels], [42, 42], False]
    blocked = tmp_path / "file"
    blocked.touch()
    code = WARNED + code
    assert run(code, blocked / "cache") == [labels.split(", "), [42, 42], True], "where nothing can be kept"


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_compiler_that_a_signal_ends_is_named_and_not_tried_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As LLVM does where memory runs out: it would end this process."""
    monkeypatch.setenv("ABSINT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(units, "_CHILD", "os.abort() if 'other' in sys.argv[1] else None")
    wanted = [units.Named(SAMPLE, (argument,), ("tests.support.command",)) for argument in ("some", "other")]
    with pytest.raises(BackendError, match="kernels native_sample other cannot be compiled: signal 6 ended"):
        units.compile_missing(wanted)


@pytest.mark.parametrize("how", ["environment", "file", "program"])
def test_numba_told_not_to_compile_is_one_error(how: str, cache: Path, tmp_path: Path) -> None:
    """Kernels in the cache need no compiler; a file of settings asks for others, whatever it says."""
    if how == "file":
        pytest.importorskip("yaml")  # by which Numba reads it
        (tmp_path / ".numba_config.yaml").write_text("disable_jit: 1")
    setting = {"NUMBA_DISABLE_JIT": "1"} if how == "environment" else {}
    change = "import numba; numba.config.DISABLE_JIT = 1\n" if how == "program" else ""
    if how != "file":
        warm = "from absint.native import units; "
        warm += "print(units.load('tests.native.native_sample', 'plain')['ints'](5, -2))"
        assert run(change + warm, cache, cwd=tmp_path, **setting) == 42
    code = """
import json
from absint.native import units
from absint.base import errors
try:
    units.load("tests.native.native_sample", "other")
except errors.BackendError as error:
    print(json.dumps(str(error)))
"""
    said = run(change + code, cache, cwd=tmp_path, **setting)
    assert said.startswith("kernels cannot be compiled while Numba is told not to: ")
    assert "\n" not in said


@pytest.mark.parametrize(
    "setting",
    ["NUMBA_OPT=fast", "NUMBA_OPT=0", "NUMBA_BOUNDSCHECK=1", "NUMBA_DEBUGINFO=1", "NUMBA_ENABLE_CUDASIM=1"],
)
def test_a_setting_of_numba_does_no_harm_or_is_one_error(setting: str, cache: Path) -> None:
    name, _, value = setting.partition("=")
    code = """
import json, warnings
warnings.simplefilter("ignore")
from absint.native import units
from absint.base import errors
try:
    print(json.dumps(units.load("tests.native.native_sample", "other")["ints"](5, -2)))
except errors.BackendError as error:
    print(json.dumps(str(error)))
"""
    said = run(code, cache, **{name: value})
    if said != 42:
        assert said.startswith("kernels native_sample other cannot be compiled with Numba's settings ")
        assert setting in said
        assert "\n" not in said


def test_an_editors_lock_beside_a_source_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Emacs makes links that lead nowhere, such as `.#api.py`."""
    package = tmp_path / "locked_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / ".#a.py").symlink_to("user@host.1234")
    monkeypatch.syspath_prepend(tmp_path)
    assert [label for label, _ in sources._files("locked_package")] == ["__init__.py"]
