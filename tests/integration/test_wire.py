"""What the waterfall claims of a login, confirmed by a packet capture of the embedded domain's own ports."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.lab.domain import Lab, LabArm
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.scenario import Scenario
from harness.model.steps import Cache
from harness.model.target import Target
from tests.helpers.capture import Packet, Ports, capture, confirm

pytestmark = pytest.mark.integration

USER = "clin00007"
FULL = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups")
SIMPLE = ("ldap_connect", "ldap_simple_bind", "ldap_own_entry", "ldap_groups")


@dataclass(frozen=True)
class Kind:
    """A kind of login: its steps, its cache, how it asks the KDC, and how it comes to the directory."""

    steps: tuple[str, ...]
    cache: Cache
    transport: str = "udp-first"
    way: str = "ldap"


KINDS = {
    "cold": Kind(FULL, "cold"),
    "cold, by TCP and TLS": Kind(FULL, "cold", "tcp", "ldaps"),
    "warm": Kind(FULL, "warm"),
    "simple bind": Kind(SIMPLE, "cold"),
    "simple bind, by StartTLS": Kind(SIMPLE, "cold", way="starttls"),
}


@dataclass(frozen=True)
class Seen:
    """The logins, one of each kind, and all packets of theirs."""

    logins: Mapping[str, LoginResult]
    packets: list[Packet]
    ports: Ports


@pytest.fixture(scope="module")
def seen(require_domain: None, require_capture: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Logins of all kinds, one after the other, under one capture."""
    folder = tmp_path_factory.mktemp("wire")
    with Lab(("baseline",)) as lab, pytest.MonkeyPatch.context() as patch:
        for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):  # which logins set for their process
            patch.setenv(name, os.devnull)
        arm = lab.arms["baseline"]
        kdc, ldap, ldaps = (arm.ports[name] for name in ("kdc", "ldap", "ldaps"))
        ports = {("udp", kdc): "kerberos", ("tcp", kdc): "kerberos", ("tcp", ldap): "ldap", ("tcp", ldaps): "tls"}
        with capture(folder, ports) as captured:
            logins = {name: logged_in(arm, kind, folder) for name, kind in KINDS.items()}
        yield Seen(logins, captured.packets, ports)


def logged_in(arm: LabArm, kind: Kind, folder: Path) -> LoginResult:
    """A login of this kind, explained."""
    whole = Target.model_validate({**arm.target, "kdc_transport": kind.transport})
    scheme = "ldaps" if kind.way == "ldaps" else "ldap"
    uri = {"uri": f"{scheme}://127.0.0.1:{arm.ports[scheme]}", "starttls": kind.way == "starttls"}
    target = whole.model_copy(update={"directory": whole.directory.model_copy(update=uri)})
    fields = {"name": "test", "population": {"users": 1}, "arrivals": {"curve": "constant", "rate": 1}}
    use_krb5_conf(target, folder)
    path = LoginPath(target, Scenario.model_validate({**fields, "steps": kind.steps}), ThreadRuntime())
    path.prepare([USER])
    if kind.cache == "warm":
        assert path.warm_up(USER).outcome.status == "ok"
    return path.login(USER, kind.cache, explain=True)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_waterfall_claims_is_what_is_seen_on_the_wire(seen: Seen, kind: str) -> None:
    confirm(seen.logins[kind], seen.packets, seen.ports)


@pytest.mark.parametrize("step", range(len(FULL)))
def test_a_waterfall_that_claims_one_request_more_is_refuted(seen: Seen, step: int) -> None:
    login = seen.logins["cold"]
    facts = list(login.facts)
    if facts[step].exchanges:
        facts[step] = replace(facts[step], exchanges=(*facts[step].exchanges, facts[step].exchanges[-1]))
    else:
        facts[step] = replace(facts[step], round_trips=facts[step].round_trips + 1)
    with pytest.raises(AssertionError, match=FULL[step]):
        confirm(replace(login, facts=tuple(facts)), seen.packets, seen.ports)
