"""Whatever a name holds, a message is one line of printable characters, and not a long one."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from absint.base.errors import did_you_mean, one_line, printable, shown, shown_path
from absint.cli import arguments
from absint.cli.main import main
from absint.native.terminal import PIPED_WIDTH, note, plain_table, render_text, table_text
from tests.support.command import DISC

NASTY = {
    "escape sequence": "\x1b[31mred",
    "line feed": "a\nb",
    "carriage return": "a\rb",
    "NUL": "a\0b",
    "right to left": "\u202eevil",
    "line separator": "a\u2028b\x85c\x0bd",
    "surrogate": "a\udcffb",
    "long": "n" * 3_000_000,
    "long and nasty": "\x1b]0;\n" * 600_000,
    "words": "a b " * 700_000,
}
LONGEST = 700

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("list", "ops")` in an empty folder: exit status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        status = main(words)
        out, err = capfd.readouterr()
        return status, out, err

    return call


def assert_clean_line(text: str) -> None:
    assert text.endswith("\n")
    assert text[:-1].isprintable(), ascii(text[:300])
    assert 0 < len(text) < LONGEST, text[:300]


def places(name: str) -> Iterator[list[str]]:
    """Command lines with a name wherever there may be one."""
    yield [name]
    for command, parser in arguments.make_parser()[1].items():
        model = [] if command in ("fuzz", "list") else ["gear"]
        needed = ["-o", "x.pgm"] if command == "render" else []
        yield [command, name, *needed]
        yield [command, f"{name}.vm", *needed]
        yield [command, f"folder/{name}", *needed]
        yield [command, *model, f"--{name}", *needed]
        for action in parser._actions:
            if not isinstance(action, argparse._StoreAction) or not action.option_strings:
                continue
            if action.dest == "corpus" and len(name) < 255 and "\0" not in name:
                continue  # a good name: the campaign would begin
            yield [command, *model, *needed, f"{action.option_strings[-1]}={name}"]
    yield ["optimize", "gear", "-o", f"folder/{name}"]
    yield ["optimize", "gear", "--report-file", f"{name}.pdf"]
    yield ["optimize", "gear", "--passes", f"minmax{{rounds={name}}}"]
    yield ["optimize", "gear", "--passes", f"minmax{{{name}=1}}"]
    yield ["optimize", "gear", "--region", f"{name}:1,0:1"]
    yield ["optimize", "gear", "--region", f"{name}=1:0"]
    yield ["render", "gear", "-o", f"folder/{name}.png"]
    yield ["render", "gear", "-o", "x.pgm", "--backend", f"numba:{name}"]


@pytest.mark.parametrize("kind", NASTY)
def test_every_word_of_every_command(run: Run, kind: str) -> None:
    name = NASTY[kind]
    (Path("file")).write_text("")
    tried = 0
    for words in places(name):
        status, out, err = run(*words)
        names_a_file = words[-1].startswith(("--report-file=", "-o=")) or words[-1].startswith("-o")
        assert (status, out) == (2, "") or names_a_file, [word[:40] for word in words]
        if status:
            assert_clean_line(err)
        tried += 1
    assert tried > 50


MODELS = {
    "opcode": "x var-x\ny {} x\n",
    "operand": "x var-x\ny neg {}\n",
    "name": "{} var-x\n{} var-y\n",
    "number": "x const {}\n",
    "comment": "# precision f16, box {}, promise sign\nx var-x\n",
    "box": "# precision f32, box {}, promise sign\nx var-x\n",
    "variable": "t var-{}\n",
    "variable of a box": "# precision f32, box {}=0:1, promise sign\nt var-x\n",
}


@pytest.mark.parametrize("kind", ["escape sequence", "right to left", "long", "NUL"])
@pytest.mark.parametrize("part", MODELS)
def test_every_name_in_a_model(run: Run, part: str, kind: str) -> None:
    Path("model.vm").write_text(MODELS[part].replace("{}", NASTY[kind]), encoding="utf-8")
    for words in (["render", "-o", "x.pgm"], ["bench", "--backends", "reference", "--sizes", "4"]):
        status, out, err = run(*words, "model.vm")
        assert (status, out) == (2, "")
        assert_clean_line(err)


def test_names_in_tables_and_dumps(run: Run) -> None:
    name = NASTY["escape sequence"]
    Path("model.vm").write_text(f"{name} var-{name}\nx var-x\nf add x {name}\n", encoding="utf-8")
    status, out, err = run("optimize", "model.vm", "--report", "--print-after", "all", "--stats")
    assert status == 0
    assert "\\x1b[31mred var-\\x1b[31mred\n" in err
    assert "".join((out + err).split("\n")).isprintable()
    Path("model.vm").write_text(f"t var-{NASTY['long']}\n", encoding="utf-8")
    status, out, _ = run("optimize", "model.vm", "--report")
    assert status == 0
    assert max(map(len, out.splitlines())) <= PIPED_WIDTH


def test_names_of_files_in_tables_and_notes(run: Run) -> None:
    name = "a\x1b[31m\n\u202eb"
    Path(f"{name}.vm").write_text(DISC)
    words = [f"{name}.vm", "--backends", "reference", "--sizes", "4", "--runs", "1"]
    status, out, err = run("bench", *words)
    assert (status, err) == (0, "")
    assert "\na\\x1b[31m\\n\\u202eb, 4x4\n" in out
    assert "".join(out.split("\n")).isprintable()
    assert json.loads(run("bench", *words, "--json")[1])["results"][0]["model"] == printable(name)
    status, out, err = run("render", f"{name}.vm", "-n", "4", "-o", f"{name}.pgm", "--backend", "reference")
    assert (status, out) == (0, "")
    assert_clean_line(err)
    assert f"{name}.pgm" in os.listdir(), "the file has the name that was asked for"


def test_shown() -> None:
    assert shown("gear") == "'gear'"
    assert shown("a'b") == '"a\'b"'
    assert shown("n" * 60) == repr("n" * 60)
    assert shown("n" * 61) == repr("n" * 60 + "…")
    assert shown("\x1b\n\u202e\udcff") == r"'\x1b\n\u202e\udcff'"
    assert shown((1, 2)) == "(1, 2)"
    assert len(shown(list(range(10**5)))) == 61
    for text in NASTY.values():
        assert shown(text).isprintable() and len(shown(text)) <= 130

    class Dumb:
        def __repr__(self) -> str:
            raise RuntimeError

    class Broken:
        def __repr__(self) -> str:
            return "a\nb\x1b"

    assert shown(Dumb()) == shown_path(Dumb()) == "<Dumb>"
    assert shown(Broken()) == r"a\nb\x1b"


def test_shown_path() -> None:
    assert shown_path("folder/my model.vm") == "folder/my model.vm"
    assert shown_path(Path("é.vm")) == "é.vm"
    assert shown_path("") == "''"
    assert shown_path("n" * 500 + "/model.vm") == "…" + "n" * 230 + "/model.vm"
    for text in NASTY.values():
        assert shown_path(text).isprintable() and len(shown_path(text)) <= 240


def test_one_line() -> None:
    assert one_line("a\nb\r\nc\x1b") == r"a b c\x1b"
    assert one_line("n" * 5000) == "n" * 1000 + "…"
    assert one_line("n" * 50, 10) == "n" * 10 + "…"


def test_did_you_mean() -> None:
    assert did_you_mean("Gaer", ["gear", "knot"]) == " (did you mean 'gear'?)"
    assert did_you_mean("xyz", ["gear", "knot"]) == ""
    assert did_you_mean("gear" * 10**6, ["gear"]) == ""


def test_tables_and_notes_are_printable(capfd: pytest.CaptureFixture[str]) -> None:
    table = plain_table("Title", "name")
    table.add_row("a\x1b[31m\u202eb[bold]c[/] :smile:")
    assert table_text(table, None) == "Title\nname\na\\x1b[31m\\u202eb[bold]c[/] :smile:\n"
    assert render_text(lambda console: console.print("a\x1bb"), None) == "a\\x1bb\n"
    note("a\x1b[31mb\r\n\tc")
    assert capfd.readouterr().err == "a\\x1b[31mb\\r\n\tc\n"
