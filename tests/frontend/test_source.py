"""Sources: what is read of a text is read once, also when the text is loaded again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import absint
from absint import Box, Precision, Promise
from absint.base.errors import VmError
from absint.frontend import source
from absint.frontend.source import Source, known_source
from absint.frontend.vm_scan import scan_vm

GUARDED = "# precision f64, box x=-1.0:1.0, promise sign\na var-x\n"


def test_a_text_is_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guard, digest and graph, though a picture of a file asks for each of them several times."""
    read: list[str] = []

    def counted(name: str) -> Any:
        original = getattr(source, name)

        def function(text: str, path: str) -> Any:
            read.append(name)
            return original(text, path)

        return function

    monkeypatch.setattr(source, "read_guard", counted("read_guard"))
    path = tmp_path / "once.vm"
    path.write_text("a var-x\nhalf const 0.53125\nb sub a half\n")
    pictures = [absint.render(path, 16, backend=backend) for backend in ("reference", "numba", "reference")]
    assert read == ["read_guard"]
    assert all((picture == pictures[0]).all() for picture in pictures)
    assert absint.load(path) is absint.load(path)
    assert read == ["read_guard"]


def test_another_text_at_the_same_path_is_another_source(tmp_path: Path) -> None:
    path = tmp_path / "model.vm"
    path.write_text("a var-x\n")
    first = absint.load(path)
    path.write_text("a var-y\n")
    assert list(absint.load(path).graph.variables.values()) == ["y"]
    assert list(first.graph.variables.values()) == ["x"]


def test_what_a_source_knows() -> None:
    written, plain = Source(GUARDED, "part.vm"), Source("a var-x\n")
    assert written.guard == (Precision.F64, Box({"x": (-1.0, 1.0)}), Promise.SIGN)
    assert (written.precision, plain.precision, plain.guard) == (Precision.F64, Precision.F32, None)
    program = written.program(scan_vm)
    assert program is written.program()
    assert (program.precision, program.promise, program.specialised) == (Precision.F64, Promise.SIGN, True)
    assert not plain.program().specialised
    assert len({written.digest, plain.digest, Source("a var-x\n", "other.vm").digest}) == 2


def test_sources_are_told_apart_by_text_and_path() -> None:
    assert known_source("a var-x\n", "one") is known_source("a var-x\n", "one")
    assert Source("a var-x\n", "one") == Source("a var-x\n", "one")
    assert len({Source("a var-x\n", "one"), Source("a var-x\n", "two"), Source("a var-y\n", "one")}) == 3
    assert Source("a var-x\n") != "a var-x\n"


@pytest.mark.parametrize("text", ["a nothing\n", "# precision f16, box all, promise bits\na var-x\n"])
def test_what_is_wrong_with_a_text_is_said_each_time(text: str) -> None:
    known = known_source(text, "bad.vm")
    for _ in range(2):
        with pytest.raises(VmError, match=r"bad\.vm"):
            known.program()
