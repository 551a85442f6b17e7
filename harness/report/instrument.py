"""What a run's load generator itself took of its logins, so that it can be seen how far the times are the servers'."""

from __future__ import annotations

from harness.model.evidence import Evidence
from harness.model.metric import QUANTILES
from harness.report import series, words
from harness.report.language import ENGLISH, Language

_FLOOR = (
    "Held against a packet capture on the embedded domain, at 20 to 200 logins/s, each step's recorded time was its "
    "packets' to within 0.1 ms at the median and 0.5 ms at the 99th percentile. A smaller difference can't be laid to "
    "the servers."
)
"""As tests/benchmarks/fidelity.md has it."""


def floor(evidence: Evidence) -> str:
    """How far the instrument can be trusted; empty where another tool measured."""
    return _FLOOR if any(len(each.with_own_s) for each in evidence.shown.kept.values()) else ""


def lines(evidence: Evidence, say: Language = ENGLISH) -> list[tuple[str, list[str]]]:
    """A label and a cell for each arm: response times without the generator's own time, as they are judged, and with.

    Empty where another tool measured, which tells nothing of itself.
    """
    found = []
    for cohort in series.cohorts_seen(evidence):
        kept = [evidence.shown.kept[arm, cohort] for arm in evidence.arms]
        if not any(len(each.with_own_s) for each in kept):
            continue
        logins = say.sentence(words.of_cohort(cohort))
        for quantile, q in QUANTILES.items():
            cells = [
                say(
                    "{time}, with it {all}",
                    time=say.figures(words.seconds(each.response_s.quantile(q))),
                    all=say.figures(words.seconds(each.with_own_s.quantile(q))),
                )
                if len(each.with_own_s)
                else words.ABSENT
                for each in kept
            ]
            label = say("{logins} without the generator's own time, {quantile}", logins=logins, quantile=quantile)
            found.append((label, cells))
    return found
