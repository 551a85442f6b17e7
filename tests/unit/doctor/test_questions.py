"""The first question of each protocol, to servers that accept connections and are none."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from harness.doctor import kdc, questions, tls
from harness.doctor.as_request import ask
from harness.doctor.examine import ARM_CHECKS, examine
from harness.doctor.machine import Machine
from harness.doctor.probe import Probe
from harness.login.net import der
from harness.login.net.clock import StepClock
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.diagnosis import Remark
from harness.model.endpoint import Endpoint
from harness.model.sso import SingleSignOn
from harness.model.target import Targets
from tests.helpers.playing import HOST, Play, player
from tests.helpers.web_servers import PATIENCE_S, front

pytestmark = pytest.mark.slow

ROOT = der.encode(der.SEQUENCE, der.integer(1), der.encode(0x64, der.encode(4), der.encode(der.SEQUENCE)))


def result(code: int, kind: int = 0x65) -> bytes:
    """The end of an operation, with this result (RFC 4511 §4.1.9)."""
    said = der.encode(0x0A, bytes([code])) + der.encode(4) + der.encode(4)
    return der.encode(der.SEQUENCE, der.integer(1), der.encode(kind, said))


NEGOTIATES = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
GSS = b"R\0\0\0\x08\0\0\0\x07"
GARBAGE = b"\x8e\x01garbage of no protocol at all\r\n\r\n" * 3
ANSWER_S = 0.3


def probe_of(endpoint: Endpoint, **directory: object) -> Probe:
    """An arm whose directory, front and database are all at this endpoint, which accepts connections."""
    target: dict[str, Any] = {
        "realm": "CLINIC.TEST",
        "kdcs": [str(endpoint)],
        "directory": {
            **{"uri": f"ldap://{endpoint}", "service_host": "dc1.clinic.test", "user_base": "", "group_base": ""},
            **directory,
        },
        "credentials": {"env": "NO_SUCH_VARIABLE"},
        "ehr": {"url": f"http://{endpoint}/portal/", "service_host": "ehr.clinic.test"},
        "database": {"uri": f"postgres://{endpoint}/ehr", "service_host": "db.clinic.test"},
    }
    targets = Targets.model_validate({"arms": {"baseline": target}})
    return Probe("baseline", targets, None, set(), Path(), {HOST: (HOST,)}, connected={endpoint})


def told(server: str, *plays: Play, **directory: object) -> Remark:
    """What the check of a server says of one that does this."""
    check = {"directory": questions.directory, "EHR": questions.ehr, "database": questions.database}[server]
    with player(*plays) as made:
        (remark,) = check(probe_of(made.endpoint, **directory), StepClock(ANSWER_S))
    return remark


REDIRECT = "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("link", "answer", "level", "words"),
    [
        ("http://idp.clinic.test:{port}/x", NEGOTIATES, "ok", "sends to idp.clinic.test: HTTP 401, Negotiate offered"),
        ("http://idp.clinic.test:{port}/x", NEGOTIATES.replace(b"Negotiate", b"Basic"), "problem", "not offered"),
        (
            "http://elsewhere.test/x?code=1",
            NEGOTIATES,
            "problem",
            "was sent to http://elsewhere.test:80, a server that",
        ),
        ("/x", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "problem", "to anybody (LOGIN_NOT_ASKED)"),
    ],
)
@pytest.mark.parametrize("relying", ["oidc", "saml"])
def test_what_relies_on_single_sign_on_sends_to_a_provider_that_asks_for_a_ticket(
    relying: str, link: str, answer: bytes, level: str, words: str
) -> None:
    """Both are one server here, of two names."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        endpoint = Endpoint(host=HOST, port=port)
        with front(REDIRECT.format(link.format(port=port)).encode(), answer, listens=listener):
            probe = probe_of(endpoint)
            url = f"http://{endpoint}/"
            names = {"provider": "idp.clinic.test", relying: "ehr.clinic.test"}
            sso = SingleSignOn.model_validate({key: {"url": url, "service_host": it} for key, it in names.items()})
            arm = probe.target.model_copy(update={"sso": sso})
            probe.targets = probe.targets.model_copy(update={"arms": {"baseline": arm}})
            (remark,) = questions.single_sign_on(probe, StepClock(PATIENCE_S))
    assert (remark.level, words in remark.found) == (level, True), remark
    assert "code" not in remark.found


@pytest.mark.parametrize(
    ("server", "answer", "level", "words"),
    [
        ("directory", ROOT + result(0), "ok", "gave its root entry in "),
        ("directory", result(50), "ok", "LDAP 50 insufficientAccessRights, when asked for its root entry"),
        ("directory", result(52), "problem", "LDAP 52 unavailable"),
        ("EHR", NEGOTIATES, "ok", "HTTP 401 for /portal/, Negotiate offered in "),
        ("EHR", CONTINUE + NEGOTIATES, "ok", "HTTP 401"),
        ("EHR", NEGOTIATES.replace(b"Negotiate", b"Basic"), "problem", "Negotiate not offered"),
        ("EHR", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "warning", "HTTP 200 for /portal/, to anybody"),
        ("EHR", b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "problem", "HTTP 503"),
        ("database", GSS, "ok", "asked for Kerberos in "),
        ("database", b"R\0\0\0\x08\0\0\0\x0a", "problem", "it asks for a password, not for Kerberos"),
        ("database", b"E\0\0\0\x0cC28000\0\0", "ok", "SQLSTATE 28000 for a user that it can't know"),
    ],
)
def test_a_server_of_its_protocol_is_told_by_its_first_answer(
    server: str, answer: bytes, level: str, words: str
) -> None:
    remark = told(server, Play((answer,), "is silent"))
    assert (remark.level, words in remark.found) == (level, True), remark


@pytest.mark.parametrize(
    ("server", "play", "words"),
    [
        ("directory", Play((), "is silent"), "its root entry: no whole answer within 0.3 s"),
        ("directory", Play((ROOT + result(0),), byte_every_s=0.1), "its root entry: no whole answer within 0.3 s"),
        ("directory", Play((GARBAGE,)), "it answers otherwise than an LDAP server (LDAP_MALFORMED)"),
        ("directory", Play((ROOT,)), "it hung up in place of an answer (CONNECTION_LOST)"),
        ("directory", Play((b"\x30\x84\x7f\xff\xff\xff",), "is silent"), "(LDAP_ANSWER_TOO_LARGE)"),
        ("EHR", Play((), "is silent"), "/portal/: no whole answer within 0.3 s"),
        ("EHR", Play((NEGOTIATES,), byte_every_s=0.1), "/portal/: no whole answer within 0.3 s"),
        ("EHR", Play((CONTINUE,), "is silent"), "interim answers alone (HTTP 100)"),
        ("EHR", Play((CONTINUE,), "repeats"), "interim answers alone (HTTP 100)"),
        ("EHR", Play((GARBAGE,)), "it answers otherwise than a web server (HTTP_MALFORMED)"),
        ("EHR", Play(()), "it hung up in place of an answer (CONNECTION_LOST)"),
        ("database", Play((), "is silent"), "a session: no whole answer within 0.3 s"),
        ("database", Play((GSS,), byte_every_s=0.1), "a session: no whole answer within 0.3 s"),
        ("database", Play((GARBAGE,)), "it answers otherwise than PostgreSQL (DB_MALFORMED)"),
        ("database", Play(()), "it hung up in place of an answer (CONNECTION_LOST)"),
    ],
)
def test_a_server_that_is_silent_drips_garbles_or_hangs_up_is_a_problem_in_words(
    server: str, play: Play, words: str
) -> None:
    remark = told(server, play)
    assert (remark.level, words in remark.found) == ("problem", True), remark
    assert remark.advice.endswith(("arms.baseline.directory", "arms.baseline.ehr.url", "arms.baseline.database.uri",
                                   "with a request"))  # fmt: skip


def test_a_server_that_could_not_be_connected_to_is_not_told_of_twice() -> None:
    with player() as made:
        probe = probe_of(made.endpoint)
    probe.connected.clear()
    said = [remark for check in (questions.directory, questions.ehr, questions.database)
            for remark in check(probe, StepClock(ANSWER_S))]  # fmt: skip
    assert [remark.level for remark in said] == ["n/a"] * 3


def test_each_server_that_accepts_connections_alone_is_a_problem_of_a_whole_examination(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (kdc, questions, tls):
        monkeypatch.setattr(module, "_ANSWER_WITHIN_S", ANSWER_S)
    silent = [Play((), "is silent")] * 20
    with player(*silent) as made:
        found = examine(probe_of(made.endpoint).targets, None, Machine(watched_s=0))
    problems = {check.name for check in found.at("problem")}
    assert problems >= {"directory", "EHR", "database", "KDC"}
    assert not found.healthy
    assert {check.name for check in ARM_CHECKS} >= problems - {"alike", "apart"}


@pytest.mark.parametrize("way", ["dripping", "silent"])
def test_a_kdc_that_drips_is_out_of_time_as_a_silent_one(way: str) -> None:
    dripping, silent = Play((bytes((0, 0, 2, 0)) + bytes(512),), byte_every_s=0.1), Play((), "is silent")
    with (
        player(dripping if way == "dripping" else silent) as kdc,
        pytest.raises(StepFailedError) as raised,
    ):
        ask(kdc.endpoint, "TCP", "CLINIC.TEST", "zoe", StepClock(ANSWER_S))
    assert raised.value.outcome is TIMED_OUT


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (Play((result(0, 0x78),), byte_every_s=0.1), "no TLS (no answer in time)"),
        (Play((), "is silent"), "no TLS (no answer in time)"),
        (Play((result(53, 0x78),)), "no TLS (StartTLS: LDAP 53)"),
        (Play((GARBAGE,)), "it answers otherwise than an LDAP server"),
    ],
)
def test_a_directory_that_does_not_come_to_tls_is_told_with_the_reason(play: Play, words: str) -> None:
    with player(play) as made:
        (remark,) = tls.directory(probe_of(made.endpoint, starttls=True), StepClock(ANSWER_S))
    assert (remark.level, words in remark.found) == ("problem", True), remark
