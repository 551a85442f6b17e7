"""One look for every figure: Okabe and Ito's colours, each with a line style, a marker and a hatch of its own."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from harness.model.target import Arm
from harness.model.verdict import Kind
from harness.report import words
from harness.report.language import ENGLISH, Language

INK = "#1b2733"
FAINT = "#5d6b78"
RULE = "#d5dbe1"
LOG_FROM_SPREAD = 20.0
"""Latencies that spread further than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """How wide figures are drawn, and in which language.

    Letters keep their size, so that a figure for a telephone is a narrow one and not a wide one made small.
    """

    width_in: float = 9.6
    say: Language = ENGLISH

    @property
    def narrow(self) -> bool:
        """Whether there is room for one panel beside another."""
        return self.width_in < 6

    def seconds(self, value: float) -> str:
        """A time, in figures of the language."""
        return self.say.figures(words.seconds(value))


WIDE = Canvas()
NARROW_IN = 4.2
"""For a window of 400 px, of which the page's edges take some."""


@dataclass(frozen=True, slots=True)
class ArmStyle:
    """What tells one arm from the other, with colours and without."""

    colour: str
    tint: str
    line: Literal["-", "--"]
    marker: Literal["o", "s"]
    hatch: str


ARM_STYLES: dict[Arm, ArmStyle] = {
    "baseline": ArmStyle("#0072B2", "#cfe3f1", "-", "o", ""),
    "candidate": ArmStyle("#D55E00", "#f8d9c4", "--", "s", "////"),
}


@dataclass(frozen=True, slots=True)
class VerdictStyle:
    """What tells the verdicts apart: a dark colour for text, a tint behind it, and a shape."""

    colour: str
    tint: str
    marker: str
    """Matplotlib's name of the shape."""
    path: str
    """The same shape as an SVG path in a square of 100."""


VERDICT_STYLES: dict[Kind, VerdictStyle] = {
    Kind.PASS: VerdictStyle("#00664b", "#e6f3ee", "o", "M50 4a46 46 0 1 1 0 92a46 46 0 1 1 0-92z"),
    Kind.BLOCK: VerdictStyle("#a3161b", "#fbeae9", "8", "M31 4h38l27 27v38l-27 27H31L4 69V31z"),
    Kind.INCONCLUSIVE: VerdictStyle("#7a5200", "#fdf3dd", "D", "M50 1l49 49-49 49L1 50z"),
    Kind.INVALID: VerdictStyle("#5b3a78", "#f2ecf7", "s", "M8 8h84v84H8z"),
}

_RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "figure.constrained_layout.h_pad": 0.09,
    "legend.frameon": False,
    "hatch.linewidth": 0.7,
    # A dollar sign in a title is a dollar sign.
    "text.parse_math": False,
    # Outlines rather than text: a reader's machine may lack the font, and would then lay the labels out anew.
    "svg.fonttype": "path",
    # Names within the SVG would be random without a salt, and two renderings of one run would differ.
    "svg.hashsalt": "authgate",
}


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's settings for the figures made within."""
    with mpl.rc_context(_RC):
        yield


def svg(figure: Figure) -> bytes:
    """The figure as SVG; the same bytes for the same run."""
    return _saved(figure, "svg", {"Date": None, "Creator": None})


def png(figure: Figure) -> bytes:
    """The figure as PNG at 160 dots an inch; the same bytes for the same run."""
    return _saved(figure, "png", {"Software": None})


def latency_axis(axes: Axes, which: Literal["x", "y"], low: float, high: float, canvas: Canvas = WIDE) -> None:
    """Scale and label an axis of seconds for values between ``low`` and ``high``."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    set_limits = axes.set_xlim if which == "x" else axes.set_ylim
    if low > 0 and high / low > LOG_FROM_SPREAD:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        # Below two decades a tick at 1 and 10 alone would leave a reader guessing.
        crowded = 100 if canvas.narrow and which == "x" else 1000
        axis.set_major_locator(LogLocator(subs=(1.0,) if high / low > crowded else (1.0, 3.0)))
        axis.set_minor_locator(NullLocator())
        set_limits(low / 1.3, high * 1.3)
    else:
        room = 0.06 * (high - low) or 0.1 * high or 1.0
        set_limits(max(0.0, low - room), high + room)
        axes.locator_params(axis=which, nbins=4 if canvas.narrow and which == "x" else 6)
    axis.set_major_formatter(FuncFormatter(lambda value, _: canvas.seconds(value)))
    axes.grid(True, axis=which)


def spread(*values: float) -> tuple[float, float]:
    """The lowest and highest of the finite values; 0 and 1 where there is none."""
    finite = [value for value in values if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (0.0, 1.0)


def _saved(figure: Figure, kind: Literal["svg", "png"], metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    with drawing():
        figure.savefig(buffer, format=kind, dpi=160, metadata=metadata, facecolor="white")
    return buffer.getvalue()
