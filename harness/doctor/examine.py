"""The list of checks, and how they are made: one after the other, each within its deadline, an arm at a time.

libkrb5 reads its configuration for the whole process, so two arms are never examined at once.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.doctor import accounts, arms, inputs, kdc, lockout, machine, names, ports, questions, tickets, tls
from harness.doctor.installed import INSTALLED
from harness.doctor.machine import Machine
from harness.doctor.probe import Probe, reason_of
from harness.errors import AuthgateError
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.model.diagnosis import Check, Diagnosis, Remark, not_applicable, problem
from harness.model.scenario import Scenario
from harness.model.steps import StepKind
from harness.model.target import ARMS, Targets
from harness.system.cache import scratch

_PACKAGE = Path(__file__).parents[1]
CHECK_S = 15.0
"""The deadline of one check of one arm, with all of its exchanges."""


@dataclass(frozen=True, slots=True)
class ArmCheck:
    """One check of an arm: the kind of step that it is for, if any, and what earlier checks must have found for it.

    ``needs`` are fields of a Probe.
    """

    name: str
    make: Callable[[Probe, StepClock], Iterator[Remark]]
    kind: StepKind | None = None
    needs: tuple[str, ...] = ()


ARM_CHECKS = (
    ArmCheck("targets", inputs.servers),
    ArmCheck("addresses", inputs.addresses),
    ArmCheck("rate", inputs.rate, needs=("scenario", "addresses")),
    ArmCheck("credentials", inputs.credentials, needs=("addresses",)),
    ArmCheck("name servers", names.name_servers, "dns", ("addresses",)),
    ArmCheck("controller", names.controller, "cldap", ("addresses",)),
    ArmCheck("ports", ports.ports, needs=("addresses",)),
    ArmCheck("KDC", kdc.answers, "kdc", ("addresses",)),
    ArmCheck("clock skew", kdc.skew, "kdc", ("answers",)),
    ArmCheck("encryption", kdc.enctypes, "kdc", ("answers", "accounts")),
    ArmCheck("accounts", accounts.accounts, "kdc", ("kdc", "accounts")),
    ArmCheck("lockout", lockout.lockout, "kdc", ("tickets",)),
    ArmCheck("service tickets", tickets.service_tickets, "kdc", ("tickets",)),
    ArmCheck("TLS directory", tls.directory, "ldap", ("addresses",)),
    ArmCheck("TLS EHR", tls.ehr, "http", ("addresses",)),
    ArmCheck("TLS single sign-on", tls.single_sign_on, "rp", ("addresses",)),
    ArmCheck("directory", questions.directory, "ldap", ("addresses",)),
    ArmCheck("EHR", questions.ehr, "http", ("addresses",)),
    ArmCheck("single sign-on", questions.single_sign_on, "rp", ("addresses",)),
    ArmCheck("database", questions.database, "db", ("addresses",)),
)
ARMS_CHECKS: tuple[tuple[str, Callable[[Probe, Probe], Iterator[Remark]], tuple[str, ...]], ...] = (
    ("alike", arms.alike, ()),
    ("apart", arms.apart, ("addresses",)),
)
MACHINE_CHECKS: tuple[tuple[str, Callable[[Machine, Scenario | None], Iterator[Remark]]], ...] = (
    ("versions", machine.versions),
    ("clock", machine.clock),
    ("open files", machine.files),
    ("outgoing ports", machine.ephemeral_ports),
    ("processors", machine.processors),
    ("steal", machine.steal),
    ("governor", machine.governor),
)
_MISSING = {
    "scenario": "no scenario was named",
    "addresses": "nothing is sent to addresses that are refused",
    "accounts": "no account is known",
    "answers": "no KDC answers",
    "kdc": "no KDC answers",
    "tickets": "no account got a ticket",
}


def examine(targets: Targets | None, scenario: Scenario | None, here: Machine | None = None) -> Diagnosis:
    """What can be known about the arms and this machine; a few dozen requests are sent to each arm, and no load.

    With neither, also what this machine lacks for the labs.
    """
    checks: list[Check] = []
    if targets is not None:
        denied: set[tuple[str, str]] = set()
        with scratch() as folder:
            probes = [Probe(arm, targets, scenario, denied, Path(folder)) for arm in ARMS if arm in targets.arms]
            for probe in probes:
                checks += _examine_arm(probe)
        if len(probes) == len(ARMS):
            checks += _examine_both(*probes)
    for name, make in (*MACHINE_CHECKS, *(INSTALLED if targets is None and scenario is None else ())):
        checks += _checks("this machine", name, make(here or Machine(), scenario))
    return Diagnosis(tuple(checks))


def _examine_arm(probe: Probe) -> Iterator[Check]:
    try:
        for check in ARM_CHECKS:
            yield from _checks(probe.arm, check.name, _made(check, probe))
    finally:
        if probe.tickets is not None:
            probe.tickets.close()


def _examine_both(baseline: Probe, candidate: Probe) -> Iterator[Check]:
    for name, make, needs in ARMS_CHECKS:
        missing = _missing(baseline, needs) or _missing(candidate, needs)
        yield from _checks("both arms", name, [missing] if missing else make(baseline, candidate))


def _made(check: ArmCheck, probe: Probe) -> Iterator[Remark]:
    """The check's remarks; the last one says why it could not go on, if so."""
    missing = _missing(probe, check.needs)
    if check.kind is not None and not probe.takes(check.kind):
        missing = not_applicable("no step needs it")
    if missing:
        yield missing
        return
    try:
        yield from check.make(probe, StepClock(CHECK_S))
    except StepFailedError as failure:
        yield problem(reason_of(failure), f"find out why the servers of arms.{probe.arm} are slow or unreachable")
    except AuthgateError as error:
        yield problem(str(error), f"fix it in {probe.targets.source}")
    except Exception as error:  # noqa: BLE001 - its type and place alone, never its text
        yield problem(f"authgate itself failed in this check ({_place(error)})", "report it, with this line")


def _place(error: Exception) -> str:
    """The kind of an exception, and the last line of this program that it came through."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if _PACKAGE in Path(frame.filename).parents]
    where = f" at {Path(ours[-1].filename).relative_to(_PACKAGE)}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{where}"


def _missing(probe: Probe, needs: Iterable[str]) -> Remark | None:
    return next((not_applicable(_MISSING[need]) for need in needs if getattr(probe, need) is None), None)


def _checks(where: str, name: str, remarks: Iterable[Remark]) -> Iterator[Check]:
    return (Check(where, name, remark) for remark in remarks)
