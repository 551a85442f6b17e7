"""The demonstration: the incident of 2016 on the embedded domain, or an A/A run on it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.fault import Hold
from harness.model.verdict import Kind


@dataclass(frozen=True, slots=True)
class Demonstration:
    """An update to demonstrate: its fault on the candidate, the verdict that has to come, and what it is about."""

    hold: Hold | None
    expected: Kind
    story: str


UPDATES: dict[str, Demonstration] = {
    # 4.5 s: as the trade press tells of the region's incident report. 16 workers: a domain controller of 4 cores has 4
    # such threads a core (Microsoft KB2922852), an inference for this incident and no finding of its investigation.
    "uppsala-2016": Demonstration(
        Hold(hold_s=4.5, workers=16),
        Kind.BLOCK,
        "In 2016 a Windows security update delayed name resolution by 4.5 s per login in a Swedish health region. "
        "Here the candidate's directory does the same: each login's name resolution holds one of 16 workers for 4.5 s, "
        "so it serves 3.6 logins a second where the morning brings 50. The directory itself is sound, as the journal "
        "system was then: what is slow is the way to it, and each waiting login keeps a resource that the next one "
        "needs.",
    ),
    "none": Demonstration(
        None,
        Kind.PASS,
        "No update: baseline and candidate are clones of one domain. The gate has to pass them, and does so only once "
        "it has shown that every difference is within its margin. This is the quick policy, which tests for no leak.",
    ),
}
