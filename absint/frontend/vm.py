"""The `.vm` text format: text to Graph and back.

Each line holds one instruction, `name opcode operands…`. A word that begins with `#` starts a comment, which
extends to the end of the line. Lines without an instruction are skipped. Operands must be defined above; the
last line is the program's value. The parser makes one node per instruction, duplicates included, and keeps
names and line numbers. Written text parses back to the same graph. Errors carry file, line and column. A
lowered program cannot be written in the format, only dumped in a similar one.

Other programs that read the format accept comments in the first column, and after an instruction because they
ignore surplus words.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from absint.base.arguments import word, words
from absint.base.errors import UsageError, VmError, did_you_mean, shown, shown_path
from absint.ir.graph import (
    BYTE_ORDER_MARK,
    FIRST_PREDICATE,
    NO_NAME_BEGINS_WITH,
    Graph,
    GraphBuilder,
    check_graph,
    mark_verified,
)
from absint.ops.table import BAND, BY_NAME, CONST, OPS, REFUSED, VAR

VARIABLE_PREFIX = "var-"

# The pattern is unambiguous, so matching takes linear time even for a million digits. It has no possessive
# quantifiers, which are broken in Python before 3.11.5. No underscores. ASCII, because otherwise IGNORECASE
# lets a dotless i match i.
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)",
    re.IGNORECASE | re.ASCII,
)
_COMMENT = re.compile(r"(?<!\S)#.*", re.DOTALL)


def read_vm(path: str | Path) -> Graph:
    """Parse a file, or standard input for `-`, like `parse_vm`. Ignores the guard, which `absint.load`
    respects.

    Raises `VmError` if the text is malformed, `UsageError` if the file cannot be read.
    """
    return parse_vm(*read_text(path))


def read_text(path: str | Path) -> tuple[str, str]:
    """The text of a file (`-`: standard input), and the file's name in messages. Errors as in `read_vm`."""
    if not isinstance(path, str | Path):
        raise UsageError(f"{shown(path)}: expected the path of a file")
    name = "<stdin>" if str(path) == "-" else str(path)
    if str(path) == "-" and sys.stdin is None:
        raise UsageError(f"{name}: cannot be read: it is closed")
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{shown_path(name)}: cannot be read: {reason}") from error
    return decode(data, name), name


class Comment(NamedTuple):
    """A comment's text, without its `#` and surrounding blanks, and the line and column of the `#`, from 1.

    `heads`: whether no instruction stands above or before it.
    """

    text: str
    line: int
    column: int
    heads: bool


def comments(text: str) -> Iterator[Comment]:
    """All comments of a program's text, from top to bottom. A text without `#` costs one search."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    line, start, done, heads = 1, 0, 0, True  # `start`: of the line; `done`: the text before it is searched
    while (position := text.find("#", done)) >= 0:
        line += text.count("\n", done, position)
        start = max(start, text.rfind("\n", done, position) + 1)
        heads = heads and not text[done:position].strip()
        done = position + 1
        if position == start or text[position - 1].isspace():
            end = text.find("\n", position)
            done = len(text) if end < 0 else end
            yield Comment(text[position + 1 : done].strip(), line, position - start + 1, heads)
        else:
            heads = False


def decode(data: bytes, path: str) -> str:
    """Decode UTF-8 text. Raises `VmError` at the first invalid byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        raise _not_text(path, before, f"byte 0x{data[error.start]:02x} is not UTF-8 text") from None


def _not_text(path: str, before: str, message: str) -> VmError:
    """An error at the place after the text `before`."""
    last = before.removeprefix(BYTE_ORDER_MARK).rpartition("\n")[2]
    return VmError(path, before.count("\n") + 1, len(last) + 1, message)


def parse_vm(text: str, path: str = "<text>") -> Graph:
    """Parse a program's text, with or without a byte order mark. `path`: the file's name in messages.

    Returns a graph with one node per instruction, in order. The guard is ignored, since a graph has no
    precision, box and promise; `absint.load` reads it. Raises `VmError` at the first malformed instruction,
    including some that lenient readers accept: a name defined twice, too few or too many operands. Raises
    `UsageError` if `text` is not text.
    """
    path = shown_path(path)
    text = word(text, "parse_vm: text").removeprefix(BYTE_ORDER_MARK)
    _check_encodable(text, path)
    builder = GraphBuilder()
    nodes: dict[str, int] = {}
    arity = {op.name: op.arity for op in OPS if not op.is_leaf}
    code_of = {op.name: op.code for op in OPS}
    append = builder.append
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        tokens = (_COMMENT.sub("", line) if "#" in line else line).split()
        if not tokens:
            continue
        name = tokens[0]
        opcode = tokens[1] if len(tokens) > 1 else ""
        operands = arity.get(opcode, 1)
        if name in nodes or name[0] in NO_NAME_BEGINS_WITH or len(tokens) != 2 + operands:
            operands = _check_shape(path, lines, number, tokens, nodes)
        if opcode in arity:
            a = nodes.get(tokens[2], -1)
            b = nodes.get(tokens[3], -1) if operands == 2 else a
            if a < 0 or b < 0:
                _undefined_operand(path, lines, number, tokens, nodes)
            node = append(code_of[opcode], a, b if operands == 2 else -1, 0.0, name, number)
        elif opcode == CONST.name:
            node = append(CONST.code, -1, -1, _number(path, lines, number, tokens[2]), name, number)
        else:
            node = _append_variable(builder, path, lines, number, tokens)
        nodes[name] = node
    if not nodes:
        raise VmError(path, max(1, len(lines) - (lines[-1] == "")), 1, "no instruction: the program is empty")
    return mark_verified(builder.build())


def _check_encodable(text: str, path: str) -> None:
    """Raises `VmError` for a lone surrogate, which no file can hold."""
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise _not_text(path, text[: error.start], f"U+{code:04X} is not a character of a text") from None


def _fail(path: str, lines: list[str], number: int, position: int, message: str) -> NoReturn:
    """Raise a `VmError` at the token with index `position`, or at the end of the line if there is none."""
    line = _COMMENT.sub("", lines[number - 1])
    starts = [match.start() for match in re.finditer(r"\S+", line)]
    column = starts[position] if position < len(starts) else len(line.rstrip())
    raise VmError(path, number, column + 1, message)


def _check_shape(path: str, lines: list[str], number: int, tokens: list[str], nodes: dict[str, int]) -> int:
    """Raise a `VmError` if the name, opcode or number of operands is wrong; else return that number."""
    name = tokens[0]
    if name[0] == BYTE_ORDER_MARK:
        _fail(path, lines, number, 0, "a byte order mark can only begin the file, not a name")
    if name in nodes:
        _fail(
            path, lines, number, 0, f"{shown(name)} is already defined on line {_defining_line(lines, name)}"
        )
    if len(tokens) == 1:
        _fail(path, lines, number, 1, "expected an opcode after the name")
    expected = _expected_operands(path, lines, number, tokens[1])
    found = len(tokens) - 2
    if found != expected:
        noun = "a number" if tokens[1] == CONST.name else f"{expected} operand{'s' * (expected != 1)}"
        message = f"{shown(tokens[1])} takes {noun if expected else 'no operand'}, found {found}"
        _fail(path, lines, number, 2 + min(found, expected), message)
    return expected


def _expected_operands(path: str, lines: list[str], number: int, opcode: str) -> int:
    """The number of tokens after an opcode. Raises `VmError` for an unknown or refused opcode."""
    if opcode == CONST.name:
        return 1
    if opcode in (VAR.name, VARIABLE_PREFIX):
        _fail(path, lines, number, 1, "expected the variable's name too, as in 'var-x'")
    if opcode.startswith(VARIABLE_PREFIX):
        return 0
    if opcode in REFUSED:
        _fail(path, lines, number, 1, f"opcode {shown(opcode)} is not supported: it is {REFUSED[opcode]}")
    if opcode in BY_NAME:
        return BY_NAME[opcode].arity
    known = [op.name for op in OPS if op is not VAR] + ["var-x", "var-y", "var-z"]
    _fail(path, lines, number, 1, f"unknown opcode {shown(opcode)}{did_you_mean(opcode, known)}")


def _defining_line(lines: list[str], name: str) -> int:
    """The first line that defines a name; 0 if there is none."""
    for number, line in enumerate(lines, 1):
        if line.split(None, 1)[:1] == [name]:
            return number
    return 0


def _undefined_operand(
    path: str, lines: list[str], number: int, tokens: list[str], nodes: dict[str, int]
) -> NoReturn:
    position = next(p for p, token in enumerate(tokens) if p >= 2 and token not in nodes)
    token = tokens[position]
    hint = ""
    if token == tokens[0]:
        hint = ": an instruction cannot use its own result"
    elif below := _defining_line(lines, token):
        hint = f": it is defined below, on line {below}"
    _fail(path, lines, number, position, f"operand {shown(token)} is not defined above{hint}")


def _number(path: str, lines: list[str], number: int, token: str) -> float:
    if not _NUMBER.fullmatch(token):
        _fail(
            path, lines, number, 2, f"{shown(token)} is not a number: expected as 1, -2.5, 1e-3, inf or nan"
        )
    return float(token)


def _append_variable(
    builder: GraphBuilder, path: str, lines: list[str], number: int, tokens: list[str]
) -> int:
    """Append a variable. Raises `VmError` if the line is not a variable's."""
    if len(tokens) != 2:
        _check_shape(path, lines, number, tokens, {})
    expected = _expected_operands(path, lines, number, tokens[1])
    assert expected == 0
    return builder.append_variable(tokens[1].removeprefix(VARIABLE_PREFIX), tokens[0], number)


def write_vm(graph: Graph, comments: Iterable[str] = ()) -> str:
    """The text of a graph, which parses back to the same graph. Nodes without a name get a new one.

    `comments`: lines to put first, without `#`. Raises `GraphError` unless `graph` is a valid graph (an
    expression's is `expression.graph()`): with a blank in a name, for example, the text would be another
    program. Raises `UsageError` for a lowered program, which the format cannot express.
    """
    check_graph(graph)
    if graph.lowered:
        raise UsageError("a lowered program has no .vm form: its predicates are no opcodes (see dump_vm)")
    return dump_vm(graph, comments)


def dump_vm(graph: Graph, comments: Iterable[str] = ()) -> str:
    """The text of a graph, which may be lowered, for people to read. Text of a lowered graph cannot be
    parsed.

    Predicates are lines such as `_5 band _4 -inf -0.25`, with lower and upper end, and `_9 all _5 _7 _8`.
    `comments` and `GraphError` as in `write_vm`.
    """
    check_graph(graph)
    names = complete_names(graph)
    texts = words(comments, "comments", UsageError)
    lines = [f"# {line}".rstrip() for comment in texts for line in comment.split("\n")]
    lines += (instruction_text(graph, names, node) for node in range(len(graph)))
    return "\n".join(lines) + "\n"


def instruction_text(graph: Graph, names: Sequence[str], node: int) -> str:
    """The line of one node. `names`: the names of all nodes."""
    code, a, b = graph.rows[node]
    words = [names[node], graph.record(node).name]
    if code >= FIRST_PREDICATE:
        words += [names[operand] for operand in graph.operands(node)]
    else:
        words += [names[operand] for operand in (a, b) if operand >= 0]
    if code == CONST.code:
        words.append(repr(graph.values[node]))
    elif code == VAR.code:
        words[1] = VARIABLE_PREFIX + graph.variables[node]
    elif code == BAND.code:
        assert graph.logic is not None
        words += map(repr, graph.logic.bands[node].tolist())
    return " ".join(words)


def complete_names(graph: Graph) -> list[str]:
    """The names of all nodes; nodes without one get `_0`, `_1`, … in hexadecimal."""
    taken = set(graph.names)
    names: list[str] = []
    number = 0
    for name in graph.names:
        if name is not None:
            names.append(name)
            continue
        while (fresh := f"_{number:x}") in taken:
            number += 1
        number += 1
        names.append(fresh)
    return names
