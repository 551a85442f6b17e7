"""What a scenario sends to its targets: how many of each exchange, from where, to which servers, by which accounts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from harness.model.plan import make_plan, preparations
from harness.model.scenario import Scenario
from harness.model.steps import STEPS
from harness.model.target import Arm, Target, Targets


@dataclass(frozen=True, slots=True)
class Exchange:
    """One kind of request: its name, and how many a second at the highest rate and in the whole run."""

    name: str
    per_s: float
    total: int


@dataclass(frozen=True, slots=True)
class Server:
    """An address and port that the test sends to, what it is, and for which arm."""

    arm: Arm
    what: str
    address: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """One test as those see it who watch the servers: counts are of both arms together.

    ``steps`` are the steps that some login takes, ``prepared`` the logins before the measured load, by which keys and
    tickets are got.
    """

    steps: frozenset[str]
    smart_cards: bool
    active_directory: bool
    clear_text: bool
    logins: int
    prepared: int
    usual_per_s: float
    peak_per_s: float
    load_s: float
    exchanges: tuple[Exchange, ...]
    servers: tuple[Server, ...]

    def takes(self, *steps: str) -> bool:
        """Whether a login takes one of these steps."""
        return not self.steps.isdisjoint(steps)


def traffic_of(targets: Targets, scenario: Scenario) -> Traffic:
    """What the gate sends by this scenario; the counts are those of its plan, which is drawn from its seed."""
    arms = tuple(targets.arms)
    plan = make_plan(scenario, arms)
    cohorts = [arrival.cohort for block in plan.blocks for arrival in block.arrivals]
    counted = {name: cohorts.count(name) for name in scenario.expected}
    at_once = len(arms) if scenario.blocks.design == "duet" else 1
    peak = scenario.peak_rate * at_once
    taken = frozenset(step for name in scenario.expected for step in scenario.mix[name].taken)
    return Traffic(
        steps=taken,
        smart_cards=any(scenario.mix[name].authentication == "smart-card" for name in scenario.expected),
        active_directory=any(target.directory.schema_kind == "ad" for target in targets.arms.values()),
        clear_text=any(_in_clear(target) for target in targets.arms.values()),
        logins=len(cohorts),
        prepared=len(arms) * preparations(scenario),
        usual_per_s=scenario.arrivals.peak * at_once,
        peak_per_s=peak,
        load_s=plan.length / 1e9,
        exchanges=tuple(_exchanges(scenario, counted, peak)),
        servers=tuple(server for arm in arms for server in _servers(arm, targets.arms[arm], scenario)),
    )


_KINDS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("name server queries", lambda step: STEPS[step].kind == "dns"),
    ("netlogon pings (CLDAP)", lambda step: STEPS[step].kind == "cldap"),
    ("tickets at logon (AS)", lambda step: step == "kdc_as"),
    ("service tickets (TGS)", lambda step: STEPS[step].ticket is not None),
    ("LDAP connections", lambda step: step == "ldap_connect"),
    ("LDAP binds by Kerberos", lambda step: step == "ldap_bind"),
    ("LDAP simple binds", lambda step: step == "ldap_simple_bind"),
    ("LDAP binds by NTLM", lambda step: step == "ldap_ntlm_bind"),
    (
        "LDAP searches, at least",
        lambda step: step in ("ldap_rootdse", "ldap_own_entry", "ldap_groups", "ldap_token_groups", "ldap_in_chain"),
    ),
    ("web logins (HTTP Negotiate)", lambda step: STEPS[step].kind == "http"),
    ("queries of the EHR's database", lambda step: STEPS[step].kind == "ehr"),
    ("single sign-ons (HTTP Negotiate at the provider)", lambda step: STEPS[step].kind == "idp"),
    ("pages of what relies on single sign-on", lambda step: STEPS[step].kind == "rp"),
    ("database connections", lambda step: step == "db_connect"),
)


def _exchanges(scenario: Scenario, counted: dict[str, int], peak: float) -> Iterable[Exchange]:
    for name, is_one in _KINDS:
        each = {cohort: sum(map(is_one, scenario.mix[cohort].taken)) for cohort in scenario.expected}
        per_s = peak * sum(number * (scenario.mix[cohort].share or 0.0) for cohort, number in each.items())
        if per_s:
            yield Exchange(name, per_s, sum(number * counted[cohort] for cohort, number in each.items()))


def _servers(arm: Arm, target: Target, scenario: Scenario) -> Iterable[Server]:
    kinds = {STEPS[step].kind for step in scenario.step_order}
    if "kdc" in kinds:
        yield from (Server(arm, "KDC, UDP and TCP" if target.kdc_transport == "udp-first" else "KDC, TCP", str(kdc))
                    for kdc in target.kdcs)  # fmt: skip
    for controller in target.directory.controllers:
        if "ldap" in kinds:
            how = "LDAP, TLS" if controller.tls or target.directory.starttls else "LDAP"
            yield Server(arm, how, str(controller.endpoint))
        if "cldap" in kinds:
            yield Server(arm, "netlogon ping, UDP", f"{controller.endpoint.host}:389")
    if target.dns is not None and "dns" in kinds:
        yield from (Server(arm, "DNS", str(server)) for server in target.dns.servers)
    if target.ehr is not None and kinds & {"http", "ehr"}:
        yield Server(arm, "HTTP", str(target.ehr.endpoint))
    if target.sso is not None and kinds & {"idp", "rp"}:
        yield Server(arm, "HTTP, identity provider", str(target.sso.provider.endpoint))
        for key, server in target.sso.taken_by(scenario.step_order).items():
            if key != "provider":
                yield Server(arm, f"HTTP, relying party ({key})", str(server.endpoint))
    if target.database is not None and "db" in kinds:
        yield Server(arm, "PostgreSQL", str(target.database.endpoint))


def _in_clear(target: Target) -> bool:
    return not (target.directory.tls or target.directory.starttls)


def sources(targets: Targets) -> Sequence[str]:
    """This machine's own addresses on its ways to the targets; nothing is sent to find them."""
    found: dict[str, None] = {}
    for endpoint in sorted({str(one): one for target in targets.arms.values() for one in target.endpoints}.items()):
        host, port = endpoint[1].host, endpoint[1].port
        with suppress(OSError):
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind) as way:
                way.connect(address)  # of a datagram socket: the kernel picks a way, and sends nothing
                found[str(way.getsockname()[0])] = None
    return tuple(found)
