"""The name servers of an arm, and the domain controllers that they name."""

from __future__ import annotations

import time
from collections.abc import Iterator

from harness.doctor.probe import Probe, reason_of
from harness.login.controllers import Controllers
from harness.login.dns.locate import Resolver
from harness.login.ldap.netlogon import CLDAP_PORT, ping, ping_request
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.model.diagnosis import Remark, ok, problem, warning
from harness.model.endpoint import NO_NAMES, Endpoint

SLOW_S = 0.25
"""For the three answers, which take some ms in a data centre; a logon waits for as many."""
_ANSWER_WITHIN_S = 3.0


def name_servers(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """Each name server knows the domain's KDCs, its controllers, and the address of one that is the arm's own."""
    names = probe.target.dns
    assert names is not None
    for server in names.servers:
        clock = StepClock(min(_ANSWER_WITHIN_S, deadline.left_s()))
        try:
            yield _asked(probe, Resolver(names.model_copy(update={"servers": (server,)}), clock), server)
        except StepFailedError as failure:
            advice = f"start it, or open port {server.port}/udp; it needs the SRV records of {names.domain}"
            if failure.outcome.code == "DC_NOT_IN_TARGETS":
                advice = "name this arm's controllers in directory and kdcs, or use the arm's own name server"
            yield problem(f"{server}: {reason_of(failure)}", advice)


def _asked(probe: Probe, resolver: Resolver, server: Endpoint) -> Remark:
    began = time.monotonic()
    kdcs, _ = resolver.kerberos_servers()
    controllers, _ = resolver.domain_controllers()
    target = probe.target
    own, _ = Controllers(target, probe.addresses or NO_NAMES).named_by(controllers)
    addresses, _ = resolver.addresses(own.host)
    took_s = time.monotonic() - began
    probe.traits["domain controllers in DNS"] = str(len(controllers))
    found = f"{server}: KDCs {len(kdcs)}, controllers {len(controllers)}, {own.host} at {', '.join(addresses)}"
    found += f", three answers in {took_s * 1e3:.1f} ms"
    served = [controller.endpoint for controller in target.directory.controllers]
    checked = {each.host for endpoint in (*served, *target.kdcs) for each in probe.at(endpoint)}
    if not checked & set(addresses):
        return problem(found, f"logins of arms.{probe.arm} would be sent elsewhere: give the arm its own name server")
    if took_s > SLOW_S:
        return warning(found, "find out what the name server waits for: every login waits for it too")
    return ok(found)


def controller(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """The domain controller answers a netlogon ping."""
    names, directory = probe.target.dns, probe.target.directory
    assert names is not None
    for address in probe.at(directory.endpoint):
        server = Endpoint(host=address.host, port=CLDAP_PORT if directory.tls else address.port)
        try:
            found = ping(server, ping_request(names.domain), StepClock(min(_ANSWER_WITHIN_S, deadline.left_s())))
        except StepFailedError as failure:
            yield problem(f"{server}: {reason_of(failure)}", f"open port {server.port}/udp, or start netlogon there")
            continue
        probe.traits["site"] = found.site
        yield ok(f"{server}: {found.host}, site {found.site or '(none)'}, {' '.join(found.roles)}")
