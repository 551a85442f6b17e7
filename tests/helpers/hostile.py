"""Evidence with text in it that means harm to whoever shows it."""

from dataclasses import replace

from harness.model.evidence import Evidence
from harness.model.metric import Metric
from harness.model.verdict import Finding

HOSTILE = '<script>alert(1)</script> | `x` [y](http://z) *b* _i_ \x1b[31m\x00\ud800 $\\bad$ & "q"'


def with_finding(evidence: Evidence, **changes: object) -> Evidence:
    """The evidence with its first finding changed."""
    first, *others = evidence.verdict.findings
    changed: Finding = replace(first, **changes)  # type: ignore[arg-type]
    return replace(evidence, verdict=replace(evidence.verdict, findings=(changed, *others)))


def hostile(evidence: Evidence) -> Evidence:
    """The evidence with hostile text wherever a user's file could bring it in."""
    verdict = replace(evidence.verdict, sentence=HOSTILE, reasons=(HOSTILE,), notices=(HOSTILE,))
    evidence = with_finding(replace(evidence, verdict=verdict), note=HOSTILE, subject=Metric("cold", HOSTILE, "p50"))
    return replace(
        evidence, title=HOSTILE, run_id=HOSTILE, started=HOSTILE, partial=HOSTILE, manifest={HOSTILE: HOSTILE}
    )
