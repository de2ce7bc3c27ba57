"""`absint COMMAND --help` and the documents show commands that work: every example's arguments parse."""

from __future__ import annotations

import pytest

from absint.base.errors import UsageError
from absint.cli import arguments, commands
from absint.cli.main import main
from tests.project.documents import blocks, command_lines, commands_in_prose, words_of
from tests.support.command import ROOT

COMMANDS = arguments.make_parser()[1]
EVERY_COMMAND = pytest.mark.parametrize("command", COMMANDS)


def examples(text: str) -> list[list[str]]:
    """The examples that a help ends with."""
    _, heading, lines = text.partition("\nexamples:\n")
    assert heading, "no examples"
    return [words_of(line) for line in lines.splitlines() if line.strip()]


@EVERY_COMMAND
def test_every_help_has_examples_that_parse(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    out, err = capfd.readouterr()
    assert err == "" and out.startswith(f"usage: absint {command} ")
    found = examples(out)
    assert len(found) >= 2
    for program, *words in found:
        assert (program, words[0]) == ("absint", command)
        assert arguments.parse(words).command == command


@EVERY_COMMAND
def test_every_command_is_described_and_every_option_explained(command: str) -> None:
    parser = COMMANDS[command]
    assert parser.description and parser.description.endswith(".")
    assert command in commands.BY_NAME
    for action in parser._actions:
        assert action.help, f"{command}: {action.dest}"


def test_an_example_that_does_not_parse_is_seen() -> None:
    assert examples("x\nexamples:\n  absint list rules | grep a\n") == [["absint", "list", "rules"]]
    with pytest.raises(AssertionError, match="no examples"):
        examples("usage: absint list\n")
    for words in (["render", "gear", "--nonsense"], ["list", "nothing"], ["fuzz", "--jobs", "many"]):
        with pytest.raises(UsageError):
            arguments.parse(words)


def test_command_lines_of_contributing_parse() -> None:
    """`test_docs.py` runs those of README and of the manual."""
    path = ROOT / "CONTRIBUTING.md"
    lines = [line for block in blocks(path) for line in command_lines(block)] + commands_in_prose(path)
    found = [words for line in lines if (words := words_of(line))[0].endswith("absint")]
    assert len(found) >= 8
    for _, command, *words in found:
        assert arguments.parse([command, *words]).command == command, words
