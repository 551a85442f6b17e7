"""One login as a waterfall on the console: each step with start, its servers' time, and what the protocol showed."""

from __future__ import annotations

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.login.codes import advice_on
from harness.login.path import LoginResult
from harness.model.attempt import StepTiming
from harness.model.protocol import StepFacts

BAR_CELLS = 24
ROOM_BESIDE = 120
"""From this many columns on facts stand beside their step: the other columns take about 75."""
WIDEST = 100_000
_COLUMNS = (
    ("step", "left"), ("start ms", "right"), ("server ms", "right"), ("client ms", "right"), ("", "left"),
    ("facts", "left"),
)  # fmt: skip


def print_waterfall(result: LoginResult, console: Console) -> None:
    """Print the login's steps on one time scale, then how it ended.

    Facts stand beside their step where the terminal has room for them, and else below it, wrapped by its width. What is
    no terminal gets each step in one line, however long.
    """
    beside = not console.is_terminal or console.width >= ROOM_BESIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, justify in _COLUMNS[: None if beside else -1]:
        side: JustifyMethod = "right" if justify == "right" else "left"
        wraps = heading == "facts" and console.is_terminal
        table.add_column(heading, justify=side, no_wrap=not wraps, overflow="fold")
    began = result.steps[0].started if result.steps else 0
    whole = max((result.steps[-1].ended - began) if result.steps else 1, 1)
    below = []
    for step, facts in zip(result.steps, result.facts, strict=True):
        said = ", ".join(_facts(step, facts))
        figures = (
            step.step,
            f"{(step.started - began) / 1e6:.2f}",
            f"{step.service / 1e6:.2f}",
            f"{step.own / 1e6:.2f}",
            _bar(step, began, whole),
        )
        table.add_row(*figures, *([escape(said)] if beside else []))
        below.append(f"{step.step}: {said}")
    if not console.is_terminal:
        console.width = max(console.width, _natural_width(console, table))
    console.print(table)
    for said in below if not beside else ():
        console.print(Padding(Text(said, overflow="fold"), (0, 0, 0, 2)))
    style = "green" if result.outcome.status == "ok" else "red"
    ended = f"{result.outcome.status} {result.outcome.code}".strip()
    waited = sum(step.service for step in result.steps)
    took = f"{waited / 1e6:.2f} ms at the servers, {(whole - waited) / 1e6:.2f} ms in this client"
    console.print(f"login: [{style}]{escape(ended)}[/] in {took}, {len(result.groups)} groups")
    if told := advice_on(result.outcome.code):
        console.print(escape(told))


def _natural_width(console: Console, table: Table) -> int:
    return Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum


def _bar(step: StepTiming, began: int, whole: int) -> str:
    before = round((step.started - began) / whole * BAR_CELLS)
    cells = max(1, round(step.service / whole * BAR_CELLS))
    return " " * min(before, BAR_CELLS - 1) + "█" * cells


def _facts(step: StepTiming, facts: StepFacts) -> list[str]:
    said = [step.server] if step.server and not facts.exchanges else []
    for exchange in facts.exchanges:
        answer = "no answer" if exchange.answer_bytes is None else f"{exchange.answer_bytes} B"
        said.append(
            f"{exchange.transport} {exchange.server} {answer}" + (f" ({exchange.note})" if exchange.note else "")
        )
    said += [f"{t.service}: {t.session_enctype}, ticket {t.ticket_bytes} B" for t in facts.tickets]
    answered = sum(exchange.answer_bytes is not None for exchange in facts.exchanges)
    if round_trips := facts.round_trips + answered:
        said.append(f"{round_trips} round trip{'s' if round_trips > 1 else ''}")
    if facts.entries:
        said.append(f"{facts.entries} {'entries' if facts.entries > 1 else 'entry'}")
    said += [*([str(facts.tls)] if facts.tls else []), *facts.agreed, *facts.notes]
    if step.outcome.status != "ok":
        said.append(f"{step.outcome.status.upper()} {step.outcome.code}")
    return said
