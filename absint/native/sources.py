"""Sources of modules and packages: their digest, and whether they were changed after absint was imported.

A process runs the sources that it imported, but results are cached under the sources on disk. No source is
imported here to be read.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from absint.native import loaded

_MARGIN = 50_000_000
"""Margin in nanoseconds: a change so shortly before absint's import counts as one after it, since file
systems' clocks lag by up to 16 ms.
"""
_COARSE = 2_000_000_000
"""Margin in nanoseconds for times in whole seconds, since some file systems count every other second."""


def source_digest(names: Sequence[str]) -> str | None:
    """The SHA-256 of the sources of modules and packages, which are found without importing them.

    None if one of them was changed after absint was imported, since the process may run an older version. A
    name's sources are read at the first call. A caller that imports sources afterwards checks `are_unchanged`
    before it caches results made by them.
    """
    digests = [_digest(name) for name in names]
    known = [digest for digest in digests if digest is not None]
    return hashlib.sha256("".join(known).encode()).hexdigest() if len(known) == len(digests) else None


def are_unchanged(names: Sequence[str]) -> bool:
    """Whether no source has been changed after absint was imported."""
    return describe_change(names) is None


def describe_change(names: Sequence[str]) -> str | None:
    """A message about the first source that was changed after absint was imported; None if none was."""
    for name in names:
        for _, path in _files(name):
            try:
                status = os.stat(path)
            except OSError as error:
                return f"{path}: {error.strerror}"
            if _is_changed(status):
                return f"{path} was changed after absint was imported, or the clock is behind: `touch` it"
    return None


@functools.cache
def _digest(name: str) -> str | None:
    """The SHA-256 of the source of a module, or of the modules in a package; None if one was changed."""
    digest = hashlib.sha256()
    for label, path in _files(name):
        try:
            with open(path, "rb") as stream:
                text = stream.read()
                if _is_changed(os.fstat(stream.fileno())):  # after reading, during which it may change
                    return None
        except OSError:
            return None
        digest.update(f"{label}\n{len(text)}\n".encode())
        digest.update(text)
    return digest.hexdigest()


@functools.cache
def _files(name: str) -> list[tuple[str, str]]:
    """The source files of a module or a package: (name within the package, path)."""
    spec = _find(name)
    if spec.submodule_search_locations is None:
        assert spec.origin is not None
        return [("", spec.origin)]
    return [
        (path.relative_to(folder).as_posix(), str(path))
        for folder in spec.submodule_search_locations
        for path in sorted(Path(folder).glob("[!.]*.py"))  # without hidden files, such as an editor's locks
    ]


def _is_changed(status: os.stat_result) -> bool:
    """Whether a file may have been changed after absint was imported."""
    # On POSIX ctime is the time of the last change; mtime can be set, even to the future. On Windows ctime is
    # the time of creation: a new file may have replaced an old one and have an older mtime.
    time_ns = status.st_ctime_ns if os.name == "posix" else max(status.st_mtime_ns, status.st_ctime_ns)
    lag = _COARSE if time_ns % 1_000_000_000 == 0 else _MARGIN
    return time_ns + lag > loaded.LOADED_AT


def _find(name: str) -> ModuleSpec:
    """The spec of a module. Unlike `importlib.util.find_spec`, this imports no parent package."""
    parts = name.split(".")
    spec, folders = None, None
    for i in range(len(parts)):
        partial = ".".join(parts[: i + 1])
        finders = (finder.find_spec(partial, folders) for finder in sys.meta_path)
        spec = next((found for found in finders if found is not None), None)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {partial!r}", name=partial)
        folders = spec.submodule_search_locations
    assert spec is not None
    return spec
