"""Web single sign-on on the AD lab: a real identity provider and what relies on it, on the wire and by curl."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS, find
from harness.gate.protocol import between
from harness.lab.ad import changes, entry_changes, region
from harness.lab.ad.changes import Change
from harness.lab.ad.domain import AdArm, AdLab
from harness.lab.ad.settings import PORTS, SSO_PORTS
from harness.login.path import LoginPath, LoginResult
from harness.model.scenario import Scenario
from harness.system.files import write_whole
from tests.helpers.capture import Packet, asked, capture
from tests.helpers.capture import between as packets_between
from tests.helpers.explained import protocol_of
from tests.helpers.logons_ad import USER, changed, client, ended, facts_of, get_ticket, tool
from tests.helpers.running import until

pytestmark = pytest.mark.integration
WIRE = {("tcp", PORTS["kdc"]): "kerberos", **{("tcp", port): "http" for port in SSO_PORTS.values()}}
OIDC, SAML, PROVIDER = SSO_PORTS["oidc"], SSO_PORTS["saml"], SSO_PORTS["idp"]
DISABLED, NOT_LET_IN = "clin00008", "clin00009"


@dataclass(frozen=True)
class Way:
    """What a logon by one protocol asks of whom: by step the status of each answer, and all that is on the wire."""

    scenario: Scenario
    port: int
    statuses: dict[str, tuple[int, ...]]
    requests: dict[str, list[tuple[int, str]]]

    @property
    def steps(self) -> list[str]:
        return list(self.statuses)


WAYS = {
    "oidc": Way(
        load_scenario(find("sso-logon", SCENARIOS)),
        OIDC,
        {"oidc_start": (302,), "oidc_authorize": (401, 302), "oidc_callback": (302,), "oidc_page": (200,)},
        {
            "oidc_start": [(OIDC, "GET")],
            "oidc_authorize": [(PROVIDER, "GET")] * 2,
            # The relying party's own: the tokens for the code, and who it is.
            "oidc_callback": [(OIDC, "GET"), (PROVIDER, "POST"), (PROVIDER, "GET")],
            "oidc_page": [(OIDC, "GET")],
        },
    ),
    "saml": Way(
        load_scenario(find("saml-logon", SCENARIOS)),
        SAML,
        {"saml_start": (303, 303), "saml_authenticate": (401, 200), "saml_consume": (303,), "saml_page": (200,)},
        {
            "saml_start": [(SAML, "GET")] * 2,
            "saml_authenticate": [(PROVIDER, "GET")] * 2,
            # Nobody asks the provider behind the browser's back: the response itself is signed.
            "saml_consume": [(SAML, "POST")],
            "saml_page": [(SAML, "GET")],
        },
    ),
}


@pytest.fixture(scope="module")
def lab(require_ad_lab: None, require_sso: None) -> Iterator[AdLab]:
    """One arm for all tests, which only log in to it; one account is disabled, one may use no page by SAML."""
    rule = {"issuerDBSAMLRule": f'$_user ne "{NOT_LET_IN}"'}
    disabled = entry_changes.replaced(region.user_dn(DISABLED), "userAccountControl", entry_changes.DISABLED)
    restricted = Change("restricted", "", lambda it: replace(it, ldif=disabled, portal={**it.portal, **rule}))
    with AdLab(("baseline",), common=[changes.SINGLE_SIGN_ON, restricted]) as running:
        yield running


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


def signing_on(way: Way, target: dict[str, Any], folder: Path, **unlike: object) -> LoginPath:
    return client(target, folder, **{**way.scenario.model_dump(), "population": {"users": 1}, **unlike})


@pytest.fixture(scope="module")
def seen(
    way: Way, lab: AdLab, require_capture: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[LoginResult, list[Packet]]:
    """A cold logon, explained, and all packets of the servers' ports meanwhile."""
    arm, folder = lab.arms["baseline"], tmp_path_factory.mktemp("wire")
    path = signing_on(way, dict(arm.target), folder)
    assert path.login(USER, "cold").outcome.status == "ok"  # after which the relying party knows its provider
    with capture(folder, WIRE, arm.address) as captured:
        login = path.login(USER, "cold", explain=True)
    return login, captured.packets


def test_a_logon_takes_every_step_at_the_server_that_it_is_of(way: Way, seen: tuple[LoginResult, list[Packet]]) -> None:
    login, _ = seen
    assert login.outcome.status == "ok"
    assert [step.step for step in login.steps] == list(way.scenario.steps)
    start, provider, proven, page = way.steps
    assert {step.step: int(step.server.rpartition(":")[2]) for step in login.steps} == {
        "kdc_as": 88, "kdc_tgs_idp": 88, start: way.port, provider: PROVIDER, proven: way.port, page: way.port
    }  # fmt: skip
    facts = facts_of(login)
    assert {name: facts[name].statuses for name in way.steps} == way.statuses
    assert facts[provider].agreed == ("mutual",)
    assert [ticket.service for ticket in facts["kdc_tgs_idp"].tickets] == [f"{region.IDP_SERVICE}@{region.REALM}"]


def test_each_hop_is_on_the_wire_in_its_own_time_and_nothing_else_is(
    way: Way, seen: tuple[LoginResult, list[Packet]]
) -> None:
    login, packets = seen
    requests: dict[str, list[tuple[int, str]]] = {}
    for step in login.steps:
        mine = packets_between(packets, step.started, step.ended)
        requests[step.step] = [
            (packet.to, what) for packet in mine if ("tcp", packet.to) in WIRE for what in asked(packet, WIRE)
        ]
    tickets = {name: requests.pop(name) for name in ("kdc_as", "kdc_tgs_idp")}
    assert {port for asked_for in tickets.values() for port, _ in asked_for} == {PORTS["kdc"]}
    assert requests == way.requests
    claimed = {step.step: facts.round_trips for step, facts in zip(login.steps, login.facts, strict=True)}
    for name in way.steps:
        browsers = requests[name][:1] if name == "oidc_callback" else requests[name]
        assert claimed[name] == len(browsers)


def test_what_a_logon_shows_holds_no_code_no_assertion_and_no_cookie(seen: tuple[LoginResult, list[Packet]]) -> None:
    shown = repr(seen[0])
    for word in ("oidc/callback", "session_state", "mod_auth_openidc", "lemonldap=", "postResponse", "SAML", "mellon"):
        assert word not in shown


def test_logons_to_equal_servers_differ_in_nothing(way: Way, baseline: AdArm, tmp_path: Path) -> None:
    first, *others = (protocol_of(dict(baseline.target), way.scenario, USER, tmp_path) for _ in range(4))
    assert [between(first, other) for other in others] == [()] * 3


def test_a_warm_logon_asks_no_kdc(way: Way, baseline: AdArm, tmp_path: Path) -> None:
    path = signing_on(way, dict(baseline.target), tmp_path)
    assert path.warm_up(USER).outcome.status == "ok"
    result = path.login(USER, "warm", explain=True)
    assert result.outcome.status == "ok"
    assert [step.step for step in result.steps] == way.steps
    assert all(not facts.exchanges for facts in result.facts)


def test_both_protocols_in_one_logon_are_one_browser_whom_the_provider_knows(baseline: AdArm, tmp_path: Path) -> None:
    oidc, saml = WAYS["oidc"], WAYS["saml"]
    steps = ("kdc_as", "kdc_tgs_idp", *oidc.steps, *saml.steps)
    result = signing_on(saml, dict(baseline.target), tmp_path, steps=steps).login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"
    assert {name: facts_of(result)[name].statuses for name in saml.steps} == saml.statuses


def test_the_page_is_the_one_that_curl_gets_by_the_same_way(baseline: AdArm) -> None:
    get_ticket(baseline)
    names = {region.EHR_HOST: OIDC, region.IDP_HOST: PROVIDER}
    way = [word for host, port in names.items()
           for word in ("--connect-to", f"{host}:{port}:{baseline.address}:{port}")]  # fmt: skip
    there = ("--silent", "--fail", "--location-trusted", "--cookie", "", "--negotiate", "--user", ":", *way)
    url = f"http://{region.EHR_HOST}:{OIDC}/"
    shown = tool(baseline, "curl", *there, "--noproxy", "*", "--write-out", "%{num_redirects}", url)
    assert shown == f"{USER}\n3"


def test_the_page_by_saml_is_the_clinicians_own(baseline: AdArm, tmp_path: Path) -> None:
    """The one that the service provider's front shows to whom the assertion names."""
    path = signing_on(WAYS["saml"], dict(baseline.target), tmp_path)
    result = path.login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"
    log = baseline.folder / "logs" / "web-access.log"

    def shown() -> bool:  # a server writes its log once the answer has gone out
        return log.read_text().splitlines()[-1].split()[1:3] == [USER, "200"]

    until(shown, 10, "the page was shown to somebody else")


def test_a_provider_of_another_name_than_the_targets_is_not_gone_to(way: Way, baseline: AdArm, tmp_path: Path) -> None:
    """What relies on a provider knows its own, whatever the targets say."""
    sso = dict(baseline.target)["sso"]
    assert isinstance(sso, dict)
    other = changed(baseline, sso={"provider": {**sso["provider"], "service_host": region.DC_HOST}})
    start = way.steps[0]
    result = signing_on(way, other, tmp_path, steps=(start,)).login(USER, "cold", explain=True)
    assert ended(result) == ("error", "REDIRECT_ELSEWHERE", start)
    named, relying = f"http://{region.IDP_HOST}:{PROVIDER}", start.partition("_")[0]
    assert facts_of(result)[start].notes == (
        f"was sent to {named}, a server that neither sso.provider nor sso.{relying} in the targets names",
    )


def test_a_provider_that_the_domain_does_not_know_fails_at_its_ticket(
    way: Way, baseline: AdArm, tmp_path: Path
) -> None:
    sso = dict(baseline.target)["sso"]
    assert isinstance(sso, dict)
    other = changed(baseline, sso={"provider": {**sso["provider"], "service_host": f"nobody.{region.DOMAIN}"}})
    result = signing_on(way, other, tmp_path).login(USER, "cold")
    assert ended(result) == ("error", "KDC_ERR_S_PRINCIPAL_UNKNOWN", "kdc_tgs_idp")


@pytest.mark.parametrize(("user", "code"), [(USER, "KDC_ERR_PREAUTH_FAILED"), (DISABLED, "KDC_ERR_CLIENT_REVOKED")])
def test_a_wrong_password_and_a_disabled_account_are_denied_before_a_web_server_is_asked(
    baseline: AdArm, require_capture: None, tmp_path: Path, user: str, code: str
) -> None:
    wrong = write_whole(tmp_path / "wrong.csv", f"{user},not the password\n", private=True)
    credentials = {"csv": str(wrong)} if user == USER else dict(baseline.target)["credentials"]
    path = signing_on(WAYS["saml"], {**baseline.target, "credentials": credentials}, tmp_path, users=())
    with capture(tmp_path, WIRE, baseline.address) as captured:
        result = path.login(user, "cold")
    status, said, step = ended(result)
    assert (status, said.split()[0], step) == ("denied", code, "kdc_as")
    assert {packet.to for packet in captured.packets if packet.connects} == {PORTS["kdc"]}


def test_an_account_that_the_provider_lets_use_no_page_fails_there_and_the_service_provider_hears_nothing(
    baseline: AdArm, require_capture: None, tmp_path: Path
) -> None:
    """LemonLDAP::NG tells a person by a page, and not the service provider by a status."""
    path = signing_on(WAYS["saml"], dict(baseline.target), tmp_path, users=(NOT_LET_IN,))
    with capture(tmp_path, WIRE, baseline.address) as captured:
        result = path.login(NOT_LET_IN, "cold")
    assert ended(result) == ("error", "PROVIDER_SHOWS_PAGE", "saml_authenticate")
    requests = [(packet.to, what) for packet in captured.packets for what in asked(packet, WIRE)]
    assert (SAML, "GET") in requests and (SAML, "POST") not in requests


def test_the_provider_and_its_portal_are_processes_of_the_arm(baseline: AdArm) -> None:
    assert {"dc", "database", "web", "idp", "portal"} == baseline.processes.keys()
    assert all(process.alive for process in baseline.processes.values())
