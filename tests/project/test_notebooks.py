"""The notebooks run from top to bottom, and what is committed of them is what such a run gave.

They run at a reduced size here (`ABSINT_NOTEBOOK_SCALE=small`, see `absint.study.notebook`), with this
checkout's absint. Their own checks, of published claims too, are assertions in cells: one that fails fails
here. Claims about third-party models are checked where `ABSINT_MODELS` is set.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from absint.base.errors import UsageError
from absint.frontend.vm import parse_vm
from absint.study import notebook as helpers
from tests.project.test_packaging import MACHINE_PATH

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TITLES = tuple(path.stem for path in NOTEBOOKS)
MOST_BYTES = 3_000_000
"""Of all notebooks together: a clone holds every version of them."""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=TITLES)


def cells(path: Path, kind: str = "code") -> list[dict[str, Any]]:
    held = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in held if cell["cell_type"] == kind]


def text_of(cell: dict[str, Any]) -> str:
    """What a cell printed."""
    return "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")


def test_they_are_numbered_along_the_way_of_the_data() -> None:
    assert [title[:3] for title in TITLES] == [f"{number:02}-" for number in range(1, len(TITLES) + 1)]
    assert len(TITLES) == 6


@every_notebook
def test_it_runs(path: Path) -> None:
    for needed in ("ipykernel", "matplotlib", "nbclient"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed (extra dev or notebooks)")
    import nbformat

    from tests.project.notebooks import read, run

    notebook = read(path)
    notebook.cells.append(nbformat.v4.new_code_cell("import absint; print(absint.__file__)"))
    run(notebook, "small")
    first, *_, last = (cell for cell in notebook.cells if cell.cell_type == "code")
    assert "small size" in text_of(first)
    assert text_of(last).strip() == str(ROOT / "absint" / "__init__.py"), "another absint was imported"


@every_notebook
def test_what_is_committed_is_one_run_at_full_size(path: Path) -> None:
    counts = [cell["execution_count"] for cell in cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "run `make notebooks`: cells ran in another order"
    first = text_of(cells(path)[0])
    assert "full size" in first
    assert "third-party models found" in first, "run `make notebooks` with ABSINT_MODELS set"


@every_notebook
def test_outputs_are_clean(path: Path) -> None:
    for cell in cells(path):
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", f"a warning: {output}"
    text = path.read_text(encoding="utf-8")
    assert not MACHINE_PATH.search(text)
    assert "/tmp/" not in text


@every_notebook
def test_pictures_say_what_they_show(path: Path) -> None:
    pictures = [
        output for cell in cells(path) for output in cell["outputs"] if "image/png" in output.get("data", {})
    ]
    assert pictures or path.stem.startswith("06")
    for picture in pictures:
        assert len(picture["metadata"]["image/png"]["alt"]) > 20


@every_notebook
def test_it_opens_with_what_one_learns_and_closes_with_what_to_try(path: Path) -> None:
    prose = ["".join(cell["source"]) for cell in cells(path, "markdown")]
    number = int(path.stem[:2])
    assert re.match(rf"# {number}\. .+\n\n\*\*What you learn\.\*\* ", prose[0])
    assert "## What to try" in prose[-1]


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in NOTEBOOKS) < MOST_BYTES


def test_metadata_holds_nothing_that_changes_by_itself() -> None:
    for path in NOTEBOOKS:
        held = json.loads(path.read_text(encoding="utf-8"))
        assert set(held["metadata"]) == {"kernelspec", "language_info"}
        assert "version" not in held["metadata"]["language_info"]
        assert (held["nbformat"], held["nbformat_minor"]) == (4, 5)
        assert all(cell["metadata"] == {} for cell in held["cells"])
        assert [cell["id"] for cell in held["cells"]] == [f"cell-{n:02}" for n in range(len(held["cells"]))]


# What they share


def test_the_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(helpers.SCALE, raising=False)
    assert helpers.sized(2, 1) == 2
    monkeypatch.setenv(helpers.SCALE, "small")
    assert helpers.sized(2, 1) == 1
    monkeypatch.setenv(helpers.SCALE, "tiny")
    with pytest.raises(UsageError, match="ABSINT_NOTEBOOK_SCALE=tiny: expected full or small"):
        helpers.scale()


def test_third_party_models(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(helpers.MODELS, raising=False)
    assert helpers.third_party("hi") is None
    assert "hi.vm is not bundled and ABSINT_MODELS is not set" in capsys.readouterr().out
    monkeypatch.setenv(helpers.MODELS, str(tmp_path))
    with pytest.raises(UsageError, match=r"there is no hi\.vm"):
        helpers.third_party("hi")
    (tmp_path / "hi.vm").touch()
    assert helpers.third_party("hi") == tmp_path / "hi.vm"


def test_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("IPython")
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    helpers.table(("name", "a|b"), [("x", 12345), ("y|z", 0.123456)])
    assert shown[0].data.splitlines() == [
        "| name | a\\|b |", "| :-- | --: |", "| x | 12,345 |", "| y\\|z | 0.1235 |"
    ]  # fmt: skip


def test_a_drawn_graph_shows_every_node() -> None:
    pytest.importorskip("matplotlib")
    import matplotlib.pyplot as plt

    graph = parse_vm("x var-x\nk const 0.25\na sub x k\nb square a\nf min a b\n")
    figure, axes = plt.subplots()
    helpers.draw_graph(axes, graph)
    drawn = {text.get_text(): text.get_position() for text in axes.texts}
    plt.close(figure)
    assert set(drawn) == {"x", "0.25", "sub", "square", "min"}
    heights = [drawn[label][1] for label in ("x", "sub", "square", "min")]
    assert heights == sorted(heights)
    assert len(set(drawn.values())) == len(drawn)
