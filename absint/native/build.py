"""Compile the kernels of a unit to one native object file, through Numba.

A unit's `kernels(*arguments)` enters, an object leaves that holds one C function `absint_<name>` per kernel
and needs nothing of Numba or Python to run. Numba's compiled function takes pointers to a return value and to
an exception beside its arguments, `int32 f(result*, exception**, arguments…)`; a wrapper with the plain
signature hides both. It drops the status: kernels raise nothing.

The code is what Numba's own optimiser made for this CPU, or for the one that `NUMBA_CPU_NAME` and
`NUMBA_CPU_FEATURES` name. Nothing here allows fused multiply-adds. What a kernel may call is limited to
functions whose results are exact on every platform: `sin` of the C library is not among them.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core.registry import cpu_target

from absint.base.errors import BackendError
from absint.native import children

OPTIONS = {
    "nopython": True,
    "fastmath": False,
    "error_model": "numpy",  # division by zero gives an infinity, not an exception
    "nogil": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}
"""How every kernel is compiled, whatever its own dispatcher says."""

_LLVM_TYPES = {"none": "void", "int64": "i64", "float32": "float", "float64": "double"}
_LIBM = r"a?(sin|cos|tan)h?|atan2|sincos|exp(2|10|m1)?|log(2|10|1p)?|powi?|fma|fmuladd"
_EXACT = r"fmod|floor|ceil|trunc|rint|nearbyint|round|sqrt|fabs|copysign"  # rounded once, or not at all
_ALLOWED = rf"llvm\.(?!({_LIBM})\.)|({_EXACT})f?$|mem(set|cpy|move)$|sched_yield$"
"""What a kernel's code may call: instructions, and functions that give the same bits everywhere or none."""
_LOOSE = r"= [a-z ]*\bf?(add|sub|mul|div|rem|neg|call) ([a-z]+ )*(fast|reassoc|contract|arcp|afn)\b.*"
"""An instruction that need not round as it says."""


class KernelError(Exception):
    """A kernel breaks the rules of `absint.native.units`: a bug of the unit's module, not of a user's
    input.
    """


def build(module: str, arguments: tuple[str, ...]) -> tuple[dict[str, list[str]], bytes]:
    """Compile a unit for this CPU.

    Returns the kernels' signatures, each the type names of the arguments and, last, of the return value
    ("int64", "float32", "float64", "none"), and the object file. Raises `KernelError` naming the kernel.
    """
    signatures, code, machine = _compile(module, arguments)
    return signatures, machine.emit_object(code)


def assembly(module: str, arguments: tuple[str, ...], cpu: str | None = None) -> str:
    """The assembly text of a unit, for this CPU or for the one that `cpu` names."""
    if cpu is None:
        _, code, machine = _compile(module, arguments)
        return str(machine.emit_assembly(code))
    # Numba reads the CPU's name once, when it is imported: a process of its own.
    script = "import sys; from absint.native import units; print(units.assembly(*sys.argv[1:]))"
    command = children.command(script, module, *arguments)
    settings = children.environment(NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES="")
    done = subprocess.run(command, env=settings, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _compile(module: str, arguments: tuple[str, ...]) -> tuple[dict[str, list[str]], Any, Any]:
    """All kernels of a unit in one LLVM module, with their signatures and the machine to emit it for."""
    if numba.config.DISABLE_JIT:
        raise BackendError(
            "kernels cannot be compiled while Numba is told not to: unset NUMBA_DISABLE_JIT for one run, "
            "which keeps them, or take disable_jit out of ./.numba_config.yaml"
        )
    kernels = importlib.import_module(module).kernels(*arguments)
    machine = _target_machine()
    signatures, linked = {}, None
    for name, (function, signature) in kernels.items():
        signatures[name] = [str(one) for one in (*signature.args, signature.return_type)]
        code = _lower(f"{module}: kernel {name}", name, function, signature)
        if linked is None:
            linked = code
        else:
            linked.link_in(code)
    assert linked is not None, f"{module}: {arguments} has no kernels"
    linked.verify()
    return signatures, linked, machine


def _target_machine() -> Any:
    """Numba's CPU and features, with position-independent code.

    Numba's own code model reaches each constant through a 64-bit address in a register; here a constant is an
    operand in memory.
    """
    triple, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    if sys.platform == "win32":
        triple += "-elf"  # the only object format that MCJIT loads there
    target = llvm.Target.from_triple(triple)
    return target.create_target_machine(cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small")


def _lower(label: str, name: str, function: Any, signature: Any) -> Any:
    """One kernel as an LLVM module whose only visible symbol is `absint_<name>`."""
    options = {**getattr(function, "targetoptions", {}), **OPTIONS}
    dispatcher = numba.jit(**options)(getattr(function, "py_func", function))
    dispatcher.compile(signature.args)
    made = dispatcher.overloads[signature.args]
    if made.signature.return_type != signature.return_type:
        raise KernelError(f"{label} returns {made.signature.return_type}, not {signature.return_type}")
    text = dispatcher.inspect_llvm(signature.args)
    code = llvm.parse_assembly(re.sub(r"(?m)^declare (?!.*@llvm\.).*", r"\g<0> nonlazybind", text))
    _check(label, text, code)
    wrapper = f"absint_{name}"
    inner = code.get_function(made.fndesc.llvm_func_name)
    code.link_in(llvm.parse_assembly(_wrapper(label, wrapper, inner, signature, code)))
    for symbol in (*code.functions, *code.global_variables):
        if not symbol.is_declaration and symbol.name != wrapper:
            symbol.linkage = "internal"
    return code


def _wrapper(label: str, name: str, inner: Any, signature: Any, code: Any) -> str:
    """The text of a module with the function of C's conventions that calls Numba's."""
    try:
        result, *plain = (_LLVM_TYPES[str(one)] for one in (signature.return_type, *signature.args))
    except KeyError as error:
        raise KernelError(f"{label} has an argument or result of type {error}") from None
    types = [str(argument.type) for argument in inner.arguments]
    assert types[2:] == plain, f"{label}: Numba passes {types} for {signature}"
    result_cell, exception_cell = (kind.removesuffix("*") for kind in types[:2])  # "ptr" since LLVM 16
    if result_cell == "ptr" and result != "void":
        result_cell = result
    passed = [f"{kind} %a{i}" for i, kind in enumerate(plain)]
    values = ", ".join([f"{types[0]} %result", f"{types[1]} %exception", *passed])
    give = "ret void"
    if result != "void":
        give = f"%value = load {result}, {types[0]} %result\n  ret {result} %value"
    return f"""
target datalayout = "{code.data_layout}"
target triple = "{code.triple}"
declare i32 @"{inner.name}"({", ".join(types)})
define {result} @"{name}"({", ".join(passed)}) nounwind {{
  %result = alloca {result_cell}
  %exception = alloca {exception_cell}
  store {result_cell} zeroinitializer, {types[0]} %result
  %status = call i32 @"{inner.name}"({values})
  {give}
}}
!llvm.module.flags = !{{!0}}
!0 = !{{i32 7, !"RtLibUseGOT", i32 1}}
"""


def _check(label: str, text: str, code: Any) -> None:
    """Raise `KernelError` where the kernel does what it must not, as far as its LLVM code tells."""
    if loose := re.search(_LOOSE, text):
        raise KernelError(f"{label} is compiled with `fastmath`: {loose[0]}")
    for symbol in (*code.functions, *code.global_variables):
        name = symbol.name
        if name.startswith(".const.pickle"):
            raise KernelError(f"{label} may raise an exception")
        if symbol.is_declaration and not re.match(_ALLOWED, name):
            raise KernelError(
                f"{label} needs {name}: kernels allocate nothing, and call no function of Numba, of Python "
                "or of a mathematics library that rounds as it likes"
            )
