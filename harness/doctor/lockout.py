"""How near the accounts are to being locked, by the domain's own word, before more than one of them is tried."""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.probe import Probe
from harness.guards.lockout import Standing
from harness.login.caution import Caution
from harness.login.net.clock import StepClock
from harness.login.path import LoginPath
from harness.login.runtime import ThreadRuntime
from harness.model.diagnosis import Remark, not_applicable, ok, problem, warning
from harness.model.scenario import Scenario

_AS_ONE = Scenario.model_validate(
    {
        "name": "doctor",
        "steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind"],
        "population": {"users": 1},
        "arrivals": {"curve": "constant", "rate": 1},
    }
)
"""The way to the directory of the one account that asks it about the others."""


def read_standings(probe: Probe, caution: Caution, user: str) -> None:
    """Ask the directory, as this user, who has got a ticket, how the accounts stand."""
    assert probe.accounts is not None and probe.addresses is not None
    path = LoginPath(probe.target, _AS_ONE, ThreadRuntime(), probe.addresses)
    users = probe.accounts.users
    if probe.scenario is not None:
        users = users[: probe.scenario.population.users]
    probe.standings = caution.standings(path, user, "cold", users)


def endangered(probe: Probe, user: str, caution: Caution) -> bool:
    """Whether one wrong password more could bring the account near being locked."""
    standing: Standing | None = None if probe.standings is None else probe.standings.by_user.get(user)
    return standing is not None and caution.refusal({user: standing}) is not None


def lockout(probe: Probe, _: StepClock) -> Iterator[Remark]:
    """The domain's policy leaves the accounts of a run enough wrong passwords."""
    found = probe.standings
    if probe.target.directory.schema_kind != "ad":
        yield not_applicable("not known: an MIT realm tells its policies by kadmin alone")
        return
    if found is None or found.domain is None:
        advice = (
            "ask the domain's administrators for the lockout threshold, and give the accounts one of 0 or 10 and more"
        )
        yield warning("not known: the directory doesn't tell the accounts' policy", advice)
        return
    if refused := Caution(probe.targets, probe.arm).refusal(found.by_user):
        yield problem(refused.found, refused.advice)
    policies = dict.fromkeys(str(it.policy) for it in found.by_user.values() if it.policy is not None)
    for policy in policies:
        yield ok(policy)
    if any(it.policy is None for it in found.by_user.values()):
        advice = "let the accounts read it, or ask the domain's administrators for the threshold"
        found_one = "not known for accounts of a password settings object that they may not read"
        yield warning(f"{found_one}; each is tried once until it is let in", advice)
    if not found.whole and any(it.policy and it.policy.threshold for it in found.by_user.values()):
        advice = (
            "name it among directory.further_controllers, or mind that wrong passwords elsewhere are not counted here"
        )
        yield warning(f"told by {found.told_by}; all are counted by {found.counter or 'another controller'}", advice)
