"""The notice itself: one page of Markdown, as it can be mailed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.guards.denial_share import DENIALS_AT_LEAST
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.notice.detections import Detection, may_fire
from harness.notice.traffic import Traffic
from harness.report.markdown import escaped

PREPARED_S = 120.0
"""What is allowed for, before the load, in the window that is announced: a run prepares for a minute or two."""
NAMED_AT_MOST = 6


@dataclass(frozen=True, slots=True)
class Named:
    """The accounts that log in, by name; ``trapped`` are those of them that are known as honeytokens, of ``traps``."""

    source: str
    users: tuple[str, ...]
    traps: int | None = None
    trapped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Occasion:
    """When, from where and by whom, as far as it is known."""

    starts: datetime | None
    sources: Sequence[str]
    host: str
    contact: str


def page(
    targets: Targets, scenario: Scenario, policy: Policy, traffic: Traffic, accounts: Sequence[Named], when: Occasion
) -> str:
    """The notice of one gate's run as Markdown, with nothing secret in it."""
    lines = [
        "# Notice of a load test of logins",
        "",
        f"authgate will log test accounts in on the servers below by scenario {escaped(scenario.name)}: many correct "
        "logons from one machine, in a short time. It is a test and no attack. Nothing is changed in the directory.",
        "",
        f"- **When:** {_window(traffic, when.starts)}",
        f"- **From:** {escaped(when.host)}, {escaped(', '.join(when.sources) or 'address not known')}",
        f"- **Contact:** {escaped(when.contact)}",
        f"- **Environment:** {targets.environment}{_agreed(targets)}",
        "",
        "## Servers",
        "",
        "| Arm | Service | Address |",
        "|:--|:--|:--|",
        *(f"| {one.arm} | {one.what} | {escaped(one.address)} |" for one in dict.fromkeys(traffic.servers)),
        "",
        "## Accounts",
        "",
        *(line for one in accounts for line in _accounts(one)),
        "- A password that is denied is not tried again, and the run ends by itself when more than "
        f"{100 * policy.limits.denied_share:g} % of its logins and at least {DENIALS_AT_LEAST} are denied.",
        "",
        "## Rates",
        "",
        f"{traffic.logins:,} logins in {_duration(traffic.load_s)}, {traffic.usual_per_s:g} a second"
        + (f", in some blocks {traffic.peak_per_s:g}" if traffic.peak_per_s > traffic.usual_per_s else "")
        + f"; before that up to {traffic.prepared:,} logons in preparation. At the highest rate:",
        "",
        "| Requests, both arms | a second | in all |",
        "|:--|--:|--:|",
        *(f"| {one.name} | {one.per_s:.3g} | {one.total:,} |" for one in traffic.exchanges),
        "",
        "## Detections that may fire",
        "",
        "Listed where the publisher's description fits what is sent; which of them fire depends on the site.",
        "",
        *_table(may_fire(traffic, rejected=False)),
    ]
    if rejected := may_fire(traffic, rejected=True):
        lines += ["", "If some of the accounts' passwords are wrong, or accounts are missing:", "", *_table(rejected)]
    return "\n".join(lines) + "\n"


def _window(traffic: Traffic, starts: datetime | None) -> str:
    lasts = PREPARED_S + traffic.load_s
    if starts is None:
        return f"to be agreed; {_duration(lasts)} at most"
    ends = starts + timedelta(seconds=lasts)
    return f"{starts.isoformat(timespec='minutes')} to {ends.isoformat(timespec='minutes')} at the latest"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _agreed(targets: Targets) -> str:
    allowed = [f"networks {', '.join(map(str, targets.allow))}"] if targets.allow else []
    rate = [f"{targets.max_rate:g} logins/s at most"] if targets.max_rate is not None else []
    return escaped("; agreed: " + ", ".join([*allowed, *rate])) if allowed or rate else ""


def _accounts(named: Named) -> Iterable[str]:
    shown = named.users
    if len(shown) > NAMED_AT_MOST:
        shown = (*shown[: NAMED_AT_MOST - 1], "…", shown[-1])
    yield f"- {len(named.users):,} accounts, of {escaped(named.source)}: {escaped(', '.join(shown))}"
    if named.traps is not None:
        there = escaped(", ".join(named.trapped))
        yield (
            f"- **Honeytokens that must be taken out of the list ({len(named.trapped)}): {there}**"
            if named.trapped
            else f"- None of them is among the {named.traps:,} honeytoken accounts that were given."
        )


def _table(detections: Sequence[Detection]) -> list[str]:
    rows = (f"| {one.product} | [{escaped(one.name)}]({one.source}) | {escaped(one.why)} |" for one in detections)
    return ["| Product | Detection and its source | Why |", "|:--|:--|:--|", *rows]
