"""What a run says while it goes on where there is no terminal."""

from __future__ import annotations

import io

from rich.console import Console

from harness.model.plan import NS
from harness.model.progress import Snapshot
from harness.report.progress import progress


def snapshot(block: int, at_s: float) -> Snapshot:
    return Snapshot(
        block=block, blocks=450, arms=("baseline",), pairs_judged=0, offered=50.0, achieved=49.0,
        latencies={"baseline": (0.1, 0.2), "candidate": None}, look=None, left_s=1200 - at_s, length_s=1200,
        now=round(at_s * NS),
    )  # fmt: skip


def said(*snapshots: Snapshot) -> list[str]:
    file = io.StringIO()
    with progress(Console(file=file, width=200), quiet=False) as show:
        for one in snapshots:
            show(one)
    return file.getvalue().splitlines()


def test_long_blocks_have_a_line_each() -> None:
    lines = said(*(snapshot(int(at) // 15, at) for at in range(60)))
    assert [line.split("  ")[0] for line in lines] == [f"block {n}/450 baseline" for n in (1, 2, 3, 4)]


def test_of_short_blocks_a_log_has_a_line_every_few_seconds() -> None:
    lines = said(*(snapshot(int(at) // 2, at) for at in range(60)))
    assert len(lines) == 12 and [line.split("  ")[0] for line in lines[:2]] == [
        "block 1/450 baseline",
        "block 3/450 baseline",
    ]
