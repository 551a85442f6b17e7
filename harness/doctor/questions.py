"""The first question of each protocol that logins connect for: an open port alone is no server.

Asked by the login's own clients, as a login asks it, and of no account: the directory for its root entry (RFC 4512
§5.1), the front for its page without a token, what relies on single sign-on for being sent there, the database for a
session, up to what it wants to be shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from harness.doctor.probe import Probe, reason_of
from harness.errors import ConfigError
from harness.login.http import EhrSession
from harness.login.ldap.reads import root_entry
from harness.login.ldap.session import DirectorySession, check_ca_file
from harness.login.net.clock import StepClock
from harness.login.net.tls import FAILED
from harness.login.postgres import DatabaseSession
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.login.sso import SingleSignOnSession
from harness.login.sso_protocols import PROTOCOLS, Protocol
from harness.login.web import UNAUTHORIZED
from harness.model.database import Database
from harness.model.diagnosis import Remark, not_applicable, ok, problem, warning
from harness.model.ehr import Ehr
from harness.model.endpoint import Endpoint
from harness.model.target import Controller

_ANSWER_WITHIN_S = 3.0
_UNKNOWN_USER = "authgate-doctor"
"""Named to a database where no account is known: it asks for a ticket before it looks whether there is such a role."""
_UNSERVED = ("LDAP 51", "LDAP 52")
"""busy and unavailable: any other result of a search is an answer, also that it may not be made anonymously."""


class _KerberosAskedForError(Exception):
    """What the question was about: the database wants to be shown a ticket."""


def directory(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """Each server of the directory answers a search of its root entry."""
    for controller in probe.target.directory.controllers:
        for endpoint in probe.at(controller.endpoint):
            ask = partial(_root_entry, probe, controller, endpoint)
            yield _asked(probe, endpoint, "its root entry", f"arms.{probe.arm}.directory", ask, deadline)


def _root_entry(probe: Probe, controller: Controller, endpoint: Endpoint, clock: StepClock) -> Remark:
    session = DirectorySession(probe.target.directory, clock)
    try:
        session.connect([(controller, endpoint)])
        root_entry(session)
    except StepFailedError as failure:
        code = failure.outcome.code
        if not code.startswith("LDAP ") or code.startswith(_UNSERVED):
            raise
        return ok(f"{endpoint}: {code}, when asked for its root entry")
    finally:
        session.close()
    return ok(f"{endpoint}: gave its root entry")


def ehr(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """The front answers a request for its page, and asks for a ticket by HTTP Negotiate."""
    wanted = probe.target.ehr
    assert wanted is not None
    for endpoint in probe.at(wanted.endpoint):
        ask = partial(_page, probe, wanted, endpoint)
        yield _asked(probe, endpoint, wanted.page, f"arms.{probe.arm}.ehr.url", ask, deadline)


def _page(probe: Probe, wanted: Ehr, endpoint: Endpoint, clock: StepClock) -> Remark:
    session = EhrSession(wanted, [endpoint], probe.target.directory.ca_file, clock)
    try:
        status, negotiates = session.greet()
    except StepFailedError as failure:
        if failure.outcome is not TIMED_OUT or not session.interim:
            raise
        found = f"{endpoint}, asked for {wanted.page}: interim answers alone (HTTP {session.interim})"
        return problem(found, "find out in the front's log why it comes to no end with a request")
    finally:
        session.close()
    return _judged(f"{endpoint}: HTTP {status} for {wanted.page}", status, negotiates)


def _judged(found: str, status: int, negotiates: bool) -> Remark:
    if status == 401 and negotiates:
        return ok(f"{found}, Negotiate offered")
    if status == 401:
        return problem(f"{found}, Negotiate not offered", "turn on HTTP Negotiate (Kerberos, SPNEGO) for the page")
    if status == 200:
        return warning(f"{found}, to anybody", "protect the page by HTTP Negotiate, or no login there is measured")
    return problem(found, "correct the path of ehr.url: a login takes 200 alone, after 401 with Negotiate")


def single_sign_on(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """What relies on the identity provider sends a login there, which asks for a ticket by HTTP Negotiate."""
    wanted = probe.target.sso
    assert wanted is not None
    if any(endpoint not in probe.connected for endpoint in probe.at(wanted.provider.endpoint)):
        yield not_applicable(f"{wanted.provider.endpoint}: no connection to ask by")
        return
    taken = wanted.taken_by(probe.steps)
    for protocol in (it for it in PROTOCOLS if it.relying in taken):
        relying = taken[protocol.relying]
        for endpoint in probe.at(relying.endpoint):
            ask = partial(_sent_to_provider, probe, protocol, endpoint)
            yield _asked(probe, endpoint, relying.page, f"arms.{probe.arm}.sso", ask, deadline)


def _sent_to_provider(probe: Probe, protocol: Protocol, endpoint: Endpoint, clock: StepClock) -> Remark:
    wanted, key = probe.target.sso, protocol.relying
    assert wanted is not None
    endpoints = {**{name: probe.at(server.endpoint) for name, server in wanted.servers.items()}, key: (endpoint,)}
    notes: list[str] = []
    session = SingleSignOnSession(wanted, endpoints, probe.target.directory.ca_file, clock, notes)
    try:
        status, negotiates = session.greet(protocol)
    except StepFailedError:
        if not notes:
            raise
        asked = f"{endpoint}, asked for {wanted.servers[key].page}"
        return problem(f"{asked}: {notes[0]}", "name it, or correct who is relied on")
    finally:
        session.close()
    found = f"{endpoint} sends to {wanted.provider.service_host}: HTTP {status}"
    if status == UNAUTHORIZED and negotiates:
        return ok(f"{found}, Negotiate offered")
    return problem(
        f"{found}, Negotiate not offered", "have the provider authenticate this machine's logins by HTTP Negotiate"
    )


def database(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """The database takes a session's first message, and asks for Kerberos."""
    wanted = probe.target.database
    assert wanted is not None
    for endpoint in probe.at(wanted.endpoint):
        ask = partial(_session, probe, wanted, endpoint)
        yield _asked(probe, endpoint, "a session", f"arms.{probe.arm}.database.uri", ask, deadline)


def _session(probe: Probe, wanted: Database, endpoint: Endpoint, clock: StepClock) -> Remark:
    user = probe.accounts.users[0] if probe.accounts is not None else _UNKNOWN_USER
    session = DatabaseSession(wanted, [endpoint], clock)
    try:
        session.connect(user, _stop_there)
    except _KerberosAskedForError:
        pass
    except StepFailedError as failure:
        if user != _UNKNOWN_USER or not failure.outcome.code.startswith("SQLSTATE"):
            raise
        return ok(f"{endpoint}: {failure.outcome.code} for a user that it can't know")
    finally:
        session.close()
    return ok(f"{endpoint}: asked for Kerberos")


def _stop_there() -> tuple[object, bytes]:
    raise _KerberosAskedForError


def _asked(
    probe: Probe, endpoint: Endpoint, what: str, key: str, ask: Callable[[StepClock], Remark], deadline: StepClock
) -> Remark:
    """What came of a question; what an earlier check has told already is not told again."""
    if endpoint not in probe.connected:
        return not_applicable(f"{endpoint}: no connection to ask by")
    with suppress(ConfigError):
        check_ca_file(probe.target)
        began = time.monotonic()
        try:
            told = ask(StepClock(within_s := min(_ANSWER_WITHIN_S, deadline.left_s())))
        except StepFailedError as failure:
            return _unanswered(f"{endpoint}, asked for {what}", key, failure, within_s)
        took = f" in {(time.monotonic() - began) * 1e3:.1f} ms" if told.level == "ok" else ""
        return Remark(told.level, f"{told.found}{took}", told.advice)
    return not_applicable(f"{endpoint}: the certificates of directory.ca_file can't be read")


def _unanswered(asked: str, key: str, failure: StepFailedError, within_s: float) -> Remark:
    if failure.outcome == FAILED:
        return not_applicable(f"{asked}: no TLS that a login would accept")
    if failure.outcome is TIMED_OUT:
        return problem(
            f"{asked}: no whole answer within {within_s:.1f} s",
            f"find out what the server waits for: it takes connections; or correct {key}",
        )
    return problem(f"{asked}: {reason_of(failure)}", f"look in the server's log, or correct {key}")
