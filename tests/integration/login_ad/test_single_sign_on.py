"""Web single sign-on on the AD lab: a real identity provider and relying party, on the wire and by curl."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS, find
from harness.gate.protocol import between
from harness.lab.ad import changes, region
from harness.lab.ad.domain import AdArm, AdLab
from harness.lab.ad.settings import PORTS, SSO_PORTS
from harness.login.path import LoginPath, LoginResult
from tests.helpers.capture import Packet, asked, capture
from tests.helpers.capture import between as packets_between
from tests.helpers.explained import protocol_of
from tests.helpers.logons_ad import USER, changed, client, ended, facts_of, get_ticket, tool

pytestmark = pytest.mark.integration
SSO_LOGON = load_scenario(find("sso-logon", SCENARIOS))
WIRE = {
    ("tcp", PORTS["kdc"]): "kerberos",
    ("tcp", SSO_PORTS["oidc"]): "http",
    ("tcp", SSO_PORTS["idp"]): "http",
}
RELYING, PROVIDER = SSO_PORTS["oidc"], SSO_PORTS["idp"]


@pytest.fixture(scope="module")
def lab(require_ad_lab: None, require_sso: None) -> Iterator[AdLab]:
    """One arm for all tests, which only log in to it."""
    with AdLab(("baseline",), common=[changes.SINGLE_SIGN_ON]) as running:
        yield running


def signing_on(target: dict[str, Any], folder: Path, **unlike: object) -> LoginPath:
    return client(target, folder, **{**SSO_LOGON.model_dump(), "population": {"users": 1}, **unlike})


@pytest.fixture(scope="module")
def seen(
    lab: AdLab, require_capture: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[LoginResult, list[Packet]]:
    """A cold logon, explained, and all packets of the servers' ports meanwhile."""
    arm, folder = lab.arms["baseline"], tmp_path_factory.mktemp("wire")
    path = signing_on(dict(arm.target), folder)
    assert path.login(USER, "cold").outcome.status == "ok"  # after which the relying party knows its provider
    with capture(folder, WIRE, arm.address) as captured:
        login = path.login(USER, "cold", explain=True)
    return login, captured.packets


def test_a_logon_takes_every_step_at_the_server_that_it_is_of(seen: tuple[LoginResult, list[Packet]]) -> None:
    login, _ = seen
    assert login.outcome.status == "ok"
    assert [step.step for step in login.steps] == list(SSO_LOGON.steps)
    ports = {step.step: int(step.server.rpartition(":")[2]) for step in login.steps}
    assert ports == {
        "kdc_as": 88, "kdc_tgs_idp": 88, "oidc_start": RELYING, "oidc_authorize": PROVIDER,
        "oidc_callback": RELYING, "oidc_page": RELYING,
    }  # fmt: skip
    facts = facts_of(login)
    assert {name: facts[name].statuses for name in SSO_LOGON.steps if name.startswith("oidc")} == {
        "oidc_start": (302,), "oidc_authorize": (401, 302), "oidc_callback": (302,), "oidc_page": (200,)
    }  # fmt: skip
    assert facts["oidc_authorize"].agreed == ("mutual",)
    assert [ticket.service for ticket in facts["kdc_tgs_idp"].tickets] == [f"{region.IDP_SERVICE}@{region.REALM}"]


def test_each_hop_is_on_the_wire_in_its_own_time_and_the_token_is_got_during_the_callback(
    seen: tuple[LoginResult, list[Packet]],
) -> None:
    login, packets = seen
    requests: dict[str, list[tuple[int, str]]] = {}
    for step in login.steps:
        mine = packets_between(packets, step.started, step.ended)
        requests[step.step] = [
            (packet.to, what) for packet in mine if packet.to in (RELYING, PROVIDER) for what in asked(packet, WIRE)
        ]
    assert requests == {
        "kdc_as": [],
        "kdc_tgs_idp": [],
        "oidc_start": [(RELYING, "GET")],
        "oidc_authorize": [(PROVIDER, "GET")] * 2,
        # The relying party's own: the tokens for the code, and who it is.
        "oidc_callback": [(RELYING, "GET"), (PROVIDER, "POST"), (PROVIDER, "GET")],
        "oidc_page": [(RELYING, "GET")],
    }
    claimed = {step.step: facts.round_trips for step, facts in zip(login.steps, login.facts, strict=True)}
    for name in ("oidc_start", "oidc_authorize", "oidc_callback", "oidc_page"):
        mine = requests[name][:1] if name == "oidc_callback" else requests[name]
        assert claimed[name] == len(mine)


def test_what_a_logon_shows_holds_no_code_and_no_cookie(seen: tuple[LoginResult, list[Packet]]) -> None:
    shown = repr(seen[0])
    for word in ("oidc/callback", "session_state", "mod_auth_openidc", "lemonldap="):
        assert word not in shown


def test_logons_to_equal_servers_differ_in_nothing(baseline: AdArm, tmp_path: Path) -> None:
    first, *others = (protocol_of(dict(baseline.target), SSO_LOGON, USER, tmp_path) for _ in range(4))
    assert [between(first, other) for other in others] == [()] * 3


def test_a_warm_logon_asks_no_kdc(baseline: AdArm, tmp_path: Path) -> None:
    path = signing_on(dict(baseline.target), tmp_path)
    assert path.warm_up(USER).outcome.status == "ok"
    result = path.login(USER, "warm", explain=True)
    assert result.outcome.status == "ok"
    assert [step.step for step in result.steps] == ["oidc_start", "oidc_authorize", "oidc_callback", "oidc_page"]
    assert all(not facts.exchanges for facts in result.facts)


def test_the_page_is_the_one_that_curl_gets_by_the_same_way(baseline: AdArm) -> None:
    get_ticket(baseline)
    names = {region.EHR_HOST: RELYING, region.IDP_HOST: PROVIDER}
    way = [word for host, port in names.items()
           for word in ("--connect-to", f"{host}:{port}:{baseline.address}:{port}")]  # fmt: skip
    there = ("--silent", "--fail", "--location-trusted", "--cookie", "", "--negotiate", "--user", ":", *way)
    url = f"http://{region.EHR_HOST}:{RELYING}/"
    shown = tool(baseline, "curl", *there, "--noproxy", "*", "--write-out", "%{num_redirects}", url)
    assert shown == f"{USER}\n3"


def test_a_provider_of_another_name_than_the_targets_is_not_gone_to(baseline: AdArm, tmp_path: Path) -> None:
    """The relying party knows its own provider, whatever the targets say."""
    sso = dict(baseline.target)["sso"]
    assert isinstance(sso, dict)
    other = changed(baseline, sso={"provider": {**sso["provider"], "service_host": region.DC_HOST}})
    steps = ("oidc_start",)
    result = signing_on(other, tmp_path, steps=steps).login(USER, "cold", explain=True)
    assert ended(result) == ("error", "REDIRECT_ELSEWHERE", "oidc_start")
    named = f"http://{region.IDP_HOST}:{PROVIDER}"
    assert facts_of(result)["oidc_start"].notes == (
        f"was sent to {named}, a server that sso in the targets doesn't name",
    )


def test_a_provider_that_the_domain_does_not_know_fails_at_its_ticket(baseline: AdArm, tmp_path: Path) -> None:
    sso = dict(baseline.target)["sso"]
    assert isinstance(sso, dict)
    other = changed(baseline, sso={"provider": {**sso["provider"], "service_host": f"nobody.{region.DOMAIN}"}})
    result = signing_on(other, tmp_path).login(USER, "cold")
    assert ended(result) == ("error", "KDC_ERR_S_PRINCIPAL_UNKNOWN", "kdc_tgs_idp")


def test_the_provider_and_its_portal_are_processes_of_the_arm(baseline: AdArm) -> None:
    assert {"dc", "database", "web", "idp", "portal"} == baseline.processes.keys()
    assert all(process.alive for process in baseline.processes.values())
