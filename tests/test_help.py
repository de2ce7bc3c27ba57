"""`absint COMMAND --help` and the documents show commands that work: every example's arguments parse."""

from __future__ import annotations

import itertools
import re
import shlex

import pytest

from absint import cli, commands
from absint.errors import UsageError
from tests.command import ROOT

COMMANDS = cli.make_parser()[1]
EVERY_COMMAND = pytest.mark.parametrize("command", COMMANDS)


def shown(line: str) -> list[str]:
    """The words of a command line, up to a pipe or a redirection."""
    words = shlex.split(line.removeprefix("$ "), comments=True)
    return list(itertools.takewhile(lambda word: word not in ("|", ">"), words))


def examples(text: str) -> list[list[str]]:
    """The examples that a help ends with."""
    _, heading, lines = text.partition("\nexamples:\n")
    assert heading, "no examples"
    return [shown(line) for line in lines.splitlines() if line.strip()]


@EVERY_COMMAND
def test_every_help_has_examples_that_parse(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    out, err = capfd.readouterr()
    assert err == "" and out.startswith(f"usage: absint {command} ")
    found = examples(out)
    assert len(found) >= 2
    for program, *words in found:
        assert (program, words[0]) == ("absint", command)
        assert cli.parse(words).command == command


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
            cli.parse(words)


def test_command_lines_in_documents_parse() -> None:
    """Those of README's blocks, and all of CONTRIBUTING's that are more than a command's name."""
    readme, contributing = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")
    )
    blocks = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", readme + contributing)
    shell = "\n".join(block for language, block in blocks if language in ("", "sh"))
    lines = re.findall(r"(?m)^(?:\$ )?(?:\.venv/bin/)?absint [a-z].*", shell)
    lines += re.findall(r"`(absint [a-z]+ [^`]*)`", contributing)
    assert len(lines) >= 25
    for line in lines:
        _, command, *words = shown(" ".join(line.split()))
        assert cli.parse([command, *words]).command == command, line
