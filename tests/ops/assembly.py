"""The assembly that a unit comes to, compiled once per machine, as its kernels are."""

from __future__ import annotations

from absint.native import cache, units


def assembly(unit: units.Named, cpu: str | None = None) -> str:
    """The assembly text of a unit for this CPU or another, from the user's cache or compiled now.

    The cache holds it under all that the unit's kernels depend on, and the name of the CPU.
    """
    key = units._key(unit.module, unit.arguments, units._sources(unit.module, unit.depends))
    assert key is not None, "absint was edited while its tests ran"
    name = f"tests: assembly for {cpu or 'this CPU'}: {key}"
    kept = cache.read(name)
    if kept is None:
        kept = units.assembly(unit.module, *unit.arguments, cpu=cpu).encode()
        cache.write(name, kept)
    return kept.decode()
