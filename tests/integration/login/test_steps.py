"""One login, step by step, against real servers, with what their own logs and tools say of it."""

from __future__ import annotations

import re
from pathlib import Path

import krb5
import pytest

from harness.lab import hospital
from harness.lab.domain import LabArm
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath
from harness.login.runtime import ThreadRuntime
from harness.model.target import Target
from tests.helpers.logins import (
    FULL,
    USER,
    WHOLE_LOGIN,
    KdcLog,
    Way,
    by_ldaps,
    by_starttls,
    changed,
    client,
    groups_by_ldapsearch,
    groups_of,
    in_clear,
    names,
    scenario,
    tool,
)

pytestmark = pytest.mark.integration


# What a login does.


def test_a_cold_login_takes_every_step_in_order_and_finds_the_nested_groups(arm: LabArm, tmp_path: Path) -> None:
    result = client(changed(arm), tmp_path).login(USER, "cold")
    assert result.outcome.status == "ok"
    assert names(result) == FULL
    instants = [instant for step in result.steps for instant in (step.started, step.ended)]
    assert instants == sorted(instants)
    assert result.groups == groups_by_ldapsearch(arm, USER)
    assert hospital.group_dn(hospital.HOSPITAL) in result.groups


def test_a_warm_login_leaves_out_the_kdc_steps_and_the_kdc_hears_nothing(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path)
    log = KdcLog(arm)
    assert names(path.warm_up(USER)) == ("kdc_as", "kdc_tgs_ldap")
    assert log.requests() == WHOLE_LOGIN
    log = KdcLog(arm)
    for _ in range(3):
        result = path.login(USER, "warm", explain=True)
        assert result.outcome.status == "ok"
        assert names(result) == FULL[2:]
        assert [facts.exchanges for facts in result.facts] == [()] * 4
        assert result.groups == groups_of(USER)
    assert log.lines() == []


def test_each_cohort_takes_its_own_steps_with_a_ticket_cache_of_its_own(arm: LabArm, tmp_path: Path) -> None:
    cohorts = {
        "cold-logon": {"share": 0.5, "steps": list(FULL), "authentication": "password"},
        "tap-and-go": {"share": 0.3, "cache": "warm", "steps": list(FULL[:4])},
        "peek": {"share": 0.2, "cache": "warm", "steps": ["kdc_as", "ldap_connect"]},
    }
    path = client(changed(arm), tmp_path, steps=(), cohorts=cohorts)
    assert names(path.warm_up(USER, "peek")) == ("kdc_as",)
    assert names(path.login(USER, "peek")) == ("ldap_connect",)
    assert path.login(USER, "tap-and-go").outcome.code == "NO_WARM_CACHE"
    assert names(path.warm_up(USER, "tap-and-go")) == FULL[:2]
    log = KdcLog(arm)
    assert names(path.login(USER, "tap-and-go")) == FULL[2:4]
    assert log.lines() == []
    assert names(path.login(USER, "cold-logon")) == FULL
    assert log.requests() == WHOLE_LOGIN


def test_a_warm_login_without_a_warm_cache_says_so(arm: LabArm, tmp_path: Path) -> None:
    result = client(changed(arm), tmp_path).login(USER, "warm")
    assert (result.outcome.status, result.outcome.code, result.steps) == ("error", "NO_WARM_CACHE", ())


@pytest.mark.parametrize(("transport", "spoken"), [("udp-first", "UDP"), ("tcp", "TCP")])
def test_the_requests_shown_are_those_that_the_kdc_logged(
    arm: LabArm, tmp_path: Path, transport: str, spoken: str
) -> None:
    path = client(changed(arm, kdc_transport=transport), tmp_path)
    log = KdcLog(arm)
    result = path.login(USER, "cold", explain=True)
    assert [len(facts.exchanges) for facts in result.facts] == [2, 1, 0, 0, 0, 0]
    exchanges = [exchange for facts in result.facts for exchange in facts.exchanges]
    assert log.requests() == WHOLE_LOGIN
    for exchange in exchanges:
        assert (exchange.transport, exchange.server) == (spoken, f"127.0.0.1:{arm.ports['kdc']}")
        assert exchange.answer_bytes
        assert exchange.note == ""
    assert [exchange.error for exchange in exchanges] == ["KDC_ERR_PREAUTH_REQUIRED", "", ""]
    assert exchanges[0].key_enctype == "aes256-cts-hmac-sha1-96"
    ways = [step.way for step in result.steps]
    assert ways[:2] == [f"{spoken}, aes256-cts-hmac-sha1-96"] * 2
    assert ways[2] == "" and ways[3] == ", ".join(result.facts[3].agreed) != ""


def test_the_tickets_shown_are_those_that_klist_shows(arm: LabArm, tmp_path: Path) -> None:
    result = client(changed(arm), tmp_path).login(USER, "cold", explain=True)
    shown = [ticket for facts in result.facts for ticket in facts.tickets]
    services = [f"krbtgt/{hospital.REALM}@{hospital.REALM}", f"ldap/{hospital.DIRECTORY_HOST}@{hospital.REALM}"]
    assert [ticket.service for ticket in shown] == services

    tool(arm, "kinit", "-k", "-t", str(arm.folder / "clinicians.keytab"), USER)
    tool(arm, "kvno", services[1])
    listed = tool(arm, "klist", "-e")
    enctypes = re.findall(r"Etype \(skey, tkt\): (\S+), (\S+)", listed)
    assert enctypes == [(ticket.session_enctype, ticket.enctype) for ticket in shown]
    context = krb5.init_context()
    kept = krb5.cc_resolve(context, f"FILE:{arm.folder}/test.ccache".encode())
    sizes = {(c.server.name or b"").decode(): len(c.ticket) for c in kept}
    assert {ticket.service: ticket.ticket_bytes for ticket in shown}.items() <= sizes.items()


NAME = "ldap.clinic.test"
"""A name that no resolver knows; the certificate of the lab does, as of its address."""


@pytest.mark.parametrize("way", [in_clear, by_starttls, by_ldaps])
def test_logins_go_to_the_addresses_that_were_checked_and_no_name_is_resolved_again(
    arm: LabArm, tmp_path: Path, way: Way
) -> None:
    directory = Target.model_validate({**arm.target}).directory.model_copy(update=way(arm))
    named = changed(
        arm,
        {**way(arm), "uri": directory.uri.replace("127.0.0.1", NAME)},
        kdcs=[f"{NAME}:{arm.ports['kdc']}"],
    )
    # Nobody listens at the first address, so that the second is tried.
    checked = {NAME: ("127.0.0.99", "127.0.0.1")}
    path = LoginPath(named, scenario(), ThreadRuntime(), addresses=checked)
    use_krb5_conf(named, tmp_path)
    path.prepare([USER])
    assert path.login(USER, "cold").outcome.status == "ok"
    with pytest.raises(ValueError, match=NAME):
        LoginPath(named, scenario(), ThreadRuntime())
