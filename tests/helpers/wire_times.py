"""What each step of many logins took on the wire, by a packet capture: what the recorded times are held against.

A step's time on the wire is the sum over its round trips, each from the packet of its request to the last packet of its
answer. Which round trip of a connection belongs to which step is known from its place: a login's steps and their
numbers of round trips are those of the run's own explained login.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.model.attempt import Floats

_FIELDS = ("frame.time_epoch", "udp.srcport", "udp.dstport", "tcp.srcport", "tcp.dstport", "tcp.len", "tcp.flags.syn",
           "udp.length", "tcp.analysis.retransmission", "kerberos.msg_type", "kerberos.CNameString",
           "tls.record.content_type")  # fmt: skip
_AS, _TGS = "10", "12"
_CHANGE_CIPHER_SPEC = "20"
_LIVE_WITHIN_S = 20.0


@dataclass(frozen=True)
class Trip:
    """One round trip of a flow, in ms; ``kind`` is the Kerberos message type of its request, ``user`` its client."""

    at: float
    ms: float
    kind: str = ""
    user: str = ""


@contextmanager
def capturing(file: Path, ports: Sequence[int], seconds: float, host: str = "127.0.0.1") -> Iterator[None]:
    """Capture the ports' packets meanwhile, for so many seconds at most; dumpcap is live when the block begins."""
    wanted = " or ".join(f"port {port}" for port in ports)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        mark = heard.getsockname()[1]
        what = f"(host {host} and ({wanted})) or udp port {mark}"
        command = ["dumpcap", "-q", "-i", "lo", "-s", "1400", "-B", "64", "-a", f"duration:{seconds:.0f}", "-f", what]
        with subprocess.Popen([*command, "-w", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            try:
                deadline = time.monotonic() + _LIVE_WITHIN_S
                while not file.exists() or b"live" not in file.read_bytes():
                    assert time.monotonic() < deadline, "dumpcap did not begin"
                    heard.sendto(b"live", ("127.0.0.1", mark))
                    time.sleep(0.05)
                yield
                time.sleep(1.5)  # what the kernel still holds is written once a second
            finally:
                run.terminate()


def trips(file: Path, kdc: int, ldap: int) -> tuple[dict[int, list[Trip]], list[list[Trip]]]:
    """The round trips of every flow to the KDC by the client's port, and of every connection to the directory."""
    decode = ["-d", f"udp.port=={kdc},kerberos", "-d", f"tcp.port=={kdc},kerberos"]
    shown = [part for name in _FIELDS for part in ("-e", name)]
    command = ["tshark", "-n", "-r", str(file), *decode, "-T", "fields", "-E", "occurrence=f", *shown]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    flows: dict[tuple[int, int, str, int], list[tuple[float, bool, bool, str, str]]] = defaultdict(list)
    opened: Counter[int] = Counter()
    """By the client's port, which later connections may use again: their packets are flows of their own."""
    for line in said.splitlines():
        at, usrc, udst, tsrc, tdst, length, syn, ulen, again, kind, user, record = line.split("\t")
        if again:  # a probe for the tail (RFC 8985) of an answer that has come, and that a busy reader has not yet read
            continue
        source, to = int(usrc or tsrc), int(udst or tdst)
        if to in (kdc, ldap) or source in (kdc, ldap):
            asks, opens = to in (kdc, ldap), syn in ("1", "True")
            server, client = (to, source) if asks else (source, to)
            opened[client] += asks and opens
            # A client's last words of a TLS 1.3 handshake ask nothing (RFC 8446, D.4: ChangeCipherSpec leads them).
            ends_handshake = asks and record == _CHANGE_CIPHER_SPEC
            carries = opens or (not ends_handshake and (int(ulen) > 8 if ulen else int(length or 0) > 0))
            flow = flows[server, client, "udp" if usrc else "tcp", opened[client]]
            flow.append((float(at), asks, carries, kind, user))
    to_kdc: dict[int, list[Trip]] = {}
    to_ldap: list[list[Trip]] = []
    for (server, client, *_), packets in flows.items():
        found = list(_trips(packets))
        if server == kdc:
            to_kdc.setdefault(client, []).extend(found)
        else:
            to_ldap.append(found)
    return to_kdc, to_ldap


def _trips(packets: Sequence[tuple[float, bool, bool, str, str]]) -> Iterator[Trip]:
    asked: float | None = None
    answered: float | None = None
    kind = user = ""
    for at, asks, carries, message, name in packets:
        if not carries:
            continue
        if asks:
            if asked is not None and answered is not None:
                yield Trip(asked, (answered - asked) * 1e3, kind, user)
                asked = answered = None
            if asked is None:
                asked, kind, user = at, message, name
        elif asked is not None:
            answered = at
    if asked is not None and answered is not None:
        yield Trip(asked, (answered - asked) * 1e3, kind, user)


def step_times(file: Path, kdc: int, ldap: int, places: Mapping[str, int]) -> dict[str, Floats]:
    """The times of each step in ms; ``places`` has the directory's steps in order with their round trips.

    ``ldap_connect``'s are those of the TCP handshake and, with TLS, of its own.
    """
    to_kdc, to_ldap = trips(file, kdc, ldap)
    found: dict[str, list[float]] = defaultdict(list)
    exchanges = []
    for flow in to_kdc.values():
        whole = 0.0
        for trip in flow:  # a TCP flow's handshake is part of its exchange
            whole += trip.ms
            if trip.kind:
                exchanges.append((trip.at, whole, trip.kind, trip.user))
                whole = 0.0
    pending: dict[str, float] = {}
    for _, ms, kind, user in sorted(exchanges):
        if kind == _TGS:
            found["kdc_tgs_ldap"].append(ms)
        elif kind == _AS and user in pending:
            found["kdc_as"].append(pending.pop(user) + ms)
        elif kind == _AS:
            pending[user] = ms
    needed = sum(places.values())
    for flow in to_ldap:
        if len(flow) == needed:
            at = 0
            for step, count in places.items():
                found[step].append(sum(trip.ms for trip in flow[at : at + count]))
                at += count
    return {step: np.array(times) for step, times in found.items()}
