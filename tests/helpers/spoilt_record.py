"""What damaged inputs and spoilt answers came to, kept for the page that shows it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from harness import __version__

FILE = Path(__file__).parents[1] / "benchmarks" / "spoilt.json"
Kind = Literal["inputs", "answers"]


def load() -> dict[str, Any]:
    """What has been recorded; empty where nothing has."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return found


def record(kind: Kind, seed: int, rows: dict[str, tuple[int, str]], wrong: int) -> None:
    """Keep, for each kind of input or protocol, how many there were and what they came to."""
    found = load()
    found[kind] = {"seed": seed, "rows": rows, "wrong": wrong, "day": f"{datetime.now(UTC):%Y-%m-%d}",
                   "version": __version__}  # fmt: skip
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def lines() -> list[str]:
    """The tables of the page, in Markdown."""
    found = load()
    made: list[str] = []
    for kind, title, what in (
        ("inputs", "Damaged inputs", "exit codes"),
        ("answers", "Spoilt answers of servers", "what the step ended with"),
    ):
        if kind in found:
            one = found[kind]
            total = sum(count for count, _ in one["rows"].values())
            made += [
                "",
                f"## {title}",
                "",
                f"{total:,} in all (seed {one['seed']}), of which {one['wrong']} went wrong; authgate "
                f"{one['version']},",
                f"{one['day']}.",
                "",
                f"| | how many | {what} |",
                "|---|---|---|",
                *(f"| {name} | {count:,} | {ends} |" for name, (count, ends) in one["rows"].items()),
            ]
    return made
