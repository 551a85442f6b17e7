"""The ports that logins connect to."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

from harness.doctor.probe import Probe
from harness.login.net.clock import StepClock
from harness.model.diagnosis import Remark, ok, problem, warning
from harness.model.endpoint import Endpoint

_ANSWER_WITHIN_S = 3.0
_REPEATED_SYN_S = 1.0
"""After this long a lost SYN is sent again (RFC 6298 §2.1)."""


def ports(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """The directory, web servers and the database accept connections without delay."""
    target = probe.target
    wanted: list[tuple[str, Endpoint]] = []
    if probe.takes("ldap"):
        wanted = [("directory.uri", target.directory.endpoint)]
        wanted += [("directory.further_controllers", it.endpoint) for it in target.directory.further_controllers]
    if target.ehr is not None and probe.takes("http"):
        wanted.append(("ehr.url", target.ehr.endpoint))
    if target.sso is not None and probe.takes("rp"):
        wanted += [(f"sso.{key}.url", server.endpoint) for key, server in target.sso.taken_by(probe.steps).items()]
    if target.database is not None and probe.takes("db"):
        wanted.append(("database.uri", target.database.endpoint))
    for key, endpoint in wanted:
        for checked in probe.at(endpoint):
            timeout_s = min(_ANSWER_WITHIN_S, deadline.left_s())
            yield _connect(probe, checked, f"arms.{probe.arm}.{key}", timeout_s)


def _connect(probe: Probe, endpoint: Endpoint, key: str, timeout_s: float) -> Remark:
    began = time.monotonic()
    try:
        socket.create_connection((endpoint.host, endpoint.port), timeout_s).close()
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror
        return problem(f"TCP {endpoint}: {why}", f"start the server, open port {endpoint.port}/tcp, or correct {key}")
    took_s = time.monotonic() - began
    probe.connected.add(endpoint)
    found = f"TCP {endpoint}: connected in {took_s * 1e3:.1f} ms"
    if took_s < _REPEATED_SYN_S:
        return ok(found)
    return warning(found, "look for lost packets, or a server whose accept queue is full")
