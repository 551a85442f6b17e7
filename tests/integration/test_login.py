"""One login, step by step, against real servers, with what their own logs and tools say of it."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import krb5
import pytest
import yaml

from harness.errors import ConfigError, CredentialError, KdcUnavailableError
from harness.lab import hospital, store
from harness.lab.domain import Lab, LabArm
from harness.login.kerberos.client import TicketCache
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.kerberos.trace import KdcTrace
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.scenario import Scenario
from harness.model.target import Target
from harness.system.process import environment

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0
"""An upper bound on things that take milliseconds; only a hang reaches it."""
FULL = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups")
SIMPLE = ("ldap_connect", "ldap_simple_bind", "ldap_own_entry", "ldap_groups")
DEADLINE_S = 0.8
USER = "clin00007"


@pytest.fixture(autouse=True)
def _servers(require_server: Callable[..., None], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_server()
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture
def arm(cache: Path) -> Iterator[LabArm]:
    with Lab(("baseline",)) as lab:
        yield lab.arms["baseline"]


def changed(arm: LabArm, directory: dict[str, object] | None = None, **target: object) -> Target:
    """The arm's target with some of its fields replaced."""
    whole = dict(arm.target)
    return Target.model_validate({**whole, **target, "directory": {**dict(whole["directory"]), **(directory or {})}})  # type: ignore[call-overload]


def client(
    target: Target, folder: Path, user: str = USER, *, trace: KdcTrace | None = None, **unlike: object
) -> LoginPath:
    """A prepared client of the target; ``unlike`` says what in its scenario is unlike a plain cold login by key."""
    use_krb5_conf(target, folder)
    path = unprepared(target, trace, **unlike)
    path.prepare([user])
    return path


def unprepared(target: Target, trace: KdcTrace | None = None, **unlike: object) -> LoginPath:
    return LoginPath(target, scenario(**unlike), ThreadRuntime(), trace)


def scenario(**unlike: object) -> Scenario:
    fields = {
        "name": "test",
        "steps": FULL,
        "population": {"users": 1},
        "arrivals": {"curve": "constant", "rate": 1},
    }
    return Scenario.model_validate({**fields, **unlike})


def names(result: LoginResult) -> tuple[str, ...]:
    return tuple(step.step for step in result.steps)


def ended(result: LoginResult) -> tuple[str, str, str]:
    """Status, code, and the step that had the last word."""
    assert result.steps[-1].outcome == result.outcome
    return result.outcome.status, result.outcome.code, result.steps[-1].step


def took_s(result: LoginResult) -> float:
    return (result.steps[-1].ended - result.steps[-1].started) / 1e9


class KdcLog:
    """The lines of requests in a KDC's own log since this was made."""

    def __init__(self, arm: LabArm) -> None:
        self._path = arm.folder / "kdc.log"
        self._before = len(self._path.read_text())

    def lines(self) -> list[str]:
        return self._path.read_text()[self._before :].splitlines()

    def requests(self) -> list[tuple[str, str]]:
        """Kind and result of each request: ``("AS_REQ", "NEEDED_PREAUTH")``."""
        found = [re.search(r"\b(AS_REQ|TGS_REQ) \(.*?\) \S+: ([A-Z_]+):", line) for line in self.lines()]
        return [(match[1], match[2]) for match in found if match]


WHOLE_LOGIN = [("AS_REQ", "NEEDED_PREAUTH"), ("AS_REQ", "ISSUE"), ("TGS_REQ", "ISSUE")]


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process hears nothing and says nothing meanwhile; its sockets go on accepting."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kill(arm: LabArm, name: str) -> None:
    arm.processes[name].end(grace_s=0)
    assert not arm.processes[name].alive


def csv_file(folder: Path, *lines: str) -> dict[str, str]:
    """The ``credentials`` of a target with these accounts."""
    path = folder / "accounts.csv"
    store.write_private(path, "".join(f"{line}\n" for line in lines))
    return {"csv": str(path)}


def password(arm: LabArm) -> str:
    return (arm.folder / store.CLINICIANS_CSV).read_text().splitlines()[0].split(",")[1]


def tool(arm: LabArm, *argv: str) -> str:
    settings = environment(KRB5_CONFIG=str(arm.krb5_conf), KRB5CCNAME=f"FILE:{arm.folder}/test.ccache")
    done = subprocess.run(argv, env=settings, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def groups_by_ldapsearch(arm: LabArm, user: str) -> set[str]:
    """The groups around a user, found as an administrator would: a search a member until nothing is new."""
    tool(arm, "kinit", "-k", "-t", str(arm.folder / "clinicians.keytab"), user)
    query = ("ldapsearch", "-Y", "GSSAPI", "-Q", "-N", "-LLL", "-o", "ldif-wrap=no")
    where = ("-H", f"ldap://127.0.0.1:{arm.ports['ldap']}", "-b", hospital.GROUP_BASE)
    found: set[str] = set()
    members = [hospital.user_dn(user)]
    while members:
        said = tool(arm, *query, *where, f"(member={members.pop()})", "dn")
        new = {line.removeprefix("dn: ") for line in said.splitlines() if line.startswith("dn: ")} - found
        found |= new
        members += new
    return found


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
    trace = KdcTrace(tmp_path)
    path = client(changed(arm), tmp_path, trace=trace)
    log = KdcLog(arm)
    assert names(path.warm_up(USER)) == ("kdc_as", "kdc_tgs_ldap")
    assert log.requests() == WHOLE_LOGIN
    trace.new_exchanges()
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


def groups_of(user: str) -> set[str]:
    ward = int(user.removeprefix("clin")) % hospital.WARDS
    department = ward // hospital.WARDS_A_DEPARTMENT
    return {hospital.group_dn(name) for name in (f"Ward{ward:02d}", f"Dept{department}", "Hospital", "EHR-Users")}


def test_a_warm_login_without_a_warm_cache_says_so(arm: LabArm, tmp_path: Path) -> None:
    result = client(changed(arm), tmp_path).login(USER, "warm")
    assert (result.outcome.status, result.outcome.code, result.steps) == ("error", "NO_WARM_CACHE", ())


@pytest.mark.parametrize(("transport", "spoken"), [("udp-first", "UDP"), ("tcp", "TCP")])
def test_the_trace_claims_the_requests_that_the_kdc_logged(
    arm: LabArm, tmp_path: Path, transport: str, spoken: str
) -> None:
    trace = KdcTrace(tmp_path)
    path = client(changed(arm, kdc_transport=transport), tmp_path, trace=trace)
    trace.new_exchanges()
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


def test_once_a_trace_is_closed_nothing_of_a_login_is_written_down(arm: LabArm, tmp_path: Path) -> None:
    with KdcTrace(tmp_path) as trace:
        path = client(changed(arm), tmp_path, trace=trace)
        assert path.login(USER, "cold", explain=True).facts[0].exchanges
        (file,) = tmp_path.glob("*.trace")
    assert client(changed(arm), tmp_path).login(USER, "cold").outcome.status == "ok"
    assert "KRB5_TRACE" not in os.environ
    assert not file.exists()


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


# Credentials.


def test_every_source_of_credentials_logs_in(arm: LabArm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINICIANS_OF_A_TEST", f"clin00001,{password(arm)}\n{USER},{password(arm)}\n")
    sources = (
        {"csv": str(arm.folder / "clinicians.csv")},
        {"keytab": str(arm.folder / "clinicians.keytab")},
        {"env": "CLINICIANS_OF_A_TEST"},
    )
    for source in sources:
        result = client(changed(arm, credentials=source), tmp_path).login(USER, "cold")
        assert (result.outcome.status, result.groups) == ("ok", groups_of(USER)), source


def test_a_lab_with_a_keytab_gives_a_target_that_logs_in(cache: Path, tmp_path: Path) -> None:
    with Lab(("baseline",), credentials="keytab") as lab:
        target = changed(lab.arms["baseline"])
        assert target.credentials.keytab is not None
        assert client(target, tmp_path).login(USER, "cold").outcome.status == "ok"


@pytest.mark.parametrize("authentication", ["key", "password"])
def test_a_wrong_password_is_denied_and_reaches_the_kdc_exactly_once(
    arm: LabArm, tmp_path: Path, authentication: str
) -> None:
    user = "clin00005" if authentication == "key" else "clin00006"
    target = changed(arm, credentials=csv_file(tmp_path, f"{user},not it"))
    log = KdcLog(arm)
    result = client(target, tmp_path, user, authentication=authentication).login(user, "cold")
    assert ended(result) == ("denied", "KDC_ERR_PREAUTH_FAILED", "kdc_as")
    assert names(result) == ("kdc_as",)
    assert [outcome for _, outcome in log.requests()].count("PREAUTH_FAILED") == 1
    assert {outcome for _, outcome in log.requests()} == {"NEEDED_PREAUTH", "PREAUTH_FAILED"}


def test_deriving_the_keys_is_no_attempt_at_a_password(arm: LabArm, tmp_path: Path) -> None:
    log = KdcLog(arm)
    client(changed(arm, credentials=csv_file(tmp_path, "clin00008,not it")), tmp_path, "clin00008")
    assert log.requests() == [("AS_REQ", "NEEDED_PREAUTH")]


def test_a_user_whom_the_kdc_does_not_know_is_denied(arm: LabArm, tmp_path: Path) -> None:
    target = changed(arm, credentials=csv_file(tmp_path, "nobody,secret"))
    result = client(target, tmp_path, "nobody", authentication="password").login("nobody", "cold")
    assert ended(result) == ("denied", "KDC_ERR_C_PRINCIPAL_UNKNOWN", "kdc_as")
    with pytest.raises(CredentialError, match=r"no key for nobody: KDC_ERR_C_PRINCIPAL_UNKNOWN"):
        client(target, tmp_path, "nobody")


def test_a_user_without_credentials_is_refused_before_any_request(arm: LabArm, tmp_path: Path) -> None:
    log = KdcLog(arm)
    with pytest.raises(CredentialError, match="expected an account nobody"):
        client(changed(arm), tmp_path, "nobody")
    assert log.lines() == []


def test_a_simple_bind_logs_in_without_the_kdc(arm: LabArm, tmp_path: Path) -> None:
    log = KdcLog(arm)
    result = client(changed(arm), tmp_path, steps=SIMPLE).login(USER, "cold")
    assert (result.outcome.status, names(result), result.groups) == ("ok", SIMPLE, groups_of(USER))
    assert log.lines() == []


def test_a_simple_bind_with_a_wrong_password_is_denied(arm: LabArm, tmp_path: Path) -> None:
    target = changed(arm, credentials=csv_file(tmp_path, f"{USER},not it"))
    result = client(target, tmp_path, steps=SIMPLE).login(USER, "cold")
    assert ended(result) == ("denied", "LDAP 49 invalidCredentials", "ldap_simple_bind")


def test_a_simple_bind_of_a_name_with_commas_and_quotes_is_denied_and_no_other_entry_is_asked_for(
    arm: LabArm, tmp_path: Path
) -> None:
    user = f'{USER},ou=x"+{{0}}'
    quoted = '"' + user.replace('"', '""') + '"'
    target = changed(arm, credentials=csv_file(tmp_path, f"{quoted},not it"))
    result = client(target, tmp_path, user, steps=SIMPLE).login(user, "cold")
    assert ended(result) == ("denied", "LDAP 49 invalidCredentials", "ldap_simple_bind")


# Servers that fail.


def test_a_silent_kdc_is_a_time_out_at_its_step_and_its_late_answer_is_thrown_away(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path, step_timeout_s=DEADLINE_S)
    before = memory_caches()
    with stopped(arm.kdc_pid):
        result = path.login(USER, "cold")
        assert ended(result) == ("timeout", "DEADLINE", "kdc_as")
        assert DEADLINE_S <= took_s(result) < PATIENCE_S
    log = KdcLog(arm)
    assert path.login(USER, "cold").outcome.status == "ok"
    # The thread that the first login left behind gets its tickets now, and must not keep them.
    deadline = time.monotonic() + PATIENCE_S
    while log.requests().count(("AS_REQ", "ISSUE")) < 2 or memory_caches() != before:
        assert time.monotonic() < deadline, (log.requests(), memory_caches() - before)
        time.sleep(0.02)


def test_the_deadline_of_the_login_stands_above_that_of_a_step(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path, step_timeout_s=PATIENCE_S, timeout_s=DEADLINE_S)
    with stopped(arm.slapd_pid):
        result = path.login(USER, "cold")
    assert ended(result) == ("timeout", "DEADLINE", "ldap_bind")
    whole_s = (result.steps[-1].ended - result.steps[0].started) / 1e9
    assert 0.9 * DEADLINE_S <= whole_s < PATIENCE_S  # The clock runs from before the first step's thread has begun.


def test_a_kdc_that_is_silent_while_keys_are_derived_is_named_with_the_user(arm: LabArm, tmp_path: Path) -> None:
    with stopped(arm.kdc_pid), pytest.raises(KdcUnavailableError, match=f"no key for {USER}: timeout DEADLINE"):
        client(changed(arm), tmp_path, step_timeout_s=0.3)


def test_a_key_that_no_kdc_would_give_is_derived_by_the_login_once_it_answers(arm: LabArm, tmp_path: Path) -> None:
    use_krb5_conf(changed(arm), tmp_path)
    path = unprepared(changed(arm), step_timeout_s=DEADLINE_S)
    with stopped(arm.kdc_pid):
        with pytest.raises(KdcUnavailableError):
            path.prepare([USER])
        assert ended(path.login(USER, "cold")) == ("timeout", "DEADLINE", "kdc_as")
    assert path.login(USER, "cold").outcome.status == "ok"
    kill(arm, "kdc")
    path = unprepared(changed(arm))
    with pytest.raises(KdcUnavailableError, match=f"no key for {USER}: KRB5_KDC_UNREACH"):
        path.prepare([USER])
    assert ended(path.login(USER, "cold")) == ("error", "KRB5_KDC_UNREACH", "kdc_as")


def test_a_dead_kdc_is_an_error_with_its_name(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path)
    kill(arm, "kdc")
    assert ended(path.login(USER, "cold")) == ("error", "KRB5_KDC_UNREACH", "kdc_as")


def by_starttls(arm: LabArm) -> dict[str, object]:
    return {"starttls": True}


def by_ldaps(arm: LabArm) -> dict[str, object]:
    return {"uri": f"ldaps://127.0.0.1:{arm.ports['ldaps']}"}


def in_clear(arm: LabArm) -> dict[str, object]:
    return {}


Way = Callable[[LabArm], dict[str, object]]
IN_TLS = pytest.mark.parametrize("way", [by_starttls, by_ldaps])


@pytest.mark.parametrize(
    ("way", "step"), [(in_clear, "ldap_bind"), (by_starttls, "ldap_connect"), (by_ldaps, "ldap_connect")]
)
def test_a_silent_directory_is_a_time_out_at_the_step_that_waits(
    arm: LabArm, tmp_path: Path, way: Way, step: str
) -> None:
    path = client(changed(arm, way(arm)), tmp_path, step_timeout_s=DEADLINE_S)
    with stopped(arm.slapd_pid):  # The kernel goes on accepting connections for it.
        result = path.login(USER, "cold")
    assert ended(result) == ("timeout", "DEADLINE", step)
    assert DEADLINE_S <= took_s(result) < PATIENCE_S
    assert path.login(USER, "cold").outcome.status == "ok"


def test_a_dead_directory_is_an_error_at_the_connection(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path)
    kill(arm, "slapd")
    assert ended(path.login(USER, "cold")) == ("error", "CONNECT_FAILED", "ldap_connect")


LDAP_MESSAGE = b"\x30\x82\x02\x54"
TLS_RECORD = b"\x16\x03\x03\x02\x54"


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
    # Nobody listens at the first address, so that the second is tried, by libkrb5 too.
    checked = {NAME: ("127.0.0.99", "127.0.0.1")}
    path = LoginPath(named, scenario(), ThreadRuntime(), addresses=checked)
    use_krb5_conf(named, tmp_path, checked)
    path.prepare([USER])
    assert path.login(USER, "cold").outcome.status == "ok"
    with pytest.raises(ValueError, match=NAME):
        LoginPath(named, scenario(), ThreadRuntime())


@contextmanager
def dripping(header: bytes = LDAP_MESSAGE) -> Iterator[int]:
    """The port of a server that answers anything with one byte of a message a second, for ten minutes."""
    done = threading.Event()

    def drip(peer: socket.socket) -> None:
        with peer:
            peer.recv(1)
            for byte in header + b"\x02" * 596:
                if done.wait(1.0):
                    return
                try:
                    peer.send(bytes([byte]))
                except OSError:
                    return

    def serve() -> None:
        while not done.is_set():
            try:
                peer, _ = server.accept()
            except TimeoutError:
                continue
            drip(peer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    ("scheme", "starttls", "step"),
    [("ldap", False, "ldap_bind"), ("ldap", True, "ldap_connect"), ("ldaps", False, "ldap_connect")],
)
def test_a_directory_that_drips_a_byte_a_second_is_ended_by_the_deadline(
    arm: LabArm, tmp_path: Path, scheme: str, starttls: bool, step: str
) -> None:
    with dripping() as port:
        directory = {"uri": f"{scheme}://127.0.0.1:{port}", "starttls": starttls}
        # Longer than from byte to byte: a time-out that began anew with each of them would not end it.
        path = client(changed(arm, directory), tmp_path, step_timeout_s=1.7)
        result = path.login(USER, "cold")
    assert ended(result) == ("timeout", "DEADLINE", step)
    assert 1.7 <= took_s(result) < PATIENCE_S


def test_a_handshake_that_drips_under_load_is_ended_by_the_deadline() -> None:
    """gevent's own handshake waits anew for each byte."""
    code = (
        "import gevent.monkey; gevent.monkey.patch_all()\n"
        "import sys\n"
        "from harness.login.ldap.session import DirectorySession\n"
        "from harness.model.target import Directory\n"
        "fields = {'uri': sys.argv[1], 'service_host': 'ldap', 'user_base': '', 'group_base': ''}\n"
        "directory = Directory.model_validate(fields)\n"
        "DirectorySession(directory).connect([(directory, directory.endpoint)], 1.7)\n"
    )
    with dripping(TLS_RECORD) as port:
        command = [sys.executable, "-c", code, f"ldaps://127.0.0.1:{port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.stderr.endswith("StepFailedError: timeout DEADLINE\n"), done.stderr


# TLS.


@IN_TLS
def test_certificates_are_parsed_once_and_not_in_each_login(
    arm: LabArm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    path = client(changed(arm, way(arm)), tmp_path, steps=SIMPLE)
    monkeypatch.setattr(ssl.SSLContext, "__new__", lambda *_, **__: pytest.fail("certificates parsed in a login"))
    assert path.login(USER, "cold").outcome.status == "ok"


@IN_TLS
def test_a_login_over_tls_shows_its_version(arm: LabArm, tmp_path: Path, way: Way) -> None:
    result = client(changed(arm, way(arm)), tmp_path).login(USER, "cold", explain=True)
    assert (result.outcome.status, result.groups) == ("ok", groups_of(USER))
    shown = [facts.tls.version if facts.tls else "" for facts in result.facts]
    assert shown == ["", "", "TLSv1.3", "", "", ""]
    assert [facts.agreed for facts in result.facts] == [(), (), (), ("no security layer",), (), ()]


@IN_TLS
def test_a_simple_bind_over_tls_logs_in(arm: LabArm, tmp_path: Path, way: Way) -> None:
    assert client(changed(arm, way(arm)), tmp_path, steps=SIMPLE).login(USER, "cold").outcome.status == "ok"


@IN_TLS
def test_the_bind_after_a_handshake_does_not_wait_for_a_delayed_acknowledgement(
    arm: LabArm, tmp_path: Path, way: Way
) -> None:
    path = client(changed(arm, way(arm)), tmp_path, steps=SIMPLE)
    binds = [path.login(USER, "cold").steps[1] for _ in range(8)]
    # Linux delays an acknowledgement by 40 ms at least (tcp(7), TCP_DELACK_MIN).
    assert min(bind.ended - bind.started for bind in binds) < 30e6


@IN_TLS
def test_a_certificate_that_nobody_vouches_for_is_a_tls_failure(arm: LabArm, tmp_path: Path, way: Way) -> None:
    other = tmp_path / "other.pem"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(tmp_path / "key.pem"))
    tool(arm, "openssl", "req", *key, "-x509", "-subj", "/CN=other", "-out", str(other))
    result = client(changed(arm, {**way(arm), "ca_file": str(other)}), tmp_path).login(USER, "cold")
    assert ended(result) == ("error", "TLS_FAILED", "ldap_connect")


def test_a_file_of_certificates_that_cannot_be_used_is_refused_before_any_request(arm: LabArm, tmp_path: Path) -> None:
    log = KdcLog(arm)
    (tmp_path / "text.pem").write_text("no certificate\n")
    for name in ("missing.pem", "text.pem"):
        with pytest.raises(ConfigError, match=name):
            client(changed(arm, {"starttls": True, "ca_file": str(tmp_path / name)}), tmp_path)
    assert log.lines() == []


def test_the_certificate_of_the_lab_names_its_address(arm: LabArm) -> None:
    """What the tests above rest on, by OpenSSL's own verification of the host."""
    context = ssl.create_default_context(cafile=str(arm.folder / "ldap-cert.pem"))
    with (
        socket.create_connection(("127.0.0.1", arm.ports["ldaps"]), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        assert secure.version() == "TLSv1.3"


# What a login leaves behind.


def memory_caches() -> set[str]:
    """Every ticket cache of this process that holds something.

    libkrb5 lists no MEMORY caches, so each name that there has been is asked for its owner.
    """
    context = krb5.init_context()
    prefix, _, newest = TicketCache(krb5.init_context()).name.rpartition("-")
    found = set()
    for number in range(1, int(newest)):
        name = f"{prefix}-{number}"
        with suppress(krb5.Krb5Error):
            krb5.cc_get_principal(context, krb5.cc_resolve(context, name.encode()))
            found.add(name)
    return found


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_no_ticket_cache_socket_or_thread_outlives_its_login(arm: LabArm, tmp_path: Path) -> None:
    target = changed(arm)
    path = client(target, tmp_path)
    denied = client(changed(arm, credentials=csv_file(tmp_path, "clin00009,not it")), tmp_path, "clin00009")
    path.login(USER, "cold")

    def left() -> tuple[set[str], int, int]:
        return memory_caches(), len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    gc.collect()
    before = left()
    for _ in range(20):
        assert path.login(USER, "cold").outcome.status == "ok"
        assert denied.login("clin00009", "cold").outcome.status == "denied"
    caches, files, threads = left()
    assert caches == before[0] and files <= before[1] and threads <= before[2]
    path.warm_up(USER)
    assert len(memory_caches()) == len(before[0]) + 1  # It does count them.


def test_two_thousand_logins_do_not_grow_the_process(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path, steps=FULL[:2])
    for _ in range(200):
        path.login(USER, "cold")
    before = resident_mb()
    for _ in range(2000):
        assert path.login(USER, "cold").outcome.status == "ok"
    # Two tickets of 450 bytes with their keys and names: 2,000 caches left behind would be some 6 MB.
    assert resident_mb() - before < 3.0


# The command.


def authgate(
    arm: LabArm, folder: Path, *more: str, user: str = USER, **target: object
) -> subprocess.CompletedProcess[str]:
    targets = {"environment": "lab", "arms": {"baseline": {**dict(arm.target), **target}}}
    store.write_private(folder / "targets.yaml", yaml.safe_dump(targets))
    command = [sys.executable, "-c", "from harness.cli.main import run_main; run_main()"]
    return subprocess.run(
        [*command, "login", user, "--targets", str(folder / "targets.yaml"), *more],
        env=environment(COLUMNS="300"),
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_S,
    )


def test_the_command_prints_each_step_with_its_facts(arm: LabArm, tmp_path: Path) -> None:
    directory = {**dict(arm.target["directory"]), "starttls": True}  # type: ignore[call-overload]
    done = authgate(arm, tmp_path, directory=directory)
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert [name for name in rows if name in FULL] == list(FULL)
    kdc, ldap = f"127.0.0.1:{arm.ports['kdc']}", f"127.0.0.1:{arm.ports['ldap']}"
    assert rows["kdc_as"].count(f"UDP {kdc} ") == 2
    assert "krbtgt/CLINIC.TEST@CLINIC.TEST: aes256-cts-hmac-sha1-96, ticket " in rows["kdc_as"]
    assert "ldap/ldap.clinic.test@CLINIC.TEST: aes256-cts-hmac-sha1-96, ticket " in rows["kdc_tgs_ldap"]
    assert ldap in rows["ldap_connect"]
    assert "TLSv1.3" in rows["ldap_connect"]
    assert "3 round trips" in rows["ldap_bind"]
    assert "3 round trips, 2 entries" in rows["ldap_groups"]
    assert re.search(r"login: ok in \d+\.\d\d ms, 4 groups", done.stdout)


def test_a_warm_login_by_the_command_shows_no_exchange_with_the_kdc(arm: LabArm, tmp_path: Path) -> None:
    done = authgate(arm, tmp_path, "--cache", "warm")
    assert done.returncode == 0
    assert "kdc_" not in done.stdout
    assert f"127.0.0.1:{arm.ports['kdc']}" not in done.stdout


def test_the_command_names_the_step_and_the_code_of_a_failure(arm: LabArm, tmp_path: Path) -> None:
    done = authgate(arm, tmp_path, credentials=csv_file(tmp_path, f"{USER},not it"))
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"^kdc_as .*DENIED KDC_ERR_PREAUTH_FAILED", done.stdout, re.MULTILINE)
    assert "login: denied KDC_ERR_PREAUTH_FAILED" in done.stdout


def test_the_command_shows_a_dead_kdc_at_its_step(arm: LabArm, tmp_path: Path) -> None:
    kill(arm, "kdc")
    done = authgate(arm, tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"^kdc_as .*ERROR KRB5_KDC_UNREACH", done.stdout, re.MULTILINE)


def test_the_command_does_not_outlive_its_deadline_by_libkrb5s_patience(arm: LabArm, tmp_path: Path) -> None:
    scenario = {
        "name": "short",
        "steps": list(FULL),
        "population": {"users": 1},
        "arrivals": {"curve": "constant", "rate": 1},
        "step_timeout_s": DEADLINE_S,
    }
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    keytab = {"keytab": str(arm.folder / "clinicians.keytab")}  # With a key at hand, the first request is the login's.
    with stopped(arm.kdc_pid):
        started = time.monotonic()
        done = authgate(arm, tmp_path, "--scenario", str(tmp_path / "scenario.yaml"), credentials=keytab)
        took = time.monotonic() - started
    assert done.returncode == 1
    assert re.search(r"^kdc_as .*no answer, TIMEOUT DEADLINE", done.stdout, re.MULTILINE)
    assert took < 20  # libkrb5 gives up after 28 s.
