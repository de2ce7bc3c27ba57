"""The guard of a written program is found wherever it stands, and what only resembles one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import absint
from absint.base.errors import AbsintError, DomainError, VmError
from absint.evaluation.view import View
from absint.frontend.guard import read_guard, resembles_guard
from absint.frontend.vm import Comment, comments, write_vm
from absint.ir.box import Box
from absint.ir.program import Promise, describe
from absint.ops.precision import Precision

HALF = absint.optimize(absint.load("gear"), region=Box.parse("-1:0,-1:1"))
SAID = "precision f32, box x=-1.0:0.0,y=-1.0:1.0, promise sign"
BODY = "x var-x\ny var-y\ns add x y\n"
GUARD = (Precision.F32, Box.of((-1.0, 0.0), (-1.0, 1.0)), Promise.SIGN)

FOUND = {
    "first": f"# {SAID}\n",
    "no blank": f"#{SAID}\n",
    "behind a note": f"# my note\n# {SAID}\n",
    "behind blank lines": f"\n \t\n# {SAID}\n",
    "above a note": f"# {SAID}\n# made by absint\n\n#\n",
    "byte order mark": f"\ufeff# {SAID}\n",
    "carriage returns": f"# note\r\n# {SAID}\r\n",
    "tabs": f"#\t{SAID}\t\n",
    "indented": f"  \t# {SAID}\n",
    "twice": f"# {SAID}\n# {SAID}\n",
    "behind a quoted one": f'# "precision f64, box all, promise bits"\n# {SAID}\n',
    "behind odd comments": f"#\n##\n# a # b\n\x0c# {SAID}\n",
}


@pytest.mark.parametrize("head", FOUND.values(), ids=FOUND)
def test_a_guard_is_found_among_the_leading_comments(head: str) -> None:
    assert read_guard(head + BODY) == GUARD


REFUSED = [
    f"{SAID}.", f"{SAID} .", f"{SAID};", SAID.upper(), SAID.title(), SAID.replace("precision", "Precision"),
    SAID.replace("f32", "F32"), SAID.replace("f32", "f16"), SAID.replace("f32", "float32"),
    SAID.replace("f32", "single"), SAID.replace("f32", "32"), SAID.replace("sign", "picture"),
    SAID.replace("sign", "signs"), SAID.replace("sign", "bit"), SAID.replace("sign", ""),
    SAID.replace(", ", "; "), SAID.replace(", ", " "), SAID.replace(" ", ""), SAID.replace(" ", "  "),
    SAID.replace(" ", "\t"), SAID.replace(" ", "\xa0"), SAID.replace(" f32", ": f32"),
    SAID.replace("x=-1.0:0.0", "left"), SAID.replace("=", ":"), SAID.replace("x=-1.0", "x=-1.o"),
    SAID.replace("0.0", "-2.0"), f"note: {SAID}", f"# {SAID}", f"// {SAID}", f"({SAID})", f"'{SAID}'",
    f"{SAID}, {SAID}", f"{SAID} and more", "precision f32", "precision f64.", "precision 16",
    "box x=-1:0,y=-1:1", "box all", "box -1:1", "promise sign", "Promise: bits",
    SAID.removeprefix("precision f32, "), SAID.removeprefix("precision "), SAID.rpartition(",")[0],
    "precision f32, promise sign", "box all, promise bits", SAID.replace("precision", "presicion"),
    SAID.replace("precision", "presicion").replace("box", "bok").replace("promise", "promis"),
    "precision half, box left, promise pixels", "pre\uff43ision f32, box all", SAID.replace("e", "\uff45"),
]  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
@pytest.mark.parametrize("above", ["", "# note\n\n"])
def test_what_only_resembles_a_guard_is_refused_at_its_place(said: str, above: str) -> None:
    with pytest.raises(VmError) as raised:
        read_guard(f"{above}  # {said}\n{BODY}", "m.vm")
    error = raised.value
    assert (error.line, error.column) == (1 + above.count("\n"), 3)
    assert "mend it, or put it in double quotes" in str(error)
    assert read_guard(f'{above}  # "{said}"\n{BODY}') is None, "the remedy works"


HUMAN = [
    "", "precision matters here", "precision: as high as it gets", "precision 5 digits", "Precision 0.001 mm",
    "the precision of the box is high", "a box, 3 by 4", "box", "box 3 4 5", "box: all sides are rounded",
    "boxes all over the place", "promise me", "I promise signs", "f32 is enough", "f(3) at x=1:2",
    "x=1:2 is the interesting part", "made by absint 0.1.0, passes fold,simplify,cse", "the sign, in bits",
    'case {"precision": "f32", "box": "x=-1.0:1.0", "promise": "bits"}', "région x, boîte y",
]  # fmt: skip


@pytest.mark.parametrize("said", HUMAN)
def test_comments_of_people_are_only_comments(said: str) -> None:
    assert not resembles_guard(said)
    assert read_guard(f"# {said}\n{BODY}# {said}\n") is None


def test_every_comment_of_the_models_is_only_one(models_dir: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted(models_dir.glob("*.vm"))]
    assert sum(len(list(comments(text))) for text in texts) > 0
    assert [read_guard(text) for text in texts] == [None] * len(texts)


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        (f"x var-x\n# {SAID}\ny neg x\n", (2, 1), "stands below an instruction"),
        (f"x var-x # {SAID}\n", (1, 9), "stands below an instruction"),
        (f"x var-x\n\n# note\n  # {SAID}\n", (4, 3), "stands below an instruction"),
        (f"# {SAID}\nx var-x\n# {SAID}\n", (3, 1), "stands below an instruction"),
        (f"a#b var-x\n# {SAID}\n", (2, 1), "stands below an instruction"),
        (f"x var-x # {SAID.upper()}\n", (1, 9), "does not read as"),
        (f"# {SAID}\n# {SAID.replace('f32', 'f64')}\n{BODY}", (2, 1), "contradicts the guard above"),
        (f"# {SAID}\n\n# {SAID.replace('0.0', '0.5')}\n{BODY}", (3, 1), "contradicts the guard above"),
        (f"# {SAID.replace('-1.0:0.0', '1:0')}\n{BODY}", (1, 1), "cannot be read: region"),
    ],
)
def test_a_guard_in_a_wrong_place(text: str, place: tuple[int, int], what: str) -> None:
    with pytest.raises(VmError, match=what) as raised:
        read_guard(text)
    assert (raised.value.line, raised.value.column) == place


def test_whoever_reads_a_text_heeds_its_guard(tmp_path: Path) -> None:
    view = View(64, 64)
    text = write_vm(HALF.graph, [describe(HALF)])
    path = tmp_path / "half.vm"
    heads = {
        f"# note\n{text}": DomainError,
        f"\n{text}": DomainError,
        text.replace("promise sign", "promise sign."): VmError,
        text.replace("f32", "f16"): VmError,
    }
    for changed, error in heads.items():
        path.write_text(changed, encoding="utf-8")
        for backend in ("numba", "reference"):
            with pytest.raises(error):
                absint.render(str(path), view, backend=backend)
        with pytest.raises(AbsintError):
            absint.evaluate(str(path), [0.5], [0.0])
        with pytest.raises(AbsintError):
            absint.optimize(str(path))
    inside = View(64, 64, (-0.5, 0.0), 0.5)
    path.write_text(f"\n# note\n{text}", encoding="utf-8")
    assert (absint.render(str(path), inside) == absint.render("gear", inside)).all()


def test_comments_have_places() -> None:
    text = "\ufeff# a \n\n x var-x # b\r\n#c\ny#d var-y\n  \t#\n"
    assert list(comments(text)) == [
        Comment("a", 1, 1, True), Comment("b", 3, 10, False), Comment("c", 4, 1, False),
        Comment("", 6, 4, False),
    ]  # fmt: skip
