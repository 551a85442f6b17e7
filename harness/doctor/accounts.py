"""A sample of the accounts: may each log in? One try an arm, and none once any arm has denied the account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.doctor.as_request import PREAUTH_REQUIRED, ask
from harness.doctor.lockout import endangered, read_standings
from harness.doctor.probe import Deadline, Patient, told
from harness.errors import CredentialError
from harness.guards.denials import ADVICE, WRONG_PASSWORD
from harness.login.caution import Caution
from harness.login.codes import kerberos_name
from harness.login.kerberos.client import KerberosClient
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


def accounts(patient: Patient, deadline: Deadline) -> Iterator[Remark]:
    """The first account, the last and a few between get a ticket."""
    assert patient.accounts is not None
    known, scenario = patient.accounts, patient.scenario
    patient.kerberos = KerberosClient(
        patient.target.realm, known, scenario.authentication if scenario is not None else "key"
    )
    users = sample(known.users if scenario is None else known.users[: scenario.population.users])
    fine: list[str] = []
    caution = Caution(patient.targets, patient.arm)
    for place, user in enumerate(users):
        if (patient.target.realm, user) in patient.denied:
            yield not_applicable(f"{user}: denied by the other arm, and so not tried again")
        elif endangered(patient, user, caution):
            yield not_applicable(f"{user}: not tried, since a wrong password more could lock it soon")
        else:
            with caution.first_try():
                if before := caution.denied_before(user):
                    yield problem(f"{user} {before}", ADVICE)
                    continue
                refused = _refused(patient, user, deadline, caution)
            if refused:
                yield problem(f"{user}: {refused}", _ADVICE.get(refused, _ADVICE_ELSE))
                if refused in WRONG_PASSWORD and not fine and users[place + 1 :]:
                    untried = ", ".join(users[place + 1 :])
                    yield not_applicable(
                        f"{untried}: not tried before an account is let in that can ask what locks them"
                    )
                    break
                continue
            if not fine:
                read_standings(patient, caution, user)
            fine.append(user)
    if fine:
        yield ok(f"{', '.join(fine)}: each has got a ticket")


def sample(users: Sequence[str]) -> tuple[str, ...]:
    """At most ``SAMPLED_AT_MOST`` of the users at equal distances, the first and the last among them."""
    last, gaps = len(users) - 1, SAMPLED_AT_MOST - 1
    return tuple(users[place] for place in sorted({round(number * last / gaps) for number in range(gaps + 1)}))


def _refused(patient: Patient, user: str, deadline: Deadline, caution: Caution) -> str:
    """The KDC's code; empty where the user got a ticket. A password is tried only of accounts that may log in."""
    assert patient.kdc is not None and patient.kerberos is not None
    tickets = patient.kerberos.new_cache()
    try:
        answer = ask(*patient.kdc, patient.target.realm, user, deadline.remaining)
        if answer.code not in (None, PREAUTH_REQUIRED):
            return kerberos_name(answer.code)
        patient.kerberos.derive_keys([user], deadline.call)
        patient.kerberos.initial_ticket(user, tickets, deadline.call)
    except CredentialError as error:
        return str(error)
    except StepFailedError as failure:
        if failure.outcome.status == "denied":
            patient.denied.add((patient.target.realm, user))
            caution.note(user, failure.outcome)
        return told(failure)
    if patient.tickets is None:
        patient.tickets = tickets
    else:
        tickets.close()
    return ""
