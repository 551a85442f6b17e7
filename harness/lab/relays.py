"""The relays before an arm's servers: started, and put into what clients are told."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError
from harness.model.fault import ROUTES, SERVICES, DeadFirst, Fault, Route, Service
from harness.system.process import Family, module_command


@dataclass(frozen=True, slots=True)
class Relays:
    """An arm's running relay process, and its ports by service; ``dead`` are those of servers that never answer."""

    process: subprocess.Popen[bytes]
    ports: Mapping[Service, int]
    dead: Mapping[Service, int]

    def named_ports(self) -> dict[str, int]:
        """The ports as an arm names them: ``relay`` is the directory's."""
        return {"relay" if service == "ldap" else f"relay_{service}": port for service, port in self.ports.items()}

    def before(self, target: Mapping[str, object], address: str) -> dict[str, object]:
        """The fields of a Target whose clients speak to the relays instead of the servers at ``address``."""
        fields = json.loads(json.dumps(target))
        at = {service: f"{address}:{port}" for service, port in self.ports.items()}
        dead = {service: [f"{address}:{port}"] for service, port in self.dead.items()}
        if "kdc" in at:
            fields["kdcs"] = [*dead.get("kdc", ()), at["kdc"]]
        if "ldap" in at:
            scheme = fields["directory"]["uri"].partition("://")[0]
            fields["directory"]["uri"] = f"{scheme}://{at['ldap']}"
        if "dns" in at:
            fields["dns"]["servers"] = [*dead.get("dns", ()), at["dns"]]
        if "http" in at:
            fields["ehr"]["url"] = f"http://{at['http']}/{fields['ehr']['url'].split('/', 3)[3]}"
        return dict(fields)


def start_relays(
    family: Family, folder: Path, address: str, ports: Mapping[Service, int], faults: Sequence[Fault]
) -> Relays:
    """Put a relay before each service in ``ports`` (the servers' own), with its faults; raises LabError.

    The relay listens when this returns, and ends with its family.
    """
    services = [service for service in SERVICES if service in ports]
    routes = [
        Route(service=service, host=address, port=ports[service], faults=_of(faults, service)) for service in services
    ]
    deaths = [fault for fault in faults if isinstance(fault, DeadFirst)]
    routes += [Route(service=fault.service, host=address, port=None, faults=(fault,)) for fault in deaths]
    command, env = module_command("harness.lab.relay")
    argv = [*command, ROUTES.dump_json(tuple(routes)).decode()]
    log = folder / "relay.out"
    process = family.spawn(argv, env, log, subprocess.PIPE)
    line = process.stdout.readline() if process.stdout else b""  # Empty where it ended without listening.
    if not line:
        said = " | ".join(log.read_text(errors="replace").splitlines()[-2:])
        raise LabError(f"lab: expected its relay to listen, which it didn't; its log ends with: {said or 'nothing'}")
    found = json.loads(line)
    alive = dict(zip(services, found[: len(services)], strict=True))
    dead = {fault.service: port for fault, port in zip(deaths, found[len(services) :], strict=True)}
    return Relays(process, alive, dead)


def faulty_services(faults: Sequence[Fault]) -> tuple[Service, ...]:
    """The services that need a relay on both arms, so that it is no difference between them."""
    return tuple(service for service in SERVICES if any(fault.service == service for fault in faults))


def _of(faults: Sequence[Fault], service: Service) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if fault.service == service and not isinstance(fault, DeadFirst))
