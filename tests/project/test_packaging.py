"""What pip installs is what the folders hold, and no text names a folder of one machine."""

from __future__ import annotations

import importlib
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import absint

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS: dict[str, Any] = PROJECT["tool"]["setuptools"]
PACKAGES: list[str] = SETUPTOOLS["packages"]
LINKS = ("passes", "backends", "fuzz")

CFF_KEYS = {"cff-version", "message", "type", "title", "version", "license", "authors", "keywords"}

# A path that starts at the root of one machine; after a word or a dot it is part of a longer path.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/")


def packages_in_folders(root: Path, mapping: dict[str, str]) -> set[str]:
    """Dotted names of the folders that hold an `__init__.py`, as the mapping places them, past all links."""
    found: set[str] = set()

    def walk(name: str, folder: Path) -> None:
        if (folder / "__init__.py").is_file():
            found.add(name)
        for child in folder.iterdir():
            if child.is_dir() and not child.is_symlink():
                walk(f"{name}.{child.name}", child)

    for name, folder in mapping.items():
        walk(name, root / folder)
    return found


def folder_of(package: str) -> Path:
    """Where a package lies, by the longest mapped prefix of its name."""
    mapping: dict[str, str] = SETUPTOOLS["package-dir"]
    prefix = max((name for name in mapping if f"{package}.".startswith(f"{name}.")), key=len)
    return ROOT.joinpath(mapping[prefix], *package[len(prefix) :].strip(".").split("."))


def test_every_package_is_listed_once() -> None:
    assert len(PACKAGES) == len(set(PACKAGES))
    assert set(PACKAGES) == packages_in_folders(ROOT, SETUPTOOLS["package-dir"])


def test_a_forgotten_folder_would_be_found(tmp_path: Path) -> None:
    for folder in ("absint", "backends", "backends/new/kernels"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "absint" / "backends").symlink_to("../backends")
    found = packages_in_folders(tmp_path, {"absint": "absint", "absint.backends": "backends"})
    assert found == {"absint", "absint.backends", "absint.backends.new.kernels"}


def test_no_generic_name_is_installed_at_top_level() -> None:
    assert {name.split(".")[0] for name in PACKAGES} == {"absint"}
    assert "py-modules" not in SETUPTOOLS


@pytest.mark.parametrize("name", LINKS)
def test_links_lead_to_the_folders(name: str) -> None:
    link = ROOT / "absint" / name
    assert link.is_symlink(), f"{link} is no link: check the project out with core.symlinks=true"
    assert link.readlink() == Path("..", name)
    assert link.resolve(strict=True) == (ROOT / name).resolve()


def test_every_data_pattern_matches() -> None:
    for package, patterns in SETUPTOOLS["package-data"].items():
        assert package in PACKAGES
        for pattern in patterns:
            assert list(folder_of(package).glob(pattern)), f"{package}: nothing matches {pattern}"


@pytest.mark.parametrize("target", PROJECT["project"]["scripts"].values())
def test_scripts_lead_to_functions(target: str) -> None:
    module, _, function = target.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_citation_is_of_this_version() -> None:
    """Valid by the rules of CFF 1.2.0 for what it says: no key but these, and all that are required."""
    yaml = pytest.importorskip("yaml", reason="PyYAML, which comes with pre-commit, is not installed")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = PROJECT["project"]
    assert set(citation) >= {"cff-version", "message", "title", "authors"}  # those that are required
    assert set(citation) <= CFF_KEYS
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["version"] == project["version"] == absint.__version__
    assert citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]
    assert citation["keywords"] == project["keywords"]
    assert citation["title"] == f"{project['name']}: {project['description'].replace('An ', 'an ')}"


def test_models_sha256_is_a_checksum_file() -> None:
    lines = (ROOT / "tests" / "models.sha256").read_text(encoding="utf-8").splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(r"[0-9a-f]{64}  [\w-]+\.vm", line)


def project_files() -> list[Path]:
    """The files git tracks or would add; skips where this is no git checkout."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not a git checkout: {error}")
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_text_names_a_folder_of_one_machine() -> None:
    found = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", ["home", "root", "work", "Users"])
def test_machine_paths_are_recognised(folder: str) -> None:
    assert MACHINE_PATH.search("open('/" + folder + "/x')")
    assert not MACHINE_PATH.search("https://example.org/" + folder + "/x")
    assert not MACHINE_PATH.search("../" + folder + "/x")
