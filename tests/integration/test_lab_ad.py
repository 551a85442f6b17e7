"""The AD lab, by its peers' own tools: kinit, kvno, ldapsearch, dig, curl, openssl, samba."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from harness.cli.lab import command as lab_command
from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS, find
from harness.errors import LabError
from harness.gate.protocol import between
from harness.lab import store
from harness.lab.ad import addresses, region
from harness.lab.ad.addresses import resolver_of
from harness.lab.ad.changes import PROCESS_MODEL_STANDARD, RSA_4096_CERTIFICATE, Change, ehr_workers, slow_reverse_dns
from harness.lab.ad.domain import AdArm, AdLab
from harness.lab.ad.settings import Settings
from harness.model.target import ARMS, Targets
from tests.helpers.explained import protocol_of
from tests.helpers.lab_ad import PATIENCE_S, answer, eventually, get_ticket, known_fields, tool
from tests.helpers.running import commands_running

pytestmark = pytest.mark.integration
IN_CHAIN = "1.2.840.113556.1.4.1941"
"""LDAP_MATCHING_RULE_TRANSITIVE_EVAL (MS-ADTS 3.1.1.3.4.4.3)."""
TITLE = "Changed on the candidate"
RC4_WORKSTATION = region.WORKSTATIONS[-2]
"""Whose account on the candidate knows no encryption type but RC4 (MS-KILE 2.2.7)."""
LATE_S = 0.3
"""How late the names of clients come at the candidate's front."""


def every_kind(settings: Settings) -> Settings:
    """A change of each kind of setting at once, so that one lab shows them all."""
    for change in (PROCESS_MODEL_STANDARD, RSA_4096_CERTIFICATE, ehr_workers(1), slow_reverse_dns(LATE_S)):
        settings = change.apply(settings)
    ldif = f"dn: {region.user_dn('clin00001')}\nchangetype: modify\nadd: title\ntitle: {TITLE}\n\n"
    ldif += f"dn: CN={RC4_WORKSTATION.upper()},{region.WORKSTATION_BASE}\nchangetype: modify\n"
    ldif += "replace: msDS-SupportedEncryptionTypes\nmsDS-SupportedEncryptionTypes: 4\n"
    return replace(settings, samba={"log level": "1"}, database={"max_connections": "37"}, ldif=ldif)


@dataclass(slots=True)
class Watched:
    """What the lab's own start gave away, had it done so."""

    lab: AdLab
    secrets: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def watched(require_ad_lab: None) -> Iterator[Watched]:
    """One lab for all tests that only look at it; its build and its start are watched for secrets."""
    token_hex, popen = secrets.token_hex, subprocess.Popen.__init__
    lab = Watched(AdLab(change=Change("every-kind", "A setting of each kind.", every_kind)))

    def remember(size: int) -> str:
        lab.secrets.append(token_hex(size))
        return lab.secrets[-1]

    def watch(self: object, argv: list[str], *rest: object, **more: object) -> None:
        lab.commands.append(f"{argv} {more.get('env')}")
        popen(self, argv, *rest, **more)  # type: ignore[call-overload]

    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(secrets, "token_hex", remember)
            patch.setattr(subprocess.Popen, "__init__", watch)
            stack.enter_context(lab.lab)
        yield lab


@pytest.fixture
def lab(watched: Watched) -> AdLab:
    return watched.lab


@pytest.fixture(params=["baseline", "candidate"])
def arm(request: pytest.FixtureRequest, lab: AdLab) -> AdArm:
    return lab.arms[request.param]


def search(arm: AdArm, *query: str, at: str | None = None) -> dict[str, list[str]]:
    """The attributes of all entries found, by name."""
    bind = ("-Y", "GSSAPI", "-Q", "-N", "-LLL", "-o", "ldif-wrap=no", "-H", f"ldap://{at or arm.address}")
    found: dict[str, list[str]] = {}
    for line in tool(arm, "ldapsearch", *bind, *query).splitlines():
        name, separator, value = line.partition(":")
        if separator and not line.startswith("#"):
            found.setdefault(name, []).append(value.lstrip(": "))
    return found


def page(arm: AdArm, path: str, *more: str) -> subprocess.CompletedProcess[str]:
    front = f"{region.EHR_HOST}:8080"
    there = ("--noproxy", "*", "--connect-to", f"{front}:{arm.address}:8080", f"http://{front}/{path}")
    return answer(arm, "curl", "--silent", "--fail", *more, *there)


NEGOTIATE = ("--negotiate", "--user", ":")


def password(arm: AdArm) -> str:
    return (arm.folder / store.CLINICIANS_CSV).read_text().splitlines()[0].split(",")[1]


def test_a_clinician_gets_a_ticket_by_password_and_by_key(arm: AdArm) -> None:
    tool(arm, "kinit", "clin01999", typed=password(arm) + "\n")
    assert "Default principal: clin01999@REGION.TEST" in tool(arm, "klist")
    get_ticket(arm, "clin00007")
    assert "Default principal: clin00007@REGION.TEST" in tool(arm, "klist")
    assert "Password incorrect" in answer(arm, "kinit", "clin00007", typed="not it\n").stderr


def test_every_hop_of_a_logon_has_a_service_ticket_with_an_aes_key(arm: AdArm) -> None:
    get_ticket(arm, "clin00007")
    services = [f"{name}@{region.REALM}" for name in (
        "host/ws001.region.test", "host/ws020.region.test", "cifs/dc1.region.test", "ldap/dc1.region.test",
        "HTTP/ehr.region.test", "postgres/pg.region.test", "integration/engine.region.test",
    )]  # fmt: skip
    tool(arm, "kvno", *services)
    listed = tool(arm, "klist", "-e")
    for service in services:
        after = listed.partition(f"  {service}\n")[2]
        assert after.splitlines()[0].endswith("aes256-cts-hmac-sha1-96 "), service


def test_service_accounts_log_in_by_their_keytabs_and_no_key_is_rc4(arm: AdArm) -> None:
    for service in (region.EHR_SERVICE, region.DATABASE_SERVICE, region.INTEGRATION_SERVICE):
        get_ticket(arm, service, "services.keytab")
        assert f"Default principal: {service}@REGION.TEST" in tool(arm, "klist")
    for name in ("services.keytab", "components.keytab", "clinicians.keytab", "web/http.keytab", "db/postgres.keytab"):
        listed = tool(arm, "klist", "-ke", str(arm.folder / name))
        assert listed.count("(aes") == listed.count("@REGION.TEST") > 0


def test_a_clinician_is_found_in_a_group_that_nests_the_ward_four_deep(arm: AdArm) -> None:
    get_ticket(arm, "clin00007")

    def is_in(user: str, group: str) -> bool:
        rule = f"(memberOf:{IN_CHAIN}:={region.group_dn(group)})"
        return "dn" in search(arm, "-b", region.user_dn(user), "-s", "base", rule, "dn")

    own = search(arm, "-b", region.user_dn("clin00007"), "-s", "base", "memberOf", "tokenGroups")
    assert own["memberOf"] == [region.group_dn("Ward07")]
    for group in ("Ward07", "Dept1", "Hospital", "EHR-Users"):
        assert is_in("clin00007", group), group
    assert not is_in("clin00007", "Ward08")
    assert not is_in("manygroups", "EHR-Users")
    wards = search(arm, "-b", region.GROUP_BASE, "(cn=Ward*)", "dn")["dn"]
    users = search(arm, "-E", "pr=500/noprompt", "-b", region.USER_BASE, "(sAMAccountName=clin*)", "dn")["dn"]
    assert (len(wards), len(users)) == (40, 2000)


def test_one_user_has_200_nested_groups_and_a_large_ticket(arm: AdArm) -> None:
    sizes = {}
    for user in ("clin00007", "manygroups"):
        get_ticket(arm, user)
        sizes[user] = (arm.folder / "test.ccache").stat().st_size
    groups = search(arm, "-b", region.user_dn("manygroups"), "-s", "base", "tokenGroups")["tokenGroups"]
    assert len(groups) >= 200
    assert sizes["manygroups"] > sizes["clin00007"] + 200 * 4
    assert page(arm, "db", *NEGOTIATE).stdout == "manygroups@REGION.TEST 20\n"


def test_the_fronts_page_answers_with_the_clinicians_name_and_nobody_else_gets_in(arm: AdArm) -> None:
    get_ticket(arm, "clin00042")
    assert page(arm, "", *NEGOTIATE).stdout == "clin00042\n"
    assert page(arm, "").returncode != 0
    assert page(arm, "db").returncode != 0


def test_the_front_asks_the_database_as_the_clinician_by_delegation(arm: AdArm) -> None:
    get_ticket(arm, "clin00042")
    assert page(arm, "db", *NEGOTIATE).stdout == "clin00042@REGION.TEST 20\n"
    # The clinician has no ticket for the database: the front got it, in the clinician's name, and keeps none.
    assert "postgres/" not in tool(arm, "klist")
    delegated = arm.folder / "web" / "delegated"  # a request is cleared away once its page has gone out
    assert eventually(lambda: [path.name for path in delegated.iterdir()] == ["front.ccache"])


def test_the_directory_refuses_a_client_that_neither_signs_nor_encrypts(arm: AdArm) -> None:
    get_ticket(arm, "clin00042")
    bind = ("ldapsearch", "-Y", "GSSAPI", "-Q", "-N", "-O", "maxssf=0", "-b", "", "-s", "base", "-H")
    assert "Strong(er) authentication required" in answer(arm, *bind, f"ldap://{arm.address}").stderr


def test_each_arms_names_lead_to_its_own_address(arm: AdArm) -> None:
    def dig(kind: str, name: str) -> str:
        return tool(arm, "dig", "+short", f"@{arm.address}", kind, name)

    for name in ("dc1", "ehr", "pg", "ws001", "gc._msdcs", "DomainDnsZones"):
        assert dig("A", f"{name}.region.test") == f"{arm.address}\n"
    assert dig("A", "region.test") == f"{arm.address}\n"
    assert dig("SRV", "_kerberos._tcp.dc._msdcs.region.test") == "0 100 88 dc1.region.test.\n"
    assert dig("SRV", "_ldap._tcp.dc._msdcs.region.test") == "0 100 389 dc1.region.test.\n"


def test_both_arms_have_the_same_sids_and_keys(lab: AdLab) -> None:
    baseline, candidate = lab.arms["baseline"], lab.arms["candidate"]
    sids = []
    for arm in (baseline, candidate):
        get_ticket(arm, "clin00042")
        sids.append(search(arm, "-b", region.GROUP_BASE, "(objectClass=group)", "objectSid")["objectSid"])
    assert sids[0] == sids[1]
    assert len(sids[0]) > 200
    for name in ("clinicians.csv", "clinicians.keytab", "components.keytab", "services.keytab", "tls/ec-p256-key.pem"):
        assert (baseline.folder / name).read_bytes() == (candidate.folder / name).read_bytes()
    # A ticket from the baseline's KDC opens the candidate's directory and its front.
    get_ticket(baseline, "clin00042")
    whose = search(baseline, "-b", region.user_dn("clin00042"), "-s", "base", "cn", at=candidate.address)
    assert whose["cn"] == ["clin00042"]
    assert page(replace(baseline, address=candidate.address), "", *NEGOTIATE).stdout == "clin00042\n"


def test_a_change_is_on_the_candidate_and_on_it_alone(lab: AdLab) -> None:
    baseline, candidate = lab.arms["baseline"], lab.arms["candidate"]

    def key(arm: AdArm) -> str:
        shown = tool(arm, "openssl", "s_client", "-connect", f"{arm.address}:636", "-servername", region.DC_HOST)
        return next(line for line in shown.splitlines() if line.startswith("Server public key is"))

    def workers(arm: AdArm, server: str) -> int:
        pid = arm.processes[server].pid
        return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def says(arm: AdArm) -> str:
        return (arm.folder / "logs" / "dc.out").read_text()

    def title(arm: AdArm) -> list[str]:
        get_ticket(arm, "clin00042")
        return search(arm, "-b", region.user_dn("clin00001"), "-s", "base", "title").get("title", [])

    assert (key(baseline), key(candidate)) == ("Server public key is 256 bit", "Server public key is 4096 bit")
    assert (workers(baseline, "web"), workers(candidate, "web")) == (8, 1)
    assert "using 'prefork' process model" in says(baseline)
    assert "using 'standard' process model" in says(candidate)
    assert (title(baseline), title(candidate)) == ([], [TITLE])
    for path, words in (("smb.conf", "log level = 1\n"), ("db/data/postgresql.conf", "max_connections = 37\n")):
        assert words not in (baseline.folder / path).read_text()
        assert words in (candidate.folder / path).read_text()


def asked(arm: AdArm, at: str, *question: str) -> tuple[str, int]:
    """What a name server says to a question, without its own signature, and after how many ms."""
    said = tool(arm, "dig", "+qr", "+tries=1", f"@{at}", *question)
    answer, _, facts = said.partition(";; Got answer:")[2].partition(";; Query time: ")
    return re.sub(r"id: \d+", "", answer), int(facts.split()[0])


def test_the_fronts_resolver_answers_as_the_controller_does_and_is_late_with_names_of_addresses_alone(
    arm: AdArm,
) -> None:
    late_ms = 1000 * arm.settings.reverse_dns_delay_s
    for question in (("SRV", "_ldap._tcp.region.test"), ("A", region.EHR_HOST), ("A", "nowhere.region.test")):
        assert asked(arm, resolver_of(arm.address), *question)[0] == asked(arm, arm.address, *question)[0]
    answer, took_ms = asked(arm, resolver_of(arm.address), "-x", "127.0.0.1")
    assert answer == asked(arm, arm.address, "-x", "127.0.0.1")[0]
    assert took_ms >= late_ms - 2, "dig counts in whole milliseconds"


def test_a_worker_of_the_front_waits_for_the_name_of_each_client_so_it_serves_no_more_than_workers_by_delay(
    lab: AdLab,
) -> None:
    candidate, count = lab.arms["candidate"], 6
    log = candidate.folder / "logs" / "web-access.log"
    get_ticket(candidate, "clin00007")
    before = len(log.read_text().splitlines())
    began = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        pages = list(pool.map(lambda _: page(candidate, "", *NEGOTIATE).stdout, range(count)))
    served_s = time.monotonic() - began
    assert pages == ["clin00007\n"] * count
    assert served_s >= count / candidate.settings.ehr_workers * LATE_S
    # A page is logged once it is sent.
    assert eventually(lambda: len(log.read_text().splitlines()) >= before + count)
    lines = [line.split() for line in log.read_text().splitlines()[before:]]
    assert {line[0] for line in lines} == {"127.0.0.1"}, "no file named the client before its name server did"
    assert min(int(line[-1]) for line in lines) >= 1_000_000 * LATE_S


def test_a_login_by_authgate_finds_the_nested_groups_on_each_arm(lab: AdLab, tmp_path: Path) -> None:
    file = tmp_path / "targets.yaml"
    file.write_text(yaml.safe_dump(known_fields(lab.targets)))
    targets = Targets.model_validate(yaml.safe_load(file.read_text()))
    assert {end.host for end in targets.arms["candidate"].endpoints} == {lab.arms["candidate"].address}
    for name in lab.arms:
        command = [sys.executable, "-m", "harness", "login", "clin00007", "--targets", str(file), "--arm", name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "login: ok" in done.stdout
        assert "4 groups" in done.stdout


def test_no_secret_is_in_a_command_an_environment_or_a_file_of_others(watched: Watched) -> None:
    # Another module may have built the domain before this one: the clinicians' password is then known from its file.
    passwords = {token for token in watched.secrets if len(token) == 32} | {password(watched.lab.arms["baseline"])}
    running = commands_running()
    assert "/usr/sbin/apache2" in running
    assert any("unshare" in command for command in watched.commands)
    for token in passwords:
        assert token not in running
        assert not [command for command in watched.commands if token in command]
    for arm in watched.lab.arms.values():
        assert arm.folder.parent.stat().st_mode & 0o077 == 0
        for path in arm.folder.rglob("*"):
            if not path.is_file():
                continue
            secretive = path.name.endswith((".keytab", "-key.pem", ".ccache", ".csv")) or "private" in path.parts
            holds = path.suffix != ".ldb" and any(token.encode() in path.read_bytes() for token in passwords)
            assert not holds or path.name == store.CLINICIANS_CSV, path
            assert not secretive or path.name == "krb5.conf" or not path.stat().st_mode & 0o077, path


def test_an_address_that_is_in_use_is_passed_over_and_named_when_there_is_no_other(
    lab: AdLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = lab.arms["baseline"].address
    strangers = "127.0.0.77"
    with socket.socket() as stranger:
        stranger.bind((strangers, 636))
        stranger.listen()
        monkeypatch.setattr(addresses, "POOL", (mine, strangers))
        with pytest.raises(LabError, match=r"another lab has it, TCP port 636 is taken"), AdLab(("baseline",)):
            pass


def test_the_command_starts_shows_and_ends_a_lab_beside_another(lab: AdLab, tmp_path: Path) -> None:
    def authgate_lab(*arguments: str) -> str:
        done = CliRunner().invoke(lab_command, [*arguments, "--dir", str(tmp_path)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    said = authgate_lab("up", "--kind", "ad", "--change", "ehr-workers=2")
    try:
        assert "candidate: The web front serves at most 2 requests at a time.\n" in said
        assert f"authgate login clin00007 --targets {tmp_path / 'targets.yaml'}" in said
        shown = authgate_lab("status")
        for name in ("baseline", "candidate"):
            for server in ("dc", "web", "database"):
                assert f"{name}.{server} " in shown
        taken = {arm.address for arm in lab.arms.values()}
        assert not [address for address in taken if f" {address}:" in shown]
    finally:
        assert authgate_lab("down") == "ended\n"
    assert authgate_lab("status") == "no lab runs here\n"


def test_weaker_tickets_and_another_certificate_show_in_a_single_logon(
    lab: AdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)
    scenario = load_scenario(find("cold-logon", SCENARIOS))
    services = {"host": f"{RC4_WORKSTATION}.{region.DOMAIN}", "cifs": region.DC_HOST}
    shown = [
        protocol_of({**dict(lab.arms[name].target), "services": services}, scenario, "clin00007", tmp_path)
        for name in ARMS
    ]
    told = {(d.change, d.step, d.what): (d.baseline, d.candidate) for d in between(*shown) or ()}
    aes, rc4 = "aes256-cts-hmac-sha1-96", "arcfour-hmac"
    assert told.pop(("certificate-changed", "ldap_connect", "certificate's key")) == ("EC P-256", "RSA 4096")
    assert told.pop(("enctype-weaker", "kdc_tgs_host", "ticket for host/")) == (aes, rc4)
    assert set(told) <= {("enctype-weaker", "kdc_tgs_host", "session key for host/")}
