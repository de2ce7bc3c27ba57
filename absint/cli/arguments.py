"""The arguments of each command, with the help that describes them.

This module imports nothing heavy, so that `--help` is quick; `absint.cli.commands` does the work.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from absint.cli import argument_types as kinds
from absint.cli.parser import Parser, join_negative_values
from absint.native.terminal import BAD_INPUT, note

# Repeats names of enums and levels, since the modules that define them import NumPy; a test compares them.
PRECISIONS = ("f32", "f64")
GRIDS = ("linspace", "pixel")
LEVELS = (0, 1, 2, 3)
OPTIMIZE_LEVEL = 2
"""The highest level whose result can be written to a file."""
SECTIONS = ("models", "passes", "backends", "domains", "ops", "rules")
REPORT_FORMATS = ("table", "json", "html")
FUZZ_SIZE = 54

_MODEL = "a .vm file, '-' for standard input, or the name of a bundled model"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed arguments of one command. Raises `UsageError`, and `SystemExit` after printing help or the
    version.

    Without any word, print the help and exit with the status of bad usage.
    """
    parser, commands = make_parser()
    if not argv:
        note(parser.format_help().rstrip())
        raise SystemExit(BAD_INPUT)
    command = commands.get(argv[0]) if argv else None
    if command is None:
        return parser.parse_args(argv)
    words = join_negative_values(command, argv[1:])
    # intermixed: options may stand between models; in Python 3.11 it loses what follows a '--'
    arguments = command.parse_args(words) if "--" in words else command.parse_intermixed_args(words)
    command.check_excluded(words)
    arguments.command = argv[0]
    return arguments


def make_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the first word, and the parsers of the commands' arguments by name."""
    parser = Parser(
        prog="absint",
        description="Optimises closed-form math programs (.vm) by abstract interpretation and draws f < 0.",
        epilog=f"MODEL is {_MODEL}.\nExit status: 0 done, 1 something wrong was found, 2 bad usage or input.",
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    adder = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for name, (summary, examples, add_arguments) in _COMMANDS.items():
        command = adder.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=f"examples:\n{examples}",
        )
        add_arguments(command)
    return parser, dict(adder.choices)


class _Version(argparse.Action):
    """The action of `--version`, which imports the version only when it is printed."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from absint.base.version import __version__

        parser.exit(message=f"absint {__version__}\n")


def _optimize_arguments(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL)
    what = parser.add_mutually_exclusive_group()
    # argparse overlooks a conflict where a value is the default itself: hence that as text, which it converts
    what.add_argument(
        "-O", dest="level", type=int, choices=LEVELS, default=str(OPTIMIZE_LEVEL), metavar="N",
        help="0: nothing; 1: keeps every bit of f; 2: keeps f < 0 (default); 3: lowers that to "
        "comparisons, to be studied by --report or --print-after",
    )  # fmt: skip
    what.add_argument(
        "--passes", metavar="TEXT", help='a pipeline instead, as "fold,cse,minmax{rounds=2},dce"'
    )
    parser.add_argument(
        "--region", metavar="x0:x1,y0:y1[,z0:z1]", default="-1:1,-1:1,-1:1",
        help="where the result must hold; 'all': everywhere; or ranges by name, as x=0:1,t=0:2 "
        "(default: -1:1 on each axis)",  # the grammar: absint/ir/region_text.py
    )  # fmt: skip
    parser.add_argument(
        "--domains", metavar="NAME,…", type=kinds.words, default=["interval"],
        help="abstract domains to prove with (default: interval; see `absint list domains`)",
    )  # fmt: skip
    _precision_argument(parser)
    parser.add_argument(
        "-o", dest="output", metavar="OUT.vm",
        help="write the program; '-': to standard output, the default without a report",
    )  # fmt: skip
    report = parser.add_argument_group("report")
    report.add_argument(
        "--report", action="store_true", help="report what the passes proved and removed, and why"
    )
    report.add_argument(
        "--format", choices=REPORT_FORMATS,
        help="format of the report; html: one page with pictures (default: by the file's suffix, else table)",
    )  # fmt: skip
    report.add_argument(
        "--report-file", type=kinds.report_file, metavar="PATH",
        help=f"write the report there, not to standard output; suffix: {kinds.REPORT_SUFFIXES}, or none",
    )  # fmt: skip
    watch = parser.add_argument_group("instruments (output on standard error)")
    watch.add_argument("--stats", action="store_true", help="how often each pass used each rule")
    watch.add_argument("--time-passes", action="store_true", help="how long each pass took")
    watch.add_argument(
        "--print-after",
        metavar="PASS",
        help="print the program after PASS; 'all': after each pass; 'changed': after each that changed it",
    )
    watch.add_argument(
        "--bisect-limit", type=kinds.whole, metavar="N",
        help="stop after N rewrites and print the last one, to find the first harmful rewrite by bisection",
    )  # fmt: skip
    watch.add_argument(
        "--verify-each", action="store_true",
        help="check the graph and the promise after each pass, on random and special points",
    )  # fmt: skip


def _render_arguments(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL)
    parser.add_argument(
        "-o",
        dest="output",
        metavar="OUT",
        required=True,
        help="the picture, .pgm or .png; '-': PGM to standard output",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "-n",
        dest="size",
        type=kinds.square,
        metavar="N",
        default=(512, 512),
        help="N by N pixels (default: 512)",
    )
    size.add_argument(
        "--size", dest="size", type=kinds.size, metavar="WxH", help="width and height in pixels"
    )
    parser.add_argument(
        "--center",
        type=kinds.pair,
        metavar="x,y",
        default=(0.0, 0.0),
        help="centre of the picture (default: 0,0)",
    )
    parser.add_argument(
        "--scale", type=kinds.real, default=1.0, help="half the shorter side, in model units (default: 1)"
    )
    parser.add_argument("--z", type=kinds.real, default=0.0, help="height of the slice (default: 0)")
    parser.add_argument(
        "--grid", choices=GRIDS, default=GRIDS[0],
        help="samples from edge to edge, or at the centres of pixels (default: linspace)",
    )  # fmt: skip
    _backend_argument(parser)
    parser.add_argument(
        "--method",
        metavar="NAME",
        help="way of drawing, if the backend has several; or --backend NAME:METHOD",
    )
    parser.add_argument(
        "--threads",
        type=kinds.count,
        metavar="N",
        help="most threads that draw, for a backend that uses several (default: all cores)",
    )
    _precision_argument(parser)


def _bench_arguments(parser: Parser) -> None:
    parser.add_argument("models", metavar="MODEL", nargs="+", help=_MODEL)
    parser.add_argument(
        "--backends", type=kinds.words, metavar="NAME,…", help="default: all that are available here"
    )
    parser.add_argument(
        "--method", dest="methods", type=kinds.words, metavar="NAME,…", default=[],
        help="ways of drawing to compare, for backends that have several",
    )  # fmt: skip
    parser.add_argument(
        "--sizes",
        type=kinds.sizes,
        metavar="N,…",
        default=[512],
        help="pixels along each side (default: 512)",
    )
    _precision_argument(parser)
    parser.add_argument(
        "--runs", type=kinds.count, metavar="N", default=5, help="timed frames of each (default: 5)"
    )
    parser.add_argument(
        "--threads", type=kinds.sizes, metavar="N,…", default=[],
        help="numbers of threads, for backends that use several (default: all cores)",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", help="print the results as JSON, with quartiles of times"
    )
    parser.add_argument("--samples", action="store_true", help="with --json: every time, too")


def _fuzz_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--backends",
        type=kinds.words,
        metavar="NAME,…",
        help="backends to compare (default: all that are available here)",
    )
    parser.add_argument("--passes", type=kinds.words, metavar="NAME,…", help="default: all")
    parser.add_argument("--domains", type=kinds.words, metavar="NAME,…", help="default: all")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument(
        "--programs",
        type=kinds.count,
        metavar="N",
        help="number of programs (default: 1000 if no time is given)",
    )
    amount.add_argument("--time", type=kinds.duration, metavar="T", help="duration, as 90s, 10m or 2h")
    parser.add_argument(
        "--seed", type=kinds.whole, metavar="N", default=0, help="seed of the first program (default: 0)"
    )
    parser.add_argument(
        "--jobs", type=kinds.count, metavar="N", default=1, help="number of processes (default: 1)"
    )
    parser.add_argument(
        "--size", type=kinds.count, metavar="N", default=FUZZ_SIZE,
        help=f"size of programs, on average three quarters of it operations (default: {FUZZ_SIZE})",
    )  # fmt: skip
    parser.add_argument(
        "--corpus", metavar="DIR", default="finds", help="where finds are written (default: finds)"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--replay",
        metavar="FILE|DIR|MODEL",
        help="instead of a campaign, check a find, any other program, or a folder of them with all oracles",
    )
    instead.add_argument(
        "--self-test", type=kinds.words, nargs="?", const=[], metavar="BUG,…",
        help="instead of a campaign, plant known bugs (all, or the named ones) and report which are found",
    )  # fmt: skip
    parser.excludes("--replay", "--programs", "--time", "--seed", "--jobs", "--size", "--corpus", "--json")
    parser.excludes("--self-test", "--time", "--backends", "--passes", "--domains", "--corpus")


def _view_arguments(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL)
    parser.add_argument(
        "--port", type=kinds.port, metavar="N", default=0, help="on 127.0.0.1 (default: any that is free)"
    )
    parser.add_argument(
        "--no-browser", dest="browser", action="store_false", help="print the address and open nothing"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "-O", dest="level", type=int, choices=LEVELS, default=str(max(LEVELS)), metavar="N",
        help="the level whose passes can be switched (default: 3)",
    )  # fmt: skip
    what.add_argument("--passes", metavar="TEXT", help="the passes that can be switched instead")
    parser.add_argument(
        "--center", type=kinds.pair, metavar="x,y", help="centre of the first picture (default: 0,0)"
    )
    parser.add_argument(
        "--scale",
        type=kinds.real,
        help="half the shorter side of the first picture, in model units (default: 1)",
    )
    parser.add_argument("--z", type=kinds.real, help="height of the first slice (default: 0)")
    _backend_argument(parser)
    _precision_argument(parser)


def _list_arguments(parser: Parser) -> None:
    parser.add_argument("section", choices=SECTIONS, nargs="?", help="default: all of them")


def _backend_argument(parser: Parser) -> None:
    parser.add_argument(
        "--backend", metavar="NAME", default="numba", help="see `absint list backends` (default: numba)"
    )


def _precision_argument(parser: Parser) -> None:
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="binary32 or binary64 (default: the one named in the file, else f32)",
    )


_COMMANDS: dict[str, tuple[str, str, Callable[[Parser], None]]] = {
    "optimize": (
        "specialise a program for a region and precision, and report what was proved and removed",
        """\
  absint optimize gear --report
  absint optimize gear -O1 --region -1:1,-1:1 -o small.vm
  absint optimize gear --passes "fold,cse,minmax{rounds=2},dce" --time-passes -o small.vm
  absint optimize gear --domains interval,affine --report --format json
  absint optimize gear -O3 --report
  absint optimize gear --report-file report.html""",
        _optimize_arguments,
    ),
    "render": (
        "draw f < 0 in white",
        """\
  absint render gear -o gear.png
  absint render gear -o gear.pgm --size 800x600 --center -0.5,0.2 --scale 0.5
  absint render gear -o - -n 64 | head -c 15""",
        _render_arguments,
    ),
    "bench": (
        "time the evaluators against NumPy, and check that they draw the same picture",
        """\
  absint bench gear
  absint bench gear model.vm --sizes 256,1024 --backends numba --threads 1,2 --runs 9
  absint bench gear --json""",
        _bench_arguments,
    ),
    "fuzz": (
        "test every backend, pass and domain on random programs, and reduce what fails",
        """\
  absint fuzz --backends reference,numba --time 10m --jobs 2
  absint fuzz --seed 1000 --programs 5000 --passes minmax,signdemand --json
  absint fuzz --replay finds
  absint fuzz --replay my.vm
  absint fuzz --self-test""",
        _fuzz_arguments,
    ),
    "view": (
        "show a model on a page: pan, zoom, switch passes, see what is left where; redraws on changes",
        """\
  absint view gear
  absint view model.vm --port 8000 --no-browser
  absint view gear -O2 --precision f64 --center -0.5,0.2 --scale 0.05""",
        _view_arguments,
    ),
    "list": (
        "show the bundled models, passes, backends, domains, operations and rewrite rules",
        """\
  absint list
  absint list models
  absint list rules | grep signdemand""",
        _list_arguments,
    ),
}
