"""Processes that absint starts import nothing of the working directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from absint.native import children, loaded
from tests.support.command import ROOT

# A working directory in which every module that the process knows lies once more, and others that Python
# looks for when it starts; whoever imports one leaves its name. The process has all that it needs by then.
HOSTILE = """
import os, pathlib, sys, tempfile
def set_trap(*more):
    found = pathlib.Path(tempfile.mkdtemp())
    names = {name.partition(".")[0] for name in sys.modules} - {"__main__", "__mp_main__"}
    for name in names | {"sitecustomize", "usercustomize", "numba", "llvmlite", "resource", *more}:
        text = f"import builtins; builtins.open({str(found / name)!r}, 'w').close(); raise SystemExit(3)"
        pathlib.Path(f"{name}.py").write_text(text)
    sys.path[:0] = ["", ".", os.getcwd()]
    return found
"""

UNITS = """
from absint.native import units
wanted = [units.Named("tests.native.native_sample", (argument,), ()) for argument in ("plain", "other")]
assert all(units._is_absent(unit) for unit in wanted)
found = set_trap()
units.compile_missing(wanted)
print(sorted(os.listdir(found)), any(units._is_absent(unit) for unit in wanted))
"""

ASSEMBLY = """
import llvmlite.binding, numba
from absint.native import build as native_build
found = set_trap()
text = native_build.assembly("tests.native.native_sample", ("plain",), "x86-64")
print(sorted(os.listdir(found)), "absint_ints" not in text)
"""

FUZZ = """
from absint.fuzz import campaign
found = set_trap("bitwuzla")
options = campaign.Options(["reference"], [], ["interval"], programs=4, jobs=2)
summary = campaign.run(options, lambda summary: None, None)
del sys.path[:3]
print(sorted(os.listdir(found)), (summary.programs, summary.finds) != (4, []))
"""

PROVE = """
from absint.fuzz.prove import command as prove
name = min(prove.entries(), key=lambda entry: len(entry.text)).name
found = set_trap("bitwuzla", "mpmath")
if __name__ == "__main__":
    (result,) = prove.prove([prove.Task(name, "binary16", 60.0)], 1)
    del sys.path[:3]
    print(sorted(os.listdir(found)), result[0].name != name)
"""


@pytest.mark.parametrize("code", [UNITS, ASSEMBLY, FUZZ, PROVE], ids=["units", "assembly", "fuzz", "prove"])
@pytest.mark.parametrize("path", ["", os.pathsep + "."], ids=["named", "named beside the working directory"])
def test_nothing_of_the_working_directory_is_imported(code: str, path: str, tmp_path: Path) -> None:
    """With an empty cache for kernels. The parent looks there as well, once it has what it needs."""
    if code == PROVE:
        pytest.importorskip("bitwuzla")
    working = tmp_path / "working"
    working.mkdir()
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{path}"}
    if code == UNITS:
        environment |= {"ABSINT_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", HOSTILE + code],
        cwd=working, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "[] False\n", "")


def test_a_child_finds_what_this_process_runs(tmp_path: Path) -> None:
    """absint, found in the working directory or through a relative entry, and packages beside it."""
    code = "from absint.native import children; import subprocess, sys; "
    code += "child = children.command('import absint, numpy; print(absint.__file__, numpy.__file__)'); "
    code += "sys.exit(subprocess.run(child, env=children.environment()).returncode)"
    from_root = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    relative = {"PYTHONPATH": os.path.relpath(ROOT, tmp_path)}
    from_elsewhere = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env=os.environ | relative,
        capture_output=True,
        text=True,
    )
    for done in (from_root, from_elsewhere):
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{ROOT / 'absint' / '__init__.py'} ")


def test_the_path_that_a_child_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, now, named, library = (tmp_path / name for name in ("start", "now", "named", "library"))
    for folder in (start, now, named, library):
        folder.mkdir()
    link = tmp_path / "link"
    link.symlink_to(now)
    monkeypatch.setattr(loaded, "FOLDER", str(start))
    monkeypatch.chdir(now)
    own = [entry for entry in sys.path if os.path.isabs(entry)]
    given = ["", ".", "lib", str(start), str(now), str(link), str(now / "spelled"), str(named), str(library)]
    monkeypatch.setattr(sys, "path", [*given, *own])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["spelled", str(named), str(ROOT)]))
    assert children.import_path() == [str(named), str(library), *own]
    monkeypatch.chdir(named)
    assert str(named) in children.import_path(), "the user has named it, relative to nothing"


def test_the_process_itself_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    path, environment = list(sys.path), dict(os.environ)
    with children.starting():
        assert (sys.path[0], os.environ["PYTHONSAFEPATH"]) != ("", "0")
        assert sys.path != path
    assert (sys.path, dict(os.environ)) == (path, environment)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_child_ends_with_its_parent_and_not_by_control_c() -> None:
    code = "import signal; signal.raise_signal(signal.SIGINT); print('alive', flush=True); signal.pause()"
    with children.block_interrupts():
        child = subprocess.Popen(
            children.command(code, end_with_parent=True),
            env=children.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "alive\n"
    child.stdin.close()
    assert child.wait(30) == 1
    child.stdout.close()


def test_there_is_no_other_way_to_start_python() -> None:
    """Whoever names the interpreter, or starts processes by `multiprocessing`, does it by `children`."""
    files = {
        path: path.read_text(encoding="utf-8")
        for folder in ("absint", "backends", "fuzz", "passes")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path.name for path, text in files.items() if "sys.executable" in text} == {"children.py"}
    for path, text in files.items():
        if "import multiprocessing\n" in text:
            starts = len(re.findall(r"\bprocess\.start\(|\bProcessPoolExecutor\(|\bpool\.submit\(", text))
            assert text.count("with children.starting():") == starts > 0, path
