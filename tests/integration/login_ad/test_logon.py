"""The whole logon against the AD lab, and what its peers' own tools say of it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS, find
from harness.gate.protocol import between
from harness.importers.traffic.learn import learn
from harness.importers.traffic.summary import read_summary
from harness.lab.ad import region
from harness.lab.ad.domain import AdArm, AdLab
from harness.lab.ad.settings import PORTS
from harness.login.ldap.reads import sid_text
from harness.login.net.clock import StepClock
from harness.login.net.layers import channel_bindings
from harness.login.net.streams import connect
from harness.login.net.tls import TlsStream, client_context
from harness.login.path import LoginResult
from harness.model.endpoint import Endpoint
from harness.model.protocol import TlsFacts
from harness.model.steps import STEPS, Cache
from harness.model.target import ARMS
from tests.helpers.capture import Packet, capture, confirm
from tests.helpers.explained import protocol_of
from tests.helpers.logons_ad import (
    COLD_LOGON,
    PATIENCE_S,
    USER,
    changed,
    client,
    ended,
    facts_of,
    get_ticket,
    in_clear,
    tool,
)

pytestmark = pytest.mark.integration
SERVICES = {
    "kdc_tgs_host": f"host/ws001.{region.DOMAIN}",
    "kdc_tgs_ldap": f"ldap/{region.DC_HOST}",
    "kdc_tgs_cifs": f"cifs/{region.DC_HOST}",
    "kdc_tgs_http": f"HTTP/{region.EHR_HOST}",
}


WIRE = {
    ("udp", PORTS["dns"]): "dns",
    ("udp", PORTS["kdc"]): "kerberos",
    ("tcp", PORTS["kdc"]): "kerberos",
    ("udp", PORTS["ldap"]): "cldap",
    ("tcp", PORTS["ldap"]): "ldap",
    ("tcp", PORTS["ldaps"]): "tls",
    ("tcp", PORTS["http"]): "http",
}


@pytest.fixture(scope="module")
def seen(
    lab: AdLab, require_capture: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, LoginResult], list[Packet]]:
    """Logons to the baseline, explained, and all packets of its own ports meanwhile."""
    arm, folder = lab.arms["baseline"], tmp_path_factory.mktemp("wire")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        dead = f"127.0.0.1:{gone.getsockname()[1]}"
    twice = changed(arm, dns={"servers": [dead, f"{arm.address}:{PORTS['dns']}"]})

    def logon(target: dict[str, Any], cache: Cache = "cold", **unlike: object) -> LoginResult:
        path = client(target, folder, **unlike)
        if cache == "warm":
            assert path.warm_up(USER).outcome.status == "ok"
        return path.login(USER, cache, explain=True)

    with pytest.MonkeyPatch.context() as patch, capture(folder, WIRE, arm.address) as captured:
        for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
            patch.setenv(name, os.devnull)
        logins = {
            "cold": logon(dict(arm.target)),
            "warm": logon(dict(arm.target), "warm"),
            "cold, signed and sealed": logon(in_clear(arm)),
            "with a dead name server first": logon(twice, steps=("dns_srv_dc", "dns_a", "ldap_connect")),
        }
    return logins, captured.packets


@pytest.mark.parametrize("kind", ["cold", "warm", "cold, signed and sealed", "with a dead name server first"])
def test_what_the_waterfall_claims_is_what_is_seen_on_the_wire(
    seen: tuple[dict[str, LoginResult], list[Packet]], kind: str
) -> None:
    logins, packets = seen
    confirm(logins[kind], packets, WIRE)


def test_a_cold_logon_takes_every_step_of_each_arm_and_of_no_other(arm: AdArm, tmp_path: Path) -> None:
    result = client(dict(arm.target), tmp_path).login(USER, "cold")
    assert result.outcome.status == "ok"
    assert [step.step for step in result.steps] == list(COLD_LOGON.steps)
    assert {step.server.rpartition(":")[0] for step in result.steps} == {arm.address}
    ports = {step.step.partition("_")[0]: int(step.server.rpartition(":")[2]) for step in result.steps}
    assert ports == {"dns": 53, "cldap": 389, "kdc": 88, "ldap": 636, "http": 8080, "ehr": 8080}


@pytest.mark.parametrize("name_of_scenario", ["ward-round", "ntlm-fallback"])
def test_every_cohort_of_a_shipped_mix_logs_in_by_its_own_steps(
    arm: AdArm, tmp_path: Path, name_of_scenario: str
) -> None:
    scenario = load_scenario(find(name_of_scenario, SCENARIOS))
    path = client(dict(arm.target), tmp_path, **{**scenario.model_dump(), "population": {"users": 1}})
    for name, cohort in scenario.mix.items():
        if cohort.cache == "warm":
            assert path.warm_up(USER, name).outcome.status == "ok"
        result = path.login(USER, name)
        assert (result.outcome.status, [step.step for step in result.steps]) == ("ok", list(cohort.taken))


def test_a_warm_logon_asks_no_name_server_and_no_kdc(baseline: AdArm, tmp_path: Path) -> None:
    path = client(dict(baseline.target), tmp_path)
    assert path.warm_up(USER).outcome.status == "ok"
    result = path.login(USER, "warm", explain=True)
    assert result.outcome.status == "ok"
    assert [step.step for step in result.steps] == [name for name in COLD_LOGON.steps if not STEPS[name].cached]
    assert all(not facts.exchanges and not facts.tickets for facts in result.facts)


def test_each_step_of_the_kdc_shows_the_ticket_that_kvno_gets(baseline: AdArm, logon: LoginResult) -> None:
    get_ticket(baseline)
    tool(baseline, "kvno", *SERVICES.values())
    listed = set(re.findall(r"(\S+)@REGION\.TEST$", tool(baseline, "klist"), re.MULTILINE))
    assert set(SERVICES.values()) <= listed
    for step, service in SERVICES.items():
        (ticket,) = facts_of(logon)[step].tickets
        assert ticket.service == f"{service}@{region.REALM}"
        assert len(facts_of(logon)[step].exchanges) == 1
    assert len(facts_of(logon)["kdc_as"].exchanges) == 2


def test_the_name_server_says_what_dig_shows(baseline: AdArm, logon: LoginResult) -> None:
    def dig(name: str, kind: str) -> list[str]:
        return tool(baseline, "dig", "+short", f"@{baseline.address}", name, kind).splitlines()

    (controller,) = dig(f"_ldap._tcp.dc._msdcs.{region.DOMAIN}", "SRV")
    assert facts_of(logon)["dns_srv_dc"].notes == (f"{controller.split()[3].rstrip('.')} of 1",)
    (kdc,) = dig(f"_kerberos._tcp.{region.DOMAIN}", "SRV")
    assert facts_of(logon)["dns_srv_kerberos"].notes == (f"{kdc.split()[3].rstrip('.')}:{kdc.split()[2]}",)
    assert facts_of(logon)["dns_a"].notes == tuple(dig(region.DC_HOST, "A"))


def test_the_site_asked_for_is_the_one_that_the_controller_names(baseline: AdArm, tmp_path: Path) -> None:
    site = "Default-First-Site-Name"
    steps = ("dns_srv_dc", "dns_a", "cldap_ping", "dns_srv_kerberos")
    result = client(changed(baseline, dns={"site": site}), tmp_path, steps=steps).login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"
    assert f"{region.DC_HOST}, site {site}, client's {site}" in facts_of(result)["cldap_ping"].notes
    elsewhere = client(changed(baseline, dns={"site": "Nowhere"}), tmp_path, steps=steps).login(USER, "cold")
    assert ended(elsewhere) == ("error", "DNS 3 NXDOMAIN", "dns_srv_dc")


def test_the_groups_are_those_of_ldapsearch(baseline: AdArm, logon: LoginResult) -> None:
    get_ticket(baseline)
    query = ("ldapsearch", "-Y", "GSSAPI", "-Q", "-N", "-LLL", "-o", "ldif-wrap=no", "-H", f"ldap://{baseline.address}")
    raw = tool(baseline, *query, "-s", "base", "-b", region.user_dn(USER), "(objectClass=*)", "tokenGroups")
    encoded = re.findall(r"tokenGroups:: (\S+)", raw)
    assert {sid_text(base64.b64decode(value)) for value in encoded} == logon.groups
    (chain,) = facts_of(logon)["ldap_in_chain"].notes
    named = tool(baseline, *query, "-s", "base", "-b", f"<SID={chain}>", "(objectClass=group)", "sAMAccountName")
    assert f"sAMAccountName: {region.EHR_USERS}" in named.splitlines()


def test_the_pages_are_those_that_curl_gets(baseline: AdArm, tmp_path: Path) -> None:
    get_ticket(baseline)
    front = f"{region.EHR_HOST}:{PORTS['http']}"
    there = ("--noproxy", "*", "--connect-to", f"{front}:{baseline.address}:{PORTS['http']}")
    seen = tool(baseline, "curl", "-s", "--fail", "--negotiate", "-u", ":", *there, f"http://{front}/db")
    assert f"{USER}@{region.REALM}" in seen
    # The front's own page names the user without a realm: nobody but the database says the principal.
    front_only = changed(baseline, ehr={"database_path": "/"})
    assert ended(client(front_only, tmp_path).login(USER, "cold")) == ("error", "PRINCIPAL_MISSING", "ehr_query")
    absent = changed(baseline, ehr={"database_path": "none"})
    assert ended(client(absent, tmp_path).login(USER, "cold")) == ("error", "HTTP 404", "ehr_query")


@contextmanager
def recorded(address: str, port: int) -> Iterator[tuple[int, bytearray]]:
    """A port that passes one connection on, and the bytes that went over it, both ways."""
    seen = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)

        def pass_on(source: socket.socket, sink: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    seen.extend(data)
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        def serve() -> None:
            here, _ = listener.accept()
            with here, socket.create_connection((address, port), PATIENCE_S) as there:
                back = threading.Thread(target=pass_on, args=(there, here))
                back.start()
                pass_on(here, there)
                back.join(PATIENCE_S)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], seen
        thread.join(PATIENCE_S)


LDAP_STEPS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_rootdse", "ldap_bind", "ldap_own_entry",
              "ldap_token_groups", "ldap_in_chain")  # fmt: skip


def test_what_is_read_after_a_bind_without_tls_is_sealed(baseline: AdArm, logon: LoginResult, tmp_path: Path) -> None:
    with recorded(baseline.address, PORTS["ldap"]) as (port, seen):
        target = in_clear(baseline, port, "127.0.0.1")
        result = client(target, tmp_path, steps=LDAP_STEPS).login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"
    assert facts_of(result)["ldap_bind"].agreed == ("sign and seal",)
    assert result.groups == logon.groups
    assert b"dnsHostName" in seen  # before the bind
    for read in (b"sAMAccountName", b"tokenGroups", b"1.2.840.113556.1.4.1941"):
        assert read not in seen


def test_within_tls_no_layer_is_asked_for(logon: LoginResult) -> None:
    assert facts_of(logon)["ldap_connect"].tls == TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", "EC P-256")
    assert facts_of(logon)["ldap_bind"].agreed == ("no security layer",)


def test_a_bind_is_bound_to_the_certificate_that_openssl_fingerprints(
    baseline: AdArm, require_server: Callable[..., None]
) -> None:
    require_server("openssl")
    directory: Any = baseline.target["directory"]
    clock = StepClock(PATIENCE_S)
    plain = connect(Endpoint(host=baseline.address, port=PORTS["ldaps"]), clock)
    secure = TlsStream(plain, client_context(directory["ca_file"]), baseline.address, clock)
    found = channel_bindings(secure)
    secure.close()
    said = tool(baseline, "openssl", "x509", "-in", directory["ca_file"], "-noout", "-fingerprint", "-sha256", "-text")
    assert "Signature Algorithm: ecdsa-with-SHA256" in said
    digest = bytes.fromhex(re.findall(r"Fingerprint=(\S+)", said)[0].replace(":", ""))
    assert len(digest) == hashlib.sha256().digest_size
    assert found is not None
    assert found.application_data == b"tls-server-end-point:" + digest


def test_a_name_server_that_sends_logons_to_another_arm_fails_them_before_anything_is_sent_there(
    lab: AdLab, tmp_path: Path
) -> None:
    """Both arms' controllers have one name, as clones have, and an address each."""
    other = f"{lab.arms['candidate'].address}:{PORTS['dns']}"
    target = changed(lab.arms["baseline"], dns={"servers": [other]})
    assert ended(client(target, tmp_path).login(USER, "cold")) == ("error", "DC_NOT_IN_TARGETS", "dns_a")


def test_a_service_that_the_domain_does_not_know_fails_its_own_step(baseline: AdArm, tmp_path: Path) -> None:
    target = changed(baseline, services={"host": f"ws999.{region.DOMAIN}"})
    result = client(target, tmp_path).login(USER, "cold")
    assert ended(result) == ("error", "KDC_ERR_S_PRINCIPAL_UNKNOWN", "kdc_tgs_host")


@pytest.mark.parametrize("closed", ["dns", "ehr"])
def test_a_server_that_is_not_there_is_an_error_at_its_own_step(baseline: AdArm, tmp_path: Path, closed: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = f"127.0.0.1:{gone.getsockname()[1]}"
    part: dict[str, Any] = {"dns": {"servers": [nobody]}, "ehr": {"url": f"http://{nobody}/"}}
    expected = {
        "dns": ("error", "DNS_NO_ANSWER", "dns_srv_dc"),
        "ehr": ("error", "CONNECT_FAILED", "http_negotiate"),
    }
    target = changed(baseline, **{closed: part[closed]})
    assert ended(client(target, tmp_path).login(USER, "cold")) == expected[closed]


def test_single_logons_to_equal_controllers_differ_in_nothing(lab: AdLab, tmp_path: Path) -> None:
    for _ in range(3):
        shown = [protocol_of(dict(lab.arms[name].target), COLD_LOGON, USER, tmp_path) for name in ARMS]
        assert between(*shown) == ()


def test_a_large_pac_and_an_answer_too_big_for_udp_show_in_a_single_logon(lab: AdLab, tmp_path: Path) -> None:
    usual = protocol_of(dict(lab.arms["baseline"].target), COLD_LOGON, USER, tmp_path)
    target = {**dict(lab.arms["candidate"].target), "kdc_transport": "udp-first"}
    told = between(usual, protocol_of(target, COLD_LOGON, region.MANY_GROUPS_USER, tmp_path)) or ()
    by_step = {step: [d.change for d in told if d.step == step] for step in COLD_LOGON.steps}
    assert by_step["kdc_as"] == ["exchange-added", "error-added", "transport-changed", "ticket-grown"]
    for step in SERVICES:
        assert "ticket-grown" in by_step[step]
    assert by_step["ldap_token_groups"] == ["answer-grown"]
    assert not by_step["ldap_connect"] and not by_step["dns_a"] and not by_step["ehr_query"]


def test_a_scenario_learned_of_captured_traffic_logs_in(baseline: AdArm, tmp_path: Path) -> None:
    capture = Path(__file__).parents[2] / "data" / "ad-logins.tsv"
    steps = learn(read_summary(capture), apart_s=1.0).steps
    result = client(dict(baseline.target), tmp_path, steps=steps).login(USER, "cold")
    assert (result.outcome.status, tuple(step.step for step in result.steps)) == ("ok", steps)
