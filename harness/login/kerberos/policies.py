"""Which KDC a client asks when, and how long it waits: MIT's libkrb5, and a Windows workstation."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.target import KdcClient


@dataclass(frozen=True, slots=True)
class KdcPolicy:
    """How long a client waits for a KDC until it asks the next one; times in seconds.

    ``connected_s`` is for an answer on a connection that is there; ``last_s`` after the last KDC of the first pass,
    ``backoff_s`` after that of the second, doubled with each further pass.

    One with ``sends`` talks to a single KDC at a time, by TCP alone, and takes no answer of the one before: it sends a
    request so often at most, and asks a KDC for a second time ``backoff_s`` after the last one failed.
    """

    each_s: float
    connected_s: float
    last_s: float
    backoff_s: float
    passes: int = 1
    sends: int = 0


MIT = KdcPolicy(each_s=1.0, connected_s=10.0, last_s=2.0, backoff_s=4.0, passes=3)
"""krb5 1.20, lib/krb5/os/sendto_kdc.c (``k5_sendto``, ``service_tcp_connect``); held against libkrb5 itself."""
WINDOWS = KdcPolicy(each_s=10.0, connected_s=10.0, last_s=0.0, backoff_s=10.0, sends=3)
"""Microsoft, "Kerberos protocol registry entries and KDC configuration keys in Windows" (KB 837361): the defaults of
KdcWaitTime, KdcBackoffTime and KdcSendRetries; MaxPacketSize is 0 since Windows Vista, so that UDP is never used. It
doesn't say what a controller located anew waits for: here the next one is asked at once."""
POLICIES: dict[KdcClient, KdcPolicy] = {"mit": MIT, "windows": WINDOWS}
