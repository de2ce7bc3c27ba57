"""The text format: what is accepted, what is refused in which words and where, and the way back."""

from __future__ import annotations

import io
import math
import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from absint import models
from absint.base.errors import GraphError, UsageError, VmError
from absint.frontend.vm import decode, dump_vm, parse_vm, read_vm, write_vm
from absint.ir.graph import Graph, GraphBuilder
from absint.ops import extensions
from absint.ops.table import BY_NAME, OPS, REFUSED, VAR
from tests.support.graphs import graphs, words
from tests.support.lowered import lowered


def bits(value: float) -> bytes | str:
    return "nan" if math.isnan(value) else struct.pack("<d", value)


def content(graph: Graph) -> list[object]:
    """All that the text says, lines aside."""
    return [graph.rows, [bits(value) for value in graph.values], dict(graph.variables), graph.names]


def constant(text: str) -> float:
    return parse_vm(f"a const {text}").values[0]


OPEN = "_0 var-x\n_1 var-y\n"
"""Two instructions to stand above the one that a test is about, which is then on line 3."""

DIAGNOSTICS = {
    # opcode
    "bare name": ("_2", "3:3: expected an opcode after the name"),
    "bare name, blanks": ("  _2\t ", "3:5: expected an opcode after the name"),
    "near": ("_2 sinh _0", "3:4: unknown opcode 'sinh' (did you mean 'sin'?)"),
    "case": ("_2 ADD _0 _1", "3:4: unknown opcode 'ADD' (did you mean 'add'?)"),
    "variable": ("_2 varx", "3:4: unknown opcode 'varx' (did you mean 'var-x'?)"),
    "var": ("_2 var", "3:4: expected the variable's name too, as in 'var-x'"),
    "far": ("_2 frobnicate _0", "3:4: unknown opcode 'frobnicate'"),
    "long": ("_2 " + "q" * 1000, f"3:4: unknown opcode '{'q' * 60}…'"),
    "rand": ("_2 rand _0", f"3:4: opcode 'rand' is not supported: it is {REFUSED['rand']}"),
    "mix": ("_2 mix _0 _1", f"3:4: opcode 'mix' is not supported: it is {REFUSED['mix']}"),
    "mix, operands missing": ("_2 mix", f"3:4: opcode 'mix' is not supported: it is {REFUSED['mix']}"),
    "nameless variable": ("_2 var-", "3:4: expected the variable's name too, as in 'var-x'"),
    # name
    "redefinition": ("_1 neg _0", "3:1: '_1' is already defined on line 2"),
    "redefinition of what is wrong too": ("_0 foo", "3:1: '_0' is already defined on line 1"),
    "control characters": ("\x1b[31m neg _0 \0", "3:14: 'neg' takes 1 operand, found 2"),
    "control characters in an opcode": ("_2 \x1b[31m\u202e _0", "3:4: unknown opcode '\\x1b[31m\\u202e'"),
    "second byte order mark": (
        "\ufeff_2 neg _0",
        "3:1: a byte order mark can only begin the file, not a name",
    ),
    # operands
    "none of one": ("_2 neg", "3:7: 'neg' takes 1 operand, found 0"),
    "none of two": ("_2 add  ", "3:7: 'add' takes 2 operands, found 0"),
    "one of two": ("_2 add _0", "3:10: 'add' takes 2 operands, found 1"),
    "surplus of one": ("_2 neg _0 _1", "3:11: 'neg' takes 1 operand, found 2"),
    "surplus of two": ("_2 add _0 _1 _0 _1", "3:14: 'add' takes 2 operands, found 4"),
    "surplus of a variable": ("_2 var-x _0", "3:10: 'var-x' takes no operand, found 1"),
    "surplus of a constant": ("_2 const 1 2", "3:12: 'const' takes a number, found 2"),
    "no number": ("_2 const", "3:9: 'const' takes a number, found 0"),
    "comment for an operand": ("_2 neg # _0", "3:7: 'neg' takes 1 operand, found 0"),
    "comment for an opcode": ("_2\t#neg _0", "3:3: expected an opcode after the name"),
    "comment for a number": ("_2 const #1", "3:9: 'const' takes a number, found 0"),
    "surplus before a comment": ("_2 neg _0 _1 # why", "3:11: 'neg' takes 1 operand, found 2"),
    "error before a comment": ("_2 neg q # why", "3:8: operand 'q' is not defined above"),
    "no comment": ("_2 neg _0#why", "3:8: operand '_0#why' is not defined above"),
    "undefined": ("_2 neg q", "3:8: operand 'q' is not defined above"),
    "undefined first": ("_2 add q _0", "3:8: operand 'q' is not defined above"),
    "undefined second": ("_2 add _0 q", "3:11: operand 'q' is not defined above"),
    "itself": (
        "_2 add _0 _2",
        "3:11: operand '_2' is not defined above: an instruction cannot use its own result",
    ),
    "defined below": (
        "_2 neg _4\n\n_3 neg _0\n_4 var-z",
        "3:8: operand '_4' is not defined above: it is defined below, on line 6",
    ),
    "a comment defines nothing": ("_2 neg q\n#q var-z", "3:8: operand 'q' is not defined above"),
    "a number is no operand": ("_2 add _0 1.5", "3:11: operand '1.5' is not defined above"),
    # numbers
    "number": ("_2 const two", "3:10: 'two' is not a number: expected as 1, -2.5, 1e-3, inf or nan"),
    # columns count characters, whatever the blanks
    "tabs": ("\t_2\tneg\tq", "3:9: operand 'q' is not defined above"),
    "wide characters": ("é𝔸 neg q", "3:8: operand 'q' is not defined above"),
    "carriage return": ("_2 neg q\r", "3:8: operand 'q' is not defined above"),
    "operand missing before a carriage return": ("_2 neg\r", "3:7: 'neg' takes 1 operand, found 0"),
}


@pytest.mark.parametrize(("line", "message"), DIAGNOSTICS.values(), ids=DIAGNOSTICS)
def test_diagnostic(line: str, message: str) -> None:
    with pytest.raises(VmError) as caught:
        parse_vm(f"{OPEN}{line}\n", "m.vm")
    assert str(caught.value) == f"m.vm:{message}"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", (1, 1)),
        ("\n", (1, 1)),
        ("# a\n", (1, 1)),
        ("# a\n\n\n", (3, 1)),
        (" \t\r\n# b", (2, 1)),
        ("\ufeff", (1, 1)),
    ],
)
def test_empty_program(text: str, place: tuple[int, int]) -> None:
    with pytest.raises(VmError, match="no instruction: the program is empty") as caught:
        parse_vm(text)
    assert (caught.value.line, caught.value.column) == place


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe_\x000\x00", "1:1: byte 0xff is not UTF-8 text"),  # UTF-16
        (b"_0 var-x\n_1 \x80", "2:4: byte 0x80 is not UTF-8 text"),
        ("é \n é".encode() + b"\xc3", "2:3: byte 0xc3 is not UTF-8 text"),  # columns count characters
        (b"\xef\xbb\xbfab\xff", "1:3: byte 0xff is not UTF-8 text"),  # not the byte order mark
        (b"\xed\xa0\x80", "1:1: byte 0xed is not UTF-8 text"),  # a surrogate
    ],
)
def test_bytes_that_are_not_text(data: bytes, message: str) -> None:
    with pytest.raises(VmError) as caught:
        decode(data, "m.vm")
    assert str(caught.value) == f"m.vm:{message}"


def test_surrogate_in_a_string() -> None:
    with pytest.raises(VmError) as caught:
        parse_vm(f"{OPEN}_2 neg \ud800")
    assert str(caught.value) == "<text>:3:8: U+D800 is not a character of a text"


PLAIN = parse_vm("a var-x\nb const 1\nc add a b\n")


@pytest.mark.parametrize(
    "text",
    [
        "a var-x\r\nb const 1\r\nc add a b\r\n",
        "a var-x\nb const 1\nc add a b",
        "\ta  var-x\t\nb\tconst\t\t1  \n \t \nc   add a b   \n\n",
        "\ufeffa var-x\nb const 1\nc add a b\n",
        "# x\na var-x\n#\n#b const 2\nb const 1\nc add a b\n# end",
        "a var-x # why\nb const 1 #\n  # note\nc add a b\t#why # not\n",
        "a\u2003var-x\nb\xa0const 1\nc add\x1ca\x85b\n",  # what Python's split takes for blanks
        "a var-x\nb const +1.0e0\nc add a b\n",
    ],
)
def test_layout_does_not_matter(text: str) -> None:
    assert content(parse_vm(text)) == content(PLAIN)


def test_comment_in_the_first_column_after_a_byte_order_mark() -> None:
    assert parse_vm("\ufeff# note\na var-x").names == ("a",)


def test_one_node_per_line() -> None:
    graph = parse_vm("\n# c\na const 1\nb const 1\n\nc neg a\nd neg a\n")
    assert graph.names == ("a", "b", "c", "d")
    assert graph.lines.tolist() == [3, 4, 6, 7]
    assert graph.root == 3


def test_names_are_any_word() -> None:
    names = ["0", "add", "var-x", "const", "nan", "a#b", "=", "\x00", "\u200b", "ß", "x" * 10_000]
    text = "\n".join(f"{name} var-x" for name in names)
    assert parse_vm(text).names == tuple(names)


def test_variables_have_any_name() -> None:
    graph = parse_vm("a var-x\nb var-time\nc var-#\nd var-var-x\ne var-x")
    assert dict(graph.variables) == {0: "x", 1: "time", 2: "#", 3: "var-x", 4: "x"}


@pytest.mark.parametrize("op", [op for op in OPS if not op.is_leaf], ids=lambda op: op.name)
def test_every_opcode(op: object) -> None:
    name, arity = getattr(op, "name"), getattr(op, "arity")  # noqa: B009
    graph = parse_vm(f"{OPEN}r {name} {' '.join(['_0', '_1'][:arity])}")
    assert graph.record(2) is op
    assert graph.operands(2) == (0, 1)[:arity]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        ("+1", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5e-1", -0.05),
        ("007", 7.0),
        ("1E3", 1000.0),
        ("2.50000e-01", 0.25),  # as printed by %.5e
        ("0.1", 0.1),
        ("-0", -0.0),
        ("-0.0", -0.0),
        ("inf", math.inf),
        ("+Infinity", math.inf),
        ("-INF", -math.inf),
        ("nan", math.nan),
        ("-NaN", math.nan),
        ("1e400", math.inf),  # rounds to it
        ("-1e400", -math.inf),
        ("1e-400", 0.0),
        ("-1e-400", -0.0),
        ("5e-324", 5e-324),
        ("9007199254740993", 9007199254740992.0),
        ("1" + "0" * 400, math.inf),
        ("0." + "0" * 400 + "1e401", 1.0),
        ("1e" + "9" * 400, math.inf),
    ],
)
def test_numbers(text: str, value: float) -> None:
    assert bits(constant(text)) == bits(value)


@pytest.mark.parametrize(
    "text",
    [
        *("1_000", "0x10", "0b1", "1e", "1e+", ".", "+", "--1", "1.2.3", "1,5", "1e5.0", "1f", "1j", "1/2"),
        *("infinit", "nan0", "None", "true", "_0"),
        *("١", "１", "ınf", "İnf", "1\u200b", "∞", "1\x00"),
    ],
)
def test_no_numbers(text: str) -> None:
    with pytest.raises(VmError, match="is not a number") as caught:
        constant(text)
    assert (caught.value.line, caught.value.column) == (1, 9)


@given(st.text("+-.0123456789eEinfatyINFATY", max_size=8))
@example("1e")
@example("1.e")
@settings(max_examples=2000)
def test_numbers_are_pythons(text: str) -> None:
    try:
        value = float(text)
    except ValueError:
        with pytest.raises(VmError):
            constant(text)
    else:
        assert bits(constant(text)) == bits(value)


@given(st.floats())
def test_numbers_are_written_exactly(value: float) -> None:
    builder = GraphBuilder()
    builder.constant(value)
    assert bits(parse_vm(write_vm(builder.build())).values[0]) == bits(value)


# Files


def test_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "m.vm"
    file.write_bytes(b"\xef\xbb\xbfa var-x\r\nb neg a\r\n")
    assert content(read_vm(file)) == content(parse_vm("a var-x\nb neg a"))
    file.write_bytes(b"a var-x\nb\n")
    with pytest.raises(VmError) as caught:
        read_vm(file)
    assert str(caught.value) == f"{file}:2:2: expected an opcode after the name"


def test_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a var-x\nb nag a\n")))
    with pytest.raises(VmError) as caught:
        read_vm("-")
    assert str(caught.value) == "<stdin>:2:3: unknown opcode 'nag' (did you mean 'neg'?)"


def test_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="<stdin>: cannot be read"):
        read_vm("-")


@pytest.mark.parametrize("name", [".", "missing.vm", "a\0b", "x" * 5000, "missing/m.vm"])
def test_what_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: "):
        read_vm(tmp_path / name)


# The way back


def assert_round_trip(graph: Graph) -> None:
    text = write_vm(graph)
    again = parse_vm(text)
    # names are kept, nodes without one have got one
    assert content(again)[:-1] == content(graph)[:-1]
    assert all(new == old for new, old in zip(again.names, graph.names, strict=True) if old is not None)
    assert write_vm(again) == text


@given(graphs(variables=words))
def test_random_graphs_come_back(graph: Graph) -> None:
    graph.verify()
    assert_round_trip(graph)


@pytest.mark.parametrize("name", models.names())
def test_bundled_models_come_back(name: str) -> None:
    graph = parse_vm(models.text(name))
    assert_round_trip(graph)
    assert content(parse_vm(write_vm(graph))) == content(graph)


def test_third_party_models_come_back(models_dir: Path) -> None:
    files = sorted(models_dir.glob("*.vm"))
    assert files
    for file in files:
        graph = read_vm(file)
        graph.verify()
        assert content(parse_vm(write_vm(graph))) == content(graph)


def test_unnamed_nodes_get_free_names() -> None:
    builder = GraphBuilder()
    for name in ("_1", None, "_0", None, "_3", None, None):
        builder.append_variable("x", name)
    written = parse_vm(write_vm(builder.build())).names
    assert written == ("_1", "_2", "_0", "_4", "_3", "_5", "_6")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_comments_stay_comments(comments: list[str]) -> None:
    assert content(parse_vm(write_vm(PLAIN, comments))) == content(PLAIN)


def test_written_text() -> None:
    text = "# a\n# b\na var-x\nb const -0.0\nc atan2 a b\nd neg c\n"
    assert write_vm(parse_vm(text), ["a\nb"]) == text


def test_only_standard_opcodes_are_written() -> None:
    """Those of the reference reader and `recip`, which the format's facts list, and extensions."""
    unary = "neg abs recip sqrt square floor ceil round sin cos tan asin acos atan exp ln not"
    binary = "add sub mul div atan2 min max compare mod and or"
    assert set(BY_NAME) - {VAR.name, *extensions.names()} == {"const", *unary.split(), *binary.split()}


@pytest.mark.parametrize("name", ["", "a b", "a\nb", " ", "a\u2028b", "#a", "\ufeffa", "a\ud800", "\x1c"])
def test_a_graph_whose_text_would_be_another_is_not_written(name: str) -> None:
    builder = GraphBuilder()
    builder.append_variable("x", name)
    with pytest.raises(GraphError, match="cannot name a node"):
        write_vm(builder.build())


@pytest.mark.parametrize("name", ["", "a b", "a\nb neg a", "\t", "\udfff"])
def test_a_graph_whose_variable_is_no_word_is_not_written(name: str) -> None:
    builder = GraphBuilder()
    builder.variable(name)
    with pytest.raises(GraphError, match="cannot name a variable"):
        write_vm(builder.build())


# Dumps of lowered programs


def test_a_lowered_program_is_dumped_and_not_written() -> None:
    text = (
        "x var-x; c const -0.0; s add x c; a band x -inf -0.25; b band s -0.1 inf; t true; f false; "
        "p all a b; q any t p f"
    )
    lines = text.split("; ")
    graph = lowered(text)
    assert dump_vm(graph, ["two", "lines"]) == "\n".join(["# two", "# lines", *lines]) + "\n"
    with pytest.raises(UsageError, match=r"a lowered program has no \.vm form"):
        write_vm(graph)
    for number, name in enumerate(["band", "band", "true", "false", "all", "any"], 4):
        with pytest.raises(VmError, match=f"<text>:{number}:[0-9]+: unknown opcode '{name}'"):
            parse_vm("\n".join([*lines[:3], *["#"] * (number - 4), *lines[number - 1 :]]))


@given(graphs())
def test_a_dump_of_a_real_program_is_its_text(graph: Graph) -> None:
    assert dump_vm(graph) == write_vm(graph)


def test_names_of_predicates_are_free_ones() -> None:
    made = replace(
        lowered("_0 var-x; a band _0 0 1; b band _0 2 3; p any a b"), names=("_0", None, None, None)
    )
    assert dump_vm(made).splitlines() == [
        "_0 var-x",
        "_1 band _0 0.0 1.0",
        "_2 band _0 2.0 3.0",
        "_3 any _1 _2",
    ]
