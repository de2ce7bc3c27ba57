"""Measurements for notebooks: the effect of passes, domains and tile sizes on a model, as arrays and dicts.

All results except times are deterministic. In arrays over tiles the first row is the top one, as in pictures.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.api import Model, domain_names, load, run_pipeline
from absint.base.arguments import number, whole, word
from absint.base.errors import BackendError, DomainError, UsageError, shown
from absint.evaluation.engine import Engine
from absint.evaluation.preparation import Preparation
from absint.evaluation.questions.image import Image
from absint.evaluation.view import View
from absint.ir.box import Box
from absint.ir.graph import AXES, Graph
from absint.ir.interpreter import interpret_concrete
from absint.ir.program import Program
from absint.ops.precision import Precision, as_precision
from absint.ops.table import FALSE, MAX, MIN
from absint.passes.analyses.bounds import bounds_of
from absint.passes.analyses.liveness import REPORT_PIXELS, memory_of
from absint.rewriting.analysis import DEFAULT_DOMAINS, Analyses
from absint.rewriting.manager import LEVELS, format_pass
from absint.study.lowering_facts import term_rows, terms_of
from absint.study.specialisation import measure_regions

MOST_TILES = 4096
"""Most tiles along an axis; a graph of some hundred nodes then takes gigabytes."""

MOST_LEVELS = 24
"""Largest depth of a quadtree: there, tiles of the unit box are as narrow as the spacing of binary32."""


def stages(
    model: Model, *, passes: str | None = None, level: int = 2, domains: Sequence[str] = DEFAULT_DOMAINS,
    region: Box | None = None, precision: Precision | str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The effect of each pass of a pipeline, one row per pass; the first row is the source, without a pass.

    A row has the `pass` as text, the `operations` and `nodes` after it, the number of operations `removed`,
    the number of uses of each rule (`rewrites`), and its `seconds`, including analyses that it was the first
    to need. All functions of this module have the options and errors of `absint.optimize`: `PipelineError`,
    `UsageError`, `DomainError`, and `VmError` for malformed text.
    """
    source = load(model)
    _, steps = run_pipeline(
        source, passes=passes, level=level, domains=domains, region=region, precision=precision
    )
    start = source.graph if not steps else steps[0].before.graph
    rows: list[dict[str, Any]] = [
        {
            "pass": "", "operations": start.operation_count, "nodes": len(start), "removed": 0,
            "rewrites": {}, "seconds": 0.0,
        }
    ]  # fmt: skip
    for step in steps:
        before, after = step.before.graph, step.after.graph
        rewrites: dict[str, int] = {}
        for rewrite, count in step.rewrites.most_common():
            rewrites[rewrite.rule] = rewrites.get(rewrite.rule, 0) + count
        rows.append(
            {
                "pass": format_pass(step.pass_),
                "operations": after.operation_count,
                "nodes": len(after),
                "removed": before.operation_count - after.operation_count,
                "rewrites": rewrites,
                "seconds": step.seconds,
            }
        )
    return rows


def tiles(
    model: Model, count: int = 64, *, passes: str = "", domains: Sequence[str] = DEFAULT_DOMAINS,
    region: Box | None = None, precision: Precision | str | None = None,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """Operations left of a model on each of `count` by `count` tiles of a region, after passes on the whole
    region.

    `undecided` bool[count, count]: whether the tile is not known to be all inside or all outside.
    `operations` and `for_sign` int32[count, count]: operations left if the value, or only `f < 0`, is needed;
    0 on decided tiles. Raises `UsageError` for a pipeline that lowers, fewer than one tile, or more than
    `MOST_TILES`.
    """
    count = whole(count, "count", least=1)
    if count > MOST_TILES:
        raise UsageError(f"count {shown(count)}: expected at most {MOST_TILES}")
    program, _ = run_pipeline(load(model), passes=passes, domains=domains, region=region, precision=precision)
    found = measure_regions(program, (count, count, 1), domains)
    layers = {
        "undecided": found.undecided,
        "operations": found.operations,
        "for_sign": found.operations_for_sign,
    }
    return {name: np.ascontiguousarray(layer[0, ::-1]) for name, layer in layers.items()}


def quadtree(
    model: Model, levels: int = 5, *, passes: str = LEVELS[2], domains: Sequence[str] = DEFAULT_DOMAINS,
    region: Box | None = None, precision: Precision | str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The effect of passes on a quadtree of tiles, as in a recursive renderer, one row per level.

    The first level is the whole region. Undecided tiles are quartered along x and y, and each quarter is
    optimised from its parent's program. A row has the number of `tiles`, how many stay `undecided`, the sum
    of their `operations`, and the uses of each rule on all tiles (`rewrites`). Raises `UsageError` for a
    region without bounds of x and y, a pipeline that lowers, or `levels` that is not a whole number from 0 to
    `MOST_LEVELS`.
    """
    levels = whole(levels, "levels", least=0)
    if levels > MOST_LEVELS:
        raise UsageError(f"levels {shown(levels)}: expected at most {MOST_LEVELS}")
    program, _ = run_pipeline(load(model), passes="", region=region, precision=precision)
    if not {"x", "y"} <= set(program.box.bounds):
        raise UsageError(f"region {program.box}: expected bounds of x and y to quarter")
    rows, tiles = [], [program]
    for _ in range(levels):
        rewrites: Counter[str] = Counter()
        left = []
        for tile in tiles:
            made, steps = run_pipeline(
                tile, passes=passes, region=tile.box, precision=tile.precision, domains=domains
            )
            if made.graph.lowered:
                raise UsageError(f"passes {shown(passes)}: expected a pipeline that does not lower")
            for step in steps:
                for rewrite, count in step.rewrites.items():
                    rewrites[rewrite.rule] += count
            lower, upper, may_nan = bounds_of(made, Analyses(domains)).columns
            if lower[-1] < 0 and (upper[-1] >= 0 or may_nan[-1]):
                left.append(made)
        rows.append(
            {
                "tiles": len(tiles),
                "undecided": len(left),
                "operations": sum(made.graph.operation_count for made in left),
                "rewrites": dict(rewrites.most_common()),
            }
        )
        tiles = [
            made.restricted(box, made.precision, made.promise) for made in left for box in _quarters(made)
        ]
    return rows


def _quarters(program: Program) -> list[Box]:
    """The quarters of a program's box in x and y; neighbours share their edge."""
    halves = []
    for name in ("x", "y"):
        lower, upper = program.box.bounds[name]
        middle = program.precision.round(lower + 0.5 * (upper - lower))
        halves.append([(lower, middle), (middle, upper)])
    return [Box({**program.box.bounds, "x": x, "y": y}) for y in halves[1] for x in halves[0]]


def memory(
    model: Model, pixels: int = REPORT_PIXELS, *, passes: str = "", precision: Precision | str | None = None
) -> dict[str, Any]:
    """The memory needed to evaluate a model on whole arrays of `pixels` values.

    `values`: number of values computed; `naive_bytes`: memory if all are kept. `peak_live`: largest number of
    values alive at once; `live_bytes`: memory if each is freed at its last use. `slots`: registers that an
    evaluator needs. Raises `PipelineError` for unknown passes, `VmError` for malformed text, `UsageError` for
    fewer than one pixel.
    """
    pixels = whole(pixels, "pixels", least=1)
    program, _ = run_pipeline(load(model), passes=passes, precision=precision)
    return memory_of(program, Analyses(), pixels)


def executable(
    model: Model, view: View, backend: str = "numba", *, passes: str | None = None,
    precision: Precision | str | None = None, threads: int | None = None,
) -> Engine:  # fmt: skip
    """An engine that draws a model in a view: `executable(model, view).image(view)`.

    `backend`: a name, or `name:method`. `passes`: the pipeline that runs first; default: the backend's.
    Raises `BackendError` for a backend that is not available, `UsageError` if `view` is not a view.
    """
    if not isinstance(view, View):
        raise UsageError(f"view {shown(view)}: expected a View, as View(640, 480)")
    source = load(model)
    real = source.precision if precision is None else as_precision(precision)
    preparation = Preparation(
        source, Image, word(backend, "backend", BackendError), real, view.box(real), passes, threads,
        knows_program=True,
    )  # fmt: skip
    return preparation.find().engine


TURN = 0.005
"""Seconds for which a contender is called before the next one's turn; at least one call."""


def times(contenders: Mapping[str, Callable[[], object]], runs: int = 9) -> dict[str, float]:
    """The median time of a call of each contender, in seconds.

    Contenders take `runs` turns each, alternating, so that disturbances of the machine affect all of them
    alike. Each contender's first call is not timed. Exceptions of calls propagate. Raises `UsageError` for
    fewer than one run.
    """
    runs = whole(runs, "runs", least=1)
    if not isinstance(contenders, Mapping) or not all(map(callable, contenders.values())):
        raise UsageError(f"contenders {shown(contenders)}: expected functions by name")
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call()
    for _ in range(runs):
        for name, call in contenders.items():
            begin = end = time.perf_counter()
            while end - begin < TURN:
                start = end
                call()
                end = time.perf_counter()
                taken[name].append(end - start)
    return {name: statistics.median(samples) for name, samples in taken.items()}


def heatmap(model: Model, count: int = 64, **options: Any) -> NDArray[np.uint8]:
    """uint8[count, count]: the operations left on each tile for `f < 0`, scaled so that the largest is 255.

    Options are those of `tiles`. Raises `UsageError` for a pipeline that lowers.
    """
    left = tiles(model, count, **options)["for_sign"]
    return (left * (255.0 / max(1, int(left.max())))).round().astype(np.uint8)


LOWERING_TO_TERMS = "cse,predicates,flatten,bands,contract"
"""The pipeline of `terms`."""


def terms(
    model: Model, *, passes: str = LOWERING_TO_TERMS,
    domains: Sequence[str] = DEFAULT_DOMAINS, region: Box | None = None,
    precision: Precision | str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The terms of a lowered model, one row per term; `f < 0` holds wherever at least one term holds.

    A row has the term's `box`, (left, right, bottom, top), outside of which the term is false; its number of
    `operations` and `comparisons`; and the first `line` and all `lines` of the source that it was made from.
    A box is infinite where neither the term nor the region has a bound. Terms that never hold are left out.
    Raises `UsageError` for a pipeline that does not lower.
    """
    program, _ = run_pipeline(load(model), passes=passes, domains=domains, region=region, precision=precision)
    graph = program.graph
    if not graph.lowered:
        raise UsageError(
            f"passes {shown(passes)}: expected a pipeline that lowers, with the pass 'predicates'"
        )
    rows = []
    for term, row in zip(terms_of(graph), term_rows(program), strict=True):
        if graph.rows[term][0] != FALSE.code:
            lines = sorted({graph.line_list[node] for node in _cone(graph, term)} - {0})
            rows.append(row | {"line": lines[0] if lines else None, "lines": lines})
    return rows


def precision_of(
    model: Model, domains: Sequence[Sequence[str]] = (("interval",), ("interval", "affine")), *,
    region: Box | None = None, precision: Precision | str | None = None,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """The precision of abstract domains on a region, by the domains' names joined with commas.

    `width`: the width of the root's bounds. `mean_width`: the mean width over all nodes that have finite
    bounds in every one of the domains. `bounded` and `may_be_nan`: the shares of nodes with finite bounds,
    and of those that may be NaN. Widths are in model units if the values are. Raises `UsageError` for an
    unknown domain, `DomainError` for a region on which the model is not valid.
    """
    program, _ = run_pipeline(load(model), passes="", region=region, precision=precision)
    if isinstance(domains, str) or not isinstance(domains, Iterable):
        raise UsageError(f"domains {shown(domains)}: expected sequences of names, as [['interval']]")
    each = [domain_names(names) for names in domains]
    if not each:
        raise UsageError("domains (): expected at least one sequence of names, as [['interval']]")
    ends = {
        ",".join(names): np.array(bounds_of(program, Analyses(names)).bounds, np.float64) for names in each
    }
    with np.errstate(invalid="ignore"):
        widths = {names: bounds[:, 1] - bounds[:, 0] for names, bounds in ends.items()}
    finite = np.logical_and.reduce([np.isfinite(width) for width in widths.values()])
    return {
        names: {
            "width": float(width[-1]),
            "mean_width": float(width[finite].mean()) if finite.any() else 0.0,
            "bounded": float(np.isfinite(width).mean()),
            "may_be_nan": float(ends[names][:, 2].mean()),
        }
        for names, width in widths.items()
    }


def explain(
    model: Model, x: float, y: float, z: float = 0.0, *, region: Box | None = None,
    domains: Sequence[str] = DEFAULT_DOMAINS, precision: Precision | str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The instructions that determine the value at a pixel, in the order of the program; the last one is the
    root.

    Of a min or max only the arm that it equals at the point is followed. A row has the instruction's `name`,
    `line` and `op`, the names of its `operands`, its `value` at the point, its bounds on the region (`lower`,
    `upper`, `may_nan`), and the `winner`: the operand, 0 or 1, that a min or max equals, else None. Raises
    `DomainError` for a point outside the region, and for a model with variables other than x, y and z.
    """
    source = load(model)
    real = source.precision if precision is None else as_precision(precision)
    program, _ = run_pipeline(source, passes="", region=region, precision=real)
    point = {name: real.round(number(value, name)) for name, value in zip(AXES, (x, y, z), strict=True)}
    _check_point(program, point)
    graph = program.graph
    values = interpret_concrete(graph, real, {name: real.real(value) for name, value in point.items()})
    winners = {
        node: _first_or_second(code, values[a], values[b])
        for node, (code, a, b) in enumerate(graph.rows)
        if code in (MIN.code, MAX.code)
    }
    facts = bounds_of(program, Analyses(domain_names(domains))).bounds
    rows = []
    for node in _cone(graph, graph.root, winners):
        operands, bounds = graph.operands(node), facts[node]
        rows.append(
            {
                "name": graph.names[node] or f"_{node}",
                "line": graph.line_list[node] or None,
                "op": graph.record(node).name,
                "operands": [graph.names[operand] or f"_{operand}" for operand in operands],
                "value": float(values[node]),
                "lower": bounds.lower,
                "upper": bounds.upper,
                "may_nan": bounds.may_nan,
                "winner": winners.get(node),
            }
        )
    return rows


def _check_point(program: Program, point: dict[str, float]) -> None:
    """Raises `DomainError` if the program has no value at the point."""
    if surplus := sorted(set(program.graph.variables.values()) - set(AXES)):
        raise DomainError(
            f"a pixel has no position for the variable {shown(surplus[0])}, only for x, y and z"
        )
    for name, value in point.items():
        lower, upper = program.box.bounds.get(name, (-np.inf, np.inf))
        if not lower <= value <= upper:
            raise DomainError(f"{name} = {value!r} is outside of the region, {lower!r} to {upper!r}")


def _first_or_second(code: int, first: Any, second: Any) -> int:
    """The operand, 0 or 1, that a min or max returns: NaN wins, and a tie gives the second."""
    beyond = first < second if code == MIN.code else first > second
    return 0 if beyond or first != first else 1


def _cone(graph: Graph, start: int, winners: Mapping[int, int] | None = None) -> list[int]:
    """The nodes on which a node depends, and itself. `winners`: for some nodes, the operand that counts."""
    needed, stack, chosen = set[int](), [start], winners or {}
    while stack:
        node = stack.pop()
        if node in needed:
            continue
        needed.add(node)
        operands = graph.operands(node)
        stack += operands if node not in chosen else operands[chosen[node] : chosen[node] + 1]
    return sorted(needed)
