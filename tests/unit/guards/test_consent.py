"""Load goes where somebody has agreed to it, and nowhere else. Addresses are of RFC 5737 and RFC 3849; none is used."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from harness.errors import UnsafeTargetError
from harness.guards import consent
from harness.guards.consent import check_safe
from harness.model.scenario import Scenario
from harness.model.target import Target, Targets
from tests.helpers.stand_ins import stand_in

DOCUMENTED, DOCUMENTED_6 = "192.0.2.10", "2001:db8::10"
SCENARIO: dict[str, Any] = {
    "name": "rush",
    "steps": ["kdc_as"],
    "population": {"users": 10},
    "arrivals": {"curve": "constant", "rate": 20},
}
AGREED = {"environment": "pre-production", "allow": ["192.0.2.0/24", "2001:db8::/32"], "max_rate": 50}


def targets(*hosts: str, uri: str = "ldap://127.0.0.1:389", **top: Any) -> Targets:
    """One arm with these KDCs."""
    return Targets.model_validate(
        {
            **top,
            "arms": {
                "baseline": {
                    "realm": "CLINIC.TEST",
                    "kdcs": [{"host": host, "port": 88} for host in hosts or ("127.0.0.1",)],
                    "directory": {"uri": uri, "service_host": "dc.clinic.test", "user_base": "", "group_base": ""},
                    "credentials": {"env": "CLINIC_ACCOUNTS"},
                }
            },
        }
    )


def refusals(found: Targets, *addresses: str, rate: float = 20) -> list[str]:
    return found.refusals({"dc": addresses}, rate)


def check(found: Targets, arrivals: dict[str, Any] | None = None) -> None:
    scenario = Scenario.model_validate({**SCENARIO, **({"arrivals": arrivals} if arrivals else {})})
    check_safe(found, scenario, list(found.arms))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.255.255.254", "::1"])
@pytest.mark.parametrize("top", [{}, {"environment": "pre-production"}], ids=["lab", "pre-production"])
def test_loopback_is_always_allowed(address: str, top: dict[str, Any]) -> None:
    assert refusals(targets(**top), address, rate=1e6) == []


@pytest.mark.parametrize("address", [DOCUMENTED, DOCUMENTED_6, "0.0.0.0", "::", "169.254.1.1", "fe80::1%eth0"])
def test_nothing_else_is_allowed_in_a_lab_whatever_it_allows(address: str) -> None:
    found = refusals(targets(**{**AGREED, "environment": "lab", "allow": ["0.0.0.0/0", "::/0"]}), address)
    assert found == [f"environment: expected pre-production for dc ({address}), which is not loopback, got lab"]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("environment", "environment: expected pre-production for dc (192.0.2.10), which is not loopback, got lab"),
        ("allow", "allow: expected a network that holds dc (192.0.2.10), got none"),
        ("max_rate", "max_rate: expected the highest rate these servers may receive, got none"),
    ],
)
def test_outside_loopback_environment_allow_and_max_rate_are_each_needed(missing: str, said: str) -> None:
    assert refusals(targets(**AGREED), DOCUMENTED) == []
    assert refusals(targets(**{key: value for key, value in AGREED.items() if key != missing}), DOCUMENTED) == [said]


def test_all_reasons_are_told_at_once() -> None:
    assert [line.split(":")[0] for line in refusals(targets(environment="pre-production"), DOCUMENTED)] == [
        "allow", "max_rate",
    ]  # fmt: skip


@pytest.mark.parametrize(("address", "allowed"), [
    ("192.0.2.0", True), ("192.0.2.255", True), ("192.0.3.0", False), ("198.51.100.1", False),
    ("2001:db8:ffff::1", True), ("2001:db9::1", False), ("::ffff:192.0.2.1", False),
])  # fmt: skip
def test_an_address_is_allowed_by_the_network_that_holds_it(address: str, allowed: bool) -> None:
    assert (refusals(targets(**AGREED), address) == []) is allowed


@pytest.mark.parametrize("addresses", [
    ("127.0.0.1", "198.51.100.1"), ("192.0.2.1", "198.51.100.1"), ("198.51.100.1", "192.0.2.1"),
    ("192.0.2.1", "2001:db9::1"),
])  # fmt: skip
def test_a_name_is_refused_for_any_of_its_addresses(addresses: tuple[str, ...]) -> None:
    found = refusals(targets(**AGREED), *addresses)
    assert len(found) == 1
    assert next(a for a in addresses if a not in ("127.0.0.1", "192.0.2.1")) in found[0]


@pytest.mark.parametrize(
    "arrivals",
    [
        {"curve": "constant", "rate": 50.5},
        {"curve": "ramp", "rate": 1, "to": 51, "over_s": 600},
        {"curve": "ramp", "rate": 51, "to": 1, "over_s": 600},
        {"curve": "bursts", "rate": 26, "factor": 2, "every_s": 60, "length_s": 1},
    ],
)
def test_a_scenario_whose_peak_is_above_the_agreed_rate_is_refused_on_loopback_too(arrivals: dict[str, Any]) -> None:
    for found in (targets(**AGREED), targets(max_rate=50)):
        with pytest.raises(UnsafeTargetError, match="max_rate: expected a scenario with at most 50 logins/s, got 5"):
            check(found, arrivals)


def test_the_agreed_rate_itself_is_allowed() -> None:
    check(targets(DOCUMENTED, DOCUMENTED_6, **AGREED), {"curve": "constant", "rate": 50})


@pytest.mark.parametrize(
    ("found", "where"),
    [
        (targets("127.0.0.1", DOCUMENTED), DOCUMENTED),
        (targets(DOCUMENTED_6), DOCUMENTED_6),
        (targets(uri=f"ldap://{DOCUMENTED}"), DOCUMENTED),
        (targets(uri=f"ldaps://[{DOCUMENTED_6}]:636/"), DOCUMENTED_6),
    ],
)
def test_every_endpoint_of_an_arm_is_checked(found: Targets, where: str) -> None:
    with pytest.raises(UnsafeTargetError, match="targets refused") as caught:
        check(found)
    assert f"expected pre-production for {where}" in str(caught.value)


def test_an_arm_that_is_not_measured_is_not_checked() -> None:
    both = targets().model_dump()
    both["arms"]["candidate"] = targets(DOCUMENTED).model_dump()["arms"]["baseline"]
    found = Targets.model_validate(both)
    check_safe(found, Scenario.model_validate(SCENARIO), ["baseline"])
    with pytest.raises(UnsafeTargetError):
        check_safe(found, Scenario.model_validate(SCENARIO), ["baseline", "candidate"])


def test_a_name_is_checked_by_all_that_it_resolves_to(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [("127.0.0.1", 0), (DOCUMENTED, 0), (DOCUMENTED_6, 0, 0, 0)]
    found = [(0, 0, 0, "", answer) for answer in answers]
    stand_in(monkeypatch, consent, "socket", getaddrinfo=lambda *_, **__: found)
    with pytest.raises(UnsafeTargetError) as caught:
        check(targets("dc.clinic.test"))
    assert f"dc.clinic.test ({DOCUMENTED})" in str(caught.value)
    assert f"dc.clinic.test ({DOCUMENTED_6})" in str(caught.value)
    check(targets("dc.clinic.test", **AGREED))


def test_a_name_that_does_not_resolve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    stand_in(monkeypatch, consent, "socket", getaddrinfo=unknown)
    with pytest.raises(UnsafeTargetError, match=r"dc\.clinic\.test: expected a name with an address, got: .*not known"):
        check(targets("dc.clinic.test", uri="ldap://dc.clinic.test"))


@pytest.mark.parametrize("host", ["dc..clinic.test", "x" * 64 + ".test"])
def test_a_name_that_can_not_be_asked_for_is_refused_before_anybody_is_asked(host: str) -> None:
    with pytest.raises(UnsafeTargetError, match="expected a name with an address"):
        check(targets(host))


def test_a_duet_loads_what_its_arms_share_twice() -> None:
    duet = Scenario.model_validate({**SCENARIO, "blocks": {"design": "duet"}})
    one = targets(max_rate=30).arms["baseline"]

    def of_both(other: Target) -> Targets:
        return targets(max_rate=30).model_copy(update={"arms": {"baseline": one, "candidate": other}})

    with pytest.raises(UnsafeTargetError, match="at most 30 logins/s, got 40"):
        check_safe(of_both(one), duet, ["baseline", "candidate"])
    elsewhere = targets("127.0.0.2", uri="ldap://127.0.0.2:389").arms["baseline"]
    check_safe(of_both(elsewhere), duet, ["baseline", "candidate"])
    check_safe(of_both(one), Scenario.model_validate(SCENARIO), ["baseline", "candidate"])


def test_clients_that_come_back_count_as_often_as_they_may() -> None:
    patience = {"gives_up_s": 3, "tries": 3, "again_after_s": 0.5}
    scenario = Scenario.model_validate({**SCENARIO, "patience": patience})
    check_safe(targets(max_rate=60), scenario, ["baseline"])
    with pytest.raises(UnsafeTargetError, match=r"at most 59 logins/s, got 20 of up to 3 tries each"):
        check_safe(targets(max_rate=59), scenario, ["baseline"])
