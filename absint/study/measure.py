"""Measurements for notebooks: what each pass, domain and tile size does to a model, as arrays and dicts.

Everything is deterministic but the times. Arrays over tiles have the rows of a picture: the first is at the
top.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.api import Model, domain_names, load, optimize, run_pipeline
from absint.base.arguments import number, whole
from absint.base.errors import DomainError, UsageError, shown
from absint.evaluation.backend import Executable, find_backend
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
"""Tiles along an axis: a graph of some hundred nodes on so many squared takes some gigabytes."""


MOST_LEVELS = 24
"""Times that a region is quartered: then tiles are as thin as floats of binary32 are apart."""


def stages(
    model: Model, *, passes: str | None = None, level: int = 2, domains: Sequence[str] = DEFAULT_DOMAINS,
    region: Box | None = None, precision: Precision | str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """What each pass of a pipeline did.

    For each: its `pass` as text, `operations` and `nodes` after it, `removed` operations, how often it used
    which rule (`rewrites`), and its `seconds`, analyses included that it was the first to ask for. The first
    entry is the source, without a pass. Options, and errors, are those of `absint.optimize`, in all of these
    functions: `PipelineError`, `UsageError`, `DomainError`, and `VmError` for malformed text.
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
    """What is left of a model on `count` by `count` tiles of a region, after some passes.

    `undecided` bool[count, count]: where the tile is neither all inside nor all outside. `operations` and
    `for_sign` int32[count, count]: how many are left there with the value demanded, or `f < 0` alone; 0 where
    that is decided. Passes run on the whole region. Raises `UsageError` for a pipeline that lowers, less than
    one tile, or more than `MOST_TILES`.
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
    """What passes leave when a region is quartered again and again, each quarter made from its parent's
    program, as recursive renderers do.

    For each level, the whole region first: how many `tiles` there were, how many stay `undecided`, the
    `operations` of those, all together, and how often each rule was used on all tiles (`rewrites`). Only
    undecided tiles are quartered, along x and y. Raises `UsageError` for a region without bounds of x and y,
    a pipeline that lowers, or levels that are no whole number from 0 to `MOST_LEVELS`.
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
            root = bounds_of(made, Analyses(domains)).bounds[made.graph.root]
            if root.lower < 0 and (root.upper >= 0 or root.may_nan):
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
    """The quarters of a program's box, which share their edges."""
    halves = []
    for name in ("x", "y"):
        lower, upper = program.box.bounds[name]
        middle = program.precision.round(lower + 0.5 * (upper - lower))
        halves.append([(lower, middle), (middle, upper)])
    return [Box({**program.box.bounds, "x": x, "y": y}) for y in halves[1] for x in halves[0]]


def memory(
    model: Model, pixels: int = REPORT_PIXELS, *, passes: str = "", precision: Precision | str | None = None
) -> dict[str, Any]:
    """What it takes to run a model on whole arrays of `pixels` values.

    `values` computed, and `naive_bytes` if all are kept; at most `peak_live` at once, and `live_bytes` if
    each is freed at its last use; `slots` that an evaluator needs. Raises `PipelineError` for passes that
    there are none of, `VmError` for malformed text, `UsageError` for less than one pixel.
    """
    pixels = whole(pixels, "pixels", least=1)
    program, _ = run_pipeline(load(model), passes=passes, precision=precision)
    return memory_of(program, Analyses(), pixels)


def executable(
    model: Model, view: View, backend: str = "numba", *, passes: str | None = None,
    precision: Precision | str | None = None, threads: int | None = None,
) -> Executable:  # fmt: skip
    """What draws a model in a view: `executable(model, view).image(view)`.

    `backend`: also `name:method`. `passes`: what runs before, the backend's own choice if not given. Raises
    `BackendError` for a backend that cannot be used here, `UsageError` for what is no view.
    """
    if not isinstance(view, View):
        raise UsageError(f"view {shown(view)}: expected a View, as View(640, 480)")
    maker, source = find_backend(backend), load(model)
    real = source.precision if precision is None else as_precision(precision)
    pipeline = maker.rendering if passes is None else passes
    return maker.compile(optimize(source, passes=pipeline, region=view.box(real), precision=real), threads)


TURN = 0.005
"""Seconds of a turn; a call that takes longer is a turn by itself."""


def times(contenders: Mapping[str, Callable[[], object]], runs: int = 9) -> dict[str, float]:
    """The median time of a call of each, in seconds.

    They take turns, `runs` each, at least one, so that what disturbs the machine disturbs all of them alike;
    a first call is not timed. What a call raises goes through. Raises `UsageError` for less than one run.
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
    """uint8[count, count]: the operations left on each tile for `f < 0`, 255 where most are.

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
    """The terms of a lowered model: `f < 0` where one of them holds.

    For each: its `box`, (left, right, bottom, top), outside of which it is false; how many `operations` and
    `comparisons` it has; the first `line` and all `lines` of the source that it was made from. A box has
    infinite ends where nothing is known and the region has none. Terms that never hold are left out. Raises
    `UsageError` for a pipeline that does not lower.
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
            lines = sorted({graph.line_list[node] for node in _reached(graph, term)} - {0})
            rows.append(row | {"line": lines[0] if lines else None, "lines": lines})
    return rows


def precision_of(
    model: Model, domains: Sequence[Sequence[str]] = (("interval",), ("interval", "affine")), *,
    region: Box | None = None, precision: Precision | str | None = None,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """How precise domains are on a region, by their names joined with commas.

    For each: the `width` of the root's bounds, the `mean_width` of all nodes with finite bounds in every one
    of the domains, the share of nodes that are `bounded` and of those that `may_be_nan`; widths are in model
    units where the value is. Raises `UsageError` for an unknown domain, `DomainError` for a region on which
    the model does not hold.
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
    """The instructions that decide a pixel, in the order of the program; the last one is the root.

    Of a min or max only the arm that it is there counts. Each has its `name`, `line`, `op`, the names of its
    `operands`, its `value` at the point, and what is known of it on the region: `lower`, `upper`, `may_nan`.
    `winner`: which operand a min or max is, 0 or 1, else None. Raises `DomainError` for a point outside the
    region, or a model of other variables than x, y and z.
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
    for node in _reached(graph, graph.root, winners):
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
    """Raises `DomainError` for a point at which the program has no value."""
    if surplus := sorted(set(program.graph.variables.values()) - set(AXES)):
        raise DomainError(
            f"a pixel has no position for the variable {shown(surplus[0])}, only for x, y and z"
        )
    for name, value in point.items():
        lower, upper = program.box.bounds.get(name, (-np.inf, np.inf))
        if not lower <= value <= upper:
            raise DomainError(f"{name} = {value!r} is outside of the region, {lower!r} to {upper!r}")


def _first_or_second(code: int, first: Any, second: Any) -> int:
    """Which operand a min or max is, 0 or 1: NaN wins, and a tie gives the second."""
    beyond = first < second if code == MIN.code else first > second
    return 0 if beyond or first != first else 1


def _reached(graph: Graph, start: int, winners: Mapping[int, int] | None = None) -> list[int]:
    """The nodes that a node depends on and itself, in order; of those with a `winner` only that operand."""
    needed, stack, chosen = set[int](), [start], winners or {}
    while stack:
        node = stack.pop()
        if node in needed:
            continue
        needed.add(node)
        operands = graph.operands(node)
        stack += operands if node not in chosen else operands[chosen[node] : chosen[node] + 1]
    return sorted(needed)
