"""The fuzzer: what it draws, that it makes finds small and keeps them, and that campaigns end well."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from absint.base.registry import names
from absint.cli import arguments
from absint.cli.main import main
from absint.evaluation.backend import find_backend
from absint.evaluation.view import View
from absint.frontend.guard import read_guard
from absint.frontend.vm import parse_vm
from absint.fuzz import campaign
from absint.fuzz.blame import blame_of
from absint.fuzz.cases import Case
from absint.fuzz.findings import Finding
from absint.fuzz.generate import generator
from absint.fuzz.generate.choices import HypothesisChoices, SeededChoices
from absint.fuzz.generate.generator import MODES, draw_case, random_case
from absint.fuzz.oracles.passes import KeepsPromise
from absint.fuzz.oracles.selection import check_safely, select
from absint.fuzz.reduction import rebuild, reduce_case
from absint.fuzz.replay import subjects
from absint.fuzz.reproducer import read_reproducer, vm_files, write_reproducer
from absint.ir.box import Box
from absint.ir.program import Program
from absint.native.temporary import temporary_folder
from absint.ops.precision import Precision
from absint.ops.table import ABS, BAND, MUL, OPS, SIN, SQUARE
from absint.passes import minmax
from absint.passes.analyses.ranges import ranges_of
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline, pass_names
from absint.rewriting.rules import RuleSet
from tests.support.command import ROOT, interruptible

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
ALL = select([find_backend("numba")], pass_names(), names("domains"))


def case_of(text: str, **fields: object) -> Case:
    made = Case(parse_vm(text), Precision.F32, Box.default(), View.square(16), seed=1)
    return replace(made, **fields)  # type: ignore[arg-type]  # the fields are Case's


# What is drawn


def test_a_seed_always_gives_the_same_case() -> None:
    for seed in range(40):
        one, two = random_case(seed), random_case(seed)
        assert one.graph.rows == two.graph.rows
        assert one.graph.constants.tobytes() == two.graph.constants.tobytes()
        assert (one.precision, str(one.box), one.view) == (two.precision, str(two.box), two.view)


def test_the_command_line_names_the_generators_size() -> None:
    assert arguments.FUZZ_SIZE == generator.SIZE


def test_every_operation_and_mode_is_drawn_and_every_graph_is_sound() -> None:
    operations: set[int] = set()
    modes = set()
    sizes = []
    for seed in range(400):
        case = random_case(seed)
        case.graph.verify()
        operations.update(case.graph.op.tolist())
        modes.add(case.mode)
        sizes.append(case.graph.operation_count)
    assert modes == set(MODES)
    assert operations == {op.code for op in OPS}
    assert 30 < np.mean(sizes) < 60


def test_chains_of_folds_are_drawn() -> None:
    """Some are so long that the lowering keeps a magnitude of one variable, through which it goes else."""
    kept = 0
    for seed in range(1500):
        case = draw_case(SeededChoices(seed), seed, mode="shapes")
        start = Program(case.graph, case.precision, case.box)
        lowered, _ = PassManager(parse_pipeline("predicates")).run(start)
        bands = lowered.graph.op == BAND.code
        values = lowered.graph.args[bands, 0]
        magnitudes = np.isin(lowered.graph.op[values], [ABS.code, SQUARE.code])
        kept += int((ranges_of(lowered, Analyses()).variables[values[magnitudes]] == 1).sum())
    assert kept


@given(st.data())
def test_hypothesis_draws_from_the_same_definition(data: st.DataObject) -> None:
    case = draw_case(HypothesisChoices(data.draw), seed=data.draw(st.integers(0, 100)), size=8)
    case.graph.verify()
    for oracle in ALL.for_case(case):
        finding = check_safely(oracle, case)
        assert finding is None, finding.describe()


# What is found becomes small, and is kept


def complains_of_a_product_of_a_sine(case: Case) -> Finding | None:
    graph = case.graph
    for code, a, b in graph.rows:
        if code == MUL.code and SIN.code in (graph.rows[a][0], graph.rows[b][0]):
            return Finding("made-up", "a product of a sine")
    return None


def test_reduction_leaves_what_matters() -> None:
    seeds = [seed for seed in range(400) if complains_of_a_product_of_a_sine(random_case(seed))]
    assert len(seeds) >= 3
    for seed in seeds[:6]:
        small, finding = reduce_case(random_case(seed), complains_of_a_product_of_a_sine)
        assert finding.oracle == "made-up"
        assert small.graph.operation_count == 2
        assert len(small.graph) <= 4
        small.graph.verify()


def test_reduction_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is wrong"):
        reduce_case(case_of("x var-x\n"), lambda case: None)


def test_a_graph_rebuilt_around_a_leaf_or_an_operand() -> None:
    graph = parse_vm("x var-x\ny var-y\na add x y\nb sin a\nc mul b a\n")
    assert [op.name for op in map(rebuild(graph, {3: 2}, 4).record, range(4))] == ["var", "var", "add", "mul"]
    shorter = rebuild(graph, {3: "x", 2: 1.0}, 4)
    assert [op.name for op in map(shorter.record, range(3))] == ["const", "var", "mul"]
    assert len(rebuild(graph, {4: "x"}, 4)) == 1


def test_a_reproducer_reads_back(tmp_path: Path) -> None:
    for seed in range(60):
        case = random_case(seed)
        path = tmp_path / f"{seed}.vm"
        write_reproducer(path, case, Finding("pass:minmax", "made up", {"x": 0.1}, 1.0, -0.0), "pass minmax")
        again = read_reproducer(path)
        assert again.oracle == "pass:minmax"
        assert again.case.graph.rows == case.graph.rows
        assert (again.case.box, again.case.view) == (case.box, case.view)
        assert (again.case.precision, again.case.seed) == (case.precision, case.seed)
        assert "0x1.999999999999ap-4" in path.read_text()


def test_a_reproducer_that_quotes_a_guard_is_no_written_program(tmp_path: Path) -> None:
    case = random_case(0)
    what = 'DomainError: "the program" holds for precision f32, box all, promise bits'
    write_reproducer(tmp_path / "a.vm", case, Finding("guard", what), what)
    text = (tmp_path / "a.vm").read_text(encoding="utf-8")
    assert text.count("precision f32, box all, promise bits") == 2
    assert read_guard(text) is None
    assert read_reproducer(tmp_path / "a.vm").case.graph.rows == case.graph.rows


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('# a\n# case {"oracle": 1}\nx var-x\n', "2:1: not a case"),
        ("# case {nothing\nx var-x\n", "1:1: not a case"),
        ("# case {}\nx var-x\ny sinh x\n", "3:3: unknown opcode"),
    ],
)
def test_a_file_that_is_no_find(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, where: str
) -> None:
    (tmp_path / "a.vm").write_text(text)
    assert main(["fuzz", "--replay", str(tmp_path / "a.vm")]) == 2
    assert where in capsys.readouterr().err


def test_blame_names_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [replace(rule, when="") if rule.name == "min-left" else rule for rule in minmax.RULES.rules]
    monkeypatch.setattr(minmax, "RULES", RuleSet(broken))
    case = case_of("x var-x\ny var-y\nf min x y\n", seed=0)
    oracle = KeepsPromise("minmax")
    finding = check_safely(oracle, case)
    assert finding is not None and "minmax" in finding.what
    assert finding.expected != finding.got
    assert "min-left at line 3" in blame_of(case, finding)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.vm")), ids=lambda path: path.stem)
def test_what_was_found_once_holds_now(path: Path) -> None:
    case = read_reproducer(path).case
    for oracle in ALL.every:
        finding = check_safely(oracle, case)
        assert finding is None, finding.describe()


def test_replay_says_what_is_still_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        text = "x var-x\ny var-y\nf min x y\n" if name == "a" else "x var-x\n"
        write_reproducer(tmp_path / f"{name}.vm", case_of(text, seed=0), Finding("pass:minmax", "made up"))
    assert vm_files(tmp_path) == [tmp_path / "a.vm", tmp_path / "b.vm"]
    assert main(["fuzz", "--replay", str(tmp_path)]) == 0
    assert "2 replayed, 0 wrong" in capsys.readouterr().out
    broken = [replace(rule, when="") if rule.name == "min-left" else rule for rule in minmax.RULES.rules]
    monkeypatch.setattr(minmax, "RULES", RuleSet(broken))
    assert main(["fuzz", "--replay", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "a.vm: still wrong" in out and "b.vm: holds" in out and "expected" in out
    assert main(["fuzz", "--replay", str(tmp_path / "c.vm")]) == 2


@pytest.mark.parametrize("model", ["spiral", "gyroid"])
def test_a_bundled_model_is_put_to_all_oracles(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--replay", model]) == 0
    assert capsys.readouterr() == (f"{model}: holds\n1 replayed, 0 wrong\n", "")
    (subject,) = subjects(model)
    assert {case.precision for case in subject.cases} == set(Precision)
    assert len({case.view for case in subject.cases}) >= 3
    assert len({case.seed for case in subject.cases}) == len(subject.cases)


def test_a_program_of_ones_own_is_wrong_where_something_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one whose comments look like those of a find, and one of other variables than x, y and z."""
    (tmp_path / "a.vm").write_text("# case study\nx var-x\nt var-t\nf min x t\n")
    (tmp_path / "b.vm").write_text("x var-x\nf sin x\n")
    assert main(["fuzz", "--replay", str(tmp_path)]) == 0
    assert "2 replayed, 0 wrong" in capsys.readouterr().out
    broken = [replace(rule, when="") if rule.name == "min-left" else rule for rule in minmax.RULES.rules]
    monkeypatch.setattr(minmax, "RULES", RuleSet(broken))
    assert main(["fuzz", "--replay", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    first, *said = out.splitlines()
    assert (first, err) == (f"{tmp_path / 'a.vm'}: wrong", "")
    assert said[-2:] == [f"{tmp_path / 'b.vm'}: holds", "2 replayed, 1 wrong"]
    assert sum(line.startswith("pass:minmax: ") for line in said) == 1
    assert any("expected" in line for line in said)


def test_a_guarded_program_is_checked_where_it_holds(tmp_path: Path, disc: Path) -> None:
    path = tmp_path / "part.vm"
    region = ["--region", "x=-0.25:1,y=-0.125:2,z=0.5:0.5", "--precision", "f64"]
    assert main(["optimize", str(disc), "-o", str(path), *region]) == 0
    (subject,) = subjects(str(path))
    assert not subject.is_find and len(subject.cases) >= 3
    for case in subject.cases:
        assert case.precision is Precision.F64
        assert case.box == Box({"x": (-0.25, 1.0), "y": (-0.125, 2.0), "z": (0.5, 0.5)})
        assert -0.25 <= case.view.center[0] <= 1 and -0.125 <= case.view.center[1] <= 2
        assert case.view.z == 0.5
    assert main(["fuzz", "--replay", str(path)]) == 0


@pytest.mark.parametrize("box", ["x=1:1,y=2:2,z=0:0", "x=-inf:inf", "x=-3e38:3e38,y=-3e38:3e38", "t=0:1"])
def test_a_guard_of_any_box(box: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.vm"
    path.write_text(f"# precision f32, box {box}, promise bits\nx var-x\ny var-y\nf mul x y\n")
    assert main(["fuzz", "--replay", str(path)]) == 0


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_control_c_ends_a_replay_cleanly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"v{i} add v{i - 1} v{rng.integers(i)}" for i in range(1, 4000)]
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.vm").write_text("x var-x\n")
    (files / "b.vm").write_text("\n".join(["x var-x", "v0 sin x", *lines, ""]))
    command = [sys.executable, "-m", "absint", "fuzz", "--replay", str(files)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    pipe = subprocess.PIPE
    with interruptible():
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline().endswith(b"a.vm: holds\n")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err and out == b""
    assert list(tmp_path.iterdir()) == [files]


# Campaigns


def test_a_campaign_counts_and_finds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = tmp_path / "finds"
    words = ["fuzz", "--programs", "60", "--jobs", "2", "--backends", "reference,numba", "--json"]
    assert main([*words, "--corpus", str(corpus)]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["programs"], summary["finds"], summary["interrupted"]) == (60, [], False)
    assert summary["checks"] == sum(len(ALL.for_case(random_case(seed))) for seed in range(60))
    assert summary["operations_met"] > 20
    assert not corpus.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backends", "abacus"], "abacus"),
        (["--passes", "bounds"], "--passes: 'bounds' is none of"),
        (["--domains", "octagon"], "octagon"),
        (["--time", "0s"], "not a time such as"),
        (["--programs", "0"], "not a whole number"),
        (["--replay", "nowhere"], "no such file or folder"),
        (["--time", "1s", "--programs", "5"], "not allowed with"),
    ],
)
def test_bad_usage(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", *words]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.out == ""


def test_a_backend_that_is_not_available_says_how_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    from absint.backends.cupy import Cupy

    availability = Cupy().probe()
    if availability.available:
        pytest.skip("CuPy is available here")
    assert main(["fuzz", "--backends", "numba,cupy", "--programs", "1"]) == 2
    assert availability.reason in capsys.readouterr().err


TRAP = 7
"""The seed at which something happens to a worker."""


def work_with_a_trap(options: campaign.Options, pipe: Any, beacon: Any) -> None:
    """A worker in which something happens: what ABSINT_TRAP says, as often as there are files for it."""
    usual = campaign._Worker._check
    what, folder = os.environ["ABSINT_TRAP"].split(":")

    def check(self: Any, seed: int) -> None:
        left = sorted(Path(folder).iterdir())
        if seed == TRAP and left:
            left[0].unlink()
            self._set_beacon(seed, 1)
            if what == "dies":
                with temporary_folder() as left_behind:
                    left_behind.joinpath("large").write_bytes(bytes(1000))
                    os.kill(os.getpid(), signal.SIGKILL)
            if what == "compiles":
                self._note_compiling("a unit")
            time.sleep(600 if what == "hangs" else 1.5 * PATIENCE)
        usual(self, seed)

    campaign._Worker._check = check  # type: ignore[method-assign]  # this process is for nothing else
    campaign._work(options, pipe, beacon)


PATIENCE = 10.0
"""Seconds: far more than a small program takes on a busy machine."""


def run_with_a_trap(
    monkeypatch: pytest.MonkeyPatch, folder: Path, what: str, times: int, **options: Any
) -> campaign.Summary:
    """A campaign to one of whose programs something happens so many times."""
    (folder / "times").mkdir()
    for number in range(times):
        (folder / "times" / str(number)).touch()
    (folder / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("ABSINT_TRAP", f"{what}:{folder / 'times'}")
    monkeypatch.setattr(campaign, "REDUCE_FOR", 0.0)
    monkeypatch.setattr(campaign, "_work", work_with_a_trap)
    made = campaign.Options(["reference"], [], ["interval"], programs=12, patience=PATIENCE, size=8)
    return campaign.run(replace(made, **options), lambda summary: None, folder / "finds")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(("what", "said"), [("dies", "died (exit status -9)"), ("hangs", "hangs for more")])
@pytest.mark.parametrize("times", [1, 2])
def test_a_worker_that_dies_or_hangs_twice_is_a_find(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str, said: str, times: int
) -> None:
    summary = run_with_a_trap(monkeypatch, tmp_path, what, times, jobs=2)
    assert list((tmp_path / "times").iterdir()) == []
    assert not summary.interrupted
    assert summary.not_repeated == (times == 1)
    assert 12 - summary.programs <= 2 * TRAP  # others are checked, also those behind it
    assert len(summary.finds) == (times == 2)
    for find in summary.finds:
        assert said in find.finding.what
        assert find.seed == TRAP
        (path,) = (tmp_path / "finds").iterdir()
        assert read_reproducer(path).case.seed == TRAP
    assert (tmp_path / "finds").exists() == (times == 2)
    assert list((tmp_path / "temporary").iterdir()) == []
    deadline = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not multiprocessing.active_children()


def test_a_worker_that_compiles_does_not_hang(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    summary = run_with_a_trap(monkeypatch, tmp_path, "compiles", 1)
    assert (summary.programs, summary.not_repeated, summary.finds) == (12, 0, [])
    assert list((tmp_path / "times").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_what_is_suspect_is_settled_when_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    began = threading.Event()
    start = campaign._WorkerPool.start

    def start_late(self: Any, first: int, suspect: bool = False) -> None:
        if suspect:
            began.set()
            self.finish()
        start(self, first, suspect)

    monkeypatch.setattr(campaign._WorkerPool, "start", start_late)
    summary = run_with_a_trap(monkeypatch, tmp_path, "dies", 2, programs=None, seconds=600.0)
    assert began.is_set()
    (find,) = summary.finds
    assert find.seed == TRAP


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    ("words", "count"),
    [(["--time", "10m", "--jobs", "2", "--corpus", "finds"], 2), (["--self-test", "--size", "20000"], 1)],
)
def test_workers_end_with_their_parent(words: list[str], count: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "absint", "fuzz", *words]
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    nowhere = subprocess.DEVNULL
    parent = subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere, cwd=tmp_path)
    try:
        workers = wait_for(lambda: len(found := children_of(parent.pid)) >= count and found)
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not any(map(is_running, workers)))
    assert list(tmp_path.iterdir()) == []


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 600  # kernels may have to be compiled first
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def children_of(parent: int) -> list[int]:
    """The workers among the processes that a process has started."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, of, words in rows if int(of) == parent and "resource_tracker" not in words]


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


KERNELS_LOADED = """
import json
from absint.native import units
from absint.evaluation.backend import find_backend
from absint.fuzz.generate.generator import random_case
from absint.fuzz.kernels import load_kernels
from absint.fuzz.oracles.selection import check_safely, select
from absint.rewriting.manager import pass_names
from absint.base.registry import names

oracles = select([find_backend("numba")], pass_names(), names("domains"))
load_kernels()
before = set(units._units)
for seed in range(40):
    for oracle in oracles.for_case(random_case(seed)):
        assert check_safely(oracle, random_case(seed)) is None
print(json.dumps([sorted(before), sorted(set(units._units) - before)]))
"""


COLD = """
from absint.fuzz import kernels
from absint.ops.precision import Precision
from absint.ops.units import operation_unit

units = [operation_unit(name, Precision.F32) for name in ("neg", "abs", "not")]
kernels.kernel_units = lambda: units
with kernels.CompilationNotice() as notice:
    kernels.load_kernels(notice.show)
"""


def test_kernels_are_compiled_before_the_clock_starts(tmp_path: Path) -> None:
    """With an empty cache it is said that they are; after that there is nothing to say."""
    environment = os.environ | {"ABSINT_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    for said in ("notice kernels for this machine, once\n", ""):
        command = [sys.executable, "-c", COLD]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("", said)
        assert len(list(tmp_path.glob("*.absint"))) == 3


def test_no_oracle_needs_a_kernel_that_was_not_compiled_before() -> None:
    command = [sys.executable, "-c", KERNELS_LOADED]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    before, later = json.loads(done.stdout)
    assert len(before) > 2 * (len(OPS) - 2)
    assert later == []


def test_the_same_find_is_written_three_times_at_most() -> None:
    summary = campaign.Summary()
    case = case_of("x var-x\n")
    finds = [
        campaign.Find(seed, case, Finding("image:numba", f"{seed} of 256 pixels differ"), "")
        for seed in range(9)
    ]
    assert [summary.add(find) for find in finds] == [True] * 3 + [False] * 6
    assert (len(summary.finds), summary.repeated) == (3, 6)


# Stopping after some rewrites


def test_bisect_limit_stops_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = tmp_path / "a.vm", tmp_path / "b.vm"
    source.write_text("x var-x\nn neg x\nm neg n\na abs m\nb abs a\n")
    words = ["optimize", str(source), "-O1", "-o", str(output), "--bisect-limit"]
    lengths = []
    for limit in range(4):
        assert main([*words, str(limit)]) == 0
        lengths.append(len(parse_vm(output.read_text())))
        err = capsys.readouterr().err
        assert f"{limit} rewrites" in err
        assert ("line" in err) == (limit > 0)
    assert lengths == sorted(lengths, reverse=True)
