"""Packets of a lab's own ports, by dumpcap and tshark, and what a login is seen to have asked, step by step."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.login.path import LoginResult
from harness.model.protocol import StepFacts

PATIENCE_S = 30.0
"""An upper bound on what takes a second; only a hang reaches it."""
Ports = Mapping[tuple[str, int], str]
"""The servers' ports, ``tcp`` or ``udp`` and number, with the protocol that each is read as (tshark's name)."""
FIELDS = (
    "frame.time_epoch", "udp.srcport", "udp.dstport", "udp.length", "tcp.srcport", "tcp.dstport", "tcp.flags.syn",
    "tcp.flags.ack", "kerberos.msg_type", "kerberos.rm.length", "ldap.protocolOp", "ldap.sasl_buffer_length",
    "dns.flags.response", "dns.qry.type", "http.request.method", "tls.handshake.type", "tls.record.opaque_type",
    "kerberos.padata_type",
)  # fmt: skip
KERBEROS_REQUESTS = {"10": "AS", "12": "TGS"}
KERBEROS_ANSWERS = {"11", "13", "30"}
LDAP_REQUESTS = {"0": "bind", "3": "search", "23": "extended"}
QUERIES = {"33": "SRV", "1": "A"}
APPLICATION_DATA = "23"
"""Also what TLS 1.3 hides the end of its handshake in (RFC 8446 §5.1)."""
CLIENT_HELLO = "1"


@dataclass(frozen=True)
class Packet:
    """One packet: when it was seen (Unix ns), its ports, and each field's values in it."""

    at: int
    layer: str
    source: int
    to: int
    values: Mapping[str, tuple[str, ...]]

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self.values.get(name, ())

    @property
    def connects(self) -> bool:
        """Whether a client asks for a connection."""
        return self["tcp.flags.syn"] == ("1",) and self["tcp.flags.ack"] == ("0",)

    @property
    def message_bytes(self) -> int:
        """The size of a Kerberos message, without its length in front (RFC 4120 §7.2.2)."""
        return int(self["kerberos.rm.length"][0]) if self.layer == "tcp" else int(self["udp.length"][0]) - 8


@dataclass
class Capture:
    """A capture that runs; ``packets`` are there once its block has ended."""

    file: Path
    port: int
    packets: list[Packet] = field(default_factory=list)

    def mark(self, word: str) -> None:
        """Send a packet of one's own, and return when it is in the file: whatever was sent before is there too."""
        deadline = time.monotonic() + PATIENCE_S
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            while True:
                udp.sendto(word.encode(), ("127.0.0.1", self.port))
                if self.file.exists() and word.encode() in self.file.read_bytes():
                    return
                assert time.monotonic() < deadline, f"no packet was captured within {PATIENCE_S} s"
                time.sleep(0.02)


@contextmanager
def capture(folder: Path, ports: Ports, host: str = "127.0.0.1") -> Iterator[Capture]:
    """Capture what goes to and from these ports of ``host``, and nothing else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))  # so that a mark is no packet to a closed port
        running = Capture(folder / "login.pcapng", heard.getsockname()[1])
        own = " or ".join(f"{layer} port {port}" for layer, port in ports)
        limits = ["-f", f"(host {host} and ({own})) or udp port {running.port}", "-a", f"duration:{2 * PATIENCE_S:.0f}"]
        command = ["dumpcap", "-q", "-i", "lo", *limits, "-w", str(running.file)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as dumpcap:
            try:
                running.mark("the capture is live")
                yield running
                running.mark("the logins are over")
            finally:
                dumpcap.terminate()
    running.packets += _read(running.file, ports)


def _read(file: Path, ports: Ports) -> list[Packet]:
    decode = [part for (layer, port), name in ports.items() for part in ("-d", f"{layer}.port=={port},{name}")]
    shown = [part for name in FIELDS for part in ("-e", name)]
    command = ["tshark", "-n", "-r", str(file), *decode, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"]
    done = subprocess.run([*command, *shown], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[:500]
    return [_packet(line.split("\t")) for line in done.stdout.splitlines()]


def _packet(fields: Sequence[str]) -> Packet:
    values = {name: tuple(text.split(",")) for name, text in zip(FIELDS, fields, strict=True) if text}
    layer = "udp" if "udp.dstport" in values else "tcp"
    source, to = (int(values[f"{layer}.{side}port"][0]) for side in ("src", "dst"))
    seconds, _, fraction = values["frame.time_epoch"][0].partition(".")
    return Packet(int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9]), layer, source, to, values)


def asked(packet: Packet, ports: Ports) -> list[str]:
    """What a client asks in this packet, a word or two a request; what is sealed can only be counted."""
    match ports.get((packet.layer, packet.to)):
        case "kerberos":
            kinds = (KERBEROS_REQUESTS.get(kind) for kind in packet["kerberos.msg_type"])
            return [f"{kind} by {packet.layer.upper()}" for kind in kinds if kind]
        case "dns":
            return [QUERIES.get(kind, kind) for kind in packet["dns.qry.type"]]
        case "ldap" | "cldap":
            operations = [LDAP_REQUESTS.get(operation, operation) for operation in packet["ldap.protocolOp"]]
            sealed = [*packet["ldap.sasl_buffer_length"], *_records(packet)]
            return operations + ["sealed"] * len(sealed)
        case "tls":
            return ["sealed"] * len(_records(packet))
        case "http":
            return list(packet["http.request.method"])
        case _:
            return []


def _records(packet: Packet) -> list[str]:
    return [kind for kind in packet["tls.record.opaque_type"] if kind == APPLICATION_DATA]


def confirm(login: LoginResult, packets: Sequence[Packet], ports: Ports) -> None:
    """Each step of an explained login has asked what its facts claim, in its own time, and nothing else was asked."""
    assert login.outcome.status == "ok"
    steps, claimed = 0, _Claims()
    for step, facts in zip(login.steps, login.facts, strict=True):
        mine = between(packets, step.started, step.ended)
        requests = [what for packet in mine for what in asked(packet, ports)]
        steps += len(requests)
        if step.step == "ldap_connect":
            claimed.learn(facts)
            hellos = [packet for packet in mine if CLIENT_HELLO in packet["tls.handshake.type"]]
            assert (len(_connections(mine, ports)), len(hellos)) == (1, int(claimed.sealed))
            requests = [what for what in requests if what != "sealed"]  # the end of the handshake
        if step.step.startswith(("http", "ehr")):  # the front itself asks the name server and the KDC
            requests = [what for what in requests if what == "GET"]
        assert requests == claimed.requests(step.step, facts), step.step
        answers = [packet.message_bytes for packet in mine if KERBEROS_ANSWERS & set(packet["kerberos.msg_type"])]
        if step.step.startswith("kdc"):
            assert answers == [one.answer_bytes for one in facts.exchanges if one.answer_bytes is not None], step.step
        claimed.learn(facts)
    whole = between(packets, login.steps[0].started, login.steps[-1].ended)
    assert steps == sum(len(asked(packet, ports)) for packet in whole)
    assert len(_connections(whole, ports)) == 1


class _Claims:
    """What a login's facts claim to have asked, once they have said whether the directory's requests are sealed."""

    def __init__(self) -> None:
        self.sealed = False

    def learn(self, facts: StepFacts) -> None:
        self.sealed |= facts.tls is not None or "sign and seal" in facts.agreed

    def requests(self, step: str, facts: StepFacts) -> list[str]:
        match step.split("_"):
            case ["kdc", service, *_]:
                return [f"{service.upper()} by {exchange.transport}" for exchange in facts.exchanges]
            case ["dns", kind, *_]:
                what = kind.upper()
            case ["cldap", _]:
                what = "search"
            case ["ldap", "connect"]:
                what = "extended"
            case ["ldap", *_]:
                what = "sealed" if self.sealed else "bind" if step.endswith("bind") else "search"
            case _:
                what = "GET"
        return [what] * facts.round_trips


def _connections(packets: Sequence[Packet], ports: Ports) -> list[Packet]:
    """The packets that ask for a connection to the directory."""
    return [packet for packet in packets if packet.connects and ports.get((packet.layer, packet.to)) in ("ldap", "tls")]


def between(packets: Sequence[Packet], started: int, ended: int) -> list[Packet]:
    """The packets of a stretch of time on the monotonic clock (ns)."""
    readings = [(time.monotonic_ns(), time.time_ns(), time.monotonic_ns()) for _ in range(20)]
    before, wall, after = min(readings, key=lambda reading: reading[2] - reading[0])
    offset = wall - (before + after) // 2
    return [packet for packet in packets if started <= packet.at - offset <= ended]
