"""Plans that are kept are those that would be made, and nothing else is ever taken for one."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from absint import models
from absint.backends.numba.layout import lay_out
from absint.base.errors import DomainError, VmError
from absint.frontend.source import Source
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.program import Program, Promise
from absint.lowering import cache as lowering_cache
from absint.lowering.cache import SOURCES, lowered_plan
from absint.lowering.plan import Plan
from absint.lowering.plan_format import VERSION
from absint.lowering.region_plan import RegionProgram
from absint.native import array_file, cache, loaded, sources
from absint.ops.precision import Precision

ROOT = Path(__file__).parents[2]
ENVIRONMENT = dict(os.environ)
"""As it was before the tests' own cache."""
PIPELINE = "cse,predicates,flatten,bands,contract"
DISC = "x var-x\ny var-y\nxx square x\nyy square y\nq add xx yy\nr const 0.5\nf sub q r\n"
WAVES = "x var-x\ny var-y\ns sin x\nt exp y\np mul s t\nq sin p\nc const 0.1\nf sub q c\n"
BOX = Box.of((-1.0, 1.0), (-1.0, 1.0), (0.0, 0.0))


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    """Kernels come from the user's own cache, before the tests' takes its place."""
    for text in (DISC, WAVES):
        for precision in Precision:
            lay_out(lowered_plan(Source(text), precision, BOX, PIPELINE))


@pytest.fixture(autouse=True)
def home(_kernels: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABSINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(lowering_cache, "WORTH_KEEPING", -1.0)
    return tmp_path / "cache"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What plans were made for, as opposed to found."""
    calls = []
    original = lowering_cache._make

    def counted(source: Any, *rest: Any) -> Plan:
        calls.append(source)
        return original(source, *rest)

    monkeypatch.setattr(lowering_cache, "_make", counted)
    return calls


def plan_of(text: str = DISC, precision: Precision | None = Precision.F32, box: Box = BOX) -> Plan:
    return lowered_plan(Source(text), precision, box, PIPELINE)


def content(record: Plan | RegionProgram | None) -> Any:
    """A plan in a form that can be compared."""
    if record is None:
        return None
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: _content(value) for name, value in values.items()}


def _content(value: Any) -> Any:
    if isinstance(value, RegionProgram):
        return content(value)
    if isinstance(value, tuple):
        return tuple(map(_content, value))
    return (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("text", [DISC, WAVES, *map(models.text, models.names())])
@pytest.mark.parametrize("precision", Precision)
def test_what_is_found_is_what_was_made(text: str, precision: Precision, made: list[Any]) -> None:
    first, second = plan_of(text, precision), plan_of(text, precision)
    assert len(made) == 1
    assert content(first) == content(second)
    assert lay_out(first).instructions.tolist() == lay_out(second).instructions.tolist()


def test_plans_with_regions_are_among_them() -> None:
    assert plan_of(WAVES).regions is not None
    assert plan_of(DISC).regions is None


@pytest.mark.parametrize(
    "changed",
    [
        {"text": DISC.replace("0.5", "0.25")},
        {"text": DISC + "# the end\n"},
        {"text": WAVES},
        {"precision": Precision.F64},
        {"box": Box.of((-1.0, 1.0), (-1.0, 1.0), (0.0, 0.5))},
        {"box": Box.of((-1.0, 1.0), (-1.0, np.nextafter(1.0, 2)), (0.0, 0.0))},
        {"box": Box.of((-1.0, 1.0), (-1.0, 1.0))},
    ],
)
def test_whatever_changes_makes_another(changed: dict[str, Any], made: list[Any]) -> None:
    plan_of()
    plan_of(**changed)
    assert len(made) == 2
    plan_of()
    plan_of(**changed)
    assert len(made) == 2


def test_ends_that_are_whole_numbers_are_the_same_ends(made: list[Any]) -> None:
    lowered_plan(Source(DISC), Precision.F32, BOX, PIPELINE)
    lowered_plan(Source(DISC), Precision.F32, Box.of((-1, 1), (-1, 1), (0, 0)), PIPELINE)
    assert len(made) == 1


def test_so_does_another_pipeline(made: list[Any]) -> None:
    for pipeline in (PIPELINE, "cse,predicates,flatten,bands", "predicates,flatten{copies=1},bands"):
        lowered_plan(Source(DISC), None, BOX, pipeline)
    assert len(made) == 3


def test_so_does_another_version_of_a_source(made: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    plan_of()
    monkeypatch.setattr(lowering_cache, "_sources", lambda: "of tomorrow")
    plan_of()
    assert len(made) == 2


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A function after which every source counts as changed since this process imported it."""
    caches = lowering_cache._sources, sources._digest
    yield lambda: monkeypatch.setattr(loaded, "LOADED_AT", 0)
    for each in caches:
        each.cache_clear()


def test_where_a_source_was_changed_nothing_is_found_or_kept(
    changed: Callable[[], None], home: Path, made: list[Any]
) -> None:
    plan = content(plan_of())
    lowering_cache._sources.cache_clear()
    sources._digest.cache_clear()
    changed()
    assert content(plan_of()) == plan
    plan_of(WAVES)
    assert len(made) == 3
    assert len(list(home.iterdir())) == 1


def test_where_one_is_changed_while_a_plan_is_made_it_is_not_kept(
    changed: Callable[[], None], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = lowering_cache._make

    def made_meanwhile(*given: Any) -> Plan:
        changed()
        return making(*given)

    monkeypatch.setattr(lowering_cache, "_make", made_meanwhile)
    plan_of()
    assert not home.exists()


def test_a_text_that_says_what_it_holds_for_is_taken_at_its_word() -> None:
    special = f"# precision f64, box x=-1.0:1.0,y=-1.0:1.0,z=0.0:0.0, promise sign\n{DISC}"
    assert plan_of(special, None).precision is Precision.F64
    with pytest.raises(DomainError):
        plan_of(special, Precision.F32)
    with pytest.raises(DomainError):
        plan_of(special, None, Box.default())


def test_programs_are_found_by_their_content(made: list[Any]) -> None:
    for text in (DISC, DISC.replace("xx", "named"), "\n\n" + DISC):
        lowered_plan(Program(parse_vm(text)), None, BOX, PIPELINE)
    assert len(made) == 1


def test_programs_differ_by_all_that_matters(made: list[Any]) -> None:
    graph = parse_vm(DISC)
    wide = Program(parse_vm(DISC.replace("0.5", "0.75")), Precision.F32, Box.default(), Promise.SIGN)
    programs = [
        Program(graph),
        Program(graph, Precision.F64),
        Program(parse_vm(DISC.replace("var-y", "var-z"))),
        Program(parse_vm(DISC.replace("0.5", "-0.0"))),
        Program(parse_vm(DISC.replace("0.5", "0.0"))),
        Program(parse_vm(DISC.replace("sub", "add"))),
        wide,
        wide.with_graph(graph),  # of another source
    ]
    for program in programs:
        lowered_plan(program, None, BOX, PIPELINE)
    assert len(made) == len(programs)


def test_lowered_programs_too(made: list[Any]) -> None:
    for text in (DISC, DISC.replace("0.5", "0.75")):
        program = Program(parse_vm(text)).restricted(BOX, Precision.F32, Promise.SIGN)
        lowered, _ = lowering_cache.PassManager(lowering_cache.parse_pipeline("predicates")).run(program)
        plan = lowered_plan(lowered, None, BOX, "contract")
        assert content(plan) == content(lowered_plan(lowered, None, BOX, "contract"))
    assert len(made) == 2


def entry(home: Path) -> Path:
    (path,) = home.iterdir()
    return path


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "short": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "longer": lambda data: data + b"\0",
    "flipped": lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_anew(damage: str, home: Path, made: list[Any]) -> None:
    expected = content(plan_of())
    entry(home).write_bytes(DAMAGES[damage](entry(home).read_bytes()))
    assert content(plan_of()) == expected
    assert len(made) == 2
    plan_of()
    assert len(made) == 2


@pytest.mark.parametrize("payload", ["junk", "no arrays", "too few", "other kinds", "other version"])
def test_an_entry_that_is_no_plan_is_made_anew(payload: str, made: list[Any]) -> None:
    plan = plan_of()
    arrays = array_file.unpack(lowering_cache._pack(plan))
    data = {
        "junk": b"junk",
        "no arrays": b"[]\n",
        "too few": array_file.pack({name: arrays[name] for name in list(arrays)[1:]}),
        "other kinds": array_file.pack(arrays | {"fixed_tape": np.zeros(3)}),
        "other version": array_file.pack(arrays | {"version": np.array(VERSION + 1)}),
    }[payload]
    key = lowering_cache._key(Source(DISC), Precision.F32, BOX, PIPELINE)
    assert key is not None
    cache.write(key, data)
    assert content(plan_of()) == content(plan)
    assert len(made) == 2


def test_plans_of_another_version_are_not_found(made: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    plan_of()
    monkeypatch.setattr(lowering_cache, "VERSION", VERSION + 1)
    plan_of()
    plan_of()
    assert len(made) == 2


def test_malformed_text_is_told_each_time(home: Path) -> None:
    for _ in range(2):
        with pytest.raises(VmError, match=r"model\.vm:1:3: unknown opcode"):
            lowered_plan(Source("x what", "model.vm"), None, BOX, PIPELINE)
    assert not home.exists()


def test_so_is_a_variable_that_images_do_not_have(home: Path) -> None:
    for _ in range(2):
        with pytest.raises(DomainError, match="'t'"):
            plan_of(DISC.replace("var-y", "var-t"))
    assert not home.exists()


def test_what_took_no_time_is_not_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lowering_cache, "WORTH_KEEPING", 1e9)
    plan_of()
    assert not home.exists()


def test_without_a_cache_plans_are_made(
    tmp_path: Path, made: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("ABSINT_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert content(plan_of()) == content(plan_of())
    assert len(made) == 2


SCRIPT = """
import hashlib, os, sys
from absint import models
from absint.lowering import cache as lowering_cache
from absint.frontend.source import Source
from absint.ops.precision import Precision
from absint.ir.box import Box
from absint.lowering.units import lowering_kernels

lowering_kernels(), lowering_kernels(Precision.F32)  # from the user's own cache
os.environ["ABSINT_CACHE_DIR"] = sys.argv[1]
lowering_cache.WORTH_KEEPING = -1.0
made, making = [], lowering_cache._make
lowering_cache._make = lambda *given: made.append(given) or making(*given)
box = Box.of((-1.0, 1.0), (-1.0, 1.0), (0.0, 0.0))
source = Source(models.text("tempest"))
plan = lowering_cache.lowered_plan(source, None, box, sys.argv[2])
print(len(made), hashlib.sha256(lowering_cache._pack(plan)).hexdigest(), plan.instructions.all())
"""


def test_another_process_finds_what_one_has_made(tmp_path: Path) -> None:
    printed = []
    for _ in range(2):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "shared"), PIPELINE]
        done = subprocess.run(
            command, cwd=ROOT, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True
        )
        printed.append(done.stdout.split())
    assert [made for made, *_ in printed] == ["1", "0"]
    assert printed[0][1:] == printed[1][1:]


UNRELATED = {
    "absint.native.cache",  # keeps bytes, whatever they are
    "absint.base.errors",
    "absint.native.units",  # its kernels' sources are among them
    "absint.native.sources",  # says which they are
    "absint.native.build",
    "absint.base.registry",
}


def test_the_sources_are_all_there_are() -> None:
    """Whatever module a listed one imports is listed too, or plans do not depend on it."""
    pending, seen = [*SOURCES], set()
    while pending:
        name = pending.pop()
        if name in seen or any(f"{name}.".startswith(f"{other}.") for other in UNRELATED):
            continue
        seen.add(name)
        pending += _imports(name)
    outside = {name for name in seen if not any(f"{name}.".startswith(f"{one}.") for one in SOURCES)}
    assert not outside


def _imports(name: str) -> Iterator[str]:
    """The modules of absint that a module or the modules of a package import."""
    path = ROOT.joinpath(*name.split("."))
    for file in path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.ImportFrom)
                and node.level == 0
                and (node.module or "").startswith("absint")
            ):
                for alias in node.names:
                    inner = ROOT.joinpath(*f"{node.module}.{alias.name}".split("."))
                    is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                    yield f"{node.module}.{alias.name}" if is_module else str(node.module)
