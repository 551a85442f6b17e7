"""Changes and faults on the labs' real servers, by their peers' own tools; and one update replayed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from harness.cli.main import main
from harness.config import shipped
from harness.lab import changes as embedded
from harness.lab import store
from harness.lab.ad import build, entry_changes, region
from harness.lab.ad import changes as ad
from harness.lab.ad.domain import AdArm, AdLab
from harness.lab.ad.programs import find_ad_programs
from harness.lab.ad.settings import Settings
from harness.lab.base import RunningArm
from harness.lab.domain import Lab
from harness.lab.hospital import CLINICIANS, SUFFIX, user_dn
from harness.lab.relays import Relays
from harness.login.kerberos.krb5conf import krb5_conf
from harness.model.fault import SERVICES, Delay
from harness.model.target import Arm, Target, Targets
from harness.system.files import write_whole
from harness.system.process import environment
from tests.helpers.running import POLICY

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
LATE_S = 0.3
REPLAYED_WITHIN_S = 300.0
BUILT_GROUPS = 6
"""Ward, department, hospital, those who may use the journal, Domain Users, and Users of the machine."""
SERVICES_OF_THE_LAB = {
    region.service_dn(name): {"msDS-SupportedEncryptionTypes": "24", **attributes}
    for name, attributes in region.SERVICE_ACCOUNTS.items()
}


def answer(arm: RunningArm, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "KRB5_CONFIG": str(arm.krb5_conf),
        "KRB5CCNAME": f"FILE:{arm.folder}/test.ccache",
        "KRB5_TRACE": "/dev/stderr",
        "LDAPCONF": "/dev/null",
        "LDAPTLS_REQCERT": "never",
    }
    env = environment(**(settings | more))
    return subprocess.run(argv, env=env, input="", capture_output=True, text=True, timeout=PATIENCE_S)


def get_ticket(arm: RunningArm, user: str) -> subprocess.CompletedProcess[str]:
    return answer(arm, "kinit", "-k", "-t", str(arm.folder / "clinicians.keytab"), user)


def by_relays(lab: Lab | AdLab, name: Arm) -> tuple[Target, Callable[..., float]]:
    """An arm as its clients see it, and how long a command takes that sees it so; it must succeed."""
    arm, target = lab.arms[name], Targets.model_validate(lab.targets).arms[name]
    conf = arm.folder / "clients-krb5.conf"
    conf.write_text(krb5_conf(target))

    def took_s(*argv: str) -> float:
        began = time.monotonic()
        done = answer(arm, *argv, KRB5_CONFIG=str(conf))
        assert done.returncode == 0, done.stderr
        return time.monotonic() - began

    return target, took_s


@pytest.fixture(scope="module")
def lab(require_domain: None) -> Iterator[Lab]:
    names = ("kdc-writes", "kdc-datagram=300", "no-uid-index", "rsa-4096-certificate", "pbkdf2=1000",
             "tls-for-simple-binds", "directory-threads=2", "others=50")  # fmt: skip
    faults = (Delay(at="kdc_as", s=LATE_S), Delay(at="ldap", s=LATE_S))
    with Lab(changes=[embedded.parse_change(name) for name in names], faults=faults) as running:
        yield running


def test_the_kdc_sends_clients_to_tcp_where_its_answers_by_udp_may_not_be_large(lab: Lab) -> None:
    said = {name: get_ticket(arm, CLINICIANS[1]).stderr for name, arm in lab.arms.items()}
    assert "Sending TCP request" not in said["baseline"]
    assert "too big for UDP" in said["candidate"] and "Sending TCP request" in said["candidate"]


def test_the_kdc_writes_when_a_clinician_was_there_last(lab: Lab) -> None:
    for name, arm in lab.arms.items():
        before = (arm.folder / "principal").read_bytes()
        assert get_ticket(arm, CLINICIANS[2]).returncode == 0
        assert ((arm.folder / "principal").read_bytes() != before) == (name == "candidate")


def test_passwords_are_hashed_as_said_and_still_let_their_owners_in_by_tls_alone(lab: Lab) -> None:
    key = {}
    for name, arm in lab.arms.items():
        url = f"ldap://127.0.0.1:{arm.ports['ldap']}"
        secret = arm.folder / "secret"
        write_whole(secret, store.password(arm.folder), private=True)
        who = ("ldapwhoami", "-x", "-D", user_dn(CLINICIANS[3]), "-y", str(secret), "-H", url)
        clear = answer(arm, *who)
        assert ("Confidentiality required" in clear.stderr) == (name == "candidate")
        assert (clear.returncode == 0) == (name == "baseline")
        assert answer(arm, *who, "-ZZ").returncode == 0
        assert answer(arm, *who, "-ZZ", "-w", "not it").returncode != 0
        shown = answer(arm, "openssl", "s_client", "-starttls", "ldap", "-connect", url.removeprefix("ldap://"))
        key[name] = next(line for line in shown.stdout.splitlines() if line.startswith("Server public key is"))
        stored = b"{PBKDF2-SHA256}1000$" in (arm.folder / "ldap-data" / "data.mdb").read_bytes()
        assert stored == (name == "candidate")
    assert key == {"baseline": "Server public key is 256 bit", "candidate": "Server public key is 4096 bit"}


@pytest.mark.parametrize(("change", "stored"), [("argon2=8192", b"{ARGON2}$argon2"), ("bcrypt=5", b"{CRYPT}$2b$05$")])
def test_a_dear_hash_is_what_the_directory_stores_and_lets_its_owner_in(
    change: str, stored: bytes, require_domain: None
) -> None:
    with Lab(("candidate",), changes=[embedded.parse_change(change)]) as dear:
        arm = dear.arms["candidate"]
        secret = arm.folder / "secret"
        write_whole(secret, store.password(arm.folder), private=True)
        url = f"ldap://127.0.0.1:{arm.ports['ldap']}"
        who = ("ldapwhoami", "-x", "-D", user_dn(CLINICIANS[3]), "-H", url)
        assert answer(arm, *who, "-y", str(secret)).returncode == 0
        assert answer(arm, *who, "-w", "not it").returncode != 0
        assert stored in (arm.folder / "ldap-data" / "data.mdb").read_bytes()
        assert not list(arm.folder.glob("to-be-hashed"))


def test_a_card_of_an_authority_that_the_kdc_does_not_trust_is_refused_at_the_first_step(
    require_domain: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Lab(changes=[embedded.parse_change("cards-untrusted")]) as lab:
        lab.write_targets(tmp_path / "targets.yaml")
        said = {}
        for name in lab.arms:
            login = ["login", CLINICIANS[7], "--targets", str(tmp_path / "targets.yaml"), "--arm", name]
            said[name] = main([*login, "--scenario", "smart-card"]), capsys.readouterr().out
    assert said["baseline"][0] == 0, said
    assert said["candidate"][0] == 1 and "login: error KDC_ERR_CANT_VERIFY_CERTIFICATE" in said["candidate"][1], said


def test_a_search_without_an_index_finds_what_one_with_an_index_finds(lab: Lab) -> None:
    for name, arm in lab.arms.items():
        assert get_ticket(arm, CLINICIANS[4]).returncode == 0
        url = f"ldap://127.0.0.1:{arm.ports['ldap']}"
        search = ("ldapsearch", "-Y", "GSSAPI", "-Q", "-N", "-LLL", "-H", url, "-b", SUFFIX)
        assert answer(arm, *search, "uid=clin00042", "dn").stdout == f"dn: {user_dn('clin00042')}\n\n"
        others = answer(arm, *search, "cn=other*", "dn").stdout.count("dn: ")
        assert others == (50 if name == "candidate" else 0)


def test_both_arms_go_by_relays_and_the_candidates_alone_has_the_faults(lab: Lab) -> None:
    for name, arm in lab.arms.items():
        target, took_s = by_relays(lab, name)
        assert target.directory.endpoint.port == arm.ports["relay"]
        assert [kdc.port for kdc in target.kdcs] == [arm.ports["relay_kdc"]]
        first_s = took_s("kinit", "-k", "-t", str(arm.folder / "clinicians.keytab"), CLINICIANS[5])
        bind_s = took_s("ldapwhoami", "-Y", "GSSAPI", "-Q", "-N", "-H", target.directory.uri)
        assert name == "baseline" or (first_s >= 2 * LATE_S and bind_s >= LATE_S)  # An AS exchange is two messages.


@pytest.fixture(scope="module")
def candidate(require_ad_lab: None) -> Iterator[tuple[AdLab, AdArm]]:
    """The candidate alone, changed in ways that let everybody but the disabled in."""
    names = ("udp-first", "log-level=3", "dc-workers=2", "disabled-percent=10", "nested-groups=5")
    late = [Delay(at=service, s=LATE_S) for service in SERVICES]
    with AdLab(("candidate",), changes=[ad.parse_change(name) for name in names], faults=late) as running:
        yield running, running.arms["candidate"]


def test_entries_are_changed_once_all_has_worked_and_only_those_that_the_change_means(
    candidate: tuple[AdLab, AdArm],
) -> None:
    _, arm = candidate
    assert get_ticket(arm, CLINICIANS[0]).returncode == 0
    assert "revoked" in get_ticket(arm, CLINICIANS[50]).stderr
    assert entry_changes.disabled(10).count("changetype: modify") == len(CLINICIANS) // 10
    assert get_ticket(arm, CLINICIANS[1]).returncode == 0
    base = ("-b", region.user_dn(CLINICIANS[1]), "-s", "base", "tokenGroups")
    found = answer(arm, "ldapsearch", "-Y", "GSSAPI", "-Q", "-N", "-LLL", "-H", f"ldap://{arm.address}", *base)
    assert found.stdout.count("tokenGroups:") == BUILT_GROUPS + 5, found.stdout
    for line in ("log level = 3\n", "prefork children = 2\n"):
        assert line in (arm.folder / "smb.conf").read_text()


def test_every_service_of_the_ad_lab_is_reached_by_its_relay_and_late(candidate: tuple[AdLab, AdArm]) -> None:
    lab, arm = candidate
    target, took_s = by_relays(lab, "candidate")
    assert target.kdc_transport == "udp-first" and target.dns is not None and target.ehr is not None
    front, there = f"{region.EHR_HOST}:{target.ehr.endpoint.port}", str(target.ehr.endpoint)
    name_server = target.dns.servers[0]
    who = ("-Y", "GSSAPI", "-Q", "-N", "-O", "maxssf=0", "-H", target.directory.uri)
    page = ("curl", "--silent", "--fail", "--negotiate", "--user", ":", "--noproxy", "*")
    late_s = {
        "dns": took_s("dig", "+short", f"@{name_server.host}", "-p", str(name_server.port), region.DC_HOST),
        "kdc": took_s("kinit", "-k", "-t", str(arm.folder / "clinicians.keytab"), CLINICIANS[1]),
        "ldap": took_s("ldapsearch", *who, "-b", region.user_dn(CLINICIANS[1]), "-s", "base", "dn"),
        "http": took_s(*page, "--connect-to", f"{front}:{there}", f"http://{front}/"),
    }
    assert min(late_s.values()) >= LATE_S, late_s
    assert {"relay", "relay_kdc", "relay_dns", "relay_http"} <= set(arm.ports)


@pytest.mark.parametrize(
    ("change", "service", "path"),
    [("no-delegation", None, "db"), ("rc4-only-database", None, "db"), ("rc4-only-ehr", None, ""),
     ("no-ehr-spn", region.EHR_SERVICE, "")],
)  # fmt: skip
def test_a_change_that_breaks_a_hop_breaks_that_one(
    candidate: tuple[AdLab, AdArm], change: str, service: str | None, path: str
) -> None:
    _, arm = candidate
    front = f"{region.EHR_HOST}:{arm.ports['http']}"

    def works(page: str) -> bool:
        there = ("--noproxy", "*", "--connect-to", f"{front}:{arm.address}:{arm.ports['http']}")
        fetch = ("curl", "--silent", "--fail", "--negotiate", "--user", ":", *there, f"http://{front}/{page}")
        return answer(arm, *fetch).stdout.startswith(CLINICIANS[1])

    assert get_ticket(arm, CLINICIANS[1]).returncode == 0
    programs = find_ad_programs()
    ldif = ad.parse_change(change).apply(Settings()).ldif
    entry, attribute = ldif.splitlines()[0].removeprefix("dn: "), ldif.splitlines()[2].partition(": ")[2]
    kept = SERVICES_OF_THE_LAB[entry][attribute]
    assert works(path)
    try:
        build.edit(programs, arm.folder, {"ldif": ldif})
        assert get_ticket(arm, CLINICIANS[1]).returncode == 0
        assert not works(path)
        assert path == "" or works("")
        assert service is None or answer(arm, "kvno", service).returncode != 0
    finally:
        build.edit(programs, arm.folder, {"ldif": entry_changes.replaced(entry, attribute, kept)})


def test_a_dead_controller_is_first_among_the_candidates_and_the_baseline_has_none() -> None:
    relays = Relays(subprocess.Popen(["true"]), {"kdc": 20001, "dns": 20002}, {"kdc": 20003})
    told = relays.before({"kdcs": ["127.0.0.2:88"], "dns": {"servers": ["127.0.0.2:53"], "domain": "d"}}, "127.0.0.2")
    assert told["kdcs"] == ["127.0.0.2:20003", "127.0.0.2:20001"]
    assert told["dns"] == {"servers": ["127.0.0.2:20002"], "domain": "d"}
    relays.process.wait()


def test_an_update_is_replayed_from_the_command_line_and_its_verdict_is_compared(
    require_domain: None, tmp_path: Path
) -> None:
    entry = yaml.safe_load((shipped.UPDATES / "cve-2020-1472.yaml").read_text(encoding="utf-8"))
    entry["fault"]["relay"][0]["share"] = 1.0  # An outage, so that the first look is the last.
    entry["run"] |= {"users": 50, "blocks": {"length_s": 1, "trim_s": 0.2, "pairs": 8}}
    # As in all tests, a generator that a busy machine makes late is no matter: how late it may be is the policy's.
    policy = yaml.safe_load((shipped.POLICIES / "replay.yaml").read_text(encoding="utf-8"))
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(policy | {"limits": POLICY["limits"]}), encoding="utf-8")
    entry["run"]["policy"] = str(tmp_path / "policy.yaml")
    (tmp_path / "entry.yaml").write_text(yaml.safe_dump(entry), encoding="utf-8")
    command = [sys.executable, "-m", "harness", "updates", "run", "-q", str(tmp_path / "entry.yaml")]
    done = subprocess.run(
        [*command, "--results", str(tmp_path / "results")], capture_output=True, text=True, timeout=REPLAYED_WITHIN_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "expected BLOCK at ldap_bind, got BLOCK at ldap_bind" in done.stdout
    assert len(list((tmp_path / "results").glob("*/verdict.json"))) == 1
