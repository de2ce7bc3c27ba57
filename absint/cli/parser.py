"""An argument parser on top of argparse: errors of one line, options that exclude others, negative values."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from absint.base.errors import UsageError, did_you_mean, one_line, shown
from absint.native.terminal import write_out

_MESSAGE = 300
"""Characters of a message of argparse, which quotes words in full."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ours: one line, raised."""

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
        """Refuse others beside an option, which would do nothing there, also where they say their default."""
        self._excluded.append((option, others))

    def check_excluded(self, words: Sequence[str]) -> None:
        """Raise `UsageError` for options that would do nothing."""
        given = {word.partition("=")[0] for word in words}
        for option, others in self._excluded:
            if option in given and (useless := sorted(given.intersection(others))):
                self.error(f"argument {useless[0]}: not allowed with argument {option}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse does, with the nearest of the choices."""
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            hint = did_you_mean(str(value), known) or f" (choose from {', '.join(known)})"
            raise argparse.ArgumentError(action, f"invalid choice: {shown(value)}{hint}")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help and version are data."""
        write_out(message)


_NEGATIVE_VALUE = re.compile(r"-(?:\.?[0-9]|inf|nan)", re.IGNORECASE)


def join_negative_values(parser: argparse.ArgumentParser, argv: Sequence[str]) -> list[str]:
    """`--center -0.5,0.2` as `--center=-0.5,0.2`; argparse alone takes such a value for an option.

    Which options take a value is read from the parser, so that new ones are covered.
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
