"""What can be said of an arm before anything is sent: its targets, addresses and credentials."""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.probe import Patient
from harness.errors import AuthgateError, UnsafeTargetError
from harness.guards.consent import resolve
from harness.login.credentials import read_accounts
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.net.clock import StepClock
from harness.login.path import LoginPath
from harness.login.runtime import ThreadRuntime
from harness.model.diagnosis import Remark, ok, problem


def servers(patient: Patient, _: StepClock) -> Iterator[Remark]:
    """The target says where each step of the scenario goes."""
    asked = patient.scenario
    lacking = [] if asked is None else patient.target.lacks(asked.step_order, asked.whose)
    for line in lacking:
        yield problem(f"arms.{patient.arm}.{line}", f"say it in {patient.targets.source}, or choose another scenario")
    if not lacking:
        yield ok(f"{len(patient.steps)} steps have a server to go to")


def addresses(patient: Patient, _: StepClock) -> Iterator[Remark]:
    """Every host has an address that load may go to (environment, allow)."""
    try:
        found = resolve([endpoint.host for endpoint in patient.target.endpoints])
    except UnsafeTargetError as error:
        yield problem(str(error), "mend the name in the targets file, or this machine's name resolution")
        return
    refused = patient.targets.refusals(found, 0)
    for reason in refused:
        yield problem(reason, f"agree on it with the servers' owner, and say so in {patient.targets.source}")
    if not refused:
        patient.addresses = found
        use_krb5_conf(patient.target, patient.folder)
        yield ok(", ".join(sorted({address for each in found.values() for address in each})))


def rate(patient: Patient, _: StepClock) -> Iterator[Remark]:
    """The scenario's highest rate is one that the servers may receive."""
    assert patient.addresses is not None and patient.scenario is not None
    peak = patient.scenario.peak_rate
    refused = patient.targets.refusals(patient.addresses, peak)
    for reason in refused:
        yield problem(reason, "choose a scenario with a lower rate, or agree on a higher max_rate")
    if not refused:
        yield ok(f"{peak:g} logins/s at the peak")


def credentials(patient: Patient, _: StepClock) -> Iterator[Remark]:
    """The accounts are there, readable by their owner alone, and enough for the scenario."""
    assert patient.addresses is not None
    target, scenario = patient.target, patient.scenario
    try:
        accounts = read_accounts(target.credentials, target.realm)
        if scenario is not None:  # what each worker of a run begins with
            LoginPath(target, scenario, ThreadRuntime(), patient.addresses)
    except AuthgateError as error:
        yield problem(str(error), "mend the file, or credentials and directory.ca_file in the targets")
        return
    patient.accounts = accounts
    needed = f", {scenario.population.users} needed" if scenario is not None else ""
    yield ok(f"{len(accounts.users)} accounts{needed}")
