"""What a run shows while it goes on: a live panel on a terminal, lines elsewhere, nothing when quiet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.gate.words import lasting
from harness.model.plan import NS
from harness.model.progress import Display, Preparing, Snapshot
from harness.model.verdict import Verdict
from harness.report.rows import Row, row
from harness.report.words import printable, seconds
from harness.system.output import takes_words

LINES_APART_S = 5.0
"""A run of 20 minutes has 450 blocks, and a log of them all has no reader."""
REASONS_AT_MOST = 2
WORST_AT_MOST = 3


@contextmanager
def progress(console: Console, quiet: bool) -> Iterator[Display]:
    """The display that suits the console.

    It is shown where the console takes it at once, and left out otherwise: a stopped terminal, or a reader that waits,
    may not hold up the watch of a run, which keeps accounts from being locked.
    """
    if quiet:
        yield lambda now: None
    elif console.is_terminal:
        # It is refreshed by whoever shows it: a thread of its own could be held up with its lock held.
        with Live(Text(), console=console, auto_refresh=False, transient=True) as live:
            panel = _Panel()
            yield _where_taken(console, lambda now: live.update(panel.of(now), refresh=True))
    else:
        yield _where_taken(console, _Lines(console))


def _where_taken(console: Console, display: Display) -> Display:
    def show(now: Preparing | Snapshot) -> None:
        if takes_words(console.file):
            display(now)

    return show


class _Lines:
    """One plain line when a block begins, and some seconds after the last one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._block = -1
        self._next = 0
        """When there may be another line, in ns from the run's origin."""
        self._folder = ""

    def __call__(self, now: Snapshot | Preparing) -> None:
        if isinstance(now, Preparing):
            self._block, self._next = -1, 0
            if now.folder != self._folder:
                self._folder = now.folder
                self._print(_title(now))
            self._print(_preparing(now))
            return
        if now.block == self._block or now.now < self._next:
            return
        self._block, self._next = now.block, now.now + round(LINES_APART_S * NS)
        parts = [f"block {now.block + 1}/{now.blocks} {' and '.join(now.arms)}", *_arms(now), _rates(now)]
        reasons = now.verdict.reasons[:1] if now.verdict is not None and now.verdict.kind.name == "INVALID" else ()
        parts += [": ".join((_so_far(now), *map(printable, reasons))), _left(now)]
        self._print("  ".join(parts))

    def _print(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


class _Panel:
    """The panel of a terminal; what the run is stays above it."""

    def __init__(self) -> None:
        self._title = ""

    def of(self, now: Snapshot | Preparing) -> RenderableType:
        """What to show now."""
        if isinstance(now, Preparing):
            self._title = _title(now)
            return Group(Text(self._title, style="bold"), Text(_preparing(now)))
        line = Table.grid(padding=(0, 2))
        line.add_row(ProgressBar(now.length_s, now.length_s - now.left_s, width=30), Text(_left(now)))
        block = f"block {now.block + 1}/{now.blocks} on {' and '.join(now.arms)}, {_rates(now)}"
        said: list[RenderableType] = [
            Text(self._title, style="bold"),
            line,
            Text(block),
            *(Text(text) for text in _arms(now)),
        ]
        verdict = now.verdict
        said.append(Text(_so_far(now), style="bold"))
        if verdict is not None:
            said += [Text(f"  · {printable(reason)}") for reason in verdict.reasons[:REASONS_AT_MOST]]
            left_out = len(verdict.reasons) - REASONS_AT_MOST
            said += [Text(f"  · and {left_out} more", style="dim")] if left_out > 0 else []
            said += [Text(f"  {found.sign} {_against_margin(found)}") for found in _worst(verdict)]
        return Group(*said)


def _title(now: Preparing) -> str:
    return printable(f"{now.scenario.name}, judged by policy {now.policy.name}; kept in {now.folder}")


def _preparing(now: Preparing) -> str:
    waiting = [arm for arm in now.arms if arm not in now.ready]
    if not waiting:
        return "prepared: the load begins"
    done = f"; ready: {', '.join(now.ready)}" if now.ready else ""
    return f"preparing {' and '.join(waiting)}: keys of the accounts, first logins, warm caches{done}"


def _arms(now: Snapshot) -> list[str]:
    lines = []
    for arm, found in now.latencies.items():
        failed, ended = now.failed.get(arm, (0, 0))
        times = f"p50 {seconds(found[0])} p95 {seconds(found[1])}" if found else "no login yet"
        lines.append(f"{arm} {times}" + (f", {failed} of {ended} failed" if failed else ""))
    return lines


def _rates(now: Snapshot) -> str:
    return f"{now.offered:.0f}/s due and {now.achieved:.0f}/s ended of late"


def _left(now: Snapshot) -> str:
    left = f"{now.left_s:.0f} s left" if now.left_s < 120 else f"{lasting(now.left_s / 60)} left"
    elapsed_s = now.length_s - now.left_s
    if now.pass_from_s is None or now.pass_from_s <= elapsed_s:
        return left
    return f"{left}, a PASS in {lasting((now.pass_from_s - elapsed_s) / 60)} at the earliest"


def _so_far(now: Snapshot) -> str:
    verdict = "no verdict yet" if now.verdict is None else f"so far {now.verdict.kind.name}"
    return f"{verdict} ({now.pairs_judged} pairs)"


def _worst(verdict: Verdict) -> list[Row]:
    """The findings nearest to keeping the update from a PASS."""
    judged = [finding for finding in verdict.findings if finding.decision != "not judged"]
    return [row(finding) for finding in judged[:WORST_AT_MOST]]


def _against_margin(found: Row) -> str:
    return f"{found.metric}: {found.change} ({found.bounds}), margin {found.margin}"
