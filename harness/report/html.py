"""report.html: one self-contained page that loads nothing from the network."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.gate.advice import what_next, what_next_of_one
from harness.model.comparison import Design
from harness.model.evidence import Evidence
from harness.model.metric import Statistic
from harness.model.steps import LOGIN
from harness.model.target import Arm
from harness.model.verdict import Finding
from harness.report import instrument, rows, series, servers, wire, words
from harness.report.language import ENGLISH, Language
from harness.report.pages import template
from harness.report.plates import left_out, plates
from harness.report.soundness import lines as soundness
from harness.report.style import VERDICT_STYLES

COLUMNS = ("Baseline", "Candidate", "Change", "Bounds", "Margin", "Would have caught")


def page(evidence: Evidence, say: Language = ENGLISH) -> str:
    """The page as HTML in a language; every text from a user's file is escaped."""
    kind = evidence.verdict.kind
    timeout_s = evidence.design.timeout_s
    judged = (finding for finding in evidence.verdict.findings if finding.decision != "not judged")
    findings = [rows.row(finding, timeout_s) for finding in judged]
    noticed = overview(evidence, say)
    drawn = list(plates(evidence, noticed, say))
    parts = {
        "anatomy": rows.anatomy(evidence),
        "grown": rows.grown_steps(evidence),
        "failures": rows.failures(evidence)[1],
        "retries": rows.retries(evidence),
        "servers": servers.lines(evidence),
    }
    notices = rows.notices(evidence)
    titles = {
        "why": say("Why {kind}", kind=kind.name),
        **({"caveats": say("Caveats")} if notices else {}),
        **{plate.name: plate.heading for plate in drawn},
        **{name: say(_TITLES[name]) for name, held in parts.items() if held},
        **({} if evidence.soak else {"wire": say(wire.HEADING)}),
        **{name: say(_TITLES[name]) for name in ("findings", "sound", "measured", "manifest")},
    }
    return template("report.html.j2").render(
        say=say,
        evidence=evidence,
        verdict=evidence.verdict,
        kind=kind,
        style=VERDICT_STYLES[kind],
        sign=rows.VERDICT_SIGNS[kind],
        meaning=rows.MEANINGS[kind],
        what_to_do=what_to_do(evidence),
        blame=rows.blame(evidence),
        overview=noticed,
        plates=drawn,
        titles=titles,
        findings=findings,
        columns=COLUMNS,
        not_judged=_not_judged(evidence),
        soundness=soundness(evidence, say),
        floor=instrument.floor(evidence),
        facts=_facts(evidence),
        manifest=_flat(evidence.manifest),
        notices=notices,
        failed=rows.failures(evidence)[0],
        wire=wire,
        **parts,
        subject=_SOAK_SUBJECT if evidence.soak else _SUBJECT if len(evidence.arms) > 1 else _ONE_SUBJECT,
        rule=_SOAK_RULE if evidence.soak else _RULE,
        arms=evidence.arms,
    )


_TITLES = {
    "anatomy": "Which step the change comes from",
    "grown": "Which step grows",
    "failures": "Which failures the change comes from",
    "retries": "Logins that were given up and tried again",
    "servers": "Which server answered",
    "findings": "All findings",
    "sound": "Was the measurement sound?",
    "measured": "How it was measured",
    "manifest": "The run's manifest",
}
_SUBJECT = "Login speed, baseline against candidate"
_ONE_SUBJECT = "Login speed of one arm"
_SOAK_SUBJECT = "A soak: logins of one arm over its age"
_RULE = (
    "The most severe first. Baseline and candidate are means over pairs: geometric means of times, plain means of "
    "rates; a login that failed counts as one that took the time-out. BLOCK needs the lower bound above the margin, "
    "PASS the upper bound below it. “Would have caught” is the smallest change that this run would have blocked with a "
    "probability of 80 %; pp are percentage points."
)
_SOAK_RULE = (
    "The most severe first. The level is that of the fitted line at the start of the soak. BLOCK needs a lower bound "
    "above 0 and a growth above its margin, PASS an upper bound below the margin. “Would have caught” is the "
    "smallest growth that this soak would have blocked with a probability of 80 %; pp are percentage points."
)


def what_to_do(evidence: Evidence) -> str:
    """What a reader of the verdict should do next."""
    if len(evidence.arms) == 1 and evidence.soak is None:
        return what_next_of_one(evidence.verdict, evidence.arms[0])
    return what_next(evidence.verdict, evidence.comparison, evidence.policy, evidence.soak is not None)


_NOTICED: tuple[tuple[str, Statistic, float], ...] = (
    ("half of all {logins} done in", "p50", 0.5),
    ("19 of 20 {logins} done in", "p95", 0.95),
)


def overview(evidence: Evidence, say: Language = ENGLISH) -> list[tuple[str, list[str]]]:
    """The few numbers that say what users would notice: a label, and a cell for each arm.

    A time that was judged is the finding's own, which is a mean over pairs; where it was not, that of all logins.
    """
    judged = {(f.cohort, f.statistic): f for f in evidence.verdict.findings if _is_login_time(f)}
    table = []
    for cohort in series.cohorts_seen(evidence):
        for label, statistic, quantile in _NOTICED:
            finding = judged.get((cohort, statistic))
            if finding is not None:
                row = rows.row(finding, evidence.design.timeout_s)
                cells = [row.baseline, row.candidate]
            else:
                cells = [_of_all(evidence, arm, cohort, quantile) for arm in evidence.arms]
            logins = say.sentence(words.of_cohort(cohort))
            table.append((say(label, logins=logins), [say.sentence(cell) for cell in cells]))
    if table:
        failed = [words.share(series.failed_share(evidence, arm)) for arm in evidence.arms]
        table.append((say("logins that failed"), [say.figures(cell) for cell in failed]))
    return table


def _is_login_time(finding: Finding) -> bool:
    return (
        finding.step == LOGIN and finding.stage == "expected" and finding.unit == "relative"
        and finding.baseline is not None and finding.candidate is not None
    )  # fmt: skip


def _of_all(evidence: Evidence, arm: Arm, cohort: str, quantile: float) -> str:
    """The quantile of all measured logins, where a failed one was never done."""
    values = series.done_seconds(evidence, arm, cohort)
    if not len(values):
        return words.ABSENT
    value = values.least(quantile)
    return words.seconds(value) if math.isfinite(value) else f"not in {words.seconds(evidence.design.timeout_s)}"


def _not_judged(evidence: Evidence) -> dict[str, list[str]]:
    """The metrics that could not be judged, by reason."""
    metrics: dict[str, list[str]] = {}
    for finding in evidence.verdict.findings:
        if finding.decision == "not judged":
            row = rows.row(finding)
            metrics.setdefault(row.note or "no reason given", []).append(row.metric)
    return metrics


def _facts(evidence: Evidence) -> list[tuple[str, str]]:
    """How the run was measured: its design in a few lines."""
    design = evidence.design
    order = "interleaved in pairs, random order" if design.interleaved else "one arm after the other"
    laid_out = f"{order}, {design.horizon_pairs} pairs at most"
    if len(evidence.arms) == 1:
        laid_out = f"of the {evidence.arms[0]} alone, back to back, {design.horizon_pairs} in all"
    return [
        ("run", evidence.run_id),
        ("started", evidence.started),
        ("design", f"blocks of {design.block_s:g} s, {_per_pair(design)}{laid_out}"),
        ("discarded", left_out(evidence)),
        ("time-out of a login", words.seconds(design.timeout_s)),
        ("used for the verdict", rows.extent(evidence)),
    ]


def _per_pair(design: Design) -> str:
    if design.per_pair == 1:
        return ""
    above = f" (above the peak 1 of {design.arm_s:g} s)" if design.headroom_every else ""
    return f"{design.per_pair} of each arm in a pair{above}, "


def _flat(value: object, name: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines of a dotted name and a text."""
    if isinstance(value, Mapping):
        return [fact for key, held in value.items() for fact in _flat(held, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list | tuple) and any(isinstance(held, Mapping) for held in value):
        return [fact for place, held in enumerate(value) for fact in _flat(held, f"{name}[{place}]")]
    if isinstance(value, list | tuple):
        return [(name, ", ".join(str(held) for held in value) or words.ABSENT)]
    return [(name, words.ABSENT if value is None else str(value))]
