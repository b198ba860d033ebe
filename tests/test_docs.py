"""The documentation is tried: its links, the files it names, its commands, its worked example."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.rendering import render_docs
from homeserver.storage.migrate import migrate
from homeserver.storage.sqlite import MEMORY, Sqlite

PROJECT = Path(__file__).resolve().parent.parent
DOCS = PROJECT / "docs"
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
CODE = ("appservices", "config", "federation", "homeserver", "scripts", "tests")

_BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)
_FILE = re.compile(
    r"`(?P<path>(?:\.ci|appservices|config|docs|federation|homeserver|requirements|scripts|tests)/[\w./-]+)`"
)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))


@dataclass(frozen=True)
class Block:
    """Code in a page. `info` is what stands behind the fence, such as "sh tested"."""

    info: str
    text: str

    @property
    def file(self) -> str | None:
        """The file of the project that the block is, or changes."""
        found = re.search(r"file=(\S+)", self.info)
        return found and found[1]


def blocks(page: Path) -> list[Block]:
    return [Block(found["info"], found["text"]) for found in _BLOCK.finditer(page.read_text())]


def prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text())


def anchor(heading: str) -> str:
    """The name that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_reference_of_settings_is_what_the_command_prints() -> None:
    assert (DOCS / "configuration.md").read_text() == render_docs(), (
        "run: folkmoot config docs > docs/configuration.md"
    )


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in (found["target"] for found in _LINK.finditer(prose(page))):
        if re.match(r"https?:", target):
            continue
        path, _, fragment = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if fragment:
            assert fragment in {anchor(found["text"]) for found in _HEADING.finditer(prose(file))}, target


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    of_examples = {block.file for block in blocks(page)}
    named = {found["path"] for found in _FILE.finditer(prose(page))} - of_examples
    assert [path for path in sorted(named) if not (PROJECT / path).exists()] == []


def test_the_map_has_every_table() -> None:
    engine = Sqlite(MEMORY)
    migrate(engine, progress=lambda _: None)
    # Not those that an index of words has for itself.
    made = engine.raw_connection().execute("SELECT name FROM pragma_table_list WHERE type <> 'shadow'")
    ours = {name for (name,) in made.fetchall() if not name.startswith(("sqlite_", "alembic_"))}
    _, _, section = (DOCS / "architecture.md").read_text().partition("## Tables")
    rows = re.findall(r"^\| (`.+?) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(ours)


def test_decisions_are_numbered_and_have_their_parts() -> None:
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [page.name[:5] for page in pages] == [f"{number:04}-" for number in range(1, len(pages) + 1)]
    for page in pages:
        headings = [found["text"] for found in _HEADING.finditer(page.read_text())]
        assert headings[0].startswith(f"{page.name[:4]} "), page
        assert headings[1:] == ["Context", "Choice", "Price"], page


def _commands() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        tested = [block.text for block in blocks(page) if block.info == "sh tested"]
        if tested:
            yield page, "\n".join(tested)


@pytest.mark.parametrize(("page", "commands"), [*_commands()], ids=lambda value: getattr(value, "stem", ""))
def test_commands_work(page: Path, commands: str, tmp_path: Path) -> None:
    """All blocks of a page marked `sh tested` are one script, run in an empty directory."""
    environment = {
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        # Some other server may have the usual port.
        "FOLKMOOT_LISTENERS": "[{port: 0, bind_addresses: [127.0.0.1]}]",
    }
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, f"{page}\n{run.stdout}{run.stderr}"


def test_the_worked_example_works(tmp_path: Path) -> None:
    for folder in CODE:
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    example = [block for block in blocks(DOCS / "add-an-endpoint.md") if block.file]
    for block in example:
        assert block.file is not None
        file = tmp_path / block.file
        if block.info.startswith("diff"):
            file.write_text(_changed(file.read_text(), block.text))
        else:
            assert not file.exists(), f"the project has {block.file} by now"
            file.write_text(block.text)
    tests = [block.file for block in example if block.file and "/tests/" in block.file]
    assert tests
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def _changed(text: str, diff: str) -> str:
    """`text` after a diff whose hunks, divided by @@, have no line numbers."""
    for hunk in re.split(r"^@@.*\n", diff, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(before) == 1, f"this is not there exactly once:\n{before}"
        text = text.replace(before, after)
    return text
