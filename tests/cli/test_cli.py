"""The command line, called in this process; `test_cli_process.py` goes through the real entry point."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import absint
from absint import models
from absint.base.registry import find, names
from absint.cli import arguments
from absint.cli.main import main
from absint.cli.parser import join_negative_values
from absint.evaluation.view import Grid, View
from absint.frontend.vm import parse_vm
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import OPS
from absint.rewriting.manager import LEVELS, PassResult, pass_names, rule_sets
from absint.rewriting.rules import Mode
from tests.support.command import DISC, ROOT, one_line

PROSPERO_AT_1024 = "961054c84fd919ad"  # SHA-256 of the packed bits begins so

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """`run("list", "ops")`: exit status, standard output, standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        status = main(words)
        out, err = capfd.readouterr()
        return status, out, err

    return call


@pytest.fixture
def disc(tmp_path: Path) -> str:
    path = tmp_path / "disc.vm"
    path.write_text(DISC)
    return str(path)


@pytest.mark.parametrize("command", ["", "optimize", "render", "bench", "view", "list"])
def test_every_help_has_words_for_all(run: Run, command: str) -> None:
    status, out, err = run(*filter(None, [command]), "--help")
    assert (status, err) == (0, "")
    assert out.startswith("usage: absint")
    assert ("examples:\n  absint " in out) == bool(command)


def test_what_the_parser_repeats_agrees_with_its_source() -> None:
    assert tuple(LEVELS) == arguments.LEVELS
    assert tuple(precision.value for precision in Precision) == arguments.PRECISIONS
    assert tuple(grid.value for grid in Grid) == arguments.GRIDS
    described = arguments.make_parser()[1]["optimize"].format_help()
    for level in arguments.LEVELS:
        assert f"{level}: " in described or level == max(arguments.LEVELS)


# optimize


def test_optimize_prints_the_program(run: Run, disc: str) -> None:
    status, out, err = run("optimize", disc, "-O1", "--region", "-1:1,-2:2,0:1")
    assert (status, err) == (0, "")
    comment, made_by, *_ = out.splitlines()
    assert comment == "# precision f32, box x=-1.0:1.0,y=-2.0:2.0,z=0.0:1.0, promise bits"
    assert made_by == f"# made by absint {absint.__version__}, passes {LEVELS[1]}"
    assert len(parse_vm(out)) == 8


@pytest.mark.parametrize("words", [["-O0"], ["-O1"], ["-O2"], ["-O", "0"], ["-O", "2"], []])
def test_levels_with_and_without_a_space(run: Run, disc: str, words: list[str]) -> None:
    status, out, _ = run("optimize", *words, disc)
    level = int("".join(words)[-1]) if words else arguments.OPTIMIZE_LEVEL
    assert status == 0
    assert f"passes {LEVELS[level] or 'none'}" in out
    assert ("promise sign" in out) == (level == 2)


def test_output_goes_to_the_file_or_to_standard_output(run: Run, disc: str, tmp_path: Path) -> None:
    _, printed, _ = run("optimize", disc)
    assert run("optimize", disc, "-o", "-") == (0, printed, "")
    target = tmp_path / "out.vm"
    assert run("optimize", disc, "-o", str(target)) == (0, "", "")
    assert target.read_text() == printed
    assert sorted(os.listdir(tmp_path)) == ["disc.vm", "out.vm"]


def test_a_report_takes_standard_output_and_o_stays_the_program(run: Run, disc: str, tmp_path: Path) -> None:
    target = tmp_path / "out.vm"
    status, out, err = run("optimize", disc, "--report", "--format", "json", "-o", str(target))
    assert (status, err) == (0, "")
    assert json.loads(out)["precision"] == "f32"
    assert target.read_text().startswith("# precision f32")
    status, out, _ = run("optimize", disc, "--report")
    assert status == 0
    assert "const" not in out.splitlines()[0]
    assert "schedule" in out


@pytest.mark.parametrize("region", ["all", "-1:1,-1:1"])
def test_a_json_report_is_strict_json(run: Run, disc: str, region: str) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    for model in (disc, *models.names()):
        _, out, _ = run("optimize", model, "--report", "--format", "json", "--region", region)
        json.loads(out, parse_constant=refuse)


def test_a_report_file_leaves_standard_output_empty(run: Run, disc: str, tmp_path: Path) -> None:
    table, data = tmp_path / "report.txt", tmp_path / "report.json"
    assert run("optimize", disc, "--report-file", str(table)) == (0, "", "")
    assert run("optimize", disc, "--report-file", str(data), "--format", "json") == (0, "", "")
    assert "\x1b" not in table.read_text()
    assert json.loads(data.read_text())["precision"] == "f32"


def test_instruments_write_to_standard_error(run: Run, disc: str) -> None:
    _, printed, _ = run("optimize", disc, "--passes", "fold,cse,dce")
    words = ("--stats", "--time-passes", "--verify-each", "--print-after=cse")
    status, out, err = run("optimize", disc, "--passes", "fold,cse,dce", *words)
    assert (status, out) == (0, printed)
    assert "# after cse\n" in err
    assert err.count("# after") == 1
    assert "Rewrites" in err
    assert "Times" in err
    assert run("optimize", disc, "--print-after", "changed", "-O0")[2] == ""
    assert run("optimize", disc, "--print-after=all")[2].count("# after") == len(LEVELS[2].split(","))


def test_a_pass_that_breaks_its_promise_is_something_wrong(
    run: Run, disc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, program: Program, analyses: object) -> PassResult:
        return PassResult(program.with_graph(parse_vm(DISC.replace("0.5", "0.25"))), program_rewrites)

    program_rewrites: Any = {}
    monkeypatch.setattr(find("passes", "cse"), "run", broken)
    status, out, err = run("optimize", disc, "--passes", "cse", "--verify-each")
    assert (status, out) == (1, "")
    assert "cse" in one_line(err)
    assert run("optimize", disc, "--passes", "cse")[0] == 0


@pytest.mark.parametrize("domains", ["interval", "interval,affine", "interval, sign"])
@pytest.mark.parametrize("precision", arguments.PRECISIONS)
def test_domains_and_precisions(run: Run, disc: str, domains: str, precision: str) -> None:
    status, out, _ = run("optimize", disc, "--domains", domains, "--precision", precision)
    assert status == 0
    assert out.startswith(f"# precision {precision}")


@pytest.mark.parametrize("model", models.names())
def test_every_bundled_model_optimises_at_every_level(run: Run, model: str) -> None:
    for level in LEVELS:
        status, out, err = run("optimize", model, f"-O{level}", "--verify-each")
        assert (status, err) == (0, "")
        assert (out == "") if level == 3 else len(parse_vm(out)) > 0


# render


def test_render_writes_both_formats(run: Run, disc: str, tmp_path: Path) -> None:
    picture = absint.render(parse_vm(DISC), View(9, 7, (0.25, -0.5), 0.75, 0.0, Grid.PIXEL))
    words = ("--size", "9x7", "--center", "0.25,-0.5", "--scale", ".75", "--grid", "pixel")
    target = tmp_path / "out.pgm"
    status, out, err = run("render", disc, "-o", str(target), *words)
    assert (status, out) == (0, "")
    assert target.read_bytes() == b"P5\n9 7\n255\n" + picture.tobytes()
    assert one_line(err).startswith(f"{target}: 9x7 pixels, {(picture > 0).mean():.2%} white, ")
    assert run("render", disc, "-o", str(tmp_path / "out.PNG"), *words)[0] == 0
    assert (tmp_path / "out.PNG").read_bytes().startswith(b"\x89PNG\r\n")


def test_too_deep_a_zoom_is_one_line_of_warning(run: Run, disc: str, tmp_path: Path) -> None:
    words = ("--center", "0.5,0.5", "--scale", "1e-9", "-n", "8", "-o", str(tmp_path / "x.pgm"))
    status, _, err = run("render", disc, *words)
    assert status == 0
    warning, _ = err.splitlines()
    assert warning.startswith("absint: warning: 14 columns and rows repeat")


@pytest.mark.parametrize(
    ("command", "word", "value", "expected"),
    [
        ("render", "--center", "-0.5,0.2", (-0.5, 0.2)),
        ("render", "--center", "-.5,-1e3", (-0.5, -1e3)),
        ("render", "--z", "-1e-3", -1e-3),
        ("render", "--z", "-.5", -0.5),
        ("render", "--z", "-7", -7.0),
        ("render", "--z", "-inf", -np.inf),
        ("render", "--scale", "-1", -1.0),
        ("optimize", "--region", "-1:1,-1:1", "-1:1,-1:1"),
        ("optimize", "--region", "-.5:1,0:1,-inf:inf", "-.5:1,0:1,-inf:inf"),
        ("optimize", "--report-file", "-1.txt", "-1.txt"),
    ],
)
def test_values_may_begin_with_a_minus(command: str, word: str, value: str, expected: object) -> None:
    name = word.removeprefix("--").replace("-", "_")
    others = ["-o", "x.pgm", "m"]
    for words in ([word, value, *others], [*others, word, value], [f"{word}={value}", *others]):
        assert getattr(arguments.parse([command, *words]), name) == expected


@pytest.mark.parametrize("command", ["optimize", "render", "bench"])
def test_every_option_that_takes_a_value_takes_a_negative_one(command: str) -> None:
    parser = arguments.make_parser()[1][command]
    for action in parser._actions:
        for word in action.option_strings:
            joined = join_negative_values(parser, [word, "-1e-3"])
            assert joined == ([word, "-1e-3"] if action.nargs == 0 else [f"{word}=-1e-3"])
    assert join_negative_values(parser, ["a", "-1", "--", "-o", "-1"]) == ["a", "-1", "--", "-o", "-1"]


# What is wrong with the input


USAGE = [
    (["paint"], "invalid choice: 'paint' (choose from optimize, render,"),
    (["rendr", "gear"], "did you mean 'render'?"),
    (["optimize"], "required: MODEL"),
    (["optimize", "gear", "gyroid"], "unrecognized arguments: gyroid"),
    (["optimize", "gear", "-O4"], "invalid choice: 4"),
    (["optimize", "gear", "-O3"], "has no .vm form"),
    (["optimize", "gear", "--passes", "predicates,fold"], "put it before 'predicates'"),
    (["optimize", "gear", "-O1", "--passes", "cse"], "not allowed with"),
    (["optimize", "gear", "--reigon", "all"], "did you mean '--region'?"),
    (["optimize", "gear", "--reigon=all"], "did you mean '--region'?"),
    (
        ["optimize", "gear", "--report-file", "x.pdf"],
        "x.pdf: a report's name ends in .txt, .json, .html, .htm",
    ),
    (["optimize", "gear", "--format", "html", "--report-file", "x.pdf"], "a report's name ends in"),
    (["optimize", "gaer"], "no bundled model of that name (did you mean 'gear'?)"),
    (["view", "gaer"], "no bundled model of that name (did you mean 'gear'?)"),
    (["optimize", "gear", "--format", "json"], "--format needs a report"),
    (["optimize", "gear", "--report", "--format", "xml"], "invalid choice: 'xml'"),
    (["optimize", "gear", "--report", "-o", "-"], "both go to standard output"),
    (["optimize", "gear", "--report-file", "", "-o", "x.vm"], "the name is empty"),
    (["optimize", "gear", "--passes", "csee"], "did you mean 'cse'?"),
    (["optimize", "gear", "--passes", "minmax{rounds=x}"], "a whole number"),
    (["optimize", "gear", "--print-after", "nothing"], "expected all, changed or"),
    (["optimize", "gear", "--domains", "intervall"], "did you mean 'interval'?"),
    (["optimize", "gear", "-O0", "--domains", "interval,"], "names separated by commas"),
    (["optimize", "gear", "--region", "1:-1,0:1"], "is empty"),
    (["optimize", "gear", "--region", "0:1"], "expected x0:x1,y0:y1"),
    (["optimize", "gear", "--precision", "f16"], "invalid choice: 'f16'"),
    (["optimize", "no-such-model"], "no bundled model of that name"),
    (["optimize", "no/such/model.vm"], "no/such/model.vm: cannot be read: No such file"),
    (["optimize", str(ROOT)], "cannot be read: Is a directory"),
    (["optimize", "m" * 300 + ".vm"], "File name too long"),
    (["render", "gear"], "required: -o"),
    (["render", "gear", "-o", "x.jpg"], "ends in .pgm or .png"),
    (["render", "gear", "-o", "x.pgm", "-n", "0"], "whole number from 1"),
    (["render", "gear", "-o", "x.pgm", "-n", "1e9"], "whole number from 1"),
    (["render", "gear", "-o", "x.pgm", "-n", "9" * 5000], "whole number from 1"),
    (["render", "gear", "-o", "x.pgm", "-n", "1000000000"], "too large"),
    (["render", "gear", "-o", "x.pgm", "--size", "10x"], "not of the form WxH"),
    (["render", "gear", "-o", "x.pgm", "--size", "10x0"], "whole number from 1"),
    (["render", "gear", "-o", "x.pgm", "--size", "1x1", "-n", "1"], "not allowed with"),
    (["render", "gear", "-o", "x.pgm", "--size", "512x512", "-n", "512"], "not allowed with"),
    (["render", "gear", "-o", "x.pgm", "-n", "512", "--size", "512x512"], "not allowed with"),
    (["render", "gear", "-o", "x.pgm", "--grid", "pixels"], "did you mean 'pixel'?"),
    (["render", "gear", "-o", "x.pgm", "--center", "1"], "not of the form x,y"),
    (["render", "gear", "-o", "x.pgm", "--center", "1,b"], "'b' is not a number"),
    (["render", "gear", "-o", "x.pgm", "--center", "1e39,0"], "overflow f32"),
    (["render", "gear", "-o", "x.pgm", "--scale", "0"], "must be finite and above 0"),
    (["render", "gear", "-o", "x.pgm", "--scale", "-1"], "must be finite and above 0"),
    (["render", "gear", "-o", "x.pgm", "--scale", "nan"], "must be finite and above 0"),
    (["render", "gear", "-o", "x.pgm", "--scale", "1_0"], "'1_0' is not a number"),
    (["render", "gear", "-o", "x.pgm", "--z", "-inf"], "positions must be finite"),
    (["render", "gear", "-o", "x.pgm", "--backend", "referrence"], "did you mean 'reference'?"),
    (["bench", "gear", "--runs", "0"], "whole number from 1"),
    (["bench", "gear", "--sizes", "8,x"], "'x' is not a whole number"),
    (["bench", "gear", "--backends", "abacus"], "unknown backend 'abacus'"),
    (["bench", "gear", "--samples"], "--samples needs --json"),
    (["bench", "gear", "--backends", "reference", "--method", "x"], "none of reference has several ways"),
    (["fuzz", "--replay", "finds", "--programs", "5"], "--programs: not allowed with argument --replay"),
    (["fuzz", "--seed=0", "--replay=finds"], "--seed: not allowed with argument --replay"),
    (["fuzz", "--self-test", "--corpus", "finds"], "--corpus: not allowed with argument --self-test"),
    (["fuzz", "--passes", "minmx"], "did you mean 'minmax'?"),
    (["fuzz", "--self-test", "text:digit"], "did you mean 'text:digits'?"),
    (["fuzz", "--corpus", "gear.vm/finds\0"], "--corpus gear.vm/finds\\x00: "),
    (["list", "modles"], "did you mean 'models'?"),
    (["list", "models", "ops"], "unrecognized arguments: ops"),
]


@pytest.mark.parametrize(("words", "message"), USAGE, ids=[" ".join(words)[:60] or "-" for words, _ in USAGE])
def test_bad_usage_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Sequence[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert message in one_line(err)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_no_word_at_all_is_an_error_with_the_help(run: Run) -> None:
    status, out, err = run()
    assert (status, out) == (2, "")
    assert err == run("--help")[1]


@pytest.mark.parametrize("level", arguments.LEVELS)
@pytest.mark.parametrize("command", ["optimize", "view"])
def test_a_level_excludes_a_pipeline_though_it_is_the_default(run: Run, command: str, level: int) -> None:
    for words in ([f"-O{level}", "--passes", "fold"], ["--passes", "fold", "-O", str(level)]):
        status, out, err = run(command, "gear", *words)
        assert (status, out) == (2, "")
        assert "not allowed with argument" in one_line(err)
    assert arguments.parse([command, "gear"]).level in arguments.LEVELS


def test_a_malformed_model_is_named_with_line_and_column(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.vm"
    path.write_text("# a comment\n" * 411 + "_0 var-x\n_1 sinh _0\n")
    for words in (["optimize"], ["render", "-o", str(tmp_path / "x.pgm")], ["bench"]):
        status, out, err = run(*words, str(path))
        assert (status, out) == (2, "")
        assert one_line(err) == f"{path}:413:4: unknown opcode 'sinh' (did you mean 'sin'?)"
    assert os.listdir(tmp_path) == ["model.vm"]


def test_a_variable_without_a_position_has_no_picture(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.vm"
    path.write_text("_0 var-time\n")
    assert run("optimize", str(path))[0] == 0
    status, _, err = run("render", str(path), "-o", str(tmp_path / "x.pgm"))
    assert status == 2
    assert "variable 'time'" in one_line(err)


# Where the output goes wrong


def test_an_unwritable_output_leaves_nothing_behind(run: Run, disc: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for target in (tmp_path / "none" / "x.pgm", folder, folder / ("n" * 300 + ".pgm")):
        for words in (
            ["render", disc, "-n", "4", "-o"],
            ["optimize", disc, "-o"],
            ["optimize", disc, "--report-file"],
        ):
            if target == folder and words[0] == "render":
                continue  # refused for its suffix
            if words[0] == "optimize":
                target = target.with_suffix("")  # a program is no picture
            status, out, err = run(*words, str(target))
            assert (status, out) == (2, "")
            assert "cannot be written" in err.splitlines()[0 if words[0] == "optimize" else -1]
    assert sorted(os.listdir(tmp_path)) == ["disc.vm", "folder"]
    assert os.listdir(folder) == []


def test_nothing_is_overwritten_when_the_work_fails(run: Run, tmp_path: Path) -> None:
    model, target = tmp_path / "model.vm", tmp_path / "out.vm"
    model.write_text("_0 sinh\n")
    target.write_text("old")
    assert run("optimize", str(model), "-o", str(target))[0] == 2
    assert target.read_text() == "old"


def test_the_program_and_the_report_need_two_places(
    run: Run, disc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run("optimize", disc, "-o", "a.txt", "--report-file", str(tmp_path / "a.txt"))
    assert status == 2
    assert "would both go to a.txt" in one_line(err)
    assert os.listdir(tmp_path) == ["disc.vm"]


def test_too_little_memory_is_one_line(
    run: Run, disc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(absint.api, "render", fail)
    status, _, err = run("render", disc, "-o", str(tmp_path / "x.png"))
    assert status == 2
    assert one_line(err) == "absint: out of memory; a smaller size takes less"
    assert os.listdir(tmp_path) == ["disc.vm"]


# list


def test_list_names_everything_there_is(run: Run) -> None:
    status, everything, err = run("list")
    assert (status, err) == (0, "")
    expected = {
        "models": models.names(),
        "passes": names("passes") + names("analyses"),
        "backends": names("backends"),
        "domains": names("domains"),
        "ops": [op.name if op.name != "var" else "var-NAME" for op in OPS] + ["rand", "mix"],
        "rules": [name for name, rules in rule_sets() for _ in rules.rules],
    }
    assert tuple(expected) == arguments.SECTIONS
    for section, listed in expected.items():
        status, out, _ = run("list", section)
        rows = [line for line in out.splitlines()[2:] if line]
        assert status == 0
        assert sorted(row.split()[0] for row in rows) == sorted(listed)
        assert all(len(row.split()) > 3 for row in rows), "each is described"
        assert out in everything
        assert "\x1b" not in out
        assert not any(line.endswith(" ") for line in out.splitlines())


def test_list_says_what_a_rule_does(run: Run) -> None:
    """One line each, and every word of the rule is on it."""
    _, out, _ = run("list", "rules")
    rules = [rule for _, rules in rule_sets() for rule in rules.rules]
    for row, rule in zip(out.splitlines()[2:], rules, strict=True):
        assert row.split()[1:3] == [rule.name, rule.mode.value + ":" * (rule.mode is Mode.SIGN)]
        for words in (f" {rule.pattern} → {rule.replacement}", rule.when, rule.why):
            assert words in row
    squeezed = [" ".join(line.split()) for line in out.splitlines()]
    assert "signdemand sqrt-positive sign: > 0 sqrt(a) → a" in squeezed


def test_list_says_what_a_pass_keeps_and_where_a_backend_is_to_be_had(run: Run) -> None:
    rows = {line.split()[0]: line for line in run("list", "passes")[1].splitlines()[2:]}
    for name, row in rows.items():
        assert ("(analysis)" in row) == (name not in pass_names())
    assert rows["signdemand"].split()[1] == Promise.SIGN.value
    assert "rounds=8" in rows["minmax"]
    backends = {line.split()[0]: line.split() for line in run("list", "backends")[1].splitlines()[2:]}
    assert backends["reference"][1] == "yes"
    assert backends["cupy"][1] == "yes" or "pip" in backends["cupy"]
