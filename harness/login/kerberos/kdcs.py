"""A login's requests to KDCs: which of them is asked when, by UDP or TCP, and which one answered.

The order and the waits are those of a client's own policy (harness/login/kerberos/policies.py).
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from harness.login.kerberos.answers import (
    SVC_UNAVAILABLE,
    KdcAnswer,
    error_code,
    exchange_of,
    reply_enctypes,
    unusual_error,
)
from harness.login.kerberos.contact import Contact
from harness.login.kerberos.policies import MIT, POLICIES, KdcPolicy
from harness.login.net.clock import StepClock
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.attempt import Outcome
from harness.model.endpoint import NO_NAMES, Addresses, Endpoint
from harness.model.protocol import KdcExchange, Transport
from harness.model.target import Target

UDP_AT_MOST = 1465
"""A longer request goes by TCP first (krb5.conf(5), udp_preference_limit)."""
REFERRED = Outcome("error", "KDC_REFERRED_TO_OTHER_REALM")
UNREACHABLE = Outcome("error", "KRB5_KDC_UNREACH")
LISTENED_FOR_S = 30.0
"""How long an answer that came too late is still waited for, to know whether it denied the account."""


class Kdcs:
    """The KDCs of one target, by their checked addresses."""

    def __init__(self, target: Target, addresses: Addresses = NO_NAMES) -> None:
        self.realm = target.realm
        self.tcp_first = target.kdc_transport == "tcp"
        self._policy = POLICIES[target.kdc_client]
        self._listed = tuple(at for kdc in target.kdcs for at in kdc.at(addresses))

    def carrier(self, clock: StepClock, first: str = "") -> KdcCarrier:
        """What carries one login's requests; the KDC at the address ``first`` is asked first, then as listed."""
        order = tuple(sorted(self._listed, key=lambda at: at.host != first))
        return KdcCarrier(self, order, clock, self._policy)


class KdcCarrier:
    """Carries one login's requests to its KDCs; ``kdcs`` in the order in which they are asked.

    Each request goes to the first KDC anew, as libkrb5 does it; a Windows client's does so too.
    """

    def __init__(self, target: Kdcs, kdcs: Sequence[Endpoint], clock: StepClock, policy: KdcPolicy = MIT) -> None:
        self._realm = target.realm
        self._tcp_first = target.tcp_first
        self._kdcs = kdcs
        self._clock = clock
        self._policy = policy
        self._answers: list[KdcAnswer] = []
        self._unheard: list[Contact] = []

    @property
    def exchanges(self) -> tuple[KdcExchange, ...]:
        """Every request that was sent, with what came of it, in order."""
        return tuple(exchange_of(answer) for answer in self._answers)

    @property
    def way(self) -> str:
        """The transports of its answers, the errors among them, and the encryption types of the last reply."""
        answered = [(asked.transport, asked.answer) for asked in self._answers if asked.answer is not None]
        parts = [transport for transport, _ in answered] + [unusual_error(answer) for _, answer in answered]
        parts += reply_enctypes(answered[-1][1]) if answered else ()
        return ", ".join(dict.fromkeys(filter(None, parts)))

    @property
    def server(self) -> str:
        """The KDC that answered last; where none has, the one that was asked last."""
        answered = [str(it.endpoint) for it in self._answers if it.answer is not None]
        return (answered or [str(it.endpoint) for it in self._answers] or [""])[-1]

    def carry(self, request: bytes, tcp_only: bool, realm: str) -> bytes:
        """The answer to a request; raises StepFailedError, with TIMED_OUT at the deadline.

        A referral to another realm isn't followed: its KDCs are none of the target's, and get no load.
        """
        if realm != self._realm:
            raise StepFailedError(REFERRED)
        live: list[Contact] = []
        found: tuple[Contact, bytes] | None = None
        try:
            for contact, wait_s in self._one_by_one(live) if self._policy.sends else self._plan(request, tcp_only):
                if contact is not None and not self._sent(contact, request, live):
                    continue
                if contact is None and not live:
                    break
                if (found := self._answer(live, wait_s, request)) is not None:
                    self.forget()
                    return found[1]
            self._clock.left_s()
            raise StepFailedError(UNREACHABLE)
        except StepFailedError as failure:
            if failure.outcome is TIMED_OUT:
                self._unheard += live  # a KDC may yet deny the account
                live = []
            raise
        finally:
            for contact in live:
                contact.close()

    def late_denial(self) -> int | None:
        """The error code of an answer that came after the deadline, once there is one; asks and never waits."""
        for contact in list(self._unheard):
            with suppress(OSError, StepFailedError, ValueError):
                ready = select.poll()
                ready.register(contact.fileno(), select.POLLIN)
                if not ready.poll(0):
                    continue
                self._clock.begin(time.monotonic_ns() + 50_000_000)  # of what is there already
                if (answer := contact.read(0.05)) is None:
                    continue
                code = error_code(answer)
                if code is not None:
                    self.forget()
                    return code
            self._unheard.remove(contact)
            contact.close()
        return None

    @property
    def unheard(self) -> bool:
        """Whether an answer may still come."""
        return bool(self._unheard)

    def forget(self) -> None:
        """Listen no more."""
        while self._unheard:
            self._unheard.pop().close()

    def _plan(self, request: bytes, tcp_only: bool) -> Iterator[tuple[Contact | None, float]]:
        """Whom to send to, and how long to wait then; None only waits."""
        tcp_first = self._tcp_first or len(request) > UDP_AT_MOST
        preferred: Transport = "TCP" if tcp_only or tcp_first else "UDP"
        contacts = [Contact(kdc, preferred) for kdc in self._kdcs]
        if not tcp_only:
            contacts += [Contact(kdc, "UDP" if preferred == "TCP" else "TCP") for kdc in self._kdcs]
        pause_s = self._policy.last_s
        for number in range(self._policy.passes):
            for contact in contacts:
                if number == 0 or (contact.open and contact.transport == "UDP"):  # a connection has the request
                    yield contact, self._policy.each_s
            yield None, pause_s
            pause_s = self._policy.backoff_s * 2**number

    def _one_by_one(self, live: list[Contact]) -> Iterator[tuple[Contact, float]]:
        """Whom to send to, one KDC at a time; one that has been left is heard on for a denial alone."""
        for number in range(self._policy.sends):
            if number >= len(self._kdcs):
                time.sleep(min(self._policy.backoff_s, self._clock.left_s()))
                self._clock.left_s()
            yield Contact(self._kdcs[number % len(self._kdcs)], "TCP"), self._policy.each_s
            self._unheard += live
            live.clear()

    def _sent(self, contact: Contact, request: bytes, live: list[Contact]) -> bool:
        """Whether the request went out; a KDC that can't be reached is noted."""
        answer = KdcAnswer(contact.endpoint, contact.transport, request)
        self._answers.append(answer)
        try:
            contact.send(request, self._clock, self._policy)
        except OSError as error:
            answer.note = error.strerror or "not connected in time"
            self._clock.left_s()
            return False
        if contact not in live:
            live.append(contact)
        return True

    def _answer(self, live: list[Contact], wait_s: float, request: bytes) -> tuple[Contact, bytes] | None:
        """The first answer that comes in time; those that hang up are no longer waited for."""
        until = max(time.monotonic() + wait_s, *(contact.until for contact in live))
        while live and (left := until - time.monotonic()) > 0:
            contact = live[0] if len(live) == 1 else self._readable(live, left)
            if contact is None:
                break
            try:
                answer = contact.read(left)
            except TimeoutError:
                if self._clock.over:
                    raise StepFailedError(TIMED_OUT) from None
                break
            except OSError as error:
                self._note(contact, error.strerror or "connection lost")
                live.remove(contact)
                contact.close()
                continue
            if answer is None:
                continue
            self._heard(contact, answer)
            if _unavailable(answer):  # as libkrb5: this one can't, the next one may
                live.remove(contact)
                contact.close()
                continue
            return contact, answer
        return None

    def _readable(self, live: list[Contact], left_s: float) -> Contact | None:
        ready = select.poll()
        by_number = {contact.fileno(): contact for contact in live}
        for number in by_number:
            ready.register(number, select.POLLIN)
        found = ready.poll(min(left_s, self._clock.left_s()) * 1000)
        if not found:
            self._clock.left_s()
        return by_number[found[0][0]] if found else None

    def _heard(self, contact: Contact, answer: bytes) -> None:
        for asked in reversed(self._answers):
            if (asked.endpoint, asked.transport) == (contact.endpoint, contact.transport) and asked.answer is None:
                asked.answer = answer
                return

    def _note(self, contact: Contact, note: str) -> None:
        for asked in reversed(self._answers):
            if (asked.endpoint, asked.transport) == (contact.endpoint, contact.transport):
                asked.note = note
                return


def _unavailable(answer: bytes) -> bool:
    """Whether a KDC says that it can't answer; what can't be read is libkrb5's to refuse."""
    try:
        return error_code(answer) == SVC_UNAVAILABLE
    except ValueError:
        return False
