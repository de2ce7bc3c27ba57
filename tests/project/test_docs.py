"""The manual builds without a warning and its links lead somewhere; README's and its commands and code run.

Every command line of absint runs here, in the order of its page and in a folder of the page's own. `reduced`
says which run in a shorter form, and of which only the arguments are parsed. Those of other programs are
checked: targets of make, extras of pip, files and modules that Python is asked for.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from absint.base.errors import UsageError
from absint.cli import arguments
from absint.cli.main import main
from tests.project.documents import PAGES, README, Block, blocks, command_lines, commands_in_prose, words_of
from tests.support.command import DISC, ROOT

DOCUMENTS = [README, *PAGES]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
THIRD_PARTY = {line.split()[1] for line in (ROOT / "tests" / "models.sha256").read_text().splitlines()}

CORPUS = [path for path in (ROOT / "fuzz" / "corpus").iterdir() if path.suffix == ".vm"]
NO_GPU = {"cupy"}
"""Backends that need a device."""


# The site


class Links(HTMLParser):
    """What a page refers to, and the names in it that can be referred to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        """Targets that a browser fetches by itself."""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attributes if value is not None}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        found = [given[name] for name in ("href", "src") if name in given]
        self.targets += found
        if tag != "a":
            self.loaded += found


def is_remote(target: str) -> bool:
    return bool(urlsplit(target).scheme or urlsplit(target).netloc)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manual, built as `make docs` does."""
    for needed in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(needed, reason=f"{needed} is not installed (extra docs)")
    recipe = re.search(r"(?m)^docs:.*\n\t\$\(BIN\)/python (.*)$", MAKEFILE)
    assert recipe
    folder = tmp_path_factory.mktemp("site")
    words = recipe[1].replace("build/", f"{folder}/").split()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def test_links_of_the_site_lead_somewhere_in_it(site: Path) -> None:
    pages = {page: Links(page) for page in site.rglob("*.html")}
    assert len(pages) > len(PAGES)
    followed = 0
    for page, links in pages.items():
        for target in links.targets:
            if is_remote(target):
                continue
            parts = urlsplit(target)
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert path.is_file(), f"{page.name}: {target}"
            if parts.fragment and path in pages:
                assert unquote(parts.fragment) in pages[path].anchors | {""}, f"{page.name}: {target}"
            followed += 1
    assert followed > 500


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert [target for target in Links(page).loaded if is_remote(target)] == []
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"""@import|url\(\s*["']?(?:https?:)?//""", text), sheet.name


def test_the_reference_holds_every_public_name(site: Path) -> None:
    import absint
    from absint import shapes, study

    anchors = Links(site / "api.html").anchors
    documented = {name for name in anchors if name.startswith("absint.")}
    in_prose = {"absint.X", "absint.Y", "absint.Z", "absint.shapes", "absint.study"}
    assert {f"absint.{name}" for name in absint.__all__} - in_prose <= documented
    for module, name in ((shapes, "smooth_union"), (study, "explain"), (absint, "View.xs")):
        assert f"{module.__name__}.{name}" in documented
    assert {"absint.text.text", "absint.text.text_width"} <= documented


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("[x](missing.md)\n", "missing.md"),
        ("[x](other.md#nowhere)\n", "nowhere"),
        ("![x](missing.png)\n", "missing.png"),
        ("```{public} absint\nload\n```\n", "absint.render is public"),
        ("```{command} absint list nothing\n```\n", "nothing"),
    ],
)
def test_a_mistake_in_a_page_is_an_error(page: str, complaint: str, tmp_path: Path) -> None:
    pytest.importorskip("furo", reason="furo is not installed (extra docs)")
    source = tmp_path / "docs"
    source.mkdir()
    (source / "index.md").write_text(f"# A\n\n{page}\n```{{toctree}}\nother\n```\n", encoding="utf-8")
    (source / "other.md").write_text("# B\n", encoding="utf-8")
    words = ["-q", "-W", "-E", "-c", str(ROOT / "docs"), str(source), str(tmp_path / "site")]
    done = subprocess.run([sys.executable, "-m", "sphinx", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert complaint in done.stderr


# README, which is no page of the site


def slugs(path: Path) -> set[str]:
    """The anchors of a document, as GitHub and MyST make them, and those that it names."""
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```$", "", text))
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r"(?m)^\(([\w-]+)\)=$", text))


def test_links_of_readme_lead_somewhere() -> None:
    found = re.findall(r"\]\(([^)\s]+)\)", README.read_text(encoding="utf-8"))
    local = [target for target in found if not is_remote(target)]
    assert len(local) >= 15
    for target in local:
        path, _, fragment = target.partition("#")
        assert (ROOT / path).exists(), target
        assert not fragment or fragment in slugs(ROOT / path), target


def test_readme_is_a_page() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 160


def test_the_number_of_planted_bugs_is_that_of_the_fuzzer() -> None:
    from absint.fuzz.planted.bugs import BUGS

    for path in (README, ROOT / "docs" / "trust.md"):
        (said,) = re.findall(r"(\d+) (?:of \d+\** planted|known) bugs", path.read_text(encoding="utf-8"))
        assert int(said) == len(BUGS), path.name


def test_the_numbers_of_proved_rules_are_those_of_the_records() -> None:
    (path,) = (ROOT / "fuzz").rglob("proofs.json")
    records = json.loads(path.read_text(encoding="utf-8"))
    formats = ("binary16", "binary32", "binary64")
    proved = [rule for rule in records.values() if all(rule[one]["verdict"] == "proved" for one in formats)]
    for document in (README, ROOT / "docs" / "trust.md"):
        (said,) = re.findall(
            r"(\d+) of (?:the )?(\d+)\**(?: rewrite)? rules", document.read_text(encoding="utf-8")
        )
        assert said == (str(len(proved)), str(len(records))), document.name


def test_every_page_of_the_manual_is_reached_from_readme() -> None:
    text = README.read_text(encoding="utf-8")
    derived = {"index", "api", "rules", "contributing", "changelog"}  # the site lists these
    assert {page.stem for page in PAGES if f"docs/{page.name}" not in text} == derived


# Commands and code


def named_programs() -> dict[str, str]:
    """Texts of the `.vm` blocks whose first line is a comment that begins with a file's name."""
    vm = [block for path in DOCUMENTS for block in blocks(path) if block.language == "vm"]
    return {found[1]: block.text for block in vm if (found := re.match(r"# ([\w-]+\.vm):", block.text))}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the files that the documents speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for name, text in {"my.vm": DISC, "model.vm": DISC, **named_programs()}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    if third_party := os.environ.get("ABSINT_MODELS"):
        for name in THIRD_PARTY:
            (tmp_path / name).symlink_to(Path(third_party, name).resolve())
    return tmp_path


def reduced(command: str, words: list[str]) -> list[str] | None:
    """The same command in a form that takes a second; None for one that cannot run here."""
    if command == "view" or NO_GPU & set(words) or any(word in THIRD_PARTY for word in words):
        return None  # it serves until it is interrupted; a device; models that may be absent
    if command == "bench":
        return [*words, "--sizes", "32", "--runs", "1"]  # of options that are repeated the last counts
    if "--self-test" in words:
        return [*words, "text:digits"]  # one of the planted bugs
    if "--replay" in words:
        return [str(min(CORPUS)) if word == "fuzz/corpus" else word for word in words]  # one find of all
    if command == "fuzz":
        timed = words.index("--time") if "--time" in words else len(words)
        return [*words[:timed], *words[timed + 2 :], "--programs", "2"]
    return words


def run_absint(words: list[str]) -> str:
    """Standard output of a command that succeeds, or nothing for one whose arguments were only parsed."""
    assert arguments.parse(words).command == words[0]
    shorter = reduced(words[0], words[1:])
    if shorter is None:
        return ""
    # in this process: `test_cli_process.py` goes through the entry point
    printed, said = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        status = main([words[0], *shorter])
    assert status == 0, text_of(said)
    return text_of(printed)


def text_of(stream: io.TextIOWrapper) -> str:
    """What was written to a stream in memory."""
    stream.seek(0)
    return stream.read()


def check_make(words: list[str]) -> None:
    """Each target is one of the Makefile's."""
    for target in (word for word in words if "=" not in word):
        assert re.search(rf"(?m)^{re.escape(target)}:", MAKEFILE), target


def check_pip(words: list[str]) -> None:
    """What is to be installed is this folder, or an extra that exists."""
    (_, what) = words
    assert what == "." or re.fullmatch(r"absint\[(\w+)\]", what)[1] in EXTRAS  # type: ignore[index]


def check_python(words: list[str]) -> None:
    """The module is there."""
    assert words[0] == "-m" and importlib.util.find_spec(words[1]) is not None, words


def check_pytest(words: list[str]) -> None:
    """The files are there, and so is the name that is asked for."""
    files = [word for word in words if word.endswith(".py")]
    assert files and all((ROOT / file).is_file() for file in files)
    for asked in (after for word, after in itertools.pairwise(words) if word == "-k"):
        assert f"{asked}" in "".join((ROOT / file).read_text(encoding="utf-8") for file in files)


def check_export(words: list[str]) -> None:
    """The variable is one that the tests read."""
    assert words[0].startswith("ABSINT_MODELS=")


CHECKS: dict[str, Callable[[list[str]], object]] = {
    "absint": run_absint,
    "export": check_export,
    "make": check_make,
    "pip": check_pip,
    "pytest": check_pytest,
    "python": check_python,
}


def check_line(line: str) -> str:
    """Run a command line, or check it if it is none of absint's. Returns its output."""
    first, *words = words_of(line)
    return str(CHECKS[first.removeprefix(".venv/bin/")](words) or "")


def normal(line: str) -> str:
    """A line of output without what differs from run to run: times, and the widths of columns."""
    return re.sub(r"\b\d+\.\d\b", "#", " ".join(line.split()))


def check_output(block: Block, printed: str) -> None:
    """The lines behind the prompt are those printed, in this order; `…` stands for any others."""
    shown = block.text.splitlines()[1:]
    if "…" not in shown:
        assert shown == printed.splitlines(), block.place
        return
    lines = iter([normal(line) for line in printed.splitlines()])
    for line in shown:
        assert line == "…" or normal(line) in lines, f"{block.place}: {line}"


def documents(holding: Callable[[Path], object]) -> pytest.MarkDecorator:
    """One case for each document that holds something."""
    found = [path for path in DOCUMENTS if holding(path)]
    return pytest.mark.parametrize("path", found, ids=lambda path: path.stem)


def of_language(path: Path, *languages: str) -> list[Block]:
    return [block for block in blocks(path) if block.language in languages]


@documents(lambda path: of_language(path, "sh", "console"))
def test_its_commands_run(path: Path, desk: Path) -> None:
    for block in of_language(path, "sh", "console"):
        lines = command_lines(block)
        assert lines, block.place
        outputs = [check_line(line) for line in lines]
        if block.language == "console":
            check_output(block, *outputs)


@documents(lambda path: of_language(path, "python"))
def test_its_code_runs(path: Path, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in of_language(path, "python"):
        exec(compile("\n" * (block.line - 1) + block.text, str(path), "exec"), names)
    for name in ("picture", "values"):
        assert name not in names or names[name].size > 1


def test_no_block_is_left_out() -> None:
    known = {"sh", "console", "python", "vm"}
    for path in DOCUMENTS:
        for block in blocks(path):
            assert block.language in known or block.language.startswith("{"), block.place
    assert set(named_programs()) == {"bar.vm"}


@documents(lambda path: commands_in_prose(path))
def test_commands_in_prose_are_right(path: Path) -> None:
    for line in commands_in_prose(path):
        first, *words = words_of(line)
        if first == "absint":
            assert arguments.parse(words).command == words[0], line
        else:
            check_line(line)


def test_wrong_commands_and_outputs_are_seen(desk: Path) -> None:
    for line in (
        "absint render gear",
        "make nonsense",
        "pip install 'absint[cuda11]'",
        "python -m tests.none",
    ):
        with pytest.raises((UsageError, AssertionError)):
            check_line(line)
    with pytest.raises(KeyError):
        check_line("wget something")
    with pytest.raises(AssertionError, match=r"README\.md:7"):
        check_output(Block(README, 7, "console", "$ x\n…\na 2.0\nb\n"), "a 1.0\nc\n")
    check_output(Block(README, 7, "console", "$ x\n…\na 2.0\n…\nc\n"), "b\na  1.0\nc\n")
