"""Refusal, before the first packet, of load that nobody has agreed to or that could not be."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from harness.errors import ConfigError, UnsafeTargetError
from harness.model.endpoint import Addresses
from harness.model.scenario import Scenario
from harness.model.target import Arm, Targets


def check_safe(targets: Targets, scenario: Scenario, arms: Iterable[Arm]) -> Addresses:
    """The addresses that were checked; raises UnsafeTargetError unless these arms may receive this scenario's load.

    Each process that sends load connects to these alone: another answer to the same name could lead anywhere. Raises
    ConfigError where a step of the scenario has nothing in the targets to go to.
    """
    arms = tuple(arms)
    check_complete(targets, scenario, arms)
    hosts = {endpoint.host for arm in arms for endpoint in targets.arms[arm].endpoints}
    addresses = resolve(hosts)
    at_once = 2 if scenario.blocks.design == "duet" and _share_an_address(targets, arms, addresses) else 1
    reasons = targets.refusals(addresses, at_once * scenario.peak_rate, scenario.tries)
    if reasons:
        raise UnsafeTargetError("targets refused:\n" + "\n".join(f"  {_placed(targets, reason)}" for reason in reasons))
    return addresses


def check_complete(targets: Targets, scenario: Scenario, arms: Iterable[Arm]) -> None:
    """Raise ConfigError where a step of the scenario has nothing in the targets to go to."""
    lacking = [
        _placed(targets, f"arms.{arm}.{line}")
        for arm in arms
        for line in targets.arms[arm].lacks(scenario.step_order, scenario.account_kinds)
    ]
    if lacking:
        raise ConfigError("\n".join(lacking))


def _placed(targets: Targets, problem: str) -> str:
    """A problem that begins with its key path, with the file and the line where that stands."""
    key, _, rest = problem.partition(": ")
    return f"{targets.place(key)}: {rest}"


def _share_an_address(targets: Targets, arms: Iterable[Arm], addresses: Addresses) -> bool:
    """Whether two arms have a server in common, which a duet loads from both at once."""
    by_arm = [{a for endpoint in targets.arms[arm].endpoints for a in addresses[endpoint.host]} for arm in arms]
    outside = [{a for a in mine if not ipaddress.ip_address(a).is_loopback} or mine for mine in by_arm]
    return len(outside) > 1 and bool(set.intersection(*outside))


def resolve(hosts: Iterable[str]) -> Addresses:
    """The addresses of each host; raises UnsafeTargetError for the first that has none."""
    return {host: _addresses(host) for host in sorted(set(hosts))}


def _addresses(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # ValueError: it can't even be asked for, as an empty label
        raise UnsafeTargetError(f"targets refused: {host}: expected a name with an address, got: {error}") from None
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))  # in the order of RFC 6724
