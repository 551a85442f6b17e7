"""How single logins differ between the arms on the wire: counts and names are compared as they are, without statistics.

1. Only what equal servers never show is a difference: sizes that a random number or a clock moves by some bytes have a
   tolerance, host names are compared by what they stand for, and no order among answers is.
2. For a step that fails on one arm that is the only difference: what it did until then is part of the failure.
3. Something is called weaker only where an order is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

from harness.model.cohort import EVERYONE
from harness.model.protocol import (
    CHANGES,
    ArmProtocol,
    Change,
    Difference,
    ExplainedStep,
    KdcExchange,
    StepFacts,
    TicketFacts,
)
from harness.model.steps import STEPS

ENCTYPES: Mapping[str, tuple[int, int]] = {
    "des-cbc-crc": (0, 56),
    "des-cbc-md4": (0, 56),
    "des-cbc-md5": (0, 56),
    "arcfour-hmac-exp": (0, 40),
    "des3-cbc-sha1": (1, 112),
    "arcfour-hmac": (1, 128),
    "camellia128-cts-cmac": (2, 128),
    "camellia256-cts-cmac": (2, 256),
    "aes128-cts-hmac-sha1-96": (2, 128),
    "aes256-cts-hmac-sha1-96": (2, 256),
    "aes128-cts-hmac-sha256-128": (3, 128),
    "aes256-cts-hmac-sha384-192": (3, 256),
}
"""Generation and bits of the key. 0: deprecated by RFC 6649; 1: by RFC 8429; 2: RFC 3962 and 6803; 3: RFC 8009.
One type is weaker than another where it is below in one of the two and above in neither."""
TLS_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""From the oldest; one that isn't here is newer."""
TICKET_TOLERANCE_B = 16
"""Tickets of equal servers have one size to the byte; but names of the arms' own servers stand in them, and differ."""
ANSWER_TOLERANCE_B = 64
"""Likewise, with a name in every entry; and equal servers' answers to a bind differ by a byte or two."""
PLAIN_UPTO = 1.2
"""Sizes that differ by less than this factor are given as a difference in bytes."""
NONE = "none"

Found = tuple[Change, str, str, str, str]
"""A change, what changed, how it is on each arm, and a remark."""
_Steps = Mapping[str, ExplainedStep]


def between(baseline: ArmProtocol | None, candidate: ArmProtocol | None) -> tuple[Difference, ...] | None:
    """What differs between the arms, the most severe kind first, then in the order of the steps.

    None where what one of the arms shows is not known.

    A difference is listed once where every cohort that takes the step shows it.
    """
    if baseline is None or candidate is None:
        return None
    shown: dict[tuple[str, Found], list[str]] = {}
    takers: Counter[str] = Counter()
    for cohort, before, after in _pairs(baseline, candidate):
        for step in before:
            if step in after:
                takers[step] += 1
                for found in _in_step(before[step], after[step], baseline.own_names, candidate.own_names):
                    shown.setdefault((step, found), []).append(cohort)
    told = [
        Difference(change, step, cohort, *rest)
        for (step, (change, *rest)), cohorts in shown.items()
        for cohort in ([EVERYONE] if len(cohorts) == takers[step] else dict.fromkeys(cohorts))
    ]
    kinds, steps = list(CHANGES), list(STEPS)
    return tuple(sorted(told, key=lambda d: (kinds.index(d.change), steps.index(d.step), d.cohort, d.what)))


def _pairs(baseline: ArmProtocol, candidate: ArmProtocol) -> Iterator[tuple[str, _Steps, _Steps]]:
    """The logins that both arms show, by cohort: the first of its kind with the first, the second with the second."""
    for cohort in dict.fromkeys(login.cohort for login in baseline.logins):
        before, after = (
            [{step.step: step for step in login.steps} for login in arm.logins if login.cohort == cohort]
            for arm in (baseline, candidate)
        )
        for one, other in zip(before, after, strict=False):
            yield cohort, one, other


def _in_step(
    before: ExplainedStep, after: ExplainedStep, names: Mapping[str, str], other_names: Mapping[str, str]
) -> Iterator[Found]:
    if "ok" not in (before.status, after.status):
        return
    if before.status != after.status:
        change: Change = "step-failed" if before.status == "ok" else "step-fixed"
        yield change, "the step", _ended(before), _ended(after), ""
        return
    old, new = before.facts, after.facts
    yield from _kdc(old.exchanges, new.exchanges)
    yield from _tickets(old.tickets, new.tickets)
    yield from _count("round trips", old.round_trips, new.round_trips, "exchange-added", "exchange-removed")
    yield from _count("entries", old.entries, new.entries, "entries-changed", "entries-changed")
    yield from _count("records", old.records, new.records, "entries-changed", "entries-changed")
    yield from _size("answers", old.answer_bytes, new.answer_bytes, ANSWER_TOLERANCE_B, "answer-grown", "answer-shrunk")
    yield from _other("names asked", _asked(old, names), _asked(new, other_names), "names-changed")
    yield from _other("transport", _listed(q.transport for q in old.queries), _listed(q.transport for q in new.queries),
                      "transport-changed")  # fmt: skip
    yield from _other("HTTP status", _listed(old.statuses), _listed(new.statuses), "http-status-changed")
    yield from _other("negotiated security", _listed(old.agreed), _listed(new.agreed), "security-layer-changed")
    yield from _tls(old, new)


def _ended(step: ExplainedStep) -> str:
    return f"{step.status} {step.code}".strip()


def _kdc(old: Sequence[KdcExchange], new: Sequence[KdcExchange]) -> Iterator[Found]:
    answered, still_answered = (sum(e.answer_bytes is not None for e in exchanges) for exchanges in (old, new))
    yield from _count("exchanges", answered, still_answered, "exchange-added", "exchange-removed")
    silent, still_silent = len(old) - answered, len(new) - still_answered
    if still_silent > silent:
        yield "no-answer", "requests without an answer", str(silent), str(still_silent), ""
    yield from _other(
        "transport", _listed(e.transport for e in old), _listed(e.transport for e in new), "transport-changed"
    )
    errors, other_errors = (Counter(e.error for e in exchanges if e.error) for exchanges in (old, new))
    for error in dict.fromkeys((*errors, *other_errors)):
        yield from _count(error, errors[error], other_errors[error], "error-added", "error-removed")
    yield from _enctype("the clinician's key", _key(old), _key(new))


def _key(exchanges: Sequence[KdcExchange]) -> str:
    return next((exchange.key_enctype for exchange in reversed(exchanges) if exchange.key_enctype), "")


def _tickets(old: Sequence[TicketFacts], new: Sequence[TicketFacts]) -> Iterator[Found]:
    """Tickets by the class of their service (``ldap/``), since the arms' host names are their own."""
    pairs = [_by_class(tickets) for tickets in (old, new)]
    for name in dict.fromkeys((*pairs[0], *pairs[1])):
        for before, after in zip_longest(pairs[0].get(name, ()), pairs[1].get(name, ())):
            if before is None:
                yield "ticket-added", f"ticket for {name}", NONE, after.service, ""
            elif after is None:
                yield "ticket-removed", f"ticket for {name}", before.service, NONE, ""
            else:
                yield from _size(f"ticket for {name}", before.ticket_bytes, after.ticket_bytes, TICKET_TOLERANCE_B,
                                 "ticket-grown", "ticket-shrunk")  # fmt: skip
                yield from _enctype(f"ticket for {name}", before.enctype, after.enctype)
                yield from _enctype(f"session key for {name}", before.session_enctype, after.session_enctype)


def _by_class(tickets: Sequence[TicketFacts]) -> dict[str, list[TicketFacts]]:
    found: dict[str, list[TicketFacts]] = {}
    for ticket in tickets:
        found.setdefault(f"{ticket.service.partition('/')[0]}/", []).append(ticket)
    return found


def _tls(old: StepFacts, new: StepFacts) -> Iterator[Found]:
    before, after = old.tls, new.tls
    if before is None or after is None:
        if before is not None:
            yield "tls-weaker", "TLS", before.version, NONE, ""
        if after is not None:
            yield "tls-stronger", "TLS", NONE, after.version, ""
        return
    if before.version != after.version:
        weaker = _tls_rank(after.version) < _tls_rank(before.version)
        yield "tls-weaker" if weaker else "tls-stronger", "TLS", before.version, after.version, ""
    else:  # another version has suites of its own
        yield from _other("cipher suite", before.cipher, after.cipher, "cipher-changed")
    yield from _other("certificate's key", before.key, after.key, "certificate-changed")


def _tls_rank(version: str) -> int:
    return TLS_VERSIONS.index(version) if version in TLS_VERSIONS else len(TLS_VERSIONS)


def _enctype(what: str, before: str, after: str) -> Iterator[Found]:
    if before == after or not before or not after:
        return
    old, new = ENCTYPES.get(before), ENCTYPES.get(after)
    change: Change = "enctype-changed"
    if old is not None and new is not None and old != new:
        if all(a <= b for a, b in zip(new, old, strict=True)):
            change = "enctype-weaker"
        elif all(a >= b for a, b in zip(new, old, strict=True)):
            change = "enctype-stronger"
    yield change, what, before, after, ""


def _count(what: str, before: int, after: int, more: Change, fewer: Change) -> Iterator[Found]:
    if before != after:
        yield more if after > before else fewer, what, str(before), str(after), ""


def _size(what: str, before: int, after: int, tolerance: int, more: Change, fewer: Change) -> Iterator[Found]:
    if abs(after - before) > tolerance:
        ratio = after / before if before else 1.0
        remark = f"{after - before:+,} B" if 1 / PLAIN_UPTO < ratio < PLAIN_UPTO else f"×{ratio:.2g}"
        yield more if after > before else fewer, what, f"{before:,} B", f"{after:,} B", remark


def _other(what: str, before: str, after: str, change: Change) -> Iterator[Found]:
    if before != after:
        yield change, what, before or NONE, after or NONE, ""


def _listed(values: Iterable[object]) -> str:
    """What came, each once in the order of its first coming: ``UDP, TCP`` is a change from the one to the other."""
    return ", ".join(dict.fromkeys(map(str, values)))


def _asked(facts: StepFacts, own_names: Mapping[str, str]) -> str:
    return ", ".join(sorted(f"{_own(query.name.lower(), own_names)} {query.kind}" for query in facts.queries))


def _own(name: str, own_names: Mapping[str, str]) -> str:
    """The name with the arm's own host or domain at its end replaced by what it stands for."""
    for own in sorted(own_names, key=len, reverse=True):
        if name == own or name.endswith(f".{own}"):
            return name[: len(name) - len(own)] + own_names[own]
    return name
