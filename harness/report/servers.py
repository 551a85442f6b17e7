"""The servers that answered, in verdict.json and as lines of a table."""

from __future__ import annotations

from dataclasses import asdict

from harness.model.evidence import Evidence
from harness.report import words
from harness.report.document import Document


class ServerTimesDocument(Document):
    """One server's part in a step on one arm."""

    arm: str
    cohort: str
    step: str
    server: str
    """Host and port; empty for steps that no server answered."""
    count: int
    """Steps taken, of logins that were judged."""
    share: float
    """Of the steps taken by such logins on this arm."""
    p50_s: float
    """Service time in seconds; a failed step's is the time-out at least."""
    p95_s: float


def servers_document(evidence: Evidence) -> tuple[ServerTimesDocument, ...]:
    """Which server answered each step."""
    return tuple(
        ServerTimesDocument.model_validate({**asdict(it), "server": words.printable(it.server)})
        for it in evidence.servers
    )


def lines(evidence: Evidence) -> list[tuple[str, str, str, list[str]]]:
    """For each server of a step: the logins and step, the arm, the server, and its share, p50 and p95."""
    return [
        (
            f"{words.printable(it.cohort)} {words.printable(it.step)}",
            it.arm,
            words.printable(it.server) or "no answer",
            [words.share(it.share), words.seconds(it.p50_s), words.seconds(it.p95_s)],
        )
        for it in evidence.servers
    ]
