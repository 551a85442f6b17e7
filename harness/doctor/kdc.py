"""The KDCs: whether each answers by UDP and by TCP, what its clock says, and which keys it offers for an account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.doctor.as_request import RC4, KdcAnswer, ask, enctype_names
from harness.doctor.probe import Probe, reason_of
from harness.login.codes import kerberos_name
from harness.login.kerberos.answers import PREAUTH_REQUIRED
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.model.diagnosis import Remark, not_applicable, ok, problem, warning
from harness.model.endpoint import Endpoint
from harness.model.protocol import Transport

SKEW_PROBLEM_S = 300.0
"""What servers tolerate unless told otherwise (RFC 4120 §3.2.3)."""
SKEW_WARNING_S = 60.0
TRANSPORTS: tuple[Transport, ...] = ("UDP", "TCP")
_ANSWER_WITHIN_S = 2.0
"""For one answer; libkrb5 itself asks the next KDC after 1 s."""
_UNKNOWN_USER = "authgate-doctor"
"""Asked for where no account is known: a KDC that knows no such name gives its time all the same."""


def answers(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """Each KDC answers a request without pre-authentication, by UDP and by TCP."""
    user = probe.accounts.users[0] if probe.accounts is not None else _UNKNOWN_USER
    found: dict[tuple[Endpoint, Transport], KdcAnswer] = {}
    for kdc in (checked for each in probe.target.kdcs for checked in probe.at(each)):
        silent: dict[Transport, str] = {}
        for transport in TRANSPORTS:
            try:
                each_s = StepClock(min(_ANSWER_WITHIN_S, deadline.left_s()))
                answer = ask(kdc, transport, probe.target.realm, user, each_s)
            except StepFailedError as failure:
                silent[transport] = reason_of(failure)
                continue
            found[kdc, transport] = answer
            said = "a ticket" if answer.code is None else kerberos_name(answer.code)
            yield ok(f"{transport} {kdc}: {said} in {answer.took_s * 1e3:.1f} ms")
        yield from _unanswered(probe, kdc, silent)
    realm = probe.target.realm
    for other in {answer.own_realm(realm) for answer in found.values()} - {realm}:
        yield problem(f"answers of realm {other}", f"write it so in the targets, in place of {realm}: case counts")
    preferred = "TCP" if probe.target.kdc_transport == "tcp" else "UDP"
    probe.kdc = next((reached for reached in found if reached[1] == preferred), next(iter(found), None))
    probe.answers = found or None
    probe.traits["KDCs that answer"] = str(len({kdc for kdc, _ in found}))


def _unanswered(probe: Probe, kdc: Endpoint, silent: Mapping[Transport, str]) -> Iterator[Remark]:
    """A KDC that answers by one transport alone serves logins; with the other one they wait, or fall back."""
    advice = f"start the KDC, or take it out of arms.{probe.arm}.kdcs"
    for transport, why in silent.items():
        if len(silent) == len(TRANSPORTS):
            yield problem(f"{transport} {kdc}: {why}", advice)
        else:
            yield warning(f"{transport} {kdc}: {why}", f"open port {kdc.port}/{transport.lower()}")


def skew(probe: Probe, _: StepClock) -> Iterator[Remark]:
    """Each KDC's clock is near this machine's, by the time in its answer."""
    assert probe.answers is not None
    by_kdc = {kdc: answer.skew_s for (kdc, _), answer in probe.answers.items() if answer.skew_s is not None}
    if not by_kdc:
        yield not_applicable("no answer has the KDC's time")
    for kdc, ahead_s in by_kdc.items():
        found = f"{kdc}: {_clock(ahead_s)} this machine's"
        advice = "set the clocks of KDC and load generator by one time source (w32tm /resync, chronyc makestep)"
        if abs(ahead_s) > SKEW_PROBLEM_S:
            yield problem(f"{found}, more than the {SKEW_PROBLEM_S:.0f} s that Kerberos tolerates", advice)
        elif abs(ahead_s) > SKEW_WARNING_S:
            yield warning(found, advice)
        else:
            yield ok(found)


def _clock(skew_s: float) -> str:
    return f"clock {abs(skew_s) * 1e3:,.0f} ms {'ahead of' if skew_s >= 0 else 'behind'}"


def enctypes(probe: Probe, _: StepClock) -> Iterator[Remark]:
    """The KDC asks the first account for pre-authentication, with another key than one of RC4."""
    assert probe.answers is not None and probe.kdc is not None and probe.accounts is not None
    answer, user = probe.answers[probe.kdc], probe.accounts.users[0]
    if answer.code is None:
        found = f"{user}: a ticket without pre-authentication"
        yield warning(found, "require pre-authentication of the accounts, as production does (DONT_REQ_PREAUTH off)")
    elif answer.code != PREAUTH_REQUIRED:
        yield not_applicable(f"{user}: {kerberos_name(answer.code)}")
    else:
        probe.traits["encryption types"] = names = enctype_names(answer.enctypes)
        if answer.enctypes == (RC4,):
            yield warning(f"{user}: {names}", "set msDS-SupportedEncryptionTypes to 24 (AES), then a new password")
        else:
            yield ok(f"{user}: {names}")
