"""The sections of the report's page: the report's data enters, headings, tables and charts leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from absint.report import charts, liveness
from absint.report.data import growth
from absint.report.markup import Markup, element, join
from absint.report.parts import (
    before_after,
    box_text,
    code,
    entry,
    is_finite,
    legend,
    line_text,
    missing,
    range_text,
    table,
    tiles_text,
)
from absint.report.pictures import ModelPicture, Pictures

MISSED_OPEN, MISSED_MOST = 10, 200
"""Number of missed optimisations shown at first, and the largest number in the page."""

TERMS_LISTED, TERMS_DRAWN = 20, 4000
"""Largest numbers of terms in the table, and of boxes of terms drawn."""

PROMISES = {"bits": "every bit of f is kept", "sign": "only the answer to f < 0 is kept"}


def headline(report: dict[str, Any]) -> Markup:
    """The page's head: the model's name, the main numbers before and after, and the run's options."""
    facts = {
        "precision": report["precision"],
        "box": box_text(report["box"]),
        "promise": f"{report['promise']}: {PROMISES[report['promise']]}",
        "domains": ", ".join(report["domains"]),
        "passes": ", ".join(row["pass"] for row in report["passes"]) or "none",
    }
    if stopped := report["bisected"]:
        last = f", the last: {stopped['last']}" if stopped["last"] else ""
        facts["stopped"] = f"after {stopped['rewrites']:,} rewrites{last}"
    live = [report["memory"][key]["peak_live"] for key in ("source", "result")]
    numbers = [
        ("operations", before_after(report["source"]["operations"], report["result"]["operations"])),
        ("values alive at most", before_after(*live)),
        ("time in passes", join([f"{sum(row['ms'] for row in report['passes']):,.1f} ms"])),
    ]
    return element(
        "div",
        element("p", "absint report", class_="kind"),
        element("h1", code(report["model"] or "model")),
        element("dl", *(entry(name, value) for name, value in numbers), class_="numbers"),
        element("dl", *(entry(name, value) for name, value in facts.items()), class_="facts"),
        class_="headline",
    )


def picture_of(pictures: Pictures) -> Markup:
    """The figure of the model, or a sentence that says why there is none."""
    picture = pictures.picture
    if isinstance(picture, str):
        return element("p", f"No picture: {picture}.", class_="missing")
    shown = charts.picture(picture.image, f"The model where f is below 0 in white, {_window(picture)}.")
    return element("figure", shown, element("figcaption", f"White where f < 0, {_window(picture)}."))


def _window(picture: ModelPicture) -> str:
    """The text of the ranges that a picture shows."""
    text = ", ".join(
        f"{name} from {ends[0]:g} to {ends[1]:g}" for name, ends in (("x", picture.x), ("y", picture.y))
    )
    text += "" if picture.z is None else f", cut at z = {picture.z:g}"
    return text + ("; a part of the region" if picture.part else "")


def _operations(report: dict[str, Any], _: Pictures) -> Iterator[Markup]:
    source, result = report["source"], report["result"]
    yield legend("before", "after")
    yield _compare("Operations by opcode", "opcode", source["histogram"], result["histogram"])
    classes = sorted(
        {*source["variability"], *result["variability"]}, key=lambda name: (name.count(","), name)
    )
    yield _compare(
        "Operations by the variables that they depend on", "variables",
        *({name: side["variability"].get(name, 0) for name in classes} for side in (source, result)),
    )  # fmt: skip
    rows = [
        [name, f"{source[key]:,}", f"{result[key]:,}"]
        for key, name in (
            ("operations", "operations"), ("nodes", "nodes"), ("constants", "constants"),
            ("depth", "operations on the longest path"), ("shared", "values used more than once"),
        )
    ]  # fmt: skip
    yield table("The program", ["", "before", "after"], rows)


def _compare(caption: str, kind: str, before: dict[str, int], after: dict[str, int]) -> Markup:
    """A table of counts before and after, with bars. `kind`: what the counts' names are."""
    names = list({**before, **after})
    if not names:
        return element("p", f"{caption}: there are none.")
    whole = max(*before.values(), *after.values(), 1)
    rows = [
        [code(name), charts.two_bars(whole, before.get(name, 0), after.get(name, 0)),
         f"{before.get(name, 0):,}", f"{after.get(name, 0):,}"]
        for name in names
    ]  # fmt: skip
    return table(caption, [kind, "", "before", "after"], rows)


def _passes(report: dict[str, Any], _: Pictures) -> Iterator[Markup]:
    passes = report["passes"]
    if not passes:
        yield element("p", "No pass was run: the result is the source.")
        return
    whole = max(max(row["before"], row["after"]) for row in passes)
    slowest = max(row["ms"] for row in passes)
    yield legend("left", "removed", "time")
    rows = []
    for row in passes:
        left, removed = row["after"], row["before"] - row["after"]
        pieces = [(0, left, "left"), (left, left + max(removed, 0), "removed")]
        bars = join([charts.bar(whole, *pieces), charts.bar(slowest, (0, row["ms"], "time"))])
        rows.append([code(row["pass"]), bars, f"{left:,}", f"{removed:,}", f"{row['ms']:,.1f}",
                     f"{row['peak_live_after']:,}", growth(row)])  # fmt: skip
    total = passes[0]["before"] - passes[-1]["after"]
    rows.append(
        ["total", "", f"{passes[-1]['after']:,}", f"{total:,}", f"{sum(row['ms'] for row in passes):,.1f}",
         f"{passes[-1]['peak_live_after']:,}", ""]
    )  # fmt: skip
    yield table(
        f"Operations left after each pass, of {passes[0]['before']:,}",
        ["pass", "", "left", "removed", "ms", "values alive at most", "made worse"], rows,
    )  # fmt: skip
    rewrites = [(row["pass"], rewrite) for row in passes for rewrite in row["rewrites"]]
    if not rewrites:
        yield element("p", "No rule was used.")
        return
    most = max(rewrite["count"] for _, rewrite in rewrites)
    yield table(
        "Rewrites by rule",
        ["rule", "", "pass", "keeps", "uses"],
        [
            [code(rule["rule"]), charts.bar(most, (0, rule["count"], "after")), code(name), rule["mode"],
             f"{rule['count']:,}"]
            for name, rule in rewrites
        ],
    )  # fmt: skip


def _specialisation(report: dict[str, Any], _: Pictures) -> Iterator[Markup]:
    regions = report["regions"]
    if not regions:
        yield missing("The region has no bounds in x and y, so there are no tiles to look at.")
        return
    yield element(
        "p",
        "The source on tiles of the region. A tile is decided where f is below 0 on all of it, or "
        "nowhere; on the others, how many operations are left when only f < 0 is asked.",
    )
    if unbounded := [name for name in ("x", "y") if not is_finite(report["box"][name])]:
        axes = " and ".join(unbounded)
        yield element("p", f"The region has no end in {axes}, so tiles are not cut along {axes}.")
    if not any(level["undecided"] for level in regions):
        yield element("p", "Every tile is decided.")
        return
    most = max(count for level in regions for row in level["map"] for count in row)
    solid = "z" in report["source"]["variables"]
    figures = []
    for level in regions:
        deep = level["tiles"][2] > 1
        name = tiles_text(level["tiles"])
        label = (
            f"Map of {name} tiles: {level['undecided']:.1%} are undecided, with "
            f"{level['operations_left_for_sign']:.1f} operations left on average."
        )
        caption = f"{name} tiles" + (", the most along z" if deep else ", each of all z" if solid else "")
        figures.append(
            element("figure", charts.tile_map(level["map"], most, label), element("figcaption", caption))
        )
    yield element("div", *figures, class_="maps")
    yield charts.scale(most)
    yield table(
        "Operations left on undecided tiles, on average",
        ["tiles", "undecided", "for the value", "for f < 0"],
        [
            [tiles_text(level["tiles"]), f"{level['undecided']:.1%}", f"{level['operations_left']:,.1f}",
             f"{level['operations_left_for_sign']:,.1f}"]
            for level in regions
        ],
    )  # fmt: skip


def _missed(report: dict[str, Any], _: Pictures) -> Iterator[Markup]:
    missed = report["missed"]
    if not missed:
        yield element("p", "No min or max is left whose outcome is open.")
        return
    kept = "One min or max was" if len(missed) == 1 else f"{len(missed):,} min and max were"
    yield element(
        "p",
        f"{kept} kept, for neither operand wins on all of the region. Those nearest to a decision, whose "
        "operands' bounds overlap least, come first.",
    )
    yield _missed_table("Choices left open", missed[:MISSED_OPEN])
    if rest := missed[MISSED_OPEN:MISSED_MOST]:
        yield element(
            "details",
            element("summary", f"The next {len(rest):,}"),
            _missed_table("More choices left open", rest),
        )
    if len(missed) > MISSED_MOST:
        yield element("p", f"The report that --format json writes has all {len(missed):,}.")


def _missed_table(caption: str, missed: Iterable[dict[str, Any]]) -> Markup:
    columns = ["at", "instruction", "asked", "left operand", "right operand", "", "overlap"]
    rows = []
    for row in missed:
        ends = [(float(arm["lower"]), float(arm["upper"])) for arm in (row["left"], row["right"])]
        rows.append(
            [
                line_text(row),
                code(row["text"] or row["op"]),
                row["demand"],
                _arm(row["left"], ends[0]),
                _arm(row["right"], ends[1]),
                charts.ranges(*ends),
                f"{row['overlap']:.1%}",
            ]
        )
    return table(caption, columns, rows, name="cards")


def _arm(arm: dict[str, Any], ends: tuple[float, float]) -> Markup:
    """An operand's bounds, and its instruction in the source."""
    bounds = f"[{ends[0]:.4g}, {ends[1]:.4g}]" if ends[0] <= ends[1] else "no number"
    text = element("span", bounds, class_="range") + (", may be NaN" if arm["may_nan"] else "")
    return join([Markup(text), *([element("small", code(arm["text"]))] if arm["text"] else [])])


def _terms(report: dict[str, Any], pictures: Pictures) -> Iterator[Markup]:
    terms = pictures.terms
    if isinstance(terms, str):
        yield missing(f"The model cannot be lowered here: {terms}.")
        return
    if not terms:
        yield missing("Lowered, the model has no term left: f is below 0 nowhere in the region.")
    else:
        count = "one term" if len(terms) == 1 else f"a union of {len(terms):,} terms"
        yield element(
            "p",
            f"Lowered to comparisons, as absint render does it, the model is {count}. Each is false outside "
            "of its box.",
        )
        if isinstance(pictures.picture, ModelPicture):
            yield _boxes(pictures.picture, terms)
        else:
            yield missing(f"The boxes are not drawn, for there is no picture: {pictures.picture}.")
        yield _terms_table(terms)
    if report["lowering"]:
        yield _lowering_table(report["lowering"])


def _boxes(picture: ModelPicture, terms: Sequence[dict[str, Any]]) -> Markup:
    drawn = [(term["box"], _term(term)) for term in terms[:TERMS_DRAWN]]
    which = "box of the one term" if len(drawn) == 1 else f"boxes of {len(drawn):,} terms"
    label = f"The {which} over the picture."
    caption = f"{label} It shows {_window(picture)}."
    over = charts.boxes((picture.x, picture.y), drawn, label)
    return element(
        "figure", charts.picture(picture.image, "", over), element("figcaption", caption), class_="terms"
    )


def _term(term: dict[str, Any]) -> str:
    return f"{line_text(term)}: {term['comparisons']} comparisons, {term['operations']} operations"


def _terms_table(terms: Sequence[dict[str, Any]]) -> Markup:
    shown = "" if len(terms) <= TERMS_LISTED else f", the {TERMS_LISTED} with the largest boxes"
    rows = [
        [line_text(term), f"{term['comparisons']:,}", f"{term['operations']:,}", range_text(term["box"][:2]),
         range_text(term["box"][2:])]
        for term in terms[:TERMS_LISTED]
    ]  # fmt: skip
    return table(f"Terms{shown}", ["from", "comparisons", "operations", "x", "y"], rows, "cards short")


def _lowering_table(facts: dict[str, Any]) -> Markup:
    rows: list[list[str]] = [["comparisons", f"{facts['atoms']:,}"]]
    rows += [[f"… {kind}", f"{count:,}"] for kind, count in facts["atoms_by_kind"].items()]
    rows += [[name, f"{facts[name]:,}"] for name in ("thresholds", "values", "all", "any")]
    rows += [[f"operands of the root, {facts['root']}", f"{facts['operands']:,}"]]
    rows += [["boxes written", f"{facts['boxes']:,}"], ["operands proved empty", f"{facts['empty']:,}"]]
    if facts["covered"] is not None:
        rows += [["of the area in a box", f"{facts['covered']:.1%}"]]
        rows += [["boxes over a point", f"{facts['boxes_over_a_point']:.2f}"]]
    return table("The result, lowered", ["", "result"], rows)


SECTIONS: dict[str, tuple[str, Callable[[dict[str, Any], Pictures], Iterable[Markup]]]] = {
    "operations": ("Operations", _operations),
    "passes": ("Passes", _passes),
    "specialisation": ("Specialisation", _specialisation),
    "missed": ("Missed optimisations", _missed),
    "memory": ("Liveness and memory", liveness.section),
    "terms": ("Lowered terms", _terms),
}
"""The sections in order: by name, the title and the function that makes the content."""
