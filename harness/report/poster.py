"""One figure for READMEs and chats: the verdict, both arms' response times, and where the time went."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import cast

from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from harness.model.evidence import Evidence
from harness.report import rows, series, words
from harness.report.figures import draw_ecdf, draw_waterfall, legend
from harness.report.growth import draw_growth
from harness.report.style import FAINT, INK, VERDICT_STYLES, WIDE, drawing

PANELS_IN = 3.9
LINE_IN = 0.16
LETTERS_A_LINE = 145


def poster(evidence: Evidence) -> Figure:
    """The verdict's figure, 1,536 pixels wide as PNG; where no login was measured it is the verdict alone.

    Of several cohorts it shows the one that the update slowed most, in the step that is blamed if there is one.
    """
    sentence = textwrap.wrap(words.printable(evidence.verdict.sentence), 92) or [""]
    small = [line for text in _small_print(evidence) for line in textwrap.wrap(text, LETTERS_A_LINE)]
    cohort = _slowed_most(evidence)
    soak = evidence.soak
    heights = [0.8 + 0.21 * len(sentence), PANELS_IN if cohort else 0.1, LINE_IN * (len(small) + 1)]
    with drawing():
        figure = Figure(figsize=(WIDE.width_in, sum(heights)), layout=ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.09))
        header, body, footer = cast(Sequence[SubFigure], figure.subfigures(3, 1, height_ratios=heights))
        _draw_header(header, evidence, sentence, heights[0])
        if cohort and soak is not None:
            draw_growth(body.subplots(), soak)
        elif cohort:
            left, right = body.subplots(1, 2, width_ratios=[1, 1.25])
            draw_ecdf(left, evidence, cohort)
            draw_waterfall(right, cohort, series.step_means(evidence, cohort), evidence.design.timeout_s)
            legend(body, left)
        for place, line in enumerate(small):
            y = 1 - (place + 0.5) / (len(small) + 1)
            footer.text(0.02, y, line, fontsize=7, color=FAINT, va="center")
    return figure


def _slowed_most(evidence: Evidence) -> str | None:
    cohorts = series.cohorts_seen(evidence)
    if not cohorts:
        return None
    blamed = evidence.verdict.blamed_step
    everywhere = evidence.comparison.attribution if evidence.comparison else ()
    parts = [part for part in everywhere if blamed is None or part.step == blamed]
    return max(cohorts, key=lambda cohort: sum(part.added_s for part in parts if part.cohort == cohort))


def _small_print(evidence: Evidence) -> list[str]:
    partial = [f"Partial run: {evidence.partial}"] if evidence.partial else []
    facts = f"{evidence.title} · run {evidence.run_id}, {evidence.started} · authgate"
    return [words.printable(text) for text in (*partial, *rows.standing_notices(evidence), facts)]


def _draw_header(header: SubFigure, evidence: Evidence, sentence: list[str], height_in: float) -> None:
    kind = evidence.verdict.kind
    style = VERDICT_STYLES[kind]
    header.set_facecolor(style.tint)
    axes = header.add_axes((0.0, 0.0, 0.1, 1.0))
    axes.set_axis_off()
    axes.plot([0.5], [0.5], style.marker, color=style.colour, markersize=36 if style.marker != "D" else 30)
    axes.text(0.5, 0.48, rows.VERDICT_SIGNS[kind], color="white", fontsize=20, weight="bold", ha="center", va="center")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    header.text(0.105, 1 - 0.36 / height_in, kind.name, color=style.colour, fontsize=19, weight="bold", va="center")
    header.text(0.105, 1 - 0.63 / height_in, "\n".join(sentence), color=INK, fontsize=10.5, va="top", linespacing=1.35)
