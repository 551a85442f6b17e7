"""The figures of report.html: what each shows, in words too, in a variant for wide windows and one for telephones."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from harness.model.evidence import Evidence
from harness.report import figures, growth, series, words
from harness.report.forest import forest
from harness.report.language import Language
from harness.report.style import NARROW_IN, WIDE, Canvas, svg

Draw = Callable[[Evidence, Canvas], Figure | None]


@dataclass(frozen=True, slots=True)
class Plate:
    """A figure on the page: ``wide`` and ``narrow`` are data URIs, ``alt`` says in words what it shows."""

    name: str
    heading: str
    caption: str
    alt: str
    wide: str
    narrow: str


def plates(evidence: Evidence, overview: Sequence[tuple[str, Sequence[str]]], say: Language) -> Iterator[Plate]:
    """The figures that there is something to draw in; ``overview`` is what the first of them says in words."""
    told = "; ".join(f"{label}: {_by_arm(evidence, cells)}" for label, cells in overview)
    shaded = say(" Shaded: discarded, and not judged.") if series.discarded_until_min(evidence) else ""
    drawn: list[tuple[str, Draw, str, str, str]] = [
        (
            "distributions",
            figures.distributions,
            "How long logins took",
            say(_DISTRIBUTIONS, discarded=say.sentence(left_out(evidence))),
            say("Distribution of response times: {told}.", told=told),
        ),
        (
            "forest",
            forest,
            "Change against what is allowed",
            say(_FOREST),
            say(_FOREST_ALT),
        ),
        ("steps", figures.steps, "Where the time goes", _steps_caption(evidence, say), _steps_alt(evidence, say)),
        (
            "over-time",
            figures.over_time,
            "Over the run",
            say(_bars(evidence)) + shaded,
            say("Median and p95 of response times in each block, in run order: {told}.", told=told),
        ),
    ]
    if evidence.soak is not None:
        drawn[1:] = [("hours", growth.growth, "Over the hours", say(growth.CAPTION), growth.described(evidence))]
    for name, draw, heading, caption, alt in drawn:
        sources = [_source(draw(evidence, Canvas(width, say))) for width in (WIDE.width_in, NARROW_IN)]
        if all(sources):
            yield Plate(name, say(heading), caption, alt, *sources)


def left_out(evidence: Evidence) -> str:
    """What neither verdict nor figures use."""
    design = evidence.design
    trim = f"the first {design.trim_s:g} s of each block"
    if design.headroom_every:
        trim += f" (above the peak {design.trim('headroom'):g} s)"
    pairs = series.discarded_pairs(evidence)
    return trim if not pairs else f"the first {'pair' if pairs == 1 else f'{pairs} pairs'} of blocks, and {trim}"


_DISTRIBUTIONS = (
    "Above or left: the share of all logins together that were as fast as the time on the axis, or faster; a curve "
    "further right is slower; marks are at the median and at p95, and the slowest 0.5 % are in the other panel: the "
    "share of logins that took longer than the time on the axis, on a logarithmic scale. A login that failed never got "
    "done, so that its arm's curve ends below 100 %. Discarded: {discarded}."
)
_FOREST = (
    "Each line is one metric: its change (mark) between its lower and upper bound, in units of its own margin. "
    "Cross: blocked, its lower bound lies beyond the margin. Circle: shown to be within it (hollow: but "
    "certainly a little slower). Diamond: undecided (filled: likely slower). "
    "An arrow is a bound that is not known, or far off the scale."
)
_FOREST_ALT = (
    "Change of each metric with its bounds in units of its margin; the table of findings has the same numbers."
)
_BARS = (
    "Each bar is one block, or those of one arm in a pair together: thick with a filled mark the median, thin with a "
    "hollow mark the p95. A login that failed counts as the time-out. "
)
_TURNS = (
    f"{_BARS}Baseline and candidate took turns in random order, or ran side by side, so that drift of the environment "
    "affects both."
)
_ONE_AFTER_THE_OTHER = (
    f"{_BARS}The arms were measured one after the other, so drift of the environment may look like a difference."
)
_STEPS = "Mean time in each step, in the order of the login; each bar begins where the step before it ended."
_DWARFED = " One step dwarfs the others: bars below a hundredth of it are hairlines, whose labels give their times."


def _source(figure: Figure | None) -> str:
    """A figure as a data URI; empty where there is none."""
    return "" if figure is None else f"data:image/svg+xml;base64,{base64.b64encode(svg(figure)).decode('ascii')}"


def _by_arm(evidence: Evidence, cells: Sequence[str]) -> str:
    return ", ".join(f"{arm} {cell}" for arm, cell in zip(evidence.arms, cells, strict=True))


def _bars(evidence: Evidence) -> str:
    if len(evidence.arms) == 1:
        return _BARS.strip()
    return _TURNS if evidence.design.interleaved else _ONE_AFTER_THE_OTHER


def _steps_caption(evidence: Evidence, say: Language) -> str:
    dwarfed = any(figures.dwarfed(series.step_means(evidence, cohort)) for cohort in series.cohorts_seen(evidence))
    return say(_STEPS) + (say(_DWARFED) if dwarfed else "")


def _steps_alt(evidence: Evidence, say: Language) -> str:
    told = "; ".join(
        f"{cohort} {part.step}: {say('baseline')} {words.seconds(part.baseline_s)}, "
        f"{say('candidate')} {words.seconds(part.candidate_s)}"
        for cohort in series.cohorts_seen(evidence)
        for part in series.step_means(evidence, cohort)
    )
    return say("Mean time in each step: {told}.", told=told)
