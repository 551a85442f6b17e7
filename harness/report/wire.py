"""What changed on the wire, in words: differences between single logins on the arms."""

from __future__ import annotations

from harness.model.cohort import EVERYONE
from harness.model.evidence import Evidence
from harness.model.protocol import CHANGES, Difference
from harness.report import words
from harness.report.document import Document

HEADING = "What changed on the wire"
_FORBIDDEN, _ALLOWED = "✗", "·"
_METHOD = (
    "Single logins on each arm by the same user, before any load, without statistics: requests and answers, encryption "
    "types, sizes, names, codes. ✗ marks what the policy forbids. A larger PAC shows as a larger ticket. "
    "Shares are of the load's own logins."
)


class DifferenceDocument(Document):
    """One difference between single logins on the arms."""

    change: str
    """Its kind, such as ``exchange-added``; policy ``protocol.block`` takes these names."""
    step: str
    cohort: str
    """``all`` where every cohort that takes the step shows it."""
    what: str
    baseline: str
    candidate: str
    sentence: str
    blocks: bool
    """Whether the policy forbids it."""


def blocks(evidence: Evidence, difference: Difference) -> bool:
    """Whether the policy that judged forbids it."""
    return evidence.policy is not None and difference.change in evidence.policy.protocol.block


def explanation(evidence: Evidence) -> str:
    """What was compared, and whether anything was found."""
    if evidence.differences is None:
        return "Not known: no single logins of this run were recorded on both arms."
    if not evidence.differences:
        return f"Nothing. {_METHOD}"
    return _METHOD


def rows(evidence: Evidence) -> list[tuple[str, str, str, str, str, str]]:
    """For each difference: sign, step, what, baseline, candidate with a remark, and what its kind means."""
    return [
        (
            _sign(evidence, found),
            found.step if found.cohort == EVERYONE else f"{found.cohort} {found.step}",
            words.printable(found.what),
            words.printable(found.baseline),
            words.printable(f"{found.candidate} ({found.remark})" if found.remark else found.candidate),
            f"{found.change}: {CHANGES[found.change]}",
        )
        for found in evidence.differences or ()
    ]


def lines(evidence: Evidence) -> list[str]:
    """Each difference in one line, with its sign."""
    return [f"{_sign(evidence, found)} {words.printable(found.sentence)}" for found in evidence.differences or ()]


def documents(evidence: Evidence) -> tuple[DifferenceDocument, ...] | None:
    """The differences for machines; None where they are not known."""
    if evidence.differences is None:
        return None
    return tuple(
        DifferenceDocument(
            change=found.change,
            step=found.step,
            cohort=found.cohort,
            what=words.printable(found.what),
            baseline=words.printable(found.baseline),
            candidate=words.printable(found.candidate),
            sentence=words.printable(found.sentence),
            blocks=blocks(evidence, found),
        )
        for found in evidence.differences
    )


def _sign(evidence: Evidence, difference: Difference) -> str:
    return _FORBIDDEN if blocks(evidence, difference) else _ALLOWED
