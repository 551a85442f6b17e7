"""Causes of failed logins in verdict.json."""

from __future__ import annotations

from dataclasses import asdict

from harness.model.failures import CausePart, FailureAnatomy
from harness.report import words
from harness.report.document import Document


class CausePartDocument(Document):
    """One cause of failed logins: its share of all logins on each arm, and what it adds, with a 95 % interval."""

    step: str
    """Where the login failed; empty where it was in no step, and for ``other``."""
    status: str
    """``denied``, ``timeout`` or ``error``; ``other`` for all causes that are too rare to be named."""
    code: str
    """The protocol's own, such as KDC_ERR_SVC_UNAVAILABLE; empty where there was none."""
    baseline: float
    candidate: float
    added: float
    low: float
    high: float
    part: float | None
    """Of the whole difference; null where that is not shown to differ from zero."""
    part_low: float | None
    part_high: float | None


class FailuresDocument(Document):
    """Which causes make up the difference in failed logins; they add up to it."""

    added: float
    low: float
    high: float
    parts: tuple[CausePartDocument, ...]


def failures_document(found: FailureAnatomy) -> FailuresDocument:
    """The causes that make up a difference in failed logins."""
    return FailuresDocument(added=found.added, low=found.low, high=found.high, parts=tuple(map(_part, found.parts)))


def _part(part: CausePart) -> CausePartDocument:
    figures = asdict(part)
    del figures["cause"]
    cause = part.cause
    step, status, code = ("", "other", "") if cause is None else (cause.step, cause.status, cause.code)
    return CausePartDocument(step=step, status=status, code=words.printable(code), **figures)
