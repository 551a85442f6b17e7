"""What captured traffic teaches of logins: when they came, how many were cold, and which steps they took.

A login is told by what only logins do. A client's packets without a pause are one stretch; each AS exchange in it is a
cold login, and a stretch with a bind to the directory but without an AS exchange is a warm one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.importers.traffic.summary import Packet
from harness.login.ldap.reads import IN_CHAIN
from harness.model.steps import STEPS

_BINDS = {"ldap_bind", "ldap_simple_bind"}
_NTLM = "1.3.6.1.4.1.311.2.2.10"
"""As traffic_summary.pl documents the OIDs of GSS-API."""
_SIMPLE = "0"
"""The kind of authentication of a simple bind (RFC 4511 §4.2)."""

NAMES_MISSING = "DNS queries, whose names a summary leaves out: add dns_srv_dc and dns_a where clients ask"
OTHER_TICKETS = "TGS exchanges besides one a login, for services that a summary doesn't name"
MACHINES = "AS exchanges of machines, which are no clinician's login"
NO_TYPE = "Kerberos packets without a message type: the summary is of an old tshark, or of traffic_replay"
SEALED = "LDAP packets sealed or not understood: tshark -K KEYTAB -o kerberos.decrypt:true shows what they ask"
BY_NTLM = "LDAP binds by NTLM"
OTHER_LDAP = "LDAP requests that are no step of a login"
NO_LOGIN = "stretches of a client's traffic with neither an AS exchange nor a bind"


@dataclass(frozen=True, slots=True)
class Learned:
    """What a summary shows: instants in seconds from its first packet, counts by step, and what fits no login."""

    span_s: float
    cold: tuple[float, ...]
    warm: tuple[float, ...]
    clients: int
    seen: Mapping[str, int]
    """In how many logins each step was seen."""
    left_out: Mapping[str, int]

    @property
    def logins(self) -> int:
        """How many logins there were."""
        return len(self.cold) + len(self.warm)

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that at least half of the logins took that could, and what these need before them."""
        of = {name: len(self.cold) if step.cached else self.logins for name, step in STEPS.items()}
        found = {name for name, count in self.seen.items() if count and 2 * count >= of[name]}
        if "ldap_bind" in found:  # its ticket is one of those that the TGS exchanges were for
            found = (found | {"kdc_as", "kdc_tgs_ldap", "ldap_connect"}) - {"ldap_simple_bind"}
        if "ldap_simple_bind" in found:
            found.add("ldap_connect")
        if not found & _BINDS:  # what a connection asks that was bound before the capture began is no login's
            found = {name for name in found if STEPS[name].kind != "ldap"}
        steps: list[str] = []
        for name, step in STEPS.items():
            if name in found and set(step.needs) <= set(steps):
                steps.append(name)
        return tuple(steps)


@dataclass(slots=True)
class _Stretch:
    """A client's packets without a pause."""

    began: float
    last: float
    cold: list[float] = field(default_factory=list)
    machines: int = 0
    steps: Counter[str] = field(default_factory=Counter)


class _Learner:
    def __init__(self, apart_s: float) -> None:
        self._apart_s = apart_s
        self._under_way: dict[str, _Stretch] = {}
        self._asking_machine: dict[tuple[str, str], bool] = {}
        self._clients: set[str] = set()
        self._cold: list[float] = []
        self._warm: list[float] = []
        self._seen: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def learn(self, packets: Iterable[Packet]) -> Learned:
        first, last = float("inf"), float("-inf")
        for packet in packets:
            first, last = min(first, packet.at_s), max(last, packet.at_s)
            self._take(packet)
        for client, stretch in self._under_way.items():
            self._end(client, stretch)
        cold, warm = (tuple(sorted(at_s - first for at_s in times)) for times in (self._cold, self._warm))
        span_s = max(last - first, 0.0)
        left_out = {why: count for why, count in self._left_out.items() if why and count}
        return Learned(span_s, cold, warm, len(self._clients), dict(self._seen), left_out)

    def _take(self, packet: Packet) -> None:
        client, kind = packet.client, _kind(packet)
        if packet.protocol == "kerberos" and packet.opcode == "10":
            self._asking_machine[client, packet.stream] = packet.extra[:1] == ("machine",)
        if kind not in STEPS and kind != OTHER_TICKETS:
            self._left_out[kind] += 1
            return
        stretch = self._under_way.get(client)
        if stretch is None or packet.at_s - stretch.last >= self._apart_s:
            if stretch is not None:
                self._end(client, stretch)
            stretch = self._under_way[client] = _Stretch(packet.at_s, packet.at_s)
        stretch.last = max(stretch.last, packet.at_s)
        if kind != "kdc_as":
            stretch.steps[kind] += 1
        elif self._asking_machine.get((client, packet.stream)):
            stretch.machines += 1
        else:
            stretch.cold.append(packet.at_s)

    def _end(self, client: str, stretch: _Stretch) -> None:
        """Count what the stretch was."""
        self._left_out[MACHINES] += stretch.machines
        tickets = stretch.steps.pop(OTHER_TICKETS, 0)
        if stretch.cold:
            self._cold += stretch.cold
            self._seen["kdc_as"] += len(stretch.cold)
        elif stretch.machines or not _BINDS & stretch.steps.keys():
            self._left_out[OTHER_TICKETS] += tickets
            self._left_out[NO_LOGIN] += not stretch.machines
            return
        else:
            self._warm.append(stretch.began)
        self._clients.add(client)
        logins = len(stretch.cold) or 1
        self._left_out[OTHER_TICKETS] += max(tickets - (logins if "ldap_bind" in stretch.steps else 0), 0)
        for step in stretch.steps.keys() & STEPS.keys():
            if stretch.cold or not STEPS[step].cached:
                self._seen[step] += min(stretch.steps[step], logins)


def learn(packets: Iterable[Packet], apart_s: float) -> Learned:
    """What the packets show of logins; a client's packets ``apart_s`` apart are of different ones."""
    return _Learner(apart_s).learn(packets)


def _kind(packet: Packet) -> str:
    """The step that a packet shows to have been taken, or why it shows none; empty for what says nothing new."""
    protocol, opcode = packet.protocol, packet.opcode
    match protocol, opcode:
        case "dns", "0":
            return NAMES_MISSING
        case "cldap", "3":
            return "cldap_ping"
        case "kerberos", "11":
            return "kdc_as"
        case "kerberos", "13":
            return OTHER_TICKETS
        case "kerberos", "":
            return NO_TYPE
        case "ldap", "":
            return SEALED
        case "ldap", "0":
            return _bind(packet)
        case "ldap", "3":
            return _search(packet)
        case "ldap", "2":  # an unbind
            return ""
        case "ldap", _:
            return "" if packet.answers else OTHER_LDAP
        case (("cldap" | "dns" | "kerberos"), _):
            return ""
    return f"packets of {protocol}, which no step of a login speaks"


def _bind(packet: Packet) -> str:
    *_, kind, _, oid = ("", "", "", *packet.extra)
    if _NTLM in oid:
        return BY_NTLM
    if kind == _SIMPLE:
        return "ldap_simple_bind"
    return "ldap_bind" if oid else ""  # a bind's further messages don't repeat it


def _search(packet: Packet) -> str:
    scope, base, asked, attributes = (*packet.extra, "", "", "", "")[:4]
    names = {name.lower() for name in attributes.split(",")}
    if not base and scope in ("", "0"):
        return "ldap_rootdse"
    if "tokengroups" in names:
        return "ldap_token_groups"
    if IN_CHAIN in asked:
        return "ldap_in_chain"
    lowered = asked.lower()
    if any(f"({name}" in lowered for name in ("samaccountname)", "userprincipalname)", "uid)")):
        return "ldap_own_entry"
    return "ldap_groups" if "(member)" in lowered else OTHER_LDAP
