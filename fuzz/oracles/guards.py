"""An oracle of guards: a written program whose guard was changed is refused, or drawn correctly.

A program is specialised for a part of its picture and written; then its guard or the lines around it are
changed, and the whole picture is drawn. Changes leave the numbers of the box alone: with other numbers it
would be a valid guard of another box.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import DomainError, VmError
from absint.frontend.source import Source
from absint.frontend.vm import parse_vm, write_vm
from absint.frontend.vm_scan import scan_vm
from absint.ir.box import Box
from absint.ir.program import Program, Promise, describe
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import LEVELS, PassManager, parse_pipeline

from ..cases import Case
from ..comparison import engine_of, find_wrong_pixel, reference
from ..findings import Finding

T = TypeVar("T")

Change = Callable[[str, np.random.Generator], str]
"""A random change of a text."""


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def _misspell(guard: str, rng: np.random.Generator) -> str:
    """Drop, double or capitalise a letter of one word, or exchange it with the next letter."""
    word = _pick(("precision", "box", "promise", "f32", "f64", "bits", "sign"), rng)
    i = int(rng.integers(len(word) - 1))
    a, b = word[i], word[i + 1]
    return guard.replace(word, word[:i] + _pick((b, a + a + b, a.upper() + b, b + a), rng) + word[i + 2 :])


def _without_part(guard: str, rng: np.random.Generator) -> str:
    """Drop the precision, box or promise, or only its keyword."""
    words = r"precision \S+, |box \S+, |, promise \S+" if rng.random() < 0.5 else "precision |box |promise "
    return re.sub(_pick(words.split("|"), rng), "", guard)


def _contradict(guard: str, rng: np.random.Generator) -> str:
    """Add a second, different guard."""
    widths = {"f32": "f64", "f64": "f32"}
    other = re.sub(r"f\d\d|box \S+,", lambda found: widths.get(found[0], "box all,"), guard)
    return "\n# ".join((guard, other) if rng.random() < 0.5 else (other, guard))


SPELLINGS: tuple[Change, ...] = (
    *[lambda guard, rng: guard] * 4,
    *[_misspell] * 3,
    _without_part,
    _contradict,
    lambda guard, rng: guard + _pick((".", " .", ";", " # why", " and so on", ", promise bits"), rng),
    lambda guard, rng: _pick(("note: ", "# ", "// ", "* ", "(", "'"), rng) + guard,
    lambda guard, rng: _pick((guard.upper(), guard.title(), guard.capitalize()), rng),
    lambda guard, rng: guard.replace(", ", _pick((",", "; ", " ", " , ", ". "), rng)),
    lambda guard, rng: guard.replace(" ", _pick(("", "  ", "\t", "\xa0", ": ", "_"), rng)),
    lambda guard, rng: re.sub(r"f\d\d", _pick(("f16", "single", "32", "float32", "F64", "f3 2"), rng), guard),
    lambda guard, rng: re.sub(r"bits$|sign$", _pick(("picture", "", "signs", "bit", "sign?"), rng), guard),
    lambda guard, rng: re.sub(r"box \S+,", _pick(("box left,", "box x,", "box x=a:b,"), rng), guard),
)
"""Ways to spell a guard, the correct one among them."""

PLACES: tuple[Change, ...] = (
    lambda head, rng: head,
    lambda head, rng: (
        _pick(("# my note\n", "#\n", "## a\n# b\n", "# a\r\n", "# precision matters\n"), rng) + head
    ),
    lambda head, rng: _pick(("\n", "\n\n\n", " \t\n", "\r\n", "\x0c\n"), rng) + head,
    lambda head, rng: "\ufeff" + head,
    lambda head, rng: head.replace("\n", _pick(("\r\n", " \t\n", "\n\n", "\n# note\n"), rng)),
    lambda head, rng: re.sub(r"(?m)^#", _pick((" #", "\t#", "#\t", "  \t # "), rng), head),
)
"""Changes of the lines around a guard."""

TEXTS = 6
"""Number of changed texts of each program."""


class Guards:
    """A program specialised for a part of the picture is never drawn outside that part."""

    name = "guard"

    def check(self, case: Case) -> Finding | None:
        """Write the specialised program with several changes, and draw what is read back."""
        if not case.drawable:
            return None
        expected = engine_of(case, reference()).image(case.view)
        if expected.min() == expected.max():
            return None  # of one colour: a program for a part of the picture is right everywhere
        rng = case.rng(4)
        program, _ = PassManager(parse_pipeline(LEVELS[2]), Analyses()).run(
            Program(case.graph).restricted(_part(case, rng), case.precision, Promise.SIGN)
        )
        guard, body = describe(program), write_vm(program.graph)
        first, rest = body.split("\n", 1)
        for _ in range(TEXTS):
            head = _pick(PLACES, rng)(f"# {_pick(SPELLINGS, rng)(guard, rng)}\n", rng)
            text = head + body if rng.random() < 0.9 else f"{first}\n{head}{rest}"
            found = self._draw(case, text, expected)
            if found is not None:
                return replace(found, what=f"{found.what}: the guard is overlooked in {head!r}")
        return None

    def _draw(self, case: Case, text: str, expected: NDArray[np.uint8]) -> Finding | None:
        """Draw the program of a text. Returns the first wrong pixel; None also if the text is refused."""
        try:
            program = Source(text).program(scan_vm if case.seed % 2 else parse_vm)
            start = program.restricted(case.view.box(case.precision), case.precision, Promise.SIGN)
        except (VmError, DomainError):
            return None
        return find_wrong_pixel(self.name, case, expected, reference().prepare(start).image(case.view))


def _part(case: Case, rng: np.random.Generator) -> Box:
    """The box around one row or column of the picture's samples, or about half of them, in each direction."""
    ends = {}
    for name, samples in (("x", case.view.xs(case.precision)), ("y", case.view.ys(case.precision))):
        count = 1 if rng.random() < 0.5 else (len(samples) + 1) // 2
        first = int(rng.integers(len(samples) - count + 1))
        part = samples[first : first + count]
        ends[name] = float(part.min()), float(part.max())
    height = float(case.view.height_z(case.precision)[0])
    return Box(ends | {"z": (height, height)})
