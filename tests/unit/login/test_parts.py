"""The parts of a login that need no server: codes, libkrb5's trace and configuration, and the credentials."""

from __future__ import annotations

import errno
import os
import re
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from harness.errors import CredentialError
from harness.load.pool import GeventRuntime
from harness.load.worker import ArmWorker
from harness.login.codes import kerberos_outcome, ldap_outcome
from harness.login.credentials import Accounts, Secret, read_accounts
from harness.login.kerberos.krb5conf import krb5_conf, use_krb5_conf
from harness.login.kerberos.trace import KdcTrace, parse_trace
from harness.login.ldap.session import DirectorySession, bind_name
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import StepFailedError
from harness.model.attempt import OK, Outcome, Status
from harness.model.credentials import Credentials
from harness.model.endpoint import Endpoint
from harness.model.protocol import KdcExchange
from harness.model.scenario import Scenario
from harness.model.target import Target
from tests.unit.config.test_load import CANARY

KRB5_BASE = -1765328384
REALM = "CLINIC.TEST"


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (6, "denied", "KDC_ERR_C_PRINCIPAL_UNKNOWN"),
        (12, "denied", "KDC_ERR_POLICY"),
        (18, "denied", "KDC_ERR_CLIENT_REVOKED"),
        (23, "denied", "KDC_ERR_KEY_EXPIRED"),
        (24, "denied", "KDC_ERR_PREAUTH_FAILED"),
        (7, "error", "KDC_ERR_S_PRINCIPAL_UNKNOWN"),
        (14, "error", "KDC_ERR_ETYPE_NOSUPP"),
        (29, "error", "KDC_ERR_SVC_UNAVAILABLE"),
        (37, "error", "KRB_AP_ERR_SKEW"),
        (52, "error", "KRB_ERR_RESPONSE_TOO_BIG"),
        (156, "error", "KRB5_KDC_UNREACH"),
        # RFC 4556: of a card that is no good, and of a KDC that can't tell.
        (62, "denied", "KDC_ERR_CLIENT_NOT_TRUSTED"),
        (72, "denied", "KDC_ERR_REVOKED_CERTIFICATE"),
        (75, "denied", "KDC_ERR_CLIENT_NAME_MISMATCH"),
        (70, "error", "KDC_ERR_CANT_VERIFY_CERTIFICATE"),
        (73, "error", "KDC_ERR_REVOCATION_STATUS_UNKNOWN"),
        (76, "error", "KDC_ERR_KDC_NAME_MISMATCH"),
        (99, "error", "KRB5_99"),
        (511, "error", "KRB5_511"),
    ],
)
def test_a_kerberos_code_is_read_alike_signed_as_libkrb5_gives_it_and_unsigned_as_gssapi_does(
    number: int, status: str, code: str
) -> None:
    signed = KRB5_BASE + number
    for given in (signed, signed + (1 << 32)):
        found = kerberos_outcome(given)
        assert (found.status, found.code) == (status, code)


def test_a_password_that_nobody_was_there_to_type_is_an_error_by_name() -> None:
    assert kerberos_outcome(errno.EIO) == Outcome("error", "KRB5_EIO")


def test_the_code_of_a_wrong_password_is_a_denial() -> None:
    """The two numbers are what libkrb5 and GSS-API give for KDC_ERR_PREAUTH_FAILED."""
    assert kerberos_outcome(-1765328360) == kerberos_outcome(2529638936) == kerberos_outcome(KRB5_BASE + 24)
    assert kerberos_outcome(2529638936).code == "KDC_ERR_PREAUTH_FAILED"


@pytest.mark.parametrize("code", [0, 13, 110, 100001, 39756032])
def test_a_code_of_another_table_is_an_error_and_keeps_its_number(code: int) -> None:
    found = kerberos_outcome(code)
    assert (found.status, found.code) == ("error", f"KRB5_{code}")


@pytest.mark.parametrize(
    ("code", "status", "name"),
    [
        (49, "denied", "LDAP 49 invalidCredentials"),
        (48, "denied", "LDAP 48 inappropriateAuthentication"),
        (8, "error", "LDAP 8 strongerAuthRequired"),
        (51, "error", "LDAP 51 busy"),
        (53, "error", "LDAP 53 unwillingToPerform"),
        (118, "error", "LDAP 118 result"),
    ],
)
def test_an_ldap_code_keeps_its_number_beside_its_name(code: int, status: str, name: str) -> None:
    found = ldap_outcome(code)
    assert (found.status, found.code) == (status, name)


def traced(*texts: str) -> list[str]:
    """Lines as libkrb5 1.20 writes them."""
    return [f"[4711] 1478592000.{100000 + i}: {text}" for i, text in enumerate(texts)]


def test_an_answer_that_is_too_big_for_udp_is_seen_as_two_exchanges() -> None:
    lines = traced(
        "Getting initial credentials for u000001@CLINIC.TEST",
        "Sending unauthenticated request",
        "Sending request (188 bytes) to CLINIC.TEST",
        "Sending initial UDP request to dgram 192.0.2.10:88",
        "Received answer (93 bytes) from dgram 192.0.2.10:88",
        "Response was from primary KDC",
        "Received error from KDC: -1765328332/Response too big for UDP, retry with TCP",
        "Request or response is too big for UDP; retrying with TCP",
        "Sending request (188 bytes) to CLINIC.TEST (tcp only)",
        "Initiating TCP connection to stream 192.0.2.10:88",
        "Sending TCP request to stream 192.0.2.10:88",
        "Received answer (1701 bytes) from stream 192.0.2.10:88",
        "Terminating TCP connection to stream 192.0.2.10:88",
        "AS key obtained for encrypted timestamp: aes256-cts/8A2F",
    )
    assert parse_trace(lines) == (
        KdcExchange("192.0.2.10:88", "UDP", 93, "answer too big for UDP", error="KRB_ERR_RESPONSE_TOO_BIG"),
        KdcExchange("192.0.2.10:88", "TCP", 1701),
    )


def test_a_kdc_that_does_not_answer_is_seen_beside_the_one_that_does() -> None:
    lines = traced(
        "Sending request (188 bytes) to CLINIC.TEST",
        "Sending initial UDP request to dgram 192.0.2.10:88",
        "Sending initial UDP request to dgram 192.0.2.11:88",
        "Received answer (726 bytes) from dgram 192.0.2.11:88",
    )
    assert parse_trace(lines) == (
        KdcExchange("192.0.2.10:88", "UDP", None),
        KdcExchange("192.0.2.11:88", "UDP", 726),
    )


def test_a_retry_that_is_answered_leaves_the_first_request_unanswered() -> None:
    lines = traced(
        "Sending initial UDP request to dgram 192.0.2.10:88",
        "Sending retry UDP request to dgram 192.0.2.10:88",
        "Received answer (726 bytes) from dgram 192.0.2.10:88",
    )
    assert [exchange.answer_bytes for exchange in parse_trace(lines)] == [None, 726]


def test_exchanges_by_tcp_alone_are_of_tcp_alone() -> None:
    lines = traced(
        "Sending request (188 bytes) to CLINIC.TEST (tcp only)",
        "Initiating TCP connection to stream [2001:db8::10]:88",
        "Sending TCP request to stream [2001:db8::10]:88",
        "Received answer (1701 bytes) from stream [2001:db8::10]:88",
        "Terminating TCP connection to stream [2001:db8::10]:88",
    )
    assert parse_trace(lines) == (KdcExchange("[2001:db8::10]:88", "TCP", 1701),)


def test_an_error_is_noted_at_the_server_that_gave_it() -> None:
    lines = traced(
        "Sending initial UDP request to dgram 192.0.2.10:88",
        "Sending initial UDP request to dgram 192.0.2.11:88",
        "UDP error receiving from dgram 192.0.2.10:88: 111/Connection refused",
        "Received answer (726 bytes) from dgram 192.0.2.11:88",
    )
    assert parse_trace(lines) == (
        KdcExchange("192.0.2.10:88", "UDP", None, "Connection refused"),
        KdcExchange("192.0.2.11:88", "UDP", 726),
    )


def test_a_trace_of_anything_else_has_no_exchanges() -> None:
    assert parse_trace([]) == ()
    assert parse_trace(traced("Received answer (9 bytes) from dgram 192.0.2.10:88", "Request is too big for UDP")) == ()
    assert parse_trace(traced("TCP error connecting to stream 192.0.2.10:88: 111/Connection refused")) == ()


def test_a_trace_is_followed_and_no_exchange_told_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRB5_TRACE", "")
    trace = KdcTrace(tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    sent = traced("Sending initial UDP request to dgram 192.0.2.10:88")[0] + "\n"
    for _ in range(2):
        with file.open("a", encoding="utf-8") as writer:
            writer.write(sent)
        assert trace.new_exchanges() == (KdcExchange("192.0.2.10:88", "UDP", None),)
    assert trace.new_exchanges() == ()


def target(**changes: Any) -> Target:
    fields = {
        "realm": REALM,
        "kdcs": ["192.0.2.10", "[2001:db8::10]:8888"],
        "directory": {"uri": "ldap://192.0.2.10", "service_host": "dc.clinic.test", "user_base": "", "group_base": ""},
        "credentials": {"env": "CLINIC_ACCOUNTS"},
    }
    return Target.model_validate({**fields, **changes})


def settings_of(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, equals, value = line.partition(" = ")
        if equals:
            found.setdefault(key.strip(), []).append(value)
    return found


@pytest.mark.parametrize(("transport", "limit"), [("tcp", "1"), ("udp-first", "1465")])
def test_the_transport_is_set_by_what_is_too_big_for_udp(transport: str, limit: str) -> None:
    assert settings_of(krb5_conf(target(kdc_transport=transport)))["udp_preference_limit"] == [limit]


def test_libkrb5_is_told_every_kdc_and_looks_nothing_up() -> None:
    found = settings_of(krb5_conf(target()))
    assert found["kdc"] == ["192.0.2.10:88", "[2001:db8::10]:8888"]
    assert found["default_realm"] == [REALM]
    for lookup in ("dns_lookup_kdc", "dns_lookup_realm", "dns_canonicalize_hostname", "rdns"):
        assert found[lookup] == ["false"]
    assert found["dc.clinic.test"] == found[".clinic.test"] == [REALM]


def test_libkrb5_asks_the_preferred_kdc_first_and_the_others_as_listed() -> None:
    several = target().model_copy(update={"kdcs": tuple(Endpoint(host=f"127.0.0.{n}", port=88) for n in (2, 3, 4))})
    assert re.findall(r"\tkdc = (\S+)", krb5_conf(several, first="127.0.0.4")) == [
        "127.0.0.4:88", "127.0.0.2:88", "127.0.0.3:88"
    ]  # fmt: skip
    assert krb5_conf(several, first="127.0.0.9") == krb5_conf(several)


def test_a_search_that_is_referred_ends_there_and_says_whither() -> None:
    class Referring:
        def search(self, *_: object, **__: object) -> tuple[bool, dict[str, object], None, None]:
            return False, {"result": 10, "referrals": ["ldap://other.test/DC=other,DC=test"]}, None, None

    session = DirectorySession(target().directory)
    session._connection = Referring()
    with pytest.raises(StepFailedError, match="LDAP 10 referral"):
        session.search("DC=other,DC=test", "(cn=x)", ["cn"])
    assert session.new_referrals() == ["ldap://other.test/DC=other,DC=test"]
    assert session.new_referrals() == []


def test_the_configuration_is_set_for_this_process_and_no_cache_of_the_user_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRB5_CONFIG", "/nowhere")
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere")
    path = use_krb5_conf(target(), tmp_path)
    assert os.environ["KRB5_CONFIG"] == str(path)
    assert path.read_text() == krb5_conf(target())
    assert os.environ["KRB5CCNAME"].startswith("MEMORY:")


@pytest.mark.parametrize(
    ("user", "escaped"),
    [
        ('James "Jim" Smith, III', r"James \"Jim\" Smith\, III"),  # RFC 4514 §4
        ("a+b;c<d>e\\f", r"a\+b\;c\<d\>e\\f"),
        ("#zoe ", r"\#zoe\ "),
        (" zoe", r"\ zoe"),
        (" ", "\\ "),
        ("z o#e=å", "z o#e=å"),
        ("zoe\0", r"zoe\00"),
        ("{user}{0}", "{user}{0}"),
    ],
)
def test_a_user_in_a_bind_dn_stays_one_value_of_it(user: str, escaped: str) -> None:
    assert bind_name("uid={user},ou=people,dc={x}", user) == f"uid={escaped},ou=people,dc={{x}}"
    assert bind_name("{user}@clinic.test", user) == f"{user}@clinic.test"


Written = Callable[..., Path]


@pytest.fixture
def pool() -> Iterator[Callable[[float], GeventRuntime]]:
    """Makes a runtime of one seat whose calls have so many seconds."""
    interval = sys.getswitchinterval()
    yield lambda timeout_s: GeventRuntime(1, timeout_s)
    sys.setswitchinterval(interval)


@pytest.fixture
def until_the_end() -> Iterator[Callable[[], object]]:
    """A call that blocks its thread until the test is over."""
    done = threading.Event()
    yield done.wait
    done.set()


def test_calls_left_behind_by_a_silent_kdc_take_no_thread_from_those_that_come_after(
    pool: Callable[[float], GeventRuntime], until_the_end: Callable[[], object]
) -> None:
    runtime = pool(10.0)
    for _ in range(3):  # as many as pass 10 s before libkrb5 gives up the first
        with pytest.raises(StepFailedError):
            runtime.call(until_the_end, 0.01)
    assert runtime.call(lambda: "taken up", 10.0).value == "taken up"


def test_what_a_call_raises_reaches_its_caller_and_no_log(
    pool: Callable[[float], GeventRuntime], capfd: pytest.CaptureFixture[str]
) -> None:
    def denied() -> None:
        raise StepFailedError(Outcome("denied", "KDC_ERR_PREAUTH_FAILED"))

    with pytest.raises(StepFailedError, match="KDC_ERR_PREAUTH_FAILED"):
        pool(10.0).call(denied, 1.0)
    gevent.sleep(0.01)
    assert capfd.readouterr().err == ""


class Warming:
    """A path whose warm-ups end as they are told to, one after the other."""

    def __init__(self, *statuses: Status) -> None:
        self.asked: list[tuple[str, str]] = []
        self._outcomes = iter([OK if status == "ok" else Outcome(status, "X") for status in statuses])

    def warm_up(self, user: str, cohort: str) -> LoginResult:
        self.asked.append((user, cohort))
        return LoginResult(next(self._outcomes), ())


class Heedless:
    """A guard that remembers nothing."""

    def note(self, user: str, outcome: Outcome) -> None:
        pass


def filled(path: Warming, told: list[str]) -> set[str]:
    """What a worker withholds once it has filled the caches of two cohorts."""
    worker = ArmWorker.__new__(ArmWorker)
    vars(worker).update(_path=path, _denied=set(), _pause_s=0.0, _on_denied=told.append, _caution=Heedless())
    worker._fill("u0", ("a", "b"))
    return worker._denied


def test_an_account_that_is_denied_in_a_warm_up_is_withheld_and_asked_for_no_more() -> None:
    path, told = Warming("denied"), list[str]()
    assert (filled(path, told), path.asked, told) == ({"u0"}, [("u0", "a")], ["u0"])


def test_a_warm_up_that_failed_is_tried_once_more() -> None:
    path, told = Warming("timeout", "ok", "error", "error"), list[str]()
    assert filled(path, told) == set()
    assert path.asked == [("u0", "a"), ("u0", "a"), ("u0", "b"), ("u0", "b")]


def test_a_call_that_no_thread_takes_up_in_time_has_waited_for_one_all_along(
    secret_file: Written, pool: Callable[[float], GeventRuntime], until_the_end: Callable[[], object]
) -> None:
    runtime = pool(1000.0)
    busy = [gevent.spawn(runtime.call, until_the_end, 0.2) for _ in range(2)]
    gevent.sleep(0)
    scenario = Scenario.model_validate(
        {
            "name": "test",
            "steps": ["kdc_as"],
            "population": {"users": 1},
            "arrivals": {"curve": "constant", "rate": 1},
            "authentication": "password",
            "step_timeout_s": 0.1,
        }
    )
    path = LoginPath(target(credentials={"csv": str(secret_file("zoe,x\n"))}), scenario, runtime)
    (step,) = path.login("zoe", "cold").steps
    assert (step.outcome.status, step.outcome.code) == ("timeout", "DEADLINE")
    assert 0.1e9 <= step.pool_wait <= step.ended - step.started
    gevent.joinall(busy)


@pytest.fixture
def secret_file(tmp_path: Path) -> Written:
    """A file with this content and mode."""

    def write(content: str | bytes, mode: int = 0o600) -> Path:
        path = tmp_path / "accounts"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    return write


def refusal(credentials: Credentials) -> str:
    """Why credentials are refused; the whole chain of the exception must hold no password."""
    with pytest.raises(CredentialError) as caught:
        read_accounts(credentials, REALM)
    said = str(caught.value)
    assert CANARY not in said + repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return said


def test_accounts_are_numbered_in_the_order_of_the_file(secret_file: Written) -> None:
    path = secret_file(f'user,password\nzoe,{CANARY}\n\nadam,"with, a comma and ""quotes"""\neve,søt\n')
    found = read_accounts(Credentials(csv=str(path)), REALM)
    assert found.users == ("zoe", "adam", "eve")
    assert found.passwords["zoe"].reveal() == CANARY
    assert found.passwords["adam"].reveal() == 'with, a comma and "quotes"'
    assert found.passwords["eve"].reveal() == "søt"
    assert found.keytab is None


def test_a_file_as_a_spreadsheet_saves_it_has_no_account_called_user(secret_file: Written) -> None:
    path = secret_file(b"\xef\xbb\xbfuser,password\r\nzoe,secret\r\n")
    assert read_accounts(Credentials(csv=str(path)), REALM).users == ("zoe",)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o622, 0o610, 0o601, 0o777])
@pytest.mark.parametrize("kind", ["csv", "keytab"])
def test_a_file_that_others_may_touch_is_refused_with_the_command_that_mends_it(
    secret_file: Written, kind: str, mode: int
) -> None:
    path = secret_file(f"zoe,{CANARY}\n", mode)
    said = refusal(Credentials.model_validate({kind: str(path)}))
    assert said == f"{path}: expected a file that only its owner may read; run: chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_alone_is_read(secret_file: Written, mode: int) -> None:
    assert read_accounts(Credentials(csv=str(secret_file("zoe,x\n", mode))), REALM).users == ("zoe",)


LINES = [
    ("", ": expected lines user,password, got none"),
    ("user,password\n\n", ": expected lines user,password, got none"),
    (f"zoe,{CANARY}\nadam,x\nzoe,{CANARY}\n", ":3: expected each user once, got that of line 1 again"),
    (f"zoe,{CANARY},{CANARY}\n", ":1: expected user,password, got 3 fields or an empty one"),
    (f"zoe,x\n{CANARY}\n", ":2: expected user,password, got 1 fields or an empty one"),
    (f",{CANARY}\n", ":1: expected user,password, got 2 fields or an empty one"),
    ("zoe,\n", ":1: expected user,password, got 2 fields or an empty one"),
    (f"zoe,{CANARY}{'x' * 200_000}\n", ":1: expected fields of at most 1,024 characters, got more"),
]


@pytest.mark.parametrize(("content", "said"), LINES)
def test_lines_that_are_no_accounts_are_refused_by_number_alone(
    secret_file: Written, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    path = secret_file(content)
    assert refusal(Credentials(csv=str(path))) == f"{path}{said}"
    if len(content) < 100_000:  # the system's limit for one variable
        monkeypatch.setenv("CLINIC_ACCOUNTS", content)
        assert refusal(Credentials(env="CLINIC_ACCOUNTS")) == f"environment variable CLINIC_ACCOUNTS{said}"


def test_a_file_in_another_encoding_is_refused_without_a_byte_of_it(secret_file: Written) -> None:
    path = secret_file(f"zoe,{CANARY}\xe5".encode("latin-1"))
    assert refusal(Credentials(csv=str(path))) == (
        f"{path}:1: expected text in UTF-8, got another encoding, as of a file saved as ANSI; save it as CSV UTF-8"
    )


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLINIC_ACCOUNTS", raising=False)
    assert refusal(Credentials(env="CLINIC_ACCOUNTS")) == (
        "credentials.env: expected the environment variable CLINIC_ACCOUNTS, which is not set"
    )


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_accounts_are_read_from_a_variable_whatever_its_line_ends(monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    monkeypatch.setenv("CLINIC_ACCOUNTS", f"zoe,{CANARY}{ends}adam,x{ends}")
    assert read_accounts(Credentials(env="CLINIC_ACCOUNTS"), REALM).users == ("zoe", "adam")


@pytest.mark.parametrize("kind", ["csv", "keytab"])
def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path, kind: str) -> None:
    none, folder = tmp_path / "none", tmp_path / "folder"
    folder.mkdir(mode=0o700)
    said = refusal(Credentials.model_validate({kind: str(none)}))
    assert said == f"{none}: expected a readable file, got: No such file or directory"
    assert refusal(Credentials.model_validate({kind: str(folder)})).startswith(f"{folder}: expected a ")


def keytab(*principals: str) -> bytes:
    """A keytab of format 2 with one AES-256 key for each principal."""
    entries = b""
    for principal in principals:
        name, realm = principal.split("@")
        parts = name.split("/")
        body = struct.pack(">H", len(parts))
        for text in (realm, *parts):
            body += struct.pack(">H", len(text)) + text.encode()
        body += struct.pack(">IIBHH", 1, 0, 1, 18, 32) + CANARY.encode().ljust(32, b"\0")
        entries += struct.pack(">i", len(body)) + body
    return b"\x05\x02" + entries


def test_the_users_of_a_keytab_are_its_entries_of_the_realm_without_services(secret_file: Written) -> None:
    path = secret_file(
        keytab(f"zoe@{REALM}", f"host/pc@{REALM}", "eve@OTHER.TEST", f"adam@{REALM}", f"zoe@{REALM}")
    )  # fmt: skip
    found = read_accounts(Credentials(keytab=str(path)), REALM)
    assert found.users == ("zoe", "adam")
    assert (found.passwords, found.keytab) == ({}, path)


@pytest.mark.parametrize("content", [b"", CANARY.encode(), b"\x05\x02", keytab("zoe@OTHER.TEST"), keytab("zoe@X")[:30]])
def test_a_keytab_without_users_of_the_realm_is_refused(secret_file: Written, content: bytes) -> None:
    path = secret_file(content)
    assert refusal(Credentials(keytab=str(path))).startswith(f"{path}: expected ")


def test_too_few_accounts_are_refused_before_the_load() -> None:
    accounts = Accounts(("zoe", "adam"), {"zoe": Secret(CANARY), "adam": Secret(CANARY)})
    assert accounts.first(2, "a.csv") == ("zoe", "adam")
    with pytest.raises(CredentialError, match=r"a\.csv: expected 3 accounts \(population\.users\), got 2"):
        accounts.first(3, "a.csv")


def test_no_text_made_of_accounts_holds_a_password(secret_file: Written) -> None:
    secret = Secret(CANARY)
    accounts = read_accounts(Credentials(csv=str(secret_file(f"zoe,{CANARY}\n"))), REALM)
    texts = [f"{secret}", repr(secret), f"{secret!s:>40}", "%s" % secret, repr(accounts), str(accounts)]  # noqa: UP031
    texts += [repr({"zoe": secret}), repr(ValueError(secret)), str(vars(type(secret)).get("__slots__"))]
    assert not [text for text in texts if CANARY in text]
    assert secret.reveal() == CANARY
