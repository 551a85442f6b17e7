"""A sample of the accounts: may each log in? One try an arm, and none once any arm has denied the account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.doctor.as_request import ask
from harness.doctor.probe import Probe, told
from harness.errors import CredentialError
from harness.login.codes import kerberos_name
from harness.login.kerberos.answers import PREAUTH_REQUIRED
from harness.login.kerberos.client import KerberosClient
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.model.diagnosis import Remark, not_applicable, ok, problem

SAMPLED_AT_MOST = 5
_ADVICE = {
    "KDC_ERR_CLIENT_REVOKED": "enable or unlock the account (Enable-ADAccount, Unlock-ADAccount)",
    "KDC_ERR_KEY_EXPIRED": "set a new password, in the directory and in the credentials",
    "KDC_ERR_NAME_EXP": "give the account a later end (Set-ADAccountExpiration)",
    "KDC_ERR_C_PRINCIPAL_UNKNOWN": "create the account, or take it out of the credentials",
    "KDC_ERR_PREAUTH_FAILED": "correct its password or key in the credentials; it was tried once",
    "KDC_ERR_POLICY": "let the account log in at any hour from any workstation",
    "KDC_ERR_S_PRINCIPAL_UNKNOWN": "correct the realm in the targets",
    "KDC_ERR_WRONG_REALM": "correct the realm in the targets",
    "KDC_ERR_ETYPE_NOSUPP": "let the account have AES keys: set a new password, msDS-SupportedEncryptionTypes to 24",
}
_ADVICE_ELSE = "look for it in the KDC's log"


def accounts(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """The first account, the last and a few between get a ticket."""
    assert probe.accounts is not None
    known, scenario = probe.accounts, probe.scenario
    probe.kerberos = KerberosClient(
        probe.target.realm, known, scenario.authentication if scenario is not None else "key"
    )
    users = sample(known.users if scenario is None else known.users[: scenario.population.users])
    fine = []
    for user in users:
        if (probe.target.realm, user) in probe.denied:
            yield not_applicable(f"{user}: denied by the other arm, and so not tried again")
        elif refused := _refused(probe, user, deadline):
            yield problem(f"{user}: {refused}", _ADVICE.get(refused, _ADVICE_ELSE))
        else:
            fine.append(user)
    if fine:
        yield ok(f"{', '.join(fine)}: each has got a ticket")


def sample(users: Sequence[str]) -> tuple[str, ...]:
    """At most ``SAMPLED_AT_MOST`` of the users at equal distances, the first and the last among them."""
    last, gaps = len(users) - 1, SAMPLED_AT_MOST - 1
    return tuple(users[place] for place in sorted({round(number * last / gaps) for number in range(gaps + 1)}))


def _refused(probe: Probe, user: str, deadline: StepClock) -> str:
    """The KDC's code; empty where the user got a ticket. A password is tried only of accounts that may log in."""
    assert probe.kdc is not None and probe.kerberos is not None
    tickets = probe.kerberos.new_cache()
    try:
        answer = ask(*probe.kdc, probe.target.realm, user, deadline)
        if answer.code not in (None, PREAUTH_REQUIRED):
            return kerberos_name(answer.code)
        probe.kerberos.derive_keys([user], lambda: probe.carrier(deadline))
        probe.kerberos.initial_ticket(user, tickets, probe.carrier(deadline))
    except CredentialError as error:
        return str(error)
    except StepFailedError as failure:
        if failure.outcome.status == "denied":
            probe.denied.add((probe.target.realm, user))
        return told(failure)
    if probe.tickets is None:
        probe.tickets = tickets
    else:
        tickets.close()
    return ""
