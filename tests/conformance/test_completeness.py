"""Nothing is missing: every operation has its rules, every domain its methods, every pass its golden files.

And names agree: file, class and command-line name. What only the generic transfer covers is listed, so that a
change of it is seen.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import absint
from absint.base import registry
from absint.base.errors import BackendError, PipelineError, UsageError
from absint.domains import affine
from absint.domains.lattice import Domain, Interval
from absint.evaluation import backend as backend_module
from absint.frontend import expr
from absint.frontend.vm import parse_vm
from absint.ir.program import Program, Promise
from absint.ops import extensions
from absint.ops.demand import Bounds, Demand
from absint.ops.derivatives import FLAT, Selection
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.record import ZeroSign
from absint.ops.table import BY_NAME, OPS, REFUSED, SPICY, Op
from absint.rewriting.analysis import Analyses, make_domain
from absint.rewriting.manager import PassResult, passes_of_levels
from tests.support.operands import OPERATIONS

ROOT = Path(__file__).parents[2]
EVERY_OP = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
ANYTHING = Bounds(-math.inf, math.inf, True)

FORMAT = {
    0: "const var",
    1: "neg abs recip sqrt square floor ceil round sin cos tan asin acos atan exp ln not",
    2: "add sub mul div atan2 min max compare mod and or",
}
"""The opcodes of the format by arity, as they are numbered. `rand` and `mix` are refused."""


def modules(kind: str) -> dict[str, ModuleType]:
    """The files of `passes`, `domains` or `backends` that are no packages."""
    package = importlib.import_module(f"absint.{kind}")
    files = [
        path.stem for path in Path(package.__path__[0]).resolve().glob("*.py") if path.stem != "__init__"
    ]
    return {name: importlib.import_module(f"absint.{kind}.{name}") for name in sorted(files)}


# Operations


def test_the_table_holds_the_opcodes_of_the_format_and_then_the_extensions() -> None:
    written = [(name, arity) for arity, names in FORMAT.items() for name in names.split()]
    assert [(op.name, op.arity) for op in OPS[: len(written)]] == written
    assert tuple(op.name for op in OPS[len(written) :]) == extensions.names()
    assert set(REFUSED) == {"rand", "mix"}
    assert [op.code for op in OPS] == list(range(len(OPS)))
    assert {op.name: op for op in OPS} == BY_NAME


def test_only_the_kernels_of_operations_know_which_there_are() -> None:
    """Others know only the format's, or all by their rules alone, through `absint.ops.dispatch`."""
    folders = ("absint/lowering/kernels", "backends/numba/kernels")
    paths = [path for folder in folders for path in (ROOT / folder).glob("*.py")]
    paths += [ROOT / "absint" / "frontend" / "vm_scan_kernel.py", ROOT / "absint" / "ir" / "walk_kernels.py"]
    assert len(paths) > 20
    knows = re.compile(r"\b(OPS|BY_NAME|RECORDS|PREDICATES|extensions)\b")
    assert not [path for path in paths if knows.search(path.read_text(encoding="utf-8"))]
    assert knows.search((ROOT / "absint" / "ops" / "kernels.py").read_text(encoding="utf-8"))


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@EVERY_OP
def test_every_operation_has_a_body_and_an_interval_rule(op: Op, precision: Precision) -> None:
    """Annotated and documented functions of the right number of arguments, which have an array form."""
    body, rule = op.body(precision), op.interval(precision)
    assert len(inspect.signature(body).parameters) == op.arity
    assert len(inspect.signature(rule).parameters) == 3 * op.arity
    for function in (body, rule):
        assert function.__doc__
        assert "return" in inspect.get_annotations(function)
        assert callable(array_form(function, precision))


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@EVERY_OP
def test_every_operation_has_a_derivative(op: Op, precision: Precision) -> None:
    """A term for each operand, or none; or which operand is taken. Documented, and with an array form."""
    derivative = op.derivative
    if isinstance(derivative, Selection):
        assert op.arity == 2
        found = [(derivative.takes_first, op.arity)]
    else:
        assert len(derivative.bodies) in (0, op.arity)
        found = [(bodies[precision is Precision.F64], op.arity + 2) for bodies in derivative.bodies]
    for body, count in found:
        assert len(inspect.signature(body).parameters) == count
        assert body.__doc__ and callable(array_form(body, precision))


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@EVERY_OP
def test_rules_have_the_parameters_that_they_are_given(op: Op, precision: Precision) -> None:
    expected = [(op.backward, 2 + 2 * op.arity)]
    for rules, count in ((op.monotone, op.arity + 1), (op.inverse, op.arity)):
        assert len(rules) in (0, op.arity)
        expected += [(rule, count) for rule in rules]
    for rule, count in expected:
        if rule is not None:
            assert len(inspect.signature(rule).parameters) == count
            assert rule.__doc__ and callable(array_form(rule, precision))
    assert not op.diagonal or (op.arity == 2 and BY_NAME[op.diagonal].arity == 1)


# A list holds the format's operations only: an extension need not have these rules.

FLAT_OPERATIONS = "ceil compare floor not round"
"""Operations whose derivative is +0 everywhere."""

NOT_PUSHED_THROUGH = "acos and asin atan atan2 compare cos exp ln mod not or sin tan"
"""Operations that no comparison is pushed through."""

WITHOUT_BACKWARD_RULE = "acos and asin atan atan2 compare cos exp ln mod not or sin tan"
"""Operations whose operands have no bounds from those of the result."""


def test_which_operations_lack_a_rule() -> None:
    own = set(extensions.names())
    ops = [op for op in OPERATIONS if op.name not in own]
    assert " ".join(sorted(op.name for op in ops if op.derivative is FLAT)) == FLAT_OPERATIONS
    assert " ".join(sorted(op.name for op in ops if not op.is_step)) == NOT_PUSHED_THROUGH
    assert " ".join(sorted(op.name for op in ops if op.backward is None)) == WITHOUT_BACKWARD_RULE


@EVERY_OP
def test_every_operation_has_a_demand_rule_for_each_demand(op: Op) -> None:
    for demand in Demand:
        asked = op.demand(demand, (ANYTHING,) * op.arity)
        assert len(asked) == op.arity
        assert all(a in set(Demand) for a in asked)


def test_every_operation_has_a_public_function_of_its_own() -> None:
    """`absint.sqrt` and the like; arithmetic is spelled with operators, and `abs` is Python's own."""
    x, y = expr.var("x"), expr.var("y")
    operators: dict[str, Any] = {
        "neg": lambda: -x,
        "add": lambda: x + y,
        "sub": lambda: x - y,
        "mul": lambda: x * y,
        "div": lambda: x / y,
    }
    assert all(expr.FUNCTIONS[name].__module__ == "_operator" for name in operators)
    for op in OPERATIONS:
        function = getattr(absint, op.function, None)
        assert (function is None) == (op.name in operators), f"absint.{op.function} is missing or another's"
        made = function(*(x, y)[: op.arity]) if function is not None else operators[op.name]()
        graph = expr.to_graph(made)
        assert graph.record(graph.root) is op
        assert len(graph) == 1 + op.arity
    assert len({op.function for op in OPS}) == len(OPS)


def test_spicy_values_hold_what_is_special() -> None:
    for precision in Precision:
        info = np.finfo(precision.dtype)
        special = [0.0, math.inf, float(info.max), float(info.smallest_subnormal), float(info.tiny)]
        rounded = {precision.round(value) for value in SPICY}
        missing = [v for v in special[:4] for s in (1, -1) if s * v not in rounded]
        assert not missing
    assert any(v != v for v in SPICY)
    assert {math.copysign(1, v) for v in SPICY if v == 0} == {1, -1}


# Domains

# A list holds the format's operations only: an extension has the generic transfers unless it says more.

GENERIC_SIGN = "acos and asin atan atan2 cos exp ln max min mod neg or sin tan"
"""Operations whose zero results the sign domain does not tell apart beyond what intervals say."""

GENERIC_AFFINE = "acos and asin atan atan2 ceil compare cos floor mod not or round sin tan"
"""Operations of which the affine domain keeps the interval alone."""


def test_which_operations_have_generic_transfers_only() -> None:
    names = {op.name for op in OPERATIONS}
    own = set(extensions.names())
    either = {op.name for op in OPERATIONS if op.zero_sign is ZeroSign.EITHER}
    assert " ".join(sorted(either - own)) == GENERIC_SIGN
    sharp = affine.AffineDomain(Precision.F32)._sharp
    assert " ".join(sorted(names - own - set(sharp))) == GENERIC_AFFINE
    assert names >= set(sharp)


def test_generic_affine_transfers_have_no_terms_and_sharp_ones_may() -> None:
    """The golden list speaks of what the domain does, not only of a private table."""
    domain = affine.AffineDomain(Precision.F64)
    bounds = Interval(np.float64(0.25), np.float64(0.75), False)
    x = domain.variable("x", bounds)
    for op in OPERATIONS:
        element = domain.transfer(op, (x, domain.constant(0.5))[: op.arity])
        kept = any(term != 0 for term in element.form.terms.values())
        assert not (kept and op.name in GENERIC_AFFINE.split()), op.name


@pytest.mark.parametrize("name", registry.names("domains"))
@pytest.mark.parametrize("batched", [False, True])
def test_every_domain_implements_the_protocol(name: str, batched: bool) -> None:
    required = {key for key in vars(Domain) if not key.startswith("_")} | set(Domain.__annotations__)
    assert {"top", "transfer", "leq", "less", "name", "precision"} <= required
    for precision in Precision:
        domain = make_domain((name,), precision, batched)
        missing = {key for key in required if not hasattr(domain, key)}
        assert not missing
        assert (domain.name, domain.precision, domain.batched) == (name, precision, batched)
        for key in required:
            declared, own = getattr(Domain, key, None), getattr(domain, key)
            if inspect.isfunction(declared):
                expected = list(inspect.signature(declared).parameters)[1:]
                assert list(inspect.signature(own).parameters) == expected, key
                assert own.__doc__


@pytest.mark.parametrize("name", registry.names("domains"))
def test_every_domain_transfers_every_operation(name: str) -> None:
    for precision in Precision:
        domain = make_domain((name,), precision)
        for op in OPERATIONS:
            with np.errstate(all="ignore"):
                element = domain.transfer(op, [domain.top()] * op.arity)
            assert domain.contains(
                element, precision.real(op.body(precision)(*[precision.real(0.5)] * op.arity))
            )


# Passes, analyses, backends


PASSES_AND_ANALYSES = pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in ("passes", "analyses") for name in registry.names(kind)]
)


@PASSES_AND_ANALYSES
def test_names_of_passes_and_analyses_agree(kind: str, name: str) -> None:
    """`passes/minmax.py` holds `MinMax`, `passes/analyses/bounds.py` holds `BoundsAnalysis`: frozen
    dataclasses.

    `PredicatesPass` is not called `Predicates`, which is what it makes.
    """
    found: Any = registry.find(kind, name)
    stem = found.__name__.removesuffix("Analysis").removesuffix("Pass")
    assert stem.lower() == name == found.name
    assert found.__module__ == f"absint.passes.{'analyses.' * (kind == 'analyses')}{name}"
    assert (kind == "passes") == (not found.__name__.endswith("Analysis")) == hasattr(found, "promise")
    assert dataclasses.is_dataclass(found)
    made: Any = found()
    assert made == found() and hash(made) == hash(found())
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.rounds = 1


def test_every_file_of_passes_is_found_or_helps() -> None:
    helpers = set(modules("passes")) - set(registry.names("passes"))
    assert helpers == {"arranging", "lowered", "rewriting"}


def test_every_file_of_analyses_is_found() -> None:
    folder = ROOT / "passes" / "analyses"
    assert {path.stem for path in folder.glob("*.py")} == {"__init__", *registry.names("analyses")}


@PASSES_AND_ANALYSES
def test_every_pass_and_analysis_runs_by_itself(kind: str, name: str) -> None:
    program = Program(parse_vm("x var-x\na abs x\nb max a x\n"))
    made = registry.find(kind, name)()
    result = made.run(program, Analyses())
    if kind == "passes":
        assert isinstance(result, PassResult)
        assert isinstance(made.promise, Promise)
    else:
        facts = Analyses().get(made, program)
        assert facts is not None


@pytest.mark.parametrize("name", sorted(passes_of_levels()))
def test_every_pass_of_a_level_has_a_golden_file(name: str) -> None:
    cases = list((ROOT / "tests" / "golden" / "passes" / name).glob("*.out.vm"))
    assert cases, f"add tests/golden/passes/{name}/*.vm"


@pytest.mark.parametrize("name", registry.names("backends"))
def test_names_of_backends_agree_and_a_probe_explains_itself(name: str) -> None:
    found = registry.find("backends", name)
    assert found.__name__.lower() == name.replace("_", "")
    assert name == found.name
    availability = found().probe()
    assert availability.available or availability.reason
    required = {key for key in vars(backend_module.Backend) if not key.startswith("_")}
    assert all(hasattr(found, key) for key in required)


def test_domain_names_agree() -> None:
    for name in registry.names("domains"):
        assert registry.find("domains", name).__name__ == f"{name.capitalize()}Domain"
    helpers = set(modules("domains")) - set(registry.names("domains"))
    assert helpers == {"lattice", "product", "affine_forms"}


@pytest.mark.parametrize(
    ("kind", "name", "error", "message"),
    [
        ("passes", "minmac", PipelineError, "unknown pass 'minmac' (did you mean 'minmax'?)"),
        (
            "passes",
            "zzz",
            PipelineError,
            f"unknown pass 'zzz': known are {', '.join(registry.names('passes'))}",
        ),
        ("passes", "rewriting", PipelineError, "unknown pass 'rewriting'"),
        ("passes", "__init__", PipelineError, "unknown pass '__init__'"),
        ("domains", "afine", UsageError, "unknown domain 'afine' (did you mean 'affine'?)"),
        ("domains", "lattice", UsageError, "unknown domain 'lattice'"),
        ("backends", "referense", BackendError, "unknown backend 'referense' (did you mean 'reference'?)"),
        ("backends", "", BackendError, "unknown backend ''"),
    ],
)
def test_what_is_not_there_is_named_with_its_neighbour(
    kind: str, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        registry.find(kind, name)
    assert str(caught.value).startswith(message)
