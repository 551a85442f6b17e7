"""The pages of the documentation, taken apart: what is fenced, what is linked, which commands a reader is told to run.

The convention is in CONTRIBUTING.md under "Documentation".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMANDS = ("sh", "console")
"""The kinds of block that hold commands."""
_FENCE = re.compile(r"^```(?P<words>[^`\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"(?:^|\s)# Not run by the tests: (?P<why>\S.*)$")
_STATUS = "echo $?"
_HEREDOC = re.compile(r"<<-?\s*'?(?P<end>\w+)'?")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: the page, the line of its first content, the words behind the backticks, and its content."""

    page: Path
    line: int
    words: tuple[str, ...]
    text: str

    @property
    def kind(self) -> str:
        """Its language: ``sh``, ``console``, ``yaml`` …; empty where none is said."""
        return self.words[0] if self.words else ""

    @property
    def where(self) -> str:
        """As an error names it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a block: what it must print (None: anything) and exit with, or why the tests don't run it."""

    where: str
    text: str
    printed: str | None = None
    status: int = 0
    not_run: str = ""


def pages() -> list[Path]:
    """Every page of the documentation."""
    beside = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md", "scenarios/README.md",
              "tests/benchmarks/README.md")  # fmt: skip
    return [*(ROOT / name for name in beside), *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    """A page as a test's parameter names it."""
    return page.relative_to(ROOT).as_posix()


def fences(page: Path) -> list[Fence]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Fence(page, text.count("\n", 0, found.start("text")) + 1, tuple(found["words"].split()), found["text"])
        for found in _FENCE.finditer(text)
    ]


def prose(page: Path) -> str:
    """A page without the content of its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def inline_code(page: Path) -> list[str]:
    """What stands between single backticks outside the fenced blocks."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose(page))]


def commands(fence: Fence) -> list[Command]:
    """The commands of a ``sh`` or ``console`` block, in order; an ``echo $?`` is the exit code of the one before it."""
    found: list[Command] = []
    whole = _NOT_RUN.match(fence.text.partition("\n")[0])
    for command in _each(fence):
        if command.text == _STATUS:
            found[-1] = replace(found[-1], status=int(command.printed or ""))
            continue
        own = _NOT_RUN.search(command.text)
        text = _NOT_RUN.sub("", command.text).rstrip()
        why = (own or whole or {"why": ""})["why"]
        found.append(replace(command, text=text, not_run=why))
    return found


def _each(fence: Fence) -> Iterator[Command]:
    """Each command as it stands in the block, with what is said to be printed in a ``console`` block."""
    transcript = fence.kind == "console"
    lines = fence.text.splitlines()
    at = 0
    while at < len(lines):
        first, line = at, lines[at]
        at += 1
        if not line.strip() or line.startswith("# "):
            continue
        if transcript:
            assert line.startswith("$ "), f"{fence.where}: expected a command ('$ …') first, got {line!r}"
            line = line[2:]
        while line.endswith("\\"):
            line, at = f"{line}\n{lines[at]}", at + 1
        if heredoc := _HEREDOC.search(line):
            end = lines.index(heredoc["end"], at) + 1
            line, at = "\n".join([line, *lines[at:end]]), end
        printed = None
        if transcript:
            begin = at
            while at < len(lines) and not lines[at].startswith("$ "):
                at += 1
            printed = "\n".join(lines[begin:at])
        yield Command(f"{fence.page.relative_to(ROOT)}:{fence.line + first}", line, printed)


def fixed(text: str) -> str:
    """What doesn't vary from run to run: without spaces and bars, and with every number, address or time as ``#``."""
    bare = re.sub(r"[\s█]", "", text)
    return re.sub(r"\d+(?:[.,:]\d+)*", "#", bare)


def prints(expected: str, printed: str) -> bool:
    """Whether the fixed parts of ``expected`` were printed in their order; its ``…`` stand for anything."""
    parts = [fixed(part) for part in expected.split("…")]
    pattern = ".*".join(re.escape(part) for part in parts)
    return re.fullmatch(pattern, fixed(printed)) is not None


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    bare = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in bare}


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose(page)))
