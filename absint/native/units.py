"""Units: kernels compiled once per machine into native object files, cached, and loaded without importing
Numba.

A *unit* is a module and text arguments. The module's function `kernels(*arguments)` returns a dictionary from
names to pairs (function or Numba dispatcher, Numba signature). Types are int64, float32, float64, and `none`
for a result; addresses are passed as int64. Kernels raise nothing and allocate nothing.

    unit = units.load("absint.ops.kernels", "sin", "f32", depends=("absint.ops",))
    unit["sin"](address, count)     # a ctypes function; runs without the interpreter lock

The first process that loads a unit imports the module, and so Numba, and compiles it; later ones map the
object file, which takes about a millisecond. The cache key covers everything on which the code depends: the
CPU, the versions of Numba and LLVM, Numba's settings, and the source text of the module and of `depends`.

A process runs the sources that it imported, but the key is computed from the sources on disk. So if one of
them was changed after absint was imported, the cache is neither read nor written. If kernels cannot be
cached, for this or another reason, one `CacheWarning` says so.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import os
import subprocess
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from absint.base.errors import BackendError, is_out_of_memory
from absint.base.memo import Turn
from absint.native import cache, children
from absint.native.sources import are_unchanged, describe_change, source_digest

observers: list[Callable[[str], None]] = []
"""Functions that are called with a unit's label, such as "operations sin f32", before the unit is compiled.
Nothing is printed.
"""

_FORMAT = "native 1"
_UNRELATED = ("NUMBA_CACHE_", "NUMBA_DISABLE_JIT", "NUMBA_NUM_THREADS", "NUMBA_THREADING_")
"""Prefixes of settings that do not affect code."""
_SETTINGS_FILE = ".numba_config.yaml"  # Numba reads it from the working directory
_TOOLS = ("absint.native.build", "llvmlite._version", "numba._version")
_CTYPES: dict[str, Any] = {
    "none": None,
    "int64": ctypes.c_int64,
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}
_CHILD = "import json, sys; from absint.native import units; [m, a, d] = json.loads(sys.argv[1]); "
_CHILD += "units.load(m, *a, depends=d)"
"""Code of a child process that compiles a unit for its parent."""
_ANOTHER_FOLDER = "ABSINT_CACHE_DIR names another folder"
_lock = threading.RLock()
_compiling = Turn("compiling kernels")
_units: dict[tuple[str, ...], Unit] = {}
_has_warned = False


class CacheWarning(RuntimeWarning):
    """Kernels cannot be cached: each process compiles them anew."""


def _hold_lock() -> None:
    _lock.acquire()


def _release_lock() -> None:
    _lock.release()


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


def _delay_forks() -> None:
    """Delay forks while kernels are compiled or mapped: in the child, locks of Numba and LLVM would stay held
    forever by a thread that does not exist there.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_hold_lock, after_in_parent=_release_lock, after_in_child=_renew_lock)


_delay_forks()


@functools.cache
def _builder() -> Any:
    """The module that compiles units; importing it imports Numba."""
    from absint.native import build as native_build

    # Numba has imported `logging`, whose fork hook takes a lock that a compilation may need. Hooks are called
    # in reverse order of registration, so registering again runs ours before that one.
    _delay_forks()
    return native_build


class Unit:
    """The kernels of a unit, which stay in memory until the process ends.

    `unit[name]` is a ctypes function that takes Python ints and floats and releases the interpreter lock.
    `unit.address(name)` is its address, for kernels that call other kernels through pointers.
    """

    __slots__ = ("_addresses", "_functions", "label")

    def __init__(self, label: str, functions: dict[str, Any]) -> None:
        self.label = label
        self._functions = functions
        self._addresses = {
            name: ctypes.cast(function, ctypes.c_void_p).value or 0 for name, function in functions.items()
        }

    def __getitem__(self, name: str) -> Any:
        return self._functions[name]

    def address(self, name: str) -> int:
        """The address of a kernel's code."""
        return self._addresses[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The kernels' names, in the order of the module's dictionary."""
        return tuple(self._functions)


def load(module: str, *arguments: str, depends: Sequence[str] = ()) -> Unit:
    """The unit's kernels: from this process, from the cache, or compiled now.

    `depends`: dotted names of the modules from whose sources the kernels are made; a package stands for the
    modules directly in it. The unit's own module is always included. Raises `absint.native.build.KernelError`
    if a kernel breaks the rules, and `BackendError` in a signal handler that interrupted a compilation.
    """
    unit = _units.get((module, *arguments))
    if unit is not None:
        return unit
    with _lock:
        unit = _units.get((module, *arguments))
        if unit is None:
            unit = _units[module, *arguments] = _load(module, arguments, depends)
        return unit


class Named(NamedTuple):
    """A unit's name: the arguments of `load`."""

    module: str
    arguments: tuple[str, ...]
    depends: Sequence[str]


def compile_missing(units: Sequence[Named]) -> None:
    """Compile the units that are not in the cache in parallel, each in a process of its own.

    Numba compiles on one core, and a new machine needs several large units. Raises `BackendError` if a signal
    ends such a process, as happens when memory runs out. Other failures are ignored here; `load` will raise
    them.
    """
    missing = [unit for unit in units if (unit.module, *unit.arguments) not in _units and _is_absent(unit)]
    if len(missing) < 2 or cache.obstacle() or not children.can_start():
        return
    for observer in observers:
        observer(", ".join(_label(unit.module, unit.arguments) for unit in missing))
    environment, quiet = children.environment(), subprocess.DEVNULL
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with children.block_interrupts():
            for unit in missing:
                command = children.command(_CHILD, json.dumps(unit), end_with_parent=True)
                processes.append(
                    subprocess.Popen(
                        command, env=environment, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet
                    )
                )
        statuses = [process.wait() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
    for unit, status in zip(missing, statuses, strict=True):
        if status < 0:
            raise BackendError(
                f"kernels {_label(unit.module, unit.arguments)} cannot be compiled: signal {-status} ended "
                "the process that compiles them; most likely it needs more memory than there is"
            )


def _is_absent(unit: Named) -> bool:
    """Whether a unit can be cached but is not in the cache."""
    key = _key(unit.module, unit.arguments, _sources(unit.module, unit.depends))
    return key is not None and not cache.holds(key)


def _sources(module: str, depends: Sequence[str]) -> tuple[str, ...]:
    return (module, *sorted(depends), *_TOOLS)


def _label(module: str, arguments: tuple[str, ...]) -> str:
    """A unit's label for observers: the last part of the module's name, and the arguments."""
    return " ".join((module.rpartition(".")[2], *arguments))


def assembly(module: str, *arguments: str, cpu: str | None = None) -> str:
    """The assembly text of a unit, compiled anew for this CPU or for another of the same architecture.

    `cpu`: a name of LLVM's, such as "haswell" or "znver4".
    """
    return str(_builder().assembly(module, arguments, cpu))


def _load(module: str, arguments: tuple[str, ...], depends: Sequence[str]) -> Unit:
    label, sources = _label(module, arguments), _sources(module, depends)
    key = _key(module, arguments, sources)
    payload = None if key is None else cache.read(key)
    if payload is None:
        if key is None:
            _warn(describe_change(sources) or "sources were changed")
        elif obstacle := cache.obstacle():
            _warn(f"{obstacle}; {_ANOTHER_FOLDER}")
        for observer in observers:
            observer(label)
        payload = _build(label, module, arguments)
        # building imported sources, which may have changed meanwhile
        if key is not None and are_unchanged(sources) and not cache.write(key, payload):
            _warn(f"{cache.folder()}: it does not take them; {_ANOTHER_FOLDER}")
    header, _, code = payload.partition(b"\n")
    return Unit(label, _map(json.loads(header), code))


def _warn(reason: str) -> None:
    """Warn, once per process, that kernels cannot be cached."""
    global _has_warned
    if not _has_warned:
        _has_warned = True
        what = "kernels are compiled anew by each process, which takes up to a minute"
        warnings.warn(f"{what}: {reason}", CacheWarning, stacklevel=2)


def _build(label: str, module: str, arguments: tuple[str, ...]) -> bytes:
    """Compile a unit. Returns the cache's payload: the signatures as a line of JSON, then the object file.

    Raises `BackendError` if Numba's settings prevent compilation, and `MemoryError`.
    """
    try:
        with _compiling:
            signatures, code = _builder().build(module, arguments)
    except (BackendError, MemoryError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        if (settings := _settings_in_words()) and not isinstance(error, ModuleNotFoundError):
            reason = " ".join(str(error).split())
            raise BackendError(
                f"kernels {label} cannot be compiled with Numba's settings {settings}; undo them ({reason})"
            ) from error
        raise
    payload: bytes = json.dumps(signatures).encode() + b"\n" + code
    return payload


def _map(signatures: dict[str, list[str]], code: bytes) -> dict[str, Any]:
    """The functions of an object file, which LLVM's MCJIT engine places in memory."""
    llvm = _llvm()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    machine = target.create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine, use_lmm=True)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    functions = {}
    for name, (*taken, given) in signatures.items():
        prototype = ctypes.CFUNCTYPE(_CTYPES[given], *(_CTYPES[one] for one in taken))
        functions[name] = prototype(engine.get_function_address(f"absint_{name}"))
    engine.detach()  # the engine is never freed: a daemon thread may be inside a kernel when the process ends
    return functions


@functools.cache
def _llvm() -> Any:
    """LLVM's binding, initialised for this machine; imported on demand, since that takes 50 ms."""
    try:
        import llvmlite.binding as llvm
    except OSError as error:
        cause = error.__context__ or error  # llvmlite's own message is misleading: it mentions permissions
        remedy = (
            "there is too little address space for it" if is_out_of_memory(cause) else "reinstall llvmlite"
        )
        raise BackendError(f"LLVM cannot be loaded: {cause}; {remedy}") from error
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if not llvm.address_of_symbol("fmodf"):  # the interpreter is not linked with libm
        from ctypes.util import find_library

        if library := find_library("m"):
            llvm.load_library_permanently(library)
    return llvm


def _key(module: str, arguments: tuple[str, ...], sources: Sequence[str]) -> str | None:
    """The cache key of a unit: everything on which its code depends; None if its sources were changed."""
    digest = source_digest(sources)
    return None if digest is None else json.dumps([_FORMAT, module, arguments, digest, _environment()])


@functools.cache
def _environment() -> list[object]:
    """Everything but sources on which code depends: the CPU, and Numba's settings."""
    llvm = _llvm()
    return [
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        sorted(item for item in _settings().items() if not item[0].startswith(_UNRELATED)),
        _settings_file(),
    ]


def _settings() -> dict[str, str]:
    """Numba's settings in the environment."""
    return {name: value for name, value in os.environ.items() if name.startswith("NUMBA_")}


def _settings_file() -> str | None:
    """The digest of Numba's settings file in the working directory; None if there is none."""
    try:
        with cache.open_regular(_SETTINGS_FILE) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _settings_in_words() -> str:
    """Numba's settings as text for a message; empty if there are none."""
    words = [f"{name}={value}" for name, value in sorted(_settings().items())]
    return ", ".join(words + [f"those of ./{_SETTINGS_FILE}"] * (_settings_file() is not None))
