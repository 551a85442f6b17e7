"""What else a reader of a verdict should know: nothing that decides it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.gate.sentences import figures
from harness.model.comparison import Comparison
from harness.model.policy import Policy
from harness.model.protocol import Difference
from harness.model.steps import LOGIN
from harness.model.verdict import Finding, Kind
from harness.stats.validity import Unsound

NAMED_AT_MOST = 8
"""Of metrics that were not judged, those of whole logins first; the findings have them all."""


def notices_of(kind: Kind, findings: Sequence[Finding], faults: Sequence[Unsound], policy: Policy) -> tuple[str, ...]:
    """What else a reader of the verdict should know."""
    slower = "within its margin, yet slower"
    notices = [f"{f.label}: {f.note or f'{slower}: {figures(f)}'}" for f in findings if f.decision == "notice"]
    if kind is Kind.BLOCK:
        notices += [f"{fault.reason}; this can only have made the candidate look better" for fault in faults]
    if kind is Kind.PASS and not any(f.stage == "headroom" and f.decision != "not judged" for f in findings):
        notices.append(
            "Capacity above the expected peak was not tested: a loss of capacity need not show at ordinary load."
        )
    if policy.quick:
        notices.append("The policy is a quick one: it may pass before a leak could show.")
    if unjudged := [f.label for f in sorted(findings, key=lambda f: f.step != LOGIN) if f.decision == "not judged"]:
        more = f" and {len(unjudged) - NAMED_AT_MOST} more" if len(unjudged) > NAMED_AT_MOST else ""
        named = ", ".join(unjudged[:NAMED_AT_MOST])
        notices.append(f"Not judged (each finding says why): {named}{more}.")
    return tuple(notices)


def wire_notices(differences: Sequence[Difference], policy: Policy) -> tuple[str, ...]:
    """What single logins show on the wire and the policy allows, the most severe first."""
    allowed = [difference.sentence for difference in differences if difference.change not in policy.protocol.block]
    if not allowed:
        return ()
    ways = f" in {len(allowed)} ways, the most severe" if len(allowed) > 1 else ""
    return (f"Logins on the arms differ on the wire{ways}: {allowed[0]}.",)


def site_notices(comparison: Comparison) -> tuple[str, ...]:
    """What is known of the site, and what that leaves open."""
    site = comparison.site
    notices = list(site.warnings)
    metrics = [shift.metric for shift in comparison.shifts]
    if not site.deployments:
        why = "its calibration ran on one deployment" if site.source else "it was never calibrated"
        notices.append(
            "Two deployments of the same bits differ a little. By how much at this site is not known, because "
            f"{why}; it is taken as 0 (authgate calibrate --same-bits measures it)."
        )
    elif missing := [metric.label for metric in metrics if metric not in site.deployments]:
        notices.append(f"The spread between deployments is taken as 0 where it was not measured: {', '.join(missing)}.")
    if not comparison.design.interleaved and site.levels:
        missing = [metric.label for metric in metrics if metric not in site.levels]
        unknown = f"; for {', '.join(missing)} it is not known, so that nothing blocks there" if missing else ""
        notices.append(f"The bounds include the spread of levels between the calibration's {site.runs} runs{unknown}.")
    return tuple(notices)


def periodic_notices(comparison: Comparison) -> tuple[str, ...]:
    """Periodic interference on both arms, and what was done about it."""
    found = comparison.periodic
    if found is None:
        return ()
    return (
        f"Both arms were slower every {found.period_s:.3g} s, or a whole fraction of that, as beside a job on a host "
        f"that they share (a pair of blocks takes {comparison.design.pair_s:.3g} s): it explains "
        f"{100 * found.explained:.0f} % of the variance between blocks. What met one arm more than the other is taken "
        "out of the changes of times.",
    )
