"""report.html: one self-contained page that loads nothing from the network."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from harness.model.evidence import Evidence
from harness.model.health import ArmHealth
from harness.model.policy import Limits
from harness.report import figures, growth, rows, series, servers, wire, words
from harness.report.forest import forest
from harness.report.pages import template
from harness.report.style import VERDICT_STYLES, svg
from harness.stats.validity import CLOCK_ERROR_AT_MOST_MS


@dataclass(frozen=True, slots=True)
class Plate:
    """A figure on the page: ``source`` is a data URI, ``alt`` says in words what it shows."""

    heading: str
    caption: str
    alt: str
    source: str


def page(evidence: Evidence) -> str:
    """The page as HTML; every text from a user's file is escaped."""
    kind = evidence.verdict.kind
    return template("report.html.j2").render(
        evidence=evidence,
        verdict=evidence.verdict,
        kind=kind,
        style=VERDICT_STYLES[kind],
        sign=rows.VERDICT_SIGNS[kind],
        meaning=rows.MEANINGS[kind],
        blame=rows.blame(evidence),
        overview=_overview(evidence),
        plates=list(_plates(evidence)),
        findings=[rows.row(finding) for finding in evidence.verdict.findings if finding.decision != "not judged"],
        not_judged=_not_judged(evidence),
        validity=_validity(evidence),
        facts=_facts(evidence),
        notices=rows.notices(evidence),
        anatomy=rows.anatomy(evidence),
        failures=rows.failures(evidence),
        retries=rows.retries(evidence),
        servers=servers.lines(evidence),
        wire=wire,
        grown_steps=rows.grown_steps(evidence),
        subject=_SOAK_SUBJECT if evidence.soak else _SUBJECT,
        rule=_SOAK_RULE if evidence.soak else _RULE,
        arms=evidence.arms,
    )


_SUBJECT = "Login speed, baseline against candidate"
_SOAK_SUBJECT = "A soak: logins of one arm over its age"
_RULE = (
    "The most severe first. Baseline and candidate are means over blocks: geometric means of times, plain means of "
    "rates. BLOCK needs the lower bound above the margin, PASS the upper bound below it. “Would have caught” is the "
    "smallest change that this run would have blocked with a probability of 80 %; pp are percentage points."
)
_SOAK_RULE = (
    "The most severe first. The level is that of the fitted line at the start of the soak. BLOCK needs a lower bound "
    "above 0 and a growth above its margin, PASS an upper bound below the margin. “Would have caught” is the "
    "smallest growth that this soak would have blocked with a probability of 80 %; pp are percentage points."
)


def _overview(evidence: Evidence) -> list[tuple[str, list[str]]]:
    """The few numbers that say what users would notice: a label, and a cell for each arm."""
    table = []
    for cohort in series.cohorts_seen(evidence):
        for label, quantile in (("half of all {} took at most", 0.5), ("19 of 20 {} took at most", 0.95)):
            values = [series.login_seconds(evidence, arm, cohort) for arm in evidence.arms]
            cells = [words.seconds(float(np.quantile(v, quantile)) if len(v) else None) for v in values]
            table.append((label.format(words.of_cohort(cohort)), cells))
    if table:
        table.append(("logins that failed", [words.share(series.failed_share(evidence, arm)) for arm in evidence.arms]))
    return table


def _not_judged(evidence: Evidence) -> dict[str, list[str]]:
    """The metrics that could not be judged, by reason."""
    metrics: dict[str, list[str]] = {}
    for finding in evidence.verdict.findings:
        if finding.decision == "not judged":
            row = rows.row(finding)
            metrics.setdefault(row.note or "no reason given", []).append(row.metric)
    return metrics


def _plates(evidence: Evidence) -> Iterator[Plate]:
    told = "; ".join(f"{label}: {_by_arm(evidence, cells)}" for label, cells in _overview(evidence))
    left_out = _left_out(evidence)
    shaded = " Shaded: discarded, and not judged." if series.discarded_until_min(evidence) else ""
    drawn: list[tuple[Callable[[Evidence], Figure | None], str, str, str]] = [
        (
            figures.distributions,
            "How long logins took",
            "Left: the share of logins that were as fast as the time on the axis, or faster; a curve further right is "
            "slower; marks are at the median and at p95, and the slowest 0.5 % are in the panel beside it. "
            "Right: the share of logins that took longer than the time on the axis, on a logarithmic scale. "
            f"A login that failed counts as the time-out. Discarded: {left_out}.",
            f"Distribution of response times of both arms: {told}.",
        ),
        (
            forest,
            "Change against what is allowed",
            "Each line is one metric: its change (mark) between its lower and upper bound, in units of its own margin. "
            "Cross: blocked, its lower bound lies beyond the margin. Circle: shown to be within it (hollow: but "
            "certainly a little slower). Diamond: undecided (filled: likely slower). "
            "An arrow is a bound that is not known, or far off the scale.",
            "Change of each metric with its bounds in units of its margin; the table of findings has the same numbers.",
        ),
        (figures.steps, "Where the time goes", _steps_caption(evidence), _steps_alt(evidence)),
        (
            figures.over_time,
            "Over the run",
            "Each bar is one block: thick with a filled mark its median, thin with a hollow mark its p95. Baseline and "
            "candidate took turns in random order, or ran side by side, so that drift of the environment affects "
            f"both.{shaded}"
            if evidence.design.interleaved
            else "Each bar is one block: thick with a filled mark its median, thin with a hollow mark its p95. The "
            "arms were measured one after the other, so drift of the environment may look like a difference." + shaded,
            f"Median and p95 of response times in each block of both arms, in run order: {told}.",
        ),
    ]
    if evidence.soak is not None:
        drawn[1:] = [(growth.growth, "Over the hours", growth.CAPTION, growth.described(evidence))]
    for draw, heading, caption, alt in drawn:
        figure = draw(evidence)
        if figure is not None:
            encoded = base64.b64encode(svg(figure)).decode("ascii")
            yield Plate(heading, caption, alt, f"data:image/svg+xml;base64,{encoded}")


def _by_arm(evidence: Evidence, cells: Sequence[str]) -> str:
    return ", ".join(f"{arm} {cell}" for arm, cell in zip(evidence.arms, cells, strict=True))


def _steps_caption(evidence: Evidence) -> str:
    caption = "Mean time in each step, in the order of the login; each bar begins where the step before it ended."
    if any(figures.dwarfed(series.step_means(evidence, cohort)) for cohort in series.cohorts_seen(evidence)):
        caption += (
            " One step dwarfs the others: bars below a hundredth of it are hairlines, whose labels give their times."
        )
    return caption


def _steps_alt(evidence: Evidence) -> str:
    told = (
        f"{cohort} {part.step}: baseline {words.seconds(part.baseline_s)}, candidate {words.seconds(part.candidate_s)}"
        for cohort in series.cohorts_seen(evidence)
        for part in series.step_means(evidence, cohort)
    )
    return f"Mean time in each step of both arms. {'; '.join(told)}."


def _at_most_ms(limit: float) -> str:
    return f"≤ {words.milliseconds(limit)}"


_VALIDITY: tuple[tuple[str, Callable[[ArmHealth], str], Callable[[Limits], str]], ...] = (
    ("load workers", lambda health: words.ABSENT if health.foreign else f"{health.workers:,}", lambda _: ""),
    ("logins planned", lambda health: f"{health.planned:,}", lambda _: ""),
    (
        "logins started",
        lambda health: f"{health.started:,}",
        lambda limits: f"≥ {words.share(limits.executed_share)}; arms alike within {words.share(limits.imbalance)}",
    ),
    ("denied", lambda health: f"{health.denied:,}", lambda limits: f"≤ {words.share(limits.denied_share)}"),
    (
        "failed otherwise",
        lambda health: f"{health.failed:,}",
        lambda limits: f"baseline ≤ {words.share(limits.baseline_failures)}",
    ),
    (
        "send lag, p99",
        lambda health: words.milliseconds(health.send_lag_p99_ms),
        lambda limits: _at_most_ms(limits.send_lag_p99_ms),
    ),
    (
        "wait for a thread, p99",
        lambda health: words.milliseconds(health.pool_wait_p99_ms),
        lambda limits: _at_most_ms(limits.pool_wait_p99_ms),
    ),
    (
        "stall of the event loop, p99",
        lambda health: words.milliseconds(health.hub_stall_p99_ms),
        lambda limits: _at_most_ms(limits.hub_stall_p99_ms),
    ),
    (
        "generator's use of a core",
        lambda health: words.share(health.generator_cpu),
        lambda limits: f"≤ {words.share(limits.generator_cpu)}",
    ),
    (
        "logins that waited for a seat",
        lambda health: f"{health.seat_waits:,}",
        lambda limits: f"≤ {words.share(1 - limits.executed_share)}",
    ),
    (
        "error of a worker's clock (duet)",
        lambda health: words.milliseconds(health.clock_error_ms),
        lambda _: _at_most_ms(CLOCK_ERROR_AT_MOST_MS),
    ),
    ("worker lost", lambda health: "yes" if health.worker_lost else "no", lambda _: "no"),
)
"""A label, what an arm has, and what the policy allows."""


def _validity(evidence: Evidence) -> list[tuple[str, list[str]]]:
    health, policy = evidence.health, evidence.policy
    return [
        (
            label,
            [
                *(say(health[arm]) if arm in health else words.ABSENT for arm in evidence.arms),
                allowed(policy.limits) if policy else words.ABSENT,
            ],
        )
        for label, say, allowed in _VALIDITY
    ]


def _left_out(evidence: Evidence) -> str:
    """What neither verdict nor figures use."""
    trim = f"the first {evidence.design.trim_s:g} s of each block"
    pairs = series.discarded_pairs(evidence)
    return trim if not pairs else f"the first {'pair' if pairs == 1 else f'{pairs} pairs'} of blocks, and {trim}"


def _facts(evidence: Evidence) -> list[tuple[str, str]]:
    """How the run was measured: its design, then everything the manifest says."""
    design = evidence.design
    order = "interleaved in pairs, random order" if design.interleaved else "one arm after the other"
    laid_out = f"{order}, {design.horizon_pairs} pairs at most"
    if evidence.soak is not None:
        laid_out = f"of the {evidence.soak.arm} alone, back to back, {design.horizon_pairs} in all"
    facts = [
        ("run", evidence.run_id),
        ("started", evidence.started),
        ("design", f"blocks of {design.block_s:g} s, {laid_out}"),
        ("discarded", _left_out(evidence)),
        ("time-out of a login", words.seconds(design.timeout_s)),
        ("used for the verdict", rows.extent(evidence)),
    ]
    return [*facts, *_flat(evidence.manifest)]


def _flat(value: object, name: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines of a dotted name and a text."""
    if isinstance(value, Mapping):
        return [fact for key, held in value.items() for fact in _flat(held, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list | tuple) and any(isinstance(held, Mapping) for held in value):
        return [fact for place, held in enumerate(value) for fact in _flat(held, f"{name}[{place}]")]
    if isinstance(value, list | tuple):
        return [(name, ", ".join(str(held) for held in value) or words.ABSENT)]
    return [(name, words.ABSENT if value is None else str(value))]
