"""A sample of the accounts: may each log in? One try per arm, and none once any arm has denied the account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.doctor.advice import advice
from harness.doctor.as_request import KdcAnswer, ask
from harness.doctor.lockout import endangered, read_standings
from harness.doctor.probe import Probe, reason_of
from harness.errors import CredentialError
from harness.guards.denials import ADVICE, WRONG_PASSWORD
from harness.login.caution import Caution
from harness.login.codes import kerberos_name
from harness.login.kerberos.answers import PREAUTH_REQUIRED
from harness.login.kerberos.client import KerberosClient
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.model.cohort import Authentication
from harness.model.diagnosis import Remark, not_applicable, ok, problem

SAMPLED_AT_MOST = 5


def accounts(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """The first account, the last and a few between get a ticket."""
    assert probe.accounts is not None
    known, scenario = probe.accounts, probe.scenario
    how: Authentication = scenario.authentication if scenario is not None else "key"
    probe.kerberos = KerberosClient(probe.target.realm, known, how, probe.target.armor)
    users = sample(known.users if scenario is None else known.users[: scenario.population.users])
    fine: list[str] = []
    caution = Caution(probe.targets, probe.arm)
    for place, user in enumerate(users):
        if (probe.target.realm, user) in probe.denied:
            yield not_applicable(f"{user}: denied by the other arm, and so not tried again")
        elif endangered(probe, user, caution):
            yield not_applicable(f"{user}: not tried, since a wrong password more could lock it soon")
        else:
            with caution.first_try():
                if before := caution.denied_before(user):
                    yield problem(f"{user} {before}", ADVICE)
                    continue
                refused = _refused(probe, user, deadline, caution)
            if refused:
                yield problem(f"{user}: {refused.code}", refused.advice)
                if refused.code in WRONG_PASSWORD and not fine and users[place + 1 :]:
                    untried = ", ".join(users[place + 1 :])
                    yield not_applicable(
                        f"{untried}: not tried before an account is let in that can ask what locks them"
                    )
                    break
                continue
            if not fine:
                read_standings(probe, caution, user)
            fine.append(user)
    if fine:
        yield ok(f"{', '.join(fine)}: each got a ticket")


def sample(users: Sequence[str]) -> tuple[str, ...]:
    """At most ``SAMPLED_AT_MOST`` of the users at equal distances, the first and the last among them."""
    last, gaps = len(users) - 1, SAMPLED_AT_MOST - 1
    return tuple(users[place] for place in sorted({round(number * last / gaps) for number in range(gaps + 1)}))


@dataclass(frozen=True, slots=True)
class _Refused:
    """An account that got no ticket: how the KDC says so, and what to do."""

    code: str
    advice: str


def _refused(probe: Probe, user: str, deadline: StepClock, caution: Caution) -> _Refused | None:
    """None where the user got a ticket. A password is tried only of accounts that may log in."""
    assert probe.kdc is not None and probe.kerberos is not None and probe.accounts is not None
    realm, keytab = probe.target.realm, probe.accounts.keytab is not None
    tickets = probe.kerberos.new_cache()
    answer: KdcAnswer | None = None
    try:
        answer = ask(*probe.kdc, realm, user, deadline)
        if answer.code not in (None, PREAUTH_REQUIRED):
            code = f"{kerberos_name(answer.code)} {answer.reason}".strip()
            return _Refused(code, advice(code, realm, keytab, answer))
        probe.kerberos.derive_keys([user], lambda: probe.carrier(deadline))
        probe.kerberos.initial_ticket(user, tickets, probe.carrier(deadline))
    except CredentialError as error:
        return _Refused(str(error), advice(str(error).rpartition(": ")[2], realm, keytab, answer))
    except StepFailedError as failure:
        if failure.outcome.status == "denied":
            probe.denied.add((realm, user))
            caution.note(user, failure.outcome)
        return _Refused(reason_of(failure), advice(failure.outcome.code, realm, keytab, answer))
    if probe.tickets is None:
        probe.tickets = tickets
    else:
        tickets.close()
    return None
