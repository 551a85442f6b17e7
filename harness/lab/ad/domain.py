"""The AD lab: for each arm a Samba AD domain controller, a web front and a database, cloned from one built folder."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.lab import pki, store
from harness.lab.ad import build, region, settings
from harness.lab.ad.addresses import take_address
from harness.lab.ad.changes import Change
from harness.lab.ad.namespace import Servers, check_namespaces
from harness.lab.ad.programs import Programs, find_ad_programs
from harness.lab.ad.ready import wait_until_ready
from harness.lab.ad.settings import PORTS, Settings
from harness.lab.base import BaseLab, CredentialKind, RunningArm
from harness.login.krb5conf import krb5_conf
from harness.model.target import ARMS, Arm, Target
from harness.process import Family


@dataclass(frozen=True, slots=True)
class AdArm(RunningArm):
    """One running arm: processes ``dc``, ``database``, ``web``; ports by service as ``settings.PORTS`` has them."""

    settings: Settings


class AdLab(BaseLab[AdArm]):
    """The AD lab, as a context manager.

    ``change`` is made to the candidate's settings, and to nothing else; both arms are started from equal bytes.
    """

    def __init__(
        self, arms: Sequence[Arm] = ARMS, *, change: Change | None = None, credentials: CredentialKind = "csv"
    ) -> None:
        super().__init__()
        self._names = tuple(arms)
        self._change = change
        self._credentials = credentials

    def _start(self, folder: Path, family: Family, stack: ExitStack) -> None:
        programs = find_ad_programs()
        check_namespaces(programs)
        built = build.built(programs)

        def start(name: Arm, address: str) -> AdArm:
            chosen = self._change.apply(Settings()) if self._change and name == "candidate" else Settings()
            store.clone(built, folder / name)
            _configure(programs, folder / name, address, chosen)
            servers = Servers(programs, family, folder / name, chosen)
            stack.callback(servers.close)
            ca_file = str(_certificate(folder / name, chosen))
            wait_until_ready(programs, folder / name, address, ca_file, lambda: servers.running)
            target = ad_target(folder / name, address, chosen, self._credentials)
            return AdArm(folder / name, address, PORTS, servers.processes(), target, chosen)

        addresses = [take_address(stack) for _ in self._names]
        with ThreadPoolExecutor(len(self._names)) as pool:
            self.arms.update(zip(self._names, pool.map(start, self._names, addresses), strict=True))


def _configure(programs: Programs, folder: Path, address: str, chosen: Settings) -> None:
    """Write what the settings say into a clone, before anything runs there."""
    (folder / "smb.conf").write_text(settings.smb_conf(chosen, address))
    login = krb5_conf(Target.model_validate(_login(folder, address, chosen, "csv")))
    (folder / "krb5.conf").write_text(f"{login}{settings.kdc_section()}")
    (folder / "resolv.conf").write_text(f"nameserver {address}\nsearch {region.DOMAIN}\n")
    (folder / "web" / "httpd.conf").write_text(settings.httpd_conf(chosen, address))
    data = folder / "db" / "data"
    (data / "postgresql.conf").write_text(settings.postgresql_conf(chosen, address))
    (data / "pg_hba.conf").write_text(settings.pg_hba_conf())
    build.edit(programs, folder, {"address": address, "ldif": chosen.ldif})


def ad_target(folder: Path, address: str, chosen: Settings, credentials: CredentialKind) -> dict[str, object]:
    """The fields of the Target of an arm whose clone is ``folder``."""
    return {
        **_login(folder, address, chosen, credentials),
        "directory": {**_directory(folder, address, chosen), "schema_kind": "ad"},
        "dns": {"servers": [f"{address}:{PORTS['dns']}"], "domain": region.DOMAIN, "site": None},
        "services": {"host": f"{region.WORKSTATIONS[0]}.{region.DOMAIN}", "cifs": region.DC_HOST},
        "ehr": {
            "url": f"http://{address}:{PORTS['http']}/",
            "service_host": region.EHR_HOST,
            "database_path": "db",
        },
        "database": {"uri": f"postgres://{address}:{PORTS['postgres']}/ehr", "service_host": region.DATABASE_HOST},
        "service_accounts": {"keytab": str(folder / build.COMPONENTS_KEYTAB)},
    }


def _login(folder: Path, address: str, chosen: Settings, credentials: CredentialKind) -> dict[str, object]:
    files = {"csv": store.CLINICIANS_CSV, "keytab": build.CLINICIANS_KEYTAB}
    return {
        "realm": region.REALM,
        "kdcs": [f"{address}:{PORTS['kdc']}"],
        # As Windows clients do: a ticket with a PAC doesn't fit a datagram, so UDP first is a round trip lost.
        "kdc_transport": "tcp",
        "directory": _directory(folder, address, chosen),
        "credentials": {
            credentials: str(folder / files[credentials]),
            "smart_cards": {**pki.smart_cards(folder), "kdc_hosts": [region.DC_HOST]},
        },
    }


def _directory(folder: Path, address: str, chosen: Settings) -> dict[str, str]:
    return {
        "uri": f"ldaps://{address}:{PORTS['ldaps']}",
        "service_host": region.DC_HOST,
        "ca_file": str(_certificate(folder, chosen)),
        "user_base": region.USER_BASE,
        "service_base": region.SERVICE_BASE,
        "group_base": region.GROUP_BASE,
        "user_attribute": "sAMAccountName",
        "bind_dn": f"{{user}}@{region.DOMAIN}",
    }


def _certificate(folder: Path, chosen: Settings) -> Path:
    return folder / "tls" / f"{chosen.certificate}-cert.pem"
