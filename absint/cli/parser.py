"""An argument parser on top of argparse: errors of one line, options that exclude others, negative values."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from absint.base.errors import UsageError, did_you_mean, one_line, shown
from absint.native.terminal import write_out

_MESSAGE = 300
"""Most characters of a message from argparse, which quotes words in full."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises errors as `UsageError`, of one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)
        self._excluded: list[tuple[str, tuple[str, ...]]] = []

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`."""
        _, unknown, words = message.partition("unrecognized arguments: ")
        option = words.split("=")[0].split(" ")[0]
        hint = did_you_mean(option, self._option_string_actions) if unknown and option.startswith("-") else ""
        raise UsageError(f"{one_line(message, _MESSAGE)}{hint} (see {self.prog} --help)")

    def excludes(self, option: str, *others: str) -> None:
        """Refuse options that would have no effect beside `option`, even with their default values."""
        self._excluded.append((option, others))

    def check_excluded(self, words: Sequence[str]) -> None:
        """Raise `UsageError` for options that would have no effect; see `excludes`."""
        given = {word.partition("=")[0] for word in words}
        for option, others in self._excluded:
            if option in given and (useless := sorted(given.intersection(others))):
                self.error(f"argument {useless[0]}: not allowed with argument {option}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Check a choice as argparse does; the message suggests the nearest choice."""
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            hint = did_you_mean(str(value), known) or f" (choose from {', '.join(known)})"
            raise argparse.ArgumentError(action, f"invalid choice: {shown(value)}{hint}")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help or version as output, not as an error."""
        write_out(message)


_NEGATIVE_VALUE = re.compile(r"-(?:\.?[0-9]|inf|nan)", re.IGNORECASE)


def join_negative_values(parser: argparse.ArgumentParser, argv: Sequence[str]) -> list[str]:
    """`--center -0.5,0.2` as `--center=-0.5,0.2`; argparse alone takes such a value for an option.

    The parser tells which options take a value, so new options are covered.
    """
    joined: list[str] = []
    open_option = False  # the last word is an option that waits for its value
    for position, word in enumerate(argv):
        if word == "--":
            return joined + list(argv[position:])
        if open_option and _NEGATIVE_VALUE.match(word):
            joined[-1] += f"={word}"
            open_option = False
            continue
        joined.append(word)
        action = parser._option_string_actions.get(word)
        open_option = action is not None and action.nargs is None
    return joined
