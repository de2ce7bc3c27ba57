"""The command line and lowered programs, which can be watched but not written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from absint.cli.main import main
from tests.support.command import DISC, one_line
from tests.support.lowered import lowered

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


def test_a_lowered_program_is_watched_and_not_written(run: Run, disc: str) -> None:
    status, out, err = run("optimize", disc, "-O3", "--print-after", "contract")
    assert (status, out) == (0, "")
    assert lowered(err).lowered
    status, out, err = run("optimize", disc, "-O3", "--report", "--format", "json")
    assert (status, err) == (0, "")
    assert json.loads(out)["lowering"]["atoms"] > 0
    for words in (["--stats"], ["--time-passes"], ["--passes", "cse,predicates", "--stats"]):
        level = [] if "--passes" in words else ["-O3"]
        status, out, err = run("optimize", disc, *level, *words)
        assert (status, out) == (0, "") and "predicates" in err


@pytest.mark.parametrize("words", [[], ["-o", "-"], ["-o", "out.vm"], ["-o", "out.vm", "--report"]])
def test_a_lowered_program_has_no_vm_form(run: Run, tmp_path: Path, words: list[str]) -> None:
    """Said before anything is read, with what to do instead."""
    words = [str(tmp_path / word) if word == "out.vm" else word for word in words]
    for how, first in ((["-O3"], "-O3"), (["--passes", "cse,predicates,bands"], "'predicates'")):
        status, out, err = run("optimize", "no such model", *how, *words)
        assert (status, out) == (2, "")
        assert one_line(err) == (
            f"absint: {first} makes a lowered program, which has no .vm form: see it by --report or "
            "--print-after all, or write the program of -O2"
        )
    assert not list(tmp_path.iterdir())


def test_passes_say_what_they_work_on(run: Run) -> None:
    status, out, _ = run("list", "passes")
    works = {line.split()[0]: line.split()[2] for line in out.splitlines()[2:] if "(analysis)" not in line}
    assert status == 0
    assert {name for name, what in works.items() if what == "lowered"} == {"flatten", "bands", "contract"}
    assert works["predicates"] == works["fold"] == "real"
