"""Broken and enormous inputs: a program or one error with a line, and no hang.

The default takes seconds; `ABSINT_TEST_SCALE=10` makes it 10⁵ broken inputs and programs of 10⁶ lines.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
import pytest

from absint import models
from absint.api import run_pipeline
from absint.backends.reference import Reference
from absint.base.errors import VmError
from absint.frontend.guard import read_guard
from absint.frontend.vm import decode, parse_vm, write_vm
from absint.ir.graph import Graph
from absint.ir.program import Program
from absint.ir.tape import make_tape
from absint.ops.table import BY_NAME
from absint.rewriting.manager import LEVELS, parse_pipeline
from tests.domains.containment import random_graph
from tests.support.graphs import chain

SCALE = float(os.environ.get("ABSINT_TEST_SCALE", "1"))
INPUTS = int(10_000 * SCALE)
N = 1_000_000 if SCALE >= 10 else 20_000
"""Lines, or characters, of what is enormous."""


@contextmanager
def quick(lines: int) -> Iterator[None]:
    """Fails when the block takes some ten times as long as it should; what is quadratic takes far longer."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 2 + lines * 100e-6


def parse(data: bytes) -> Graph | VmError:
    """What comes of a file: a graph, or an error that points into it."""
    try:
        return parse_vm(decode(data, "m.vm"), "m.vm")
    except VmError as error:
        lines = data.split(b"\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        assert str(error).startswith(f"m.vm:{error.line}:{error.column}: ")
        assert len(error.message) < 200
        return error


# Mutations


def flip(random: Random, data: bytes, _: bytes) -> bytes:
    changed = bytearray(data)
    for _round in range(random.randint(1, 3)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def delete(random: Random, data: bytes, _: bytes) -> bytes:
    start = random.randrange(len(data))
    return data[:start] + data[start + random.randint(1, 20) :]


def truncate(random: Random, data: bytes, _: bytes) -> bytes:
    return data[: random.randrange(len(data))]


def splice(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: random.randrange(len(data))] + other[random.randrange(len(other)) :]


def repeat_line(random: Random, data: bytes, _: bytes) -> bytes:
    lines = data.split(b"\n")
    lines.insert(random.randrange(len(lines)), random.choice(lines))
    return b"\n".join(lines)


def move_line(random: Random, data: bytes, _: bytes) -> bytes:
    lines = data.split(b"\n")
    lines.insert(random.randrange(len(lines)), lines.pop(random.randrange(len(lines))))
    return b"\n".join(lines)


def swap_tokens(random: Random, data: bytes, _: bytes) -> bytes:
    lines = [line.split(b" ") for line in data.split(b"\n")]
    first, second = random.choice(lines), random.choice(lines)
    i, j = random.randrange(len(first)), random.randrange(len(second))
    first[i], second[j] = second[j], first[i]
    return b"\n".join(b" ".join(line) for line in lines)


NASTY = [
    *(text.encode() for text in ("\ufeff", "\u2028", "\x85", "\xa0", "\u200b", "\u202e", "é", "İnf", "١")),
    *(b"\0", b"\r", b"\t", b"\x1c", b"\x0c", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\n", b" ", b"#", b"\n#"),
    *(b"1e999", b"nan", b"-", b"1_0", b"0x1", b"var-", b"var", b"rand", b"mix", b"const", b"_", b"-0"),
]


def insert(random: Random, data: bytes, _: bytes) -> bytes:
    place = random.randrange(len(data))
    return data[:place] + random.choice(NASTY) + data[place:]


def change_token(random: Random, data: bytes, _: bytes) -> bytes:
    tokens = data.split(b" ")
    tokens[random.randrange(len(tokens))] = random.choice([*NASTY, *(name.encode() for name in BY_NAME)])
    return b" ".join(tokens)


def noise(random: Random, _: bytes, __: bytes) -> bytes:
    return random.randbytes(random.randint(1, 200))


def word_salad(random: Random, _: bytes, __: bytes) -> bytes:
    words = [b"a", b"b", b"neg", b"add", b"const", b"var-x", b"1", b"\n", b"\n", *NASTY]
    return b" ".join(random.choices(words, k=random.randint(1, 30)))


MUTATIONS: list[Callable[[Random, bytes, bytes], bytes]] = [
    *(flip, delete, truncate, splice, repeat_line, move_line, swap_tokens, insert, change_token),
    *(noise, word_salad),
]


def some_programs() -> list[bytes]:
    """Bundled, third-party and generated ones, or parts, short enough to be parsed ten thousand times."""
    texts = [models.text(name)[-3000:].partition("\n")[2] for name in models.names()]
    whole = [models.text(name) for name in models.names() if len(models.text(name)) < 3000]
    generated = [write_vm(random_graph(Random(seed), 5 + seed)) for seed in range(40)]
    folder = os.environ.get("ABSINT_MODELS")
    real = [file.read_bytes()[:3000] for file in sorted(Path(folder).glob("*.vm"))] if folder else []
    return [*real, *(text.encode() for text in texts + whole + generated)]


def test_broken_inputs() -> None:
    """Each mutation both leaves programs whole and breaks them; noise is hardly ever a program."""
    random = Random(0)
    programs = some_programs()
    outcomes: Counter[tuple[str, bool]] = Counter()
    for i in range(INPUTS):
        mutate = MUTATIONS[i % len(MUTATIONS)]
        data = random.choice(programs) or b"a"
        for _ in range(random.choice((1, 1, 1, 3))):
            data = mutate(random, data, random.choice(programs)) or b"a"
        parsed = parse(data)
        if isinstance(parsed, Graph):
            parsed.verify()
            text = write_vm(parsed)
            assert write_vm(parse_vm(text)) == text
        outcomes[mutate.__name__, isinstance(parsed, Graph)] += 1
    for mutate in MUTATIONS:
        assert outcomes[mutate.__name__, False], mutate
        assert mutate in (noise, word_salad) or outcomes[mutate.__name__, True], mutate


def test_columns_after_any_blank() -> None:
    """The parser and the columns of its errors agree on what a blank is."""
    blanks = {chr(i) for i in range(sys.maxunicode) if chr(i).isspace()} - {"\n"}
    assert {"\t", "\r", "\x1c", "\x85", "\u2028"} < blanks
    for blank in blanks:
        with pytest.raises(VmError, match="operand 'q' is not defined above") as caught:
            parse_vm(f"a const 1\n{blank}b add{blank}{blank}a q{blank}")
        assert (caught.value.line, caught.value.column) == (2, 11), ascii(blank)


HUGE: dict[str, tuple[Callable[[], str], str]] = {
    "tokens": (lambda: "a " * N, "1:3: unknown opcode 'a'"),
    "operands": (lambda: "a const 1\nb add" + " a" * N, f"2:11: 'add' takes 2 operands, found {N}"),
    "opcode": (lambda: "a " + "q" * (10 * N), f"1:3: unknown opcode '{'q' * 60}…'"),
    "name": (lambda: "q" * (100 * N), f"1:{100 * N + 1}: expected an opcode after the name"),
    "operand": (lambda: "a neg " + "q" * N, f"1:7: operand '{'q' * 60}…' is not defined above"),
    "digits": (lambda: "a const " + "1" * N + "x", f"1:9: '{'1' * 60}…' is not a number"),
    "points": (lambda: "a const " + "1." * N, f"1:9: '{'1.' * 30}…' is not a number"),
    "exponents": (lambda: "a const " + "1e" * N, f"1:9: '{'1e' * 30}…' is not a number"),
    "blanks": (lambda: " " * N, "1:1: no instruction"),
    "comments": (lambda: "#\n" * N, f"{N}:1: no instruction"),
    "comments behind blanks": (lambda: (" " * 99 + "#\n") * (N // 100), f"{N // 100}:1: no instruction"),
    "hashes": (lambda: "a" + "#" * N, f"1:{N + 2}: expected an opcode after the name"),
    "NUL": (lambda: "\0" * N, f"1:{N + 1}: expected an opcode after the name"),
    "surrogates": (lambda: "é" * N + "\ud800" * N, f"1:{N + 1}: U+D800 is not a character of a text"),
    "redefinition": (
        lambda: chain(N) + f"v{N - 1} neg v0",
        f"{N + 1}:1: 'v{N - 1}' is already defined on line {N}",
    ),
    "undefined": (lambda: chain(N) + "z neg q", f"{N + 1}:7: operand 'q' is not defined above"),
    "forward": (
        lambda: f"z neg v{N - 1}\n" + chain(N),
        f"1:7: operand 'v{N - 1}' is not defined above: it is defined below, on line {N + 1}",
    ),
    "long lines below": (lambda: "z neg q\n" + ("a" + " b" * 99 + "\n") * (N // 100), "1:7: operand 'q'"),
}


@pytest.mark.parametrize("kind", HUGE)
def test_huge_and_broken(kind: str) -> None:
    make, message = HUGE[kind]
    text = make()
    with quick(N), pytest.raises(VmError) as caught:
        parse_vm(text, "m.vm")
    assert str(caught.value).startswith(f"m.vm:{message}")


JUNK = (
    "a=",
    "a ",
    '"',
    "box ",
    "precision ",
    "x=a:",
    "_",
    "f32 ",
    "#",
    "1",
    "1.",
    "box+",
    "# ",
    "\n#",
    "\n\n",
)


@pytest.mark.parametrize("junk", JUNK)
def test_huge_comments_are_read_once(junk: str) -> None:
    with quick(len(junk) * N):
        try:
            read_guard(f"# {junk * N}\nx var-x\n")
        except VmError as error:
            assert len(error.message) < 400


def test_bad_byte_at_the_end_of_a_huge_file() -> None:
    with quick(N), pytest.raises(VmError) as caught:
        decode(b"a neg b\n" * N + b"\xff", "m.vm")
    assert (caught.value.line, caught.value.column) == (N + 1, 1)


HUGE_PROGRAMS: dict[str, Callable[[], str]] = {
    "constants": lambda: "".join(f"a{i} const {i}\n" for i in range(N)),
    "one variable": lambda: "".join(f"a{i} var-x\n" for i in range(N)),
    "as many variables": lambda: "".join(f"a{i} var-b{i}\n" for i in range(N)),
    "names that the writer would choose": lambda: "".join(f"_{N - i:x} const 1\n" for i in range(N)),
    "digits": lambda: f"a const {'1' * N}",
    "exponent": lambda: f"a const 1e-{'9' * N}",
    "name": lambda: f"{'q' * (10 * N)} var-x\nb neg {'q' * (10 * N)}",
}


@pytest.mark.parametrize("kind", HUGE_PROGRAMS)
def test_huge_program(kind: str) -> None:
    text = HUGE_PROGRAMS[kind]()
    with quick(5 * N):
        graph = parse_vm(text)
        graph.verify()
        tape = make_tape(graph)
        again = parse_vm(write_vm(graph))
    assert len(tape) == graph.operation_count
    assert again.rows == graph.rows


def test_deep_chain() -> None:
    """Nothing recurses: not the parser, the writer, the verifier, nor the evaluator."""
    with quick(5 * N):
        graph = parse_vm(chain(N, ("neg",)))
        graph.verify()
        assert parse_vm(write_vm(graph)).rows == graph.rows
        assert graph.depth() == N - 1
        values = Reference().prepare(Program(graph)).values(np.array([-2.0, 0.0, 3.0]), 0.0)
    assert values.tolist() == [2.0, 0.0, -3.0]  # N - 1 is odd


DEEP: dict[str, Callable[[int], str]] = {
    "chain": lambda n: chain(n),
    "each used twice": lambda n: "v0 var-x\n" + "".join(f"v{i} add v{i - 1} v{i - 1}\n" for i in range(1, n)),
    "of min and max": lambda n: "v0 var-x\nw var-y\n"
    + "".join(f"v{i} {'min' if i % 2 else 'max'} v{i - 1} w\n" for i in range(1, n)),
    "of variables": lambda n: "v0 var-x\n"
    + "".join(f"w{i} var-w{i}\nv{i} add v{i - 1} w{i}\n" for i in range(1, n)),
}  # fmt: skip


@pytest.mark.parametrize("kind", DEEP)
def test_passes_on_deep_programs(kind: str) -> None:
    n = N // 10
    graph = parse_vm(DEEP[kind](n))
    with quick(20 * n):
        optimised, steps = run_pipeline(Program(graph), level=2)
    assert len(steps) == len(parse_pipeline(LEVELS[2]))
    optimised.graph.verify()
