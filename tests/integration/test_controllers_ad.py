"""Arms with two domain controllers in two sites: where logins go, what a dead one costs, and that the run says so."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS, find
from harness.errors import LabError
from harness.lab import supervisor
from harness.lab.ad import entry_changes, region
from harness.lab.ad.changes import NO_SUBNET, Change
from harness.lab.ad.domain import AdArm, AdLab
from harness.lab.ad.settings import PORTS
from harness.login.caution import Caution
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.ldap import netlogon
from harness.login.ldap import session as directory
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.protocol import StepFacts
from harness.model.scenario import Scenario
from harness.model.steps import STEPS
from harness.model.target import Target, Targets
from harness.system.process import environment
from tests.helpers.running import POLICY, Inputs, finished, stopped

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0
USER = "clin00007"
COLD_LOGON = load_scenario(find("cold-logon", SCENARIOS))
LOCATING = ("dns_srv_dc", "dns_a", "cldap_ping")
LISTED = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_rootdse", "ldap_bind", "ldap_own_entry")
FAR, NEAR = region.SECOND_SITE, region.FIRST_SITE


@pytest.fixture(scope="module")
def lab(require_ad_lab: None) -> Iterator[AdLab]:
    """Two controllers an arm; the candidate's clients are in a subnet that nobody has mapped to a site."""
    ldif = entry_changes.replaced(region.SUFFIX, "lockoutThreshold", "50")  # or nothing would be counted
    counting = Change("counting", "", lambda settings: replace(settings, ldif=ldif))
    with AdLab(common=(counting,), change=NO_SUBNET, credentials="keytab", controllers=2) as running:
        yield running


@pytest.fixture(autouse=True)
def _process_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture
def baseline(lab: AdLab) -> AdArm:
    return lab.arms["baseline"]


@pytest.fixture
def candidate(lab: AdLab) -> AdArm:
    return lab.arms["candidate"]


def client(arm: AdArm, folder: Path, steps: tuple[str, ...], **parts: Any) -> LoginPath:
    """A prepared client of the arm, with some fields of its target's parts replaced."""
    target: dict[str, Any] = dict(arm.target)
    target |= {name: {**target[name], **part} if isinstance(part, dict) else part for name, part in parts.items()}
    told = Target.model_validate(target)
    use_krb5_conf(told, folder)
    scenario = Scenario.model_validate({**COLD_LOGON.model_dump(), "population": {"users": 1}, "steps": steps})
    path = LoginPath(told, scenario, ThreadRuntime())
    path.prepare([USER])
    return path


def hosts(result: LoginResult) -> dict[str, str]:
    return {step.step: step.server.rpartition(":")[0] for step in result.steps}


def took_s(result: LoginResult) -> dict[str, float]:
    return {step.step: (step.ended - step.started) / 1e9 for step in result.steps}


def facts(result: LoginResult) -> dict[str, StepFacts]:
    return {step.step: found for step, found in zip(result.steps, result.facts, strict=True)}


def tool(arm: AdArm, name: str, *argv: str) -> str:
    """What a command-line tool prints that knows this controller alone."""
    ccache = f"FILE:{arm.folder}/test-{name}.ccache"
    settings = environment(KRB5_CONFIG=str(arm.folder / f"krb5-{name}.conf"), KRB5CCNAME=ccache, LDAPCONF="/dev/null")
    done = subprocess.run(argv, env=settings, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode in (0, 10), done.stderr  # ldapsearch ends with the directory's result code
    return done.stdout


def search(arm: AdArm, name: str, *query: str) -> str:
    tool(arm, name, "kinit", "-k", "-t", str(arm.folder / "clinicians.keytab"), USER)
    bind = ("-Y", "GSSAPI", "-Q", "-N", "-LLL", "-o", "ldif-wrap=no", "-H", f"ldap://{arm.controllers[name]}")
    return tool(arm, name, "ldapsearch", *bind, *query)


def test_an_arms_controllers_have_the_same_entries_and_each_an_identity_of_its_own(baseline: AdArm) -> None:
    groups, own = set(), {}
    for name in baseline.controllers:
        groups.add(search(baseline, name, "-b", region.GROUP_BASE, "(objectClass=group)", "objectSid", "member"))
        root = tool(baseline, name, "ldapsearch", "-x", "-LLL", "-H", f"ldap://{baseline.controllers[name]}", "-b", "",
                    "-s", "base", "dnsHostName", "serverName")  # fmt: skip
        identity = search(
            baseline, name, "-b", f"CN=RID Set,{region.controller_dn(name)}", "-s", "base", "rIDAllocationPool"
        )
        own[name] = (root, identity)
    assert len(groups) == 1
    assert f"CN=DC1,CN=Servers,CN={NEAR}," in own["dc1"][0]
    assert f"CN=DC2,CN=Servers,CN={FAR}," in own["dc2"][0]
    pools = [int(re.findall(r"rIDAllocationPool: (\d+)", identity)[0]) for _, identity in own.values()]
    (first_low, first_high), (second_low, _) = ((pool & 0xFFFFFFFF, pool >> 32) for pool in pools)
    assert first_low < first_high < second_low


def test_each_sites_service_records_name_its_own_controller(baseline: AdArm) -> None:
    for name, address in baseline.controllers.items():

        def asked(site: str, address: str = address) -> set[str]:
            name = f"_ldap._tcp.{site}dc._msdcs.{region.DOMAIN}"
            said = subprocess.run(["dig", "+short", f"@{address}", "SRV", name], capture_output=True, text=True).stdout
            return {line.split()[3] for line in said.splitlines()}

        assert asked("") == {f"{region.DC_HOST}.", f"{region.SECOND_DC_HOST}."}, name
        assert asked(f"{NEAR}._sites.") == {f"{region.DC_HOST}."}
        assert asked(f"{FAR}._sites.") == {f"{region.SECOND_DC_HOST}."}


def test_a_client_whose_subnet_is_mapped_goes_to_its_site_and_one_whose_is_not_may_get_the_far_controller(
    lab: AdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netlogon, "AGAIN_S", 20.0)  # that one which is slow is passed over has a test of its own
    found, sites = {}, {"baseline": NEAR, "candidate": "(none)"}
    for name, arm in lab.arms.items():
        path = client(arm, tmp_path, LOCATING)
        names = {address: dc for dc, address in arm.controllers.items()}
        logins = [path.login(USER, "cold", explain=True) for _ in range(24)]
        assert {login.outcome.status for login in logins} == {"ok"}
        found[name] = [names[hosts(login)["cldap_ping"]] for login in logins]
        notes = [facts(login)["cldap_ping"].notes for login in logins]
        assert all(any(f"client's {sites[name]}" in note for note in noted) for noted in notes)
    assert set(found["baseline"]) == {"dc1"}
    assert set(found["candidate"]) == {"dc1", "dc2"}  # but for one run in 8 million


def test_a_login_keeps_to_the_controller_that_it_has_found(
    baseline: AdArm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netlogon, "AGAIN_S", 20.0)
    steps = (*LOCATING, *LISTED)
    for site, name in ((NEAR, "dc1"), (FAR, "dc2")):
        path = client(baseline, tmp_path, steps, dns={"site": site})
        result = path.login(USER, "cold", explain=True)
        assert result.outcome.status == "ok"
        its = {host for step, host in hosts(result).items() if not step.startswith("dns")}
        assert its == {baseline.controllers[name]}
        assert f"{name}.{region.DOMAIN}, site {site}, client's {NEAR}" in facts(result)["cldap_ping"].notes
        assert facts(result)["kdc_tgs_ldap"].tickets[0].service == f"ldap/{name}.{region.DOMAIN}@{region.REALM}"
        assert [len(facts(result)[step].exchanges) for step in ("kdc_as", "kdc_tgs_ldap", "ldap_bind")] == [2, 1, 0]
        path.warm_up(USER)
        warm = path.login(USER, "warm")
        assert warm.outcome.status == "ok"
        assert set(hosts(warm).values()) == {baseline.controllers[name]}, "its workstation remembers"


@contextmanager
def dead(kind: str) -> Iterator[dict[str, Any]]:
    """A controller that is not there, as the fields of a target: its ports are ``closed``, or drop what comes.

    A listener whose queue is full drops a SYN, as a host without power does.
    """
    with ExitStack() as stack:
        ports = []
        for _ in range(2):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            ports.append(listener.getsockname()[1])
            if kind == "closed":
                listener.close()
            else:
                for _ in range(3):
                    waiting = stack.enter_context(socket.socket())
                    waiting.setblocking(False)
                    waiting.connect_ex(("127.0.0.1", ports[-1]))
        yield {"kdc": f"127.0.0.1:{ports[0]}", "uri": f"ldaps://127.0.0.1:{ports[1]}"}


@pytest.mark.parametrize("kind", ["closed", "dropped"])
def test_a_dead_controller_listed_first_costs_its_wait_in_the_step_where_it_was_waited_for(
    baseline: AdArm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(directory, "CONNECTING_AT_MOST_S", 0.5)
    second = baseline.controllers["dc2"]
    living = {"uri": f"ldaps://{second}:{PORTS['ldaps']}", "service_host": region.SECOND_DC_HOST}
    with dead(kind) as first:
        path = client(
            baseline,
            tmp_path,
            LISTED,
            kdcs=[first["kdc"], f"{second}:{PORTS['kdc']}"],
            directory={"uri": first["uri"], "further_controllers": [living]},
        )
        result = path.login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"
    assert set(hosts(result).values()) == {second}
    waits = took_s(result)
    if kind == "dropped":
        # libkrb5 asks the next KDC after a second, in each of the exchanges.
        assert waits["kdc_as"] > 2 * 0.9
        assert waits["kdc_tgs_ldap"] > 0.9
        assert waits["ldap_connect"] > 0.45
    (passed_over,) = (note for note in facts(result)["ldap_connect"].notes if note.startswith("127.0.0.1:"))
    assert passed_over.endswith("DEADLINE" if kind == "dropped" else "CONNECT_FAILED")
    # The ticket was for the first one: the bind gets another.
    assert facts(result)["ldap_bind"].tickets[0].service.startswith(f"ldap/{region.SECOND_DC_HOST}@")


def descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(below for child in children for below in descendants(child))]


def test_a_controller_that_hangs_is_passed_over_by_the_ping_and_the_wait_is_the_pings(
    baseline: AdArm, tmp_path: Path
) -> None:
    second = baseline.controllers["dc2"]
    # The name server is another one: a dead one has tests of its own.
    asked = {"site": NEAR, "servers": [f"{second}:{PORTS['dns']}"]}
    path = client(baseline, tmp_path, (*LOCATING, *LISTED), dns=asked)
    with stopped(*descendants(baseline.processes["dc1"].pid)):
        result = path.login(USER, "cold")
    assert result.outcome.status == "ok"
    assert set(hosts(result).values()) == {second}
    assert took_s(result)["cldap_ping"] >= 0.1


def test_referrals_of_the_directory_are_named_and_never_followed(baseline: AdArm, tmp_path: Path) -> None:
    said = search(baseline, "dc1", "-b", region.SUFFIX, f"(sAMAccountName={USER})", "cn")
    seen = re.findall(r"# refldap://(\S+)", said)
    assert len(seen) == 3
    path = client(baseline, tmp_path, LISTED, directory={"user_base": region.SUFFIX})
    result = path.login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"
    assert set(hosts(result).values()) == {baseline.controllers["dc1"]}
    # Over TLS the controller refers to TLS.
    named = " ".join(f"ldaps://{uri}" for uri in seen)
    assert facts(result)["ldap_own_entry"].notes == (f"3 referrals, not followed: {named}",)
    assert not facts(result)["ldap_rootdse"].notes[1:]


def test_a_service_that_nobody_knows_costs_two_exchanges_one_with_referrals_and_one_without(
    baseline: AdArm, tmp_path: Path
) -> None:
    path = client(baseline, tmp_path, ("kdc_as", "kdc_tgs_host"), services={"host": f"ws999.{region.DOMAIN}"})
    result = path.login(USER, "cold", explain=True)
    assert (result.outcome.code, result.steps[-1].step) == ("KDC_ERR_S_PRINCIPAL_UNKNOWN", "kdc_tgs_host")
    assert [exchange.server for exchange in facts(result)["kdc_tgs_host"].exchanges] == [f"{baseline.address}:88"] * 2


def test_a_gate_says_which_controllers_answered_and_how_fast(lab: AdLab, tmp_path: Path) -> None:
    small = {
        **COLD_LOGON.model_dump(mode="json"),
        "steps": [*LOCATING, *LISTED],
        "population": {"users": 20, "cold_share": 1},
        "arrivals": {"curve": "constant", "rate": 10},
        "blocks": {"length_s": 0.6, "trim_s": 0.1, "pairs": 4},
    }
    inputs = Inputs(tmp_path)
    done = finished(inputs.command(lab.targets, scenario=small, policy={**POLICY, "name": "sites"}))
    # A generator that stood still for a second makes so short a run INVALID, and is not the subject.
    assert done.returncode in (0, 10, 20, 30), done.stdout + done.stderr
    assert set(inputs.attempts()["status"].to_pylist()) == {"ok"}
    rows = inputs.verdict()["servers"]
    ours = {arm: set(it.controllers.values()) for arm, it in lab.arms.items()}
    for step in ("cldap_ping", "kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_own_entry"):
        for arm in ("baseline", "candidate"):
            mine = [row for row in rows if (row["step"], row["arm"]) == (step, arm)]
            shares = {at: sum(row["share"] for row in mine if row["server"].startswith(f"{at}:")) for at in ours[arm]}
            assert sum(shares.values()) == pytest.approx(1), "nobody else answered"
            if arm == "candidate":  # unmapped: about half go far; of 20 logins none, or all, one in half a million
                assert min(shares.values()) > 0
            else:  # but for a ping that took 0.1 s, after which the other is asked too
                assert shares[lab.arms[arm].controllers["dc1"]] > 0.8
            assert all(0 < row["p50_s"] <= row["p95_s"] for row in mine)
    assert not [row for row in rows if STEPS[row["step"]].name.startswith("dns")], "one name server answered them all"
    assert "Which server answered" in (inputs.run / "report.html").read_text(encoding="utf-8")


def test_a_lab_of_two_controllers_has_an_address_for_each_and_what_can_not_be_is_refused(
    baseline: AdArm, tmp_path: Path
) -> None:
    assert set(baseline.processes) == {"dc1", "dc2", "web", "database"}
    addresses = {name: baseline.address_of(name) for name in baseline.processes}
    assert addresses == {**baseline.controllers, "web": baseline.address, "database": baseline.address}
    assert addresses["dc1"] != addresses["dc2"]
    with pytest.raises(LabError, match="expected 1 or 2 controllers, got 3"):
        AdLab(controllers=3)
    with pytest.raises(LabError, match="expected 2 controllers for no-subnet, got 1"):
        supervisor.up(tmp_path, "ad", ("candidate",), change="no-subnet")
    with pytest.raises(LabError, match="kind ad"):
        supervisor.up(tmp_path, controllers=2)


def test_when_the_near_controller_has_died_logins_go_on_at_the_far_one(candidate: AdArm, tmp_path: Path) -> None:
    """The last test: nothing brings it back. Its web front and database live on."""
    for pid in descendants(candidate.processes["dc1"].pid):
        os.kill(pid, signal.SIGKILL)
    result = client(candidate, tmp_path, COLD_LOGON.steps).login(USER, "cold", explain=True)
    assert result.outcome.status == "ok", result.steps[-1]
    second, front = candidate.controllers["dc2"], candidate.address
    assert hosts(result) == {
        name: front if name in ("http_negotiate", "ehr_query") else second for name in COLD_LOGON.steps
    }
    assert "2 tries" in facts(result)["dns_srv_dc"].notes


@pytest.mark.parametrize("listed", [True, False], ids=["among the targets", "not among the targets"])
def test_how_accounts_stand_is_the_word_of_the_pdc_emulator_where_the_targets_name_it(
    baseline: AdArm, tmp_path: Path, listed: bool
) -> None:
    """That is the lab's first one; the second, which is asked first, hears of none of its wrong passwords."""
    user = "clin00031"
    uri = f"ldaps://{baseline.controllers['dc1']}:{PORTS['ldaps']}"
    wrong = f"{user}@{region.DOMAIN}"
    refused = ["ldapsearch", "-x", "-H", uri, "-D", wrong, "-w", "wrong", "-b", "", "-s", "base"]
    env = environment(LDAPTLS_REQCERT="never", LDAPCONF="/dev/null")
    assert subprocess.run(refused, env=env, capture_output=True, timeout=PATIENCE_S).returncode == 49
    whole: dict[str, Any] = dict(baseline.target)
    first, second = ({key: found[key] for key in ("uri", "service_host")}
                     for found in (whole["directory"], *whole["directory"]["further_controllers"]))  # fmt: skip
    whole["directory"] = {**whole["directory"], **second, "further_controllers": [first] if listed else []}
    whole["kdcs"] = [f"{baseline.controllers['dc1']}:{PORTS['kdc']}"]
    told = Targets.model_validate({"arms": {"baseline": whole}})
    use_krb5_conf(told.arms["baseline"], tmp_path)
    scenario = Scenario.model_validate({**COLD_LOGON.model_dump(), "population": {"users": 1}, "steps": LISTED})
    path = LoginPath(told.arms["baseline"], scenario, ThreadRuntime())
    path.prepare([USER])
    found = Caution(told, "baseline").standings(path, USER, "cold", [user])
    assert found is not None and found.counter == f"dc1.{region.DOMAIN}"
    assert (found.whole, found.told_by) == (listed, f"{'dc1' if listed else 'dc2'}.{region.DOMAIN}")
    assert (found.by_user[user].failures > 0) is listed
