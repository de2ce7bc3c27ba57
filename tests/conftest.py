"""Fixtures and options that many tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.command import DISC

GOLDEN = Path(__file__).parent / "golden"

# No deadline: how long an example takes says more about the machine than about the code.
settings.register_profile("absint", deadline=None)
settings.load_profile("absint")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files, compare nothing")


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """The file of a small model, where a test does not have its own."""
    path = tmp_path / "disc.vm"
    path.write_text(DISC)
    return path


def folder_named_by(variable: str, how: str) -> Path:
    """The folder that an environment variable names; skips where it is unset, fails where it is wrong."""
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set ({how})")
    folder = Path(value)
    assert folder.is_dir(), f"{variable}={value} is not a folder"
    return folder


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The third-party models."""
    return folder_named_by("ABSINT_MODELS", "`make models` says where to get them")


@pytest.fixture(scope="session")
def itl_dir() -> Path:
    """The ITF1788 interval tests, `*.itl`."""
    return folder_named_by("ABSINT_ITL", "a folder with the *.itl files of ITF1788")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str | Path, str], None]:
    """`golden(path, text)` asserts that `text` is what the file holds; `--update-golden` rewrites the file.

    `path`: relative to `tests/golden`.
    """
    update = bool(request.config.getoption("--update-golden"))

    def compare(path: str | Path, text: str) -> None:
        file = GOLDEN / path
        if update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
            return
        assert file.is_file(), f"no golden file {file}: run pytest --update-golden and read what it wrote"
        assert text == file.read_text(encoding="utf-8")

    return compare
