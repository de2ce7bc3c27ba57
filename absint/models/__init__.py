"""The bundled models: `.vm` files in this folder, written by `absint.models.generate`."""

from __future__ import annotations

from importlib import resources

from absint.base.errors import UsageError, did_you_mean, shown_path

_SUFFIX = ".vm"


def names() -> list[str]:
    """The names of all bundled models, in alphabetical order."""
    files = (entry.name for entry in resources.files(__package__).iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX))


def text(name: str) -> str:
    """The text of a bundled model. Raises `UsageError` if there is no model of that name."""
    if name not in names():
        raise UsageError(f"{shown_path(name)}: no bundled model of that name{nearest(name)}")
    return resources.files(__package__).joinpath(name + _SUFFIX).read_text(encoding="utf-8")


def nearest(name: str) -> str:
    """The end of a message about an unknown model: the most similar name, else all names."""
    return did_you_mean(name, names()) or f" ({', '.join(names())})"


def describe(name: str) -> str:
    """A one-line description of a bundled model: the comment in its first line."""
    return text(name).partition("\n")[0].removeprefix("#").strip()
