"""Helpers for the notebooks: problem sizes, third-party models, tables and figures.

`ABSINT_NOTEBOOK_SCALE=small` makes the notebooks quick, for tests; only `scale` reads it. Figures have a
white background, so that they look the same in light and dark viewers, and an alternative text. Needs
matplotlib and IPython, of the extra `notebooks`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from absint.base.errors import UsageError
from absint.base.version import __version__
from absint.ir.graph import FIRST_PREDICATE, Graph
from absint.ops.table import BAND, CONST, VAR

T = TypeVar("T")

SCALE = "ABSINT_NOTEBOOK_SCALE"
MODELS = "ABSINT_MODELS"

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colours that colour-blind readers can distinguish, after Okabe and Ito (2002)."""


def scale() -> str:
    """The notebook's scale, `full` or `small`. Raises `UsageError` if the environment says otherwise."""
    value = os.environ.get(SCALE, "full")
    if value not in ("full", "small"):
        raise UsageError(f"{SCALE}={value}: expected full or small")
    return value


def sized(full: T, small: T) -> T:
    """The value for the scale at which the notebook runs."""
    return full if scale() == "full" else small


def begin() -> None:
    """Set up figures, and print the version and scale."""
    from cycler import cycler
    from matplotlib import rcParams

    rcParams.update(
        {
            "figure.facecolor": "white", "savefig.facecolor": "white", "axes.facecolor": "white",
            "figure.dpi": 80, "figure.constrained_layout.use": True, "font.size": 10,
            "axes.prop_cycle": cycler(color=COLOURS), "axes.spines.top": False,
            "axes.spines.right": False, "axes.titlesize": 10, "legend.frameon": False,
            "image.cmap": "viridis",
        }
    )  # fmt: skip
    models = "third-party models found" if os.environ.get(MODELS) else f"{MODELS} is not set"
    print(f"absint {__version__}, {scale()} size, {models}")  # noqa: T201  # output of a notebook


def third_party(name: str) -> Path | None:
    """The file of a third-party model, from the folder that `ABSINT_MODELS` names.

    Returns None, with a printed note, if the variable is not set. Raises `UsageError` if the folder lacks the
    model.
    """
    folder = os.environ.get(MODELS)
    if not folder:
        print(f"{name}.vm is not bundled and {MODELS} is not set: going on without it.")  # noqa: T201
        return None
    path = Path(folder) / f"{name}.vm"
    if not path.is_file():
        raise UsageError(
            f"{MODELS}: there is no {name}.vm in that folder (`make models` says where to get it)"
        )
    return path


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Show a table. Floats have four significant digits; columns of numbers are right-aligned."""
    from IPython.display import Markdown, display

    cells = [list(row) for row in rows]
    numbers = [all(isinstance(row[i], int | float | np.number) for row in cells) for i in range(len(header))]
    lines = [[_escape(cell) for cell in header], ["--:" if right else ":--" for right in numbers]]
    lines += [[_escape(_text(cell)) for cell in row] for row in cells]
    display(Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines)))


def _text(cell: object) -> str:
    if isinstance(cell, float | np.floating):
        number = float(cell)
        return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"
    return f"{cell:,}" if isinstance(cell, int | np.integer) and not isinstance(cell, bool) else str(cell)


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def show(figure: Any, alt: str, dpi: int = 80) -> None:
    """Show a figure as an image with the alternative text `alt`, and close the figure."""
    import matplotlib.pyplot as plt
    from IPython.display import Image, display

    data = io.BytesIO()
    # no metadata: a figure has the same bytes on every machine
    figure.savefig(data, format="png", dpi=dpi, metadata={"Software": None})
    plt.close(figure)
    display(Image(data.getvalue(), alt=alt))


def picture(axes: Any, image: Any, title: str = "", **options: Any) -> Any:
    """Draw a picture of the square from -1 to 1, or an array over its tiles. Returns matplotlib's artist."""
    defaults = {
        "extent": (-1, 1, -1, 1),
        "cmap": "gray_r" if getattr(image, "dtype", None) == np.uint8 else None,
    }
    drawn = axes.imshow(image, **{**defaults, **options})
    axes.set(title=title, xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(True)
    return drawn


def draw_graph(axes: Any, graph: Graph, title: str = "") -> None:
    """Draw a small graph with leaves at the bottom, the root at the top, and predicates in another colour."""
    labels = [_label(graph, node) for node in range(len(graph))]
    place, height = _layout(graph, labels)
    for node in range(len(graph)):
        for operand in graph.operands(node):
            ends = [place[operand], place[node]], [height[operand], height[node]]
            axes.plot(*ends, "-", color="#bbbbbb", lw=0.8, zorder=1)
    for node, (code, a, _) in enumerate(graph.rows):
        colour = COLOURS[1] if code >= FIRST_PREDICATE else COLOURS[0] if a >= 0 else "#777777"
        axes.text(
            place[node], height[node], labels[node], ha="center", va="center", fontsize=7, color="white",
            bbox={"boxstyle": "round,pad=0.25", "facecolor": colour, "edgecolor": "none"},
        )  # fmt: skip
    axes.set(title=title, xlim=(-0.04, 1.04), ylim=(-0.7, max(height, default=0) + 0.7))
    axes.axis("off")


def _label(graph: Graph, node: int) -> str:
    code = graph.rows[node][0]
    if code == CONST.code:
        return f"{graph.values[node]:.3g}"
    if code == VAR.code:
        return graph.variables[node]
    if code == BAND.code:
        assert graph.logic is not None
        lower, upper = graph.logic.bands[node].tolist()
        if lower == -np.inf:
            return _at_most(upper)
        return _at_least(lower) if upper == np.inf else f"{_at_least(lower)}, {_at_most(upper)}"
    return graph.record(node).name


def _at_least(end: float) -> str:
    return "> 0" if 0 < end < _TINY else f"≥ {end:.3g}"


def _at_most(end: float) -> str:
    return "< 0" if -_TINY < end < 0 else f"≤ {end:.3g}"


_TINY = 1e-44
"""Ends nearer to zero than this are shown as strict comparisons with zero: a closed band expresses `v < 0` by
the largest float below zero.
"""

_WIDEST = 70
"""Number of letters of labels that fit into a row."""


def _layout(graph: Graph, labels: Sequence[str]) -> tuple[list[float], list[float]]:
    """Positions of all nodes: from 0 to 1 from left to right, and the height above the leaves.

    Nodes of a layer are ordered repeatedly by the mean position of their users and operands: the barycentre
    method of Sugiyama, Tagawa and Toda (1981). A layer whose labels are too wide takes several rows.
    """
    count = len(graph)
    depth = [0] * count
    beside: list[list[int]] = [list(graph.operands(node)) for node in range(count)]
    layers: dict[int, list[int]] = {}
    for node in range(count):
        depth[node] = 1 + max((depth[operand] for operand in graph.operands(node)), default=-1)
        layers.setdefault(depth[node], []).append(node)
        for operand in graph.operands(node):
            beside[operand].append(node)
    place = [0.5] * count
    for _ in range(12):
        for _, layer in sorted(layers.items(), reverse=True):
            near = {n: float(np.mean([place[m] for m in beside[n]])) if beside[n] else 0.5 for n in layer}
            layer.sort(key=near.__getitem__)
            widths = np.array([len(labels[node]) + 3 for node in layer])
            for node, centre in zip(layer, (widths.cumsum() - widths / 2) / widths.sum(), strict=True):
                place[node] = float(centre)
    height, floor = [0.0] * count, 0.0
    for _, layer in sorted(layers.items()):
        rows = -(-sum(len(labels[node]) + 3 for node in layer) // _WIDEST)
        for position, node in enumerate(layer):
            height[node] = floor + 0.8 * (position % rows)
        floor += 0.8 * (rows - 1) + 1.0
    return place, height
