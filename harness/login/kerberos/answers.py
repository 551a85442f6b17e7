"""What a KDC's answers say besides what libkrb5 reads in them: error codes, and which keys an account has.

RFC 4120: §5.4.1 (KDC-REQ), §5.4.2 (KDC-REP), §5.9.1 (KRB-ERROR), §5.2.7.5 (ETYPE-INFO2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import krb5

from harness.login.codes import kerberos_name
from harness.login.net import der
from harness.model.endpoint import Endpoint
from harness.model.protocol import KdcExchange, Transport

PREAUTH_REQUIRED = 25
SVC_UNAVAILABLE = 29
_TOO_BIG = 52
_AS_REP, _TGS_REP, _ERROR = der.application(11), der.application(13), der.application(30)
_PA_ENC_TIMESTAMP, _PA_ETYPE_INFO2, _PA_FX_FAST, _PA_SPAKE = 2, 19, 136, 151
"""RFC 4120 §5.2.7, RFC 6113 §5.4.2, draft-ietf-kitten-krb-spake-preauth."""


@dataclass(slots=True)
class KdcAnswer:
    """One request to a KDC, and what came of it: ``answer`` is None where nothing did, and ``note`` says why."""

    endpoint: Endpoint
    transport: Transport
    request: bytes
    answer: bytes | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One of an account's keys, as far as a KDC tells how it is derived; ``salt`` is None for the usual one."""

    enctype: int
    salt: bytes | None
    parameters: bytes


def error_code(answer: bytes) -> int | None:
    """The error code of a KRB-ERROR; None of anything else. Raises ValueError where it is cut off."""
    if answer[:1] != bytes([_ERROR]):
        return None
    return der.decode(der.decode(answer).content).field(6).number()


def unusual_error(answer: bytes) -> str:
    """The name of an answer's error; empty without one, or where it is that of every ordinary AS exchange."""
    try:
        code = error_code(answer)
    except ValueError:
        return ""
    return "" if code in (None, PREAUTH_REQUIRED) else kerberos_name(code)


def reply_enctypes(answer: bytes) -> tuple[str, ...]:
    """The encryption types of a reply's own part and of the ticket in it; none of anything else."""
    try:
        message = der.decode(answer)
        if message.tag not in (_AS_REP, _TGS_REP):
            return ()
        reply = der.decode(message.content)
        found = reply.field(6).field(0).number(), der.decode(reply.field(5).content).field(3).field(0).number()
    except ValueError:
        return ()
    return tuple(dict.fromkeys(map(enctype_name, found)))


def key_infos(answer: bytes) -> tuple[KeyInfo, ...]:
    """The account's keys in the KDC's order, as an answer in an AS exchange tells them; raises ValueError."""
    return tuple(_infos(_padata(answer)))


def demands_fast(answer: bytes) -> bool:
    """Whether a KDC takes a password or key under armour alone (FAST, RFC 6113): it offers that, and no way without.

    A KDC also offers PKINIT to everybody, which needs a card.
    """
    try:
        if error_code(answer) != PREAUTH_REQUIRED:
            return False
        offered = {one.field(1).number() for one in _padata(answer)}
    except (ValueError, IndexError):
        return False
    return _PA_FX_FAST in offered and not offered & {_PA_ENC_TIMESTAMP, _PA_SPAKE}


def _padata(answer: bytes) -> Iterator[der.Value]:
    """Every PA-DATA of an answer in an AS exchange; raises ValueError."""
    message = der.decode(answer)
    fields = der.decode(message.content)
    if message.tag == _ERROR:
        told = fields.part(der.context(12))
        methods = der.decode(told.content).content if told is not None else b""
        padata = der.decode(methods) if methods else None
    elif message.tag == _AS_REP:
        given = fields.part(der.context(2))
        padata = der.decode(given.content) if given is not None else None
    else:
        raise ValueError("neither a ticket nor an error")
    if padata is not None and padata.tag == der.SEQUENCE:
        yield from (one for one in padata.parts() if one.tag == der.SEQUENCE)


def _infos(padata: Iterable[der.Value]) -> Iterator[KeyInfo]:
    for one in padata:
        if one.field(1).number() == _PA_ETYPE_INFO2:
            for entry in der.decode(one.field(2).content).parts():
                salt, parameters = entry.part(der.context(1)), entry.part(der.context(2))
                yield KeyInfo(
                    entry.field(0).number(),
                    None if salt is None else der.decode(salt.content).content,
                    b"" if parameters is None else der.decode(parameters.content).content,
                )


def requested_enctypes(request: bytes) -> tuple[int, ...]:
    """The encryption types that a KDC-REQ asks for, the preferred first; raises ValueError."""
    body = der.decode(der.decode(request).content).field(4)
    return tuple(part.number() for part in body.field(8).parts())


def chosen_key(request: bytes, answer: bytes) -> KeyInfo | None:
    """The key that libkrb5 takes: the first that it asked for among those that the KDC tells of (k5_preauth).

    None where the answer tells of none. Raises ValueError.
    """
    told = {info.enctype: info for info in reversed(key_infos(answer))}
    return next((told[enctype] for enctype in requested_enctypes(request) if enctype in told), None)


def exchange_of(answer: KdcAnswer) -> KdcExchange:
    """The request and its answer as a report shows them."""
    if answer.answer is None:
        return KdcExchange(str(answer.endpoint), answer.transport, None, answer.note)
    error, enctype, note = "", "", answer.note
    try:
        code = error_code(answer.answer)
        error = "" if code is None else kerberos_name(code)
        note = "answer too big for UDP" if code == _TOO_BIG else note
        info = chosen_key(answer.request, answer.answer) if code in (None, PREAUTH_REQUIRED) else None
        enctype = enctype_name(info.enctype) if info is not None else ""
    except ValueError:  # a ticket of a TGS exchange, or nothing that can be read
        pass
    return KdcExchange(str(answer.endpoint), answer.transport, len(answer.answer), note, error, enctype)


def enctype_name(enctype: int) -> str:
    """The name of an encryption type."""
    try:
        return krb5.enctype_to_name(enctype)
    except (krb5.Krb5Error, ValueError):  # the service's own business: this client need not know it
        return f"enctype {enctype}"


def ticket_enctype(ticket: bytes) -> int:
    """The encryption type of a Ticket's enc-part (RFC 4120 §5.3 and §5.2.9); raises ValueError."""
    return der.decode(der.decode(ticket).content).field(3).field(0).number()
