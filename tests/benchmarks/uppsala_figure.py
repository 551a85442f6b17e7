"""The figure of the incident of 2016, from what tests.benchmarks.uppsala has measured; readable without the method.

    python -m tests.benchmarks.uppsala_figure

draws it anew from ``tests/benchmarks/uppsala.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, PercentFormatter

from harness.model.verdict import Kind
from harness.report import words
from harness.report.style import ARM_STYLES, FAINT, INK, VERDICT_STYLES, drawing, png

SIZE_IN = 9.6, 6.9
BAR = 0.34
CALLED = {"night": "night", "day": "quiet day", "morning": "morning", "above": "morning × 1.5"}
Load = dict[str, Any]


def draw(found: dict[str, Any], path: Path) -> None:
    """Write the figure as PNG."""
    loads = found["loads"]
    with drawing():
        layout = ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.1, rect=(0, 0.075, 1, 0.84))
        figure = Figure(figsize=SIZE_IN, layout=layout)
        (waits, failures), (tries, verdicts) = figure.subplots(2, 2)
        _draw_waits(waits, loads)
        _draw_bars(failures, loads, lambda served: served["failed"], words.share)
        failures.set_title("Logins that never succeeded")
        failures.set_ylim(0, 1.18)
        failures.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        _draw_bars(tries, loads, lambda served: served["tries"], lambda value: f"× {value:.2g}")
        tries.set_title("Tries a login: given up after 10 s, tried again")
        tries.set_ylim(0, 3.5)
        _draw_verdicts(verdicts, loads)
        for axes in (waits, failures, tries, verdicts):
            axes.set_xticks(range(len(loads)), [f"{CALLED[load['load']]}\n{load['rate']:g}/s" for load in loads])
            axes.tick_params(axis="x", length=0)
            axes.grid(True, axis="y")
        _tell(figure, found, waits)
    path.write_bytes(png(figure))


def _tell(figure: Figure, found: dict[str, Any], axes: Axes) -> None:
    title = f"One update, {found['delay_s']:g} s more for a name lookup: bearable at night, an outage in the morning"
    figure.text(0.02, 0.975, title, fontsize=12.5, weight="bold", color=INK, va="top")
    handles, _ = axes.get_legend_handles_labels()
    labels = ("before the update", "with the update")
    figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.012, 0.945), ncols=2, handlelength=2.2)
    small = (
        f"Replay of Region Uppsala, 2016, on an embedded Active Directory: the front has {found['workers']} workers, "
        "and each waits for the name of its client's address, so that\n"
        f"it serves {found['workers'] / found['delay_s']:.1f} logins a second. The 4.5 s are documented; that NetBIOS "
        f"took them is an inference. Logins a second below each load. Measured {found['measured'][:10]};\nthe figures "
        "show the kind of the fault, and are no hospital's."
    )
    figure.text(0.02, 0.012, small, fontsize=7.5, color=FAINT, va="bottom", linespacing=1.4)


def _draw_waits(axes: Axes, loads: Sequence[Load]) -> None:
    for place, (arm, style) in enumerate(ARM_STYLES.items()):
        for at, load in enumerate(loads):
            served, x = load["arms"][arm], at + (place - 0.5) * BAR
            p50, p95 = served["p50_s"], served["p95_s"]
            axes.bar(x, p50, BAR * 0.92, facecolor=style.tint, edgecolor=style.colour, hatch=style.hatch,
                     label=arm if at == 0 else None)  # fmt: skip
            axes.plot([x, x], [p50, p95], color=style.colour, linewidth=1.4)
            axes.plot(x, p95, style.marker, color=style.colour, markersize=4.5)
            said = "gave up" if served["failed"] > 0.5 else words.seconds(float(f"{p50:.2g}"))
            axes.annotate(said, (x, max(p50, p95)), (0, 5), textcoords="offset points",
                          ha="center", fontsize=7.5, color=style.colour)  # fmt: skip
    axes.set_ylim(0, 38)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.seconds(value) if value else "0"))
    axes.set_title("How long a login takes: half of them (bar), 19 of 20 (mark)")


def _draw_bars(axes: Axes, loads: Sequence[Load], of: Callable[[Any], float], said: Callable[[float], str]) -> None:
    for place, (arm, style) in enumerate(ARM_STYLES.items()):
        for at, load in enumerate(loads):
            value, x = of(load["arms"][arm]), at + (place - 0.5) * BAR
            axes.bar(x, value, BAR * 0.92, facecolor=style.tint, edgecolor=style.colour, hatch=style.hatch)
            axes.annotate(said(value), (x, value), (0, 3), textcoords="offset points", ha="center", fontsize=7.5,
                          color=style.colour)  # fmt: skip


def _draw_verdicts(axes: Axes, loads: Sequence[Load]) -> None:
    for at, load in enumerate(loads):
        style = VERDICT_STYLES[Kind[load["verdict"]]]
        axes.bar(at, load["load_s"], BAR * 1.2, facecolor=style.tint, edgecolor=style.colour)
        said = f"{load['verdict']}\nafter {load['load_s']:.0f} s"
        axes.annotate(said, (at, load["load_s"]), (0, 4), textcoords="offset points", ha="center", fontsize=8,
                      weight="bold", color=style.colour)  # fmt: skip
    axes.set_ylim(0, 1.3 * max(load["load_s"] for load in loads))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} s"))
    axes.set_title("Seconds of load until the gate said so")


if __name__ == "__main__":
    here = Path(__file__).parent
    kept = json.loads((here / "uppsala.json").read_text(encoding="utf-8"))
    draw(kept, here.parents[1] / "results" / "uppsala-2016.png")
