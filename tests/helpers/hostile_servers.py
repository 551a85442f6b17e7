"""Servers that mean harm: what each protocol's client is asked to do, what real servers answered, and how it is spoilt.

The clients are the login's own. Whatever is answered, they end within the step's deadline with a value or with an
outcome of the step, never with an exception of a library, and in bounded memory.
"""

from __future__ import annotations

import base64
import random
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gssapi

from harness.errors import AuthgateError
from harness.lab.ad import region
from harness.login.credentials import Accounts, Secret
from harness.login.dns.locate import Resolver
from harness.login.http import EhrSession
from harness.login.kerberos.client import KerberosClient
from harness.login.kerberos.kdcs import Kdcs
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.ldap import reads
from harness.login.ldap.messages import Entry
from harness.login.ldap.netlogon import ping, ping_request
from harness.login.ldap.ntlm import NtlmContext
from harness.login.ldap.session import DirectorySession
from harness.login.net import der
from harness.login.net.clock import StepClock
from harness.login.postgres import DatabaseSession
from harness.login.sso import SingleSignOnSession
from harness.login.sso_protocols import OIDC, SAML, Protocol
from harness.model.database import Database
from harness.model.ehr import Ehr
from harness.model.endpoint import Endpoint
from harness.model.sso import SingleSignOn
from harness.model.target import Dns, Target
from tests.helpers.damage import damaged
from tests.helpers.recorded import recorded

USER = "clin00007"
_PASSWORD = Secret("not the lab's")
_LENGTHS = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x84\xff\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x00\x00")
_NESTED = (b"\x30\x80" * 4000, b"\x30\x84\x00\xff\xff\xff" * 2000, b"\xa3" * 3000, b"\x30" * 60_000)


@dataclass(frozen=True)
class Ask:
    """Something that a client asks, on one connection or by datagrams.

    ``before`` are the whole answers to what it asks first, ``answer`` is the one that is spoilt; with ``anew`` each
    question has a connection of its own.
    """

    protocol: str
    run: Callable[[Endpoint, StepClock], object]
    answer: bytes
    before: tuple[bytes, ...] = ()
    anew: bool = False
    datagrams: bool = False


class Refuses:
    """A security context to play the client's part: it takes any token that isn't empty."""

    def __init__(self) -> None:
        self.complete = False

    def step(self, token: bytes) -> bytes:
        """Complete with the first token."""
        if not token:
            raise gssapi.exceptions.GSSError(0x90000, 41 - 1765328384 + (1 << 32))
        self.complete = True
        return b"next"

    def unwrap(self, token: bytes) -> Any:
        """The token's end, as if it had been within it."""
        return type("Unwrapped", (), {"message": token[28:]})

    def wrap(self, data: bytes, _: bool) -> Any:
        """The data as they are."""
        return type("Wrapped", (), {"message": data})

    def get_wrap_size_limit(self, size: int, _: bool) -> int:
        """All of it."""
        return size


def target_at(endpoint: Endpoint, transport: str = "tcp", **directory: object) -> Target:
    """An arm whose every server is at the endpoint."""
    return Target.model_validate(
        {
            "realm": region.REALM,
            "kdcs": [str(endpoint)],
            "kdc_transport": transport,
            "directory": {
                "uri": f"ldap://{endpoint}",
                "service_host": region.DC_HOST,
                "user_base": f"OU=Users,{_BASE}",
                "group_base": f"OU=Groups,{_BASE}",
                "bind_dn": "{user}@region.test",
                "schema_kind": "ad",
                "entries_at_most": 2000,
                **directory,
            },
            "credentials": {"env": "NO_SUCH_VARIABLE"},
        }
    )


_BASE = "DC=region,DC=test"


# What is asked


def every_ask(folder: Path) -> list[Ask]:
    """What each client asks, with what was answered once."""
    return [*_kdc(folder), *_ldap(), *_cldap(), *_dns(), *_http(), *_single_sign_on(), *_postgres()]


def _kdc(folder: Path) -> Iterator[Ask]:
    preauth, initial, service = (one[0] for one in recorded()["kdc"][:3])
    anywhere = target_at(Endpoint(host="127.0.0.1", port=1))
    use_krb5_conf(anywhere, folder)
    cache = folder / "tgt.ccache"
    cache.write_bytes(_ccache(initial[4:]))
    client = KerberosClient(region.REALM, Accounts((USER,), {USER: _PASSWORD}), "key")
    held = client.new_cache()
    held.name = f"FILE:{cache}"

    def derive(endpoint: Endpoint, clock: StepClock) -> None:
        client._keytabs.clear()
        client.derive_keys([USER], lambda: Kdcs(target_at(endpoint, transport)).carrier(clock))

    def log_in(endpoint: Endpoint, clock: StepClock) -> None:
        tickets, carrier = client.new_cache(), Kdcs(target_at(endpoint, transport)).carrier(clock)
        client._keytabs.setdefault(USER, client._keys and _keytab(client))
        try:
            client.initial_ticket(USER, tickets, carrier)
        finally:
            carrier.exchanges  # noqa: B018 - what a report shows of it
            carrier.forget()
            tickets.close()

    def ticket(endpoint: Endpoint, clock: StepClock) -> None:
        carrier = Kdcs(target_at(endpoint, transport)).carrier(clock)
        try:
            client.service_token("ldap", region.DC_HOST, held, carrier)
        finally:
            carrier.exchanges  # noqa: B018
            carrier.forget()

    transport = "tcp"
    yield Ask("kdc", derive, preauth, anew=True)
    yield Ask("kdc", log_in, preauth, anew=True)
    yield Ask("kdc", log_in, initial, (preauth,), anew=True)
    yield Ask("kdc", ticket, service, anew=True)

    def by_udp(run: Callable[[Endpoint, StepClock], object]) -> Callable[[Endpoint, StepClock], object]:
        def run_by_udp(endpoint: Endpoint, clock: StepClock) -> object:
            nonlocal transport
            transport = "udp-first"
            try:
                return run(endpoint, clock)
            finally:
                transport = "tcp"

        return run_by_udp

    yield Ask("kdc", by_udp(log_in), preauth[4:], datagrams=True)
    yield Ask("kdc", by_udp(log_in), initial[4:], (preauth[4:],), datagrams=True)
    yield Ask("kdc", by_udp(ticket), service[4:], datagrams=True)


def _keytab(client: KerberosClient) -> Any:
    import krb5

    from harness.login.names import principal_of

    keytab = krb5.kt_resolve(client._keys, client._keytab_name(USER).encode())
    key = krb5.init_keyblock(client._keys, 18, bytes(32))
    krb5.kt_add_entry(client._keys, keytab, principal_of(client._keys, USER, region.REALM), 1, 0, key)
    return keytab


def _ccache(as_rep: bytes) -> bytes:
    """A ticket cache (MIT's format 4) with the ticket of this AS-REP, for a session key that nobody has."""

    def counted(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    def principal(*components: str) -> bytes:
        parts = b"".join(counted(part.encode()) for part in (region.REALM, *components))
        return struct.pack(">II", 1, len(components)) + parts

    ticket = der.decode(der.decode(as_rep).content).part(der.context(5))
    assert ticket is not None
    client = principal(USER)
    times = struct.pack(">IIII", 1, 1, 0x7FFFFFFF, 0x7FFFFFFF)
    flags = struct.pack(">BIII", 0, 0x40E00000, 0, 0)
    key = struct.pack(">H", 18) + counted(bytes(32))
    body = client + principal("krbtgt", region.REALM) + key + times + flags + counted(ticket.content) + counted(b"")
    return b"\x05\x04\x00\x00" + client + body


def _ldap() -> Iterator[Ask]:
    ((*answers,),) = recorded()["ldap"]
    entry = Entry(f"CN={USER},{_BASE}", {"objectsid": (bytes.fromhex("0105000000000005") + bytes(20),)})
    questions: dict[int, Sequence[Callable[[DirectorySession, Target], object]]] = {
        0: (lambda session, _: reads.root_entry(session),),
        1: (
            lambda session, _: session.bind_gssapi(Refuses(), b"first"),
            lambda session, _: session.bind_ntlm(NtlmContext(region.REALM, USER, _PASSWORD, region.DC_HOST, None)),
        ),
        2: (lambda session, _: session.bind_gssapi(Refuses(), b"first"),),
        3: (lambda session, _: session.bind_simple(USER, "x"),),
        4: (
            lambda session, target: reads.own_entry(session, target.directory, USER),
            lambda session, target: reads.nested_groups(session, target.directory, entry, USER),
            lambda session, _: session.search_by_pages(_BASE, "(cn=a)", ["cn"]),
        ),
        5: (lambda session, _: reads.token_groups(session, entry),),
        6: (lambda session, _: reads.in_chain(session, entry, ["S-1-5-21-1-2-3-1104"]),),
    }
    for number, asked in questions.items():
        for question in asked:
            # A bind that takes two answers is spoilt in the first or in the second.
            before = (answers[1],) if number == 2 else ()
            first_id = 1 + number - len(before)
            yield Ask("ldap", _directory(question, first_id), answers[number], before)
    started = der.encode(0x78, der.encode(0x0A, b"\0") + der.encode(4) + der.encode(4))
    message = der.encode(der.SEQUENCE, der.integer(1), started)
    hello = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + bytes(range(111))
    yield Ask("ldap", _directory(lambda *_: None, 1, starttls=True), message)
    yield Ask("ldap", _directory(lambda *_: None, 1, starttls=True), hello, (message,))


def _directory(
    question: Callable[[DirectorySession, Target], object], first_id: int, **directory: object
) -> Callable[[Endpoint, StepClock], object]:
    def run(endpoint: Endpoint, clock: StepClock) -> object:
        target = target_at(endpoint, **directory)
        session = DirectorySession(target.directory, clock)
        try:
            session._number = first_id - 1
            session.connect([(target.directory, endpoint)])
            with session.errors():
                return question(session, target)
        finally:
            session.new_referrals()
            session.close()

    return run


def _cldap() -> Iterator[Ask]:
    ((answer,),) = recorded()["cldap"]
    request = ping_request(region.DOMAIN)
    yield Ask("cldap", lambda endpoint, clock: ping(endpoint, request, clock), answer, datagrams=True)


def _dns() -> Iterator[Ask]:
    kdcs, controllers, address = (one[0] for one in recorded()["dns"][:3])

    def resolver(endpoint: Endpoint, clock: StepClock) -> Resolver:
        names = {"servers": [str(endpoint)], "domain": region.DOMAIN}
        return Resolver(Dns.model_validate(names), clock)

    def kerberos(endpoint: Endpoint, clock: StepClock) -> object:
        return resolver(endpoint, clock).kerberos_servers()[1].query

    def ldap(endpoint: Endpoint, clock: StepClock) -> object:
        return resolver(endpoint, clock).domain_controllers()

    def host(endpoint: Endpoint, clock: StepClock) -> object:
        return resolver(endpoint, clock).addresses(region.DC_HOST)

    for run, answer in ((kerberos, kdcs), (ldap, controllers), (host, address)):
        yield Ask("dns", run, answer, datagrams=True)


def _http() -> Iterator[Ask]:
    ((asks, front, asks_again, chart),) = recorded()["http"]

    def pages(endpoint: Endpoint, clock: StepClock) -> None:
        url = f"http://{endpoint}/portal/"
        ehr = Ehr.model_validate({"url": url, "service_host": region.EHR_HOST, "database_path": "chart"})
        session = EhrSession(ehr, [endpoint], None, clock)
        try:
            session.front(lambda _: (Refuses(), b"token"))
            session.chart(lambda _: (Refuses(), b"token"))
        finally:
            session.close()

    answers = (asks, front, asks_again, chart)
    for number, answer in enumerate(answers):
        yield Ask("http", pages, answer, answers[:number])


_FORM = """<html><body onload="document.forms[0].submit()">
<form method="post" action="http://{host}/{path}"><input type="hidden" name="{name}" value="{value}">
<input type="hidden" name="state" value="tpQlVS"></form></body></html>"""
_RESPONSE = """<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1"><samlp:Status>
<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
<Assertion>clin00007</Assertion></samlp:Response>"""


def _single_sign_on() -> Iterator[Ask]:
    """As the lab's servers answer, but for a port in links, which are not known where an answer is written down."""
    session = "Set-Cookie: mod_auth_openidc_session=c8x0; Path=/; HttpOnly; SameSite=Lax"
    cookie = "Set-Cookie: lemonldap=6343f7b1; domain=.region.test; path=/; HttpOnly=1; SameSite=Lax"
    started = _said("302 Found", f"Location: http://{region.IDP_HOST}/oauth2/authorize?response_type=code&state=tpQlVS")
    asks = _said("401 Unauthorized", "WWW-Authenticate: Negotiate")
    code = f"Location: http://{region.EHR_HOST}/oidc/callback?code=f092caa0&state=tpQlVS"
    back = _said("302 Found", f"Location: http://{region.EHR_HOST}/journal", session)
    form = _FORM.format(host=region.EHR_HOST, path="oidc/callback", name="code", value="f092caa0")
    response = base64.b64encode(_RESPONSE.encode()).decode()
    signed = _FORM.format(host=region.EHR_HOST, path="saml/postResponse", name="SAMLResponse", value=response)
    ways = (
        (OIDC, _said("302 Found", code, cookie)),
        (OIDC, _said("200 OK", cookie, body=form)),
        (SAML, _said("200 OK", cookie, body=signed)),
    )
    for protocol, given in ways:
        answers = (started, asks, given, back, _said("200 OK", body="clin00007"))
        for number, answer in enumerate(answers):
            yield Ask("http", partial(_signed_on, protocol), answer, answers[:number], anew=True)


def _said(status: str, *headers: str, body: str = "") -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{lines}\r\n{body}".encode()


def _signed_on(protocol: Protocol, endpoint: Endpoint, clock: StepClock) -> None:
    names = {"provider": region.IDP_HOST, protocol.relying: region.EHR_HOST}
    servers = {key: {"url": f"http://{endpoint}/journal", "service_host": name} for key, name in names.items()}
    sso = SingleSignOn.model_validate(servers)
    session = SingleSignOnSession(sso, {key: [endpoint] for key in names}, None, clock, [])
    session._origins = {key: ("http", name, 80) for key, name in names.items()}
    try:
        session.start(protocol)
        session.authorize(lambda _: (Refuses(), b"token"))
        session.callback()
        session.page()
    finally:
        session.close()


def _postgres() -> Iterator[Ask]:
    ((asks, welcome, rows),) = recorded()["postgres"]

    def query(endpoint: Endpoint, clock: StepClock) -> None:
        database = Database.model_validate({"uri": f"postgres://{endpoint}/ehr", "service_host": region.DATABASE_HOST})
        session = DatabaseSession(database, [endpoint], clock)
        try:
            session.connect("svc-ehr", lambda: (Refuses(), b"token"))
            session.principal()
        finally:
            session.close()

    answers = (asks, welcome, rows)
    for number, answer in enumerate(answers):
        yield Ask("postgres", query, answer, answers[:number])


EXPECTED = (AuthgateError,)
"""What deriving a key may end with besides: it says whose key could not be had."""


# How an answer is spoilt


def spoilt(rng: random.Random, ask: Ask) -> bytes:
    """The answer, spoilt in one way of several."""
    answer = ask.answer
    match rng.randrange(8):
        case 0:
            return rng.randbytes(rng.choice((1, 4, 40, 400)))
        case 1:
            return with_length(rng, answer)
        case 2:
            return answer + answer
        case 3:
            return other_id(rng, answer, ask.protocol)
        case 4 if rng.random() < 0.2:
            return answer[: rng.randrange(9)] + rng.choice(_NESTED)
        case _:
            return damaged(rng, answer)


def with_length(rng: random.Random, answer: bytes) -> bytes:
    """Another length than the content has, where the protocol keeps one, or just anywhere."""
    if answer.startswith(b"HTTP"):
        number = rng.choice((b"-1", b"0", b"999999999999", b"1e9", b"9" * 400, b"0x10"))
        return re.sub(rb"(?i)content-length: \d+", b"Content-Length: " + number, answer)
    lengths = [at for at in range(min(len(answer), 200)) if answer[at] in b"\x30\x04\x60\x61\x64\xa0\xa3\x81\x82"]
    at = rng.choice([0, 1, 2, *lengths])
    return answer[:at] + rng.choice(_LENGTHS) + answer[at + rng.choice((0, 1, 4)) :]


def other_id(rng: random.Random, answer: bytes, protocol: str) -> bytes:
    """An answer to another question, where the protocol numbers them."""
    if protocol == "dns":
        return bytes((answer[0] ^ rng.randrange(1, 256), answer[1])) + answer[2:]
    if protocol in ("ldap", "cldap"):
        number = bytes((2, 1, rng.randrange(256)))
        return re.sub(rb"\x02\x01[\x01-\x07]", lambda _: number, answer, count=1)
    return damaged(rng, answer)
