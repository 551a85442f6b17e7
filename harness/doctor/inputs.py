"""What can be said of an arm before anything is sent: its targets, addresses and credentials."""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.probe import Probe
from harness.errors import AuthgateError, UnsafeTargetError
from harness.guards.consent import resolve
from harness.login.credentials import read_accounts
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.net.clock import StepClock
from harness.login.path import LoginPath
from harness.login.runtime import ThreadRuntime
from harness.model.diagnosis import Remark, ok, problem


def servers(probe: Probe, _: StepClock) -> Iterator[Remark]:
    """The target says where each step of the scenario goes."""
    asked = probe.scenario
    lacking = [] if asked is None else probe.target.lacks(asked.step_order, asked.account_kinds)
    for line in lacking:
        yield problem(f"arms.{probe.arm}.{line}", f"add it to {probe.targets.source}, or choose another scenario")
    if not lacking:
        yield ok(f"there is a server for each of {len(probe.steps)} steps")


def addresses(probe: Probe, _: StepClock) -> Iterator[Remark]:
    """Every host has an address that load may go to (environment, allow)."""
    try:
        found = resolve([endpoint.host for endpoint in probe.target.endpoints])
    except UnsafeTargetError as error:
        yield problem(str(error), "correct the name in the targets file, or this machine's name resolution")
        return
    refused = probe.targets.refusals(found, 0)
    for reason in refused:
        yield problem(reason, f"agree on it with the servers' owner, then allow it in {probe.targets.source}")
    if not refused:
        probe.addresses = found
        use_krb5_conf(probe.target, probe.folder)
        yield ok(", ".join(sorted({address for each in found.values() for address in each})))


def rate(probe: Probe, _: StepClock) -> Iterator[Remark]:
    """The scenario's highest rate is one that the servers may receive."""
    assert probe.addresses is not None and probe.scenario is not None
    peak = probe.scenario.peak_rate
    refused = probe.targets.refusals(probe.addresses, peak)
    for reason in refused:
        yield problem(reason, "choose a scenario with a lower rate, or agree on a higher max_rate")
    if not refused:
        yield ok(f"{peak:g} logins/s at the peak")


def credentials(probe: Probe, _: StepClock) -> Iterator[Remark]:
    """The accounts are there, readable by their owner alone, and enough for the scenario."""
    assert probe.addresses is not None
    target, scenario = probe.target, probe.scenario
    try:
        accounts = read_accounts(target.credentials, target.realm)
        if scenario is not None:  # what each worker of a run begins with
            LoginPath(target, scenario, ThreadRuntime(), probe.addresses)
    except AuthgateError as error:
        yield problem(str(error), "correct the file, or credentials and directory.ca_file in the targets")
        return
    probe.accounts = accounts
    needed = f", {scenario.population.users} needed" if scenario is not None else ""
    yield ok(f"{len(accounts.users)} accounts{needed}")
