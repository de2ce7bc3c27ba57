"""The fuzzer: what it draws, that it makes finds small and keeps them, and that campaigns end well."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from absint import cli
from absint.analysis import Analyses
from absint.backend import find_backend
from absint.cli import main
from absint.fuzz import campaign, generator
from absint.fuzz.blame import blame_of
from absint.fuzz.cases import Case
from absint.fuzz.choices import Drawn, Seeded
from absint.fuzz.findings import Finding
from absint.fuzz.generator import MODES, draw_case, random_case
from absint.fuzz.oracles import check_safely, select
from absint.fuzz.pass_oracles import KeepsPromise
from absint.fuzz.reduction import rebuilt, reduce_case
from absint.fuzz.reproducer import read_reproducer, reproducers, write_reproducer
from absint.manager import PassManager, parse_pipeline, pass_names
from absint.ops.table import ABS, BAND, MUL, OPS, SIN, SQUARE
from absint.passes import minmax
from absint.passes.ranges import ranges_of
from absint.precision import Precision
from absint.program import Box, Program
from absint.registry import names
from absint.rules import RuleSet
from absint.view import View
from absint.vm import parse_vm

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
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
    assert cli.FUZZ_SIZE == generator.SIZE


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
        case = draw_case(Seeded(seed), seed, mode="shapes")
        start = Program(case.graph, case.precision, case.box)
        lowered, _ = PassManager(parse_pipeline("predicates")).run(start)
        bands = lowered.graph.op == BAND.code
        values = lowered.graph.args[bands, 0]
        magnitudes = np.isin(lowered.graph.op[values], [ABS.code, SQUARE.code])
        kept += int((ranges_of(lowered, Analyses()).variables[values[magnitudes]] == 1).sum())
    assert kept


@given(st.data())
def test_hypothesis_draws_from_the_same_definition(data: st.DataObject) -> None:
    case = draw_case(Drawn(data.draw), seed=data.draw(st.integers(0, 100)), size=8)
    case.graph.verify()
    for oracle in ALL.for_case(case):
        finding = check_safely(oracle, case)
        assert finding is None, finding.account()


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
    assert [op.name for op in map(rebuilt(graph, {3: 2}, 4).record, range(4))] == ["var", "var", "add", "mul"]
    shorter = rebuilt(graph, {3: "x", 2: 1.0}, 4)
    assert [op.name for op in map(shorter.record, range(3))] == ["const", "var", "mul"]
    assert len(rebuilt(graph, {4: "x"}, 4)) == 1


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


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("x var-x\n", "1:1: no line begins with '# case'"),
        ('# a\n# case {"oracle": 1}\nx var-x\n', "2:1: not a case"),
        ("# case nothing\nx var-x\n", "1:1: not a case"),
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
        assert finding is None, finding.account()


def test_replay_says_what_is_still_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        text = "x var-x\ny var-y\nf min x y\n" if name == "a" else "x var-x\n"
        write_reproducer(tmp_path / f"{name}.vm", case_of(text, seed=0), Finding("pass:minmax", "made up"))
    assert reproducers(tmp_path) == [tmp_path / "a.vm", tmp_path / "b.vm"]
    assert main(["fuzz", "--replay", str(tmp_path)]) == 0
    assert "2 replayed, 0 still wrong" in capsys.readouterr().out
    broken = [replace(rule, when="") if rule.name == "min-left" else rule for rule in minmax.RULES.rules]
    monkeypatch.setattr(minmax, "RULES", RuleSet(broken))
    assert main(["fuzz", "--replay", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "a.vm: still wrong" in out and "b.vm: holds" in out and "expected" in out
    assert main(["fuzz", "--replay", str(tmp_path / "c.vm")]) == 2


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
        (["--time", "0s"], "no time such as"),
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


def run_with_a_mishap(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mishap: Callable[[int], None], patience: float
) -> campaign.Summary:
    """A campaign one of whose workers has something happen to it once it is at work."""
    monkeypatch.setattr(campaign, "REDUCE_FOR", 0.0)
    options = campaign.Options(["reference"], [], ["interval"], programs=1_000_000, seconds=patience + 14)
    options = replace(options, patience=patience)
    once = threading.Event()

    def watch(summary: campaign.Summary) -> None:
        if summary.programs > 20 and not once.is_set():
            once.set()
            (worker,) = multiprocessing.active_children()
            assert worker.pid is not None
            mishap(worker.pid)
        if summary.finds and not summary.interrupted:
            raise KeyboardInterrupt

    return campaign.run(options, watch, tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(("number", "what"), [("SIGKILL", "died"), ("SIGSTOP", "hangs")])
def test_a_worker_that_dies_or_hangs_is_a_find(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: str, what: str
) -> None:
    summary = run_with_a_mishap(
        monkeypatch, tmp_path, lambda pid: os.kill(pid, getattr(signal, number)), patience=4.0
    )
    assert summary.interrupted
    (find,) = summary.finds
    assert what in find.finding.what
    (path,) = tmp_path.iterdir()
    assert read_reproducer(path).case.seed == find.seed
    deadline = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not multiprocessing.active_children()


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
