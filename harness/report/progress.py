"""What a run shows while it goes on: a live panel on a terminal, a line per block elsewhere, nothing when quiet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.model.progress import Display, Snapshot
from harness.report.words import seconds
from harness.system.output import takes_words

PREPARING = "preparing the arms …"


@contextmanager
def progress(console: Console, quiet: bool) -> Iterator[Display]:
    """The display that suits the console.

    It is shown where the console takes it at once, and left out otherwise: a stopped terminal, or a reader that waits,
    may not hold up the watch of a run, which keeps accounts from being locked.
    """
    if quiet:
        yield lambda snapshot: None
    elif console.is_terminal:
        # It is refreshed by whoever shows it: a thread of its own could be held up with its lock held.
        with Live(Text(), console=console, auto_refresh=False, transient=True) as live:
            yield _where_taken(console, lambda snapshot: live.update(_shown(snapshot), refresh=True))
    else:
        yield _where_taken(console, _Lines(console))


def _where_taken(console: Console, display: Display) -> Display:
    def show(snapshot: Snapshot | None) -> None:
        if takes_words(console.file):
            display(snapshot)

    return show


def _shown(snapshot: Snapshot | None) -> Text | Table:
    return Text(PREPARING) if snapshot is None else _panel(snapshot)


class _Lines:
    """One plain line whenever a block begins."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._block = -1

    def __call__(self, snapshot: Snapshot | None) -> None:
        if snapshot is None:
            self._block = -1
            self._console.print(PREPARING)
            return
        if snapshot.block == self._block:
            return
        self._block = snapshot.block
        parts = [f"block {snapshot.block + 1}/{snapshot.blocks} {' and '.join(snapshot.arms)}", *_latencies(snapshot)]
        parts += [_so_far(snapshot), f"{snapshot.left_s:.0f} s left"]
        self._console.print("  ".join(parts), soft_wrap=True)


def _panel(snapshot: Snapshot) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row(
        f"block [bold]{snapshot.block + 1}[/]/{snapshot.blocks} {' and '.join(snapshot.arms)}",
        f"offered {snapshot.offered:.0f}/s  achieved {snapshot.achieved:.0f}/s",
        f"{snapshot.left_s:.0f} s left",
    )
    table.add_row(*_latencies(snapshot), _so_far(snapshot))
    return table


def _latencies(snapshot: Snapshot) -> list[str]:
    return [
        f"{arm} p50 {seconds(found[0])} p95 {seconds(found[1])}" if found else f"{arm} –"
        for arm, found in snapshot.latencies.items()
    ]


def _so_far(snapshot: Snapshot) -> str:
    verdict = "no verdict yet" if snapshot.verdict is None else f"so far {snapshot.verdict.kind.name}"
    return f"{verdict} ({snapshot.pairs_judged} pairs)"
