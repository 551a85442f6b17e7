"""The AD lab: for each arm a Samba AD domain controller, a web front and a database, cloned from one built folder."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError
from harness.lab import pki, store
from harness.lab.ad import build, region, settings, single_sign_on
from harness.lab.ad.addresses import resolver_of, take_address
from harness.lab.ad.changes import Change
from harness.lab.ad.namespace import Servers, check_namespaces
from harness.lab.ad.programs import Programs, find_ad_programs
from harness.lab.ad.ready import wait_until_ready
from harness.lab.ad.settings import PORTS, SSO_PORTS, Settings
from harness.lab.base import BaseLab, CredentialKind, RunningArm
from harness.lab.relays import faulty_services, start_relays
from harness.login.kerberos.krb5conf import krb5_conf
from harness.model.fault import Fault, Service
from harness.model.target import ARMS, Arm, Target
from harness.system.process import Family, Identity


@dataclass(frozen=True, slots=True)
class AdArm(RunningArm):
    """One running arm: processes ``dc``, ``database``, ``web``; ports by service as ``settings.PORTS`` has them.

    With single sign-on there are ``idp``, the identity provider's web server, and ``portal`` behind that.

    With two controllers they are ``dc1``, at the arm's address as web front and database, and ``dc2``.
    """

    settings: Settings
    controllers: Mapping[str, str]
    """The address of each domain controller (``dc1``, ``dc2``)."""

    def address_of(self, server: str) -> str:
        """See RunningArm."""
        return self.controllers.get(server, self.address)


class AdLab(BaseLab[AdArm]):
    """The AD lab, as a context manager.

    ``change`` and ``changes`` are made to the candidate's settings, ``common`` before them to those of both, and to
    nothing else; both arms are started from equal bytes. ``faults`` are put before the candidate's servers, and a relay
    without any before the same ones of the baseline; ``common_faults`` are before both. Services in ``behind_relay``
    are behind one on both arms though no fault concerns them.
    With two ``controllers`` an arm's second one is in a site of its own. They are equal at the start and never
    replicate: the lab's controllers don't run that service. Raises LabError for another number.
    """

    def __init__(
        self,
        arms: Sequence[Arm] = ARMS,
        *,
        change: Change | None = None,
        changes: Sequence[Change] = (),
        common: Sequence[Change] = (),
        faults: Sequence[Fault] = (),
        common_faults: Sequence[Fault] = (),
        behind_relay: Collection[Service] = (),
        credentials: CredentialKind = "csv",
        controllers: int = 1,
    ) -> None:
        super().__init__()
        if controllers not in (1, 2):
            raise LabError(f"AD lab: expected 1 or 2 controllers, got {controllers}")
        self._changes = (*common, *((change,) if change else ()), *changes)
        for wish in self._changes:
            if controllers < wish.controllers:
                raise LabError(f"AD lab: expected {wish.controllers} controllers for {wish.name}, got {controllers}")
        if controllers > 1 and (faults or common_faults or behind_relay):
            raise LabError(f"AD lab: expected 1 controller behind a relay, got {controllers}")
        self._controllers = tuple(settings.SMB_CONFS)[:controllers]
        self._names = tuple(arms)
        self._common = tuple(common)
        self._faults = (*common_faults, *faults)
        self._common_faults = tuple(common_faults)
        self._behind: set[Service] = {*faulty_services(self._faults), *behind_relay}
        self._credentials = credentials

    def _start(self, folder: Path, family: Family, stack: ExitStack) -> None:
        arms = {name: _settings_of(self._changes if name == "candidate" else self._common) for name in self._names}
        programs = find_ad_programs(any(chosen.single_sign_on for chosen in arms.values()))
        check_namespaces(programs)
        built = build.built(programs) if len(self._controllers) == 1 else build.built_with_two(programs)

        def start(name: Arm, addresses: Mapping[str, str]) -> AdArm:
            chosen = arms[name]
            store.clone(built, folder / name)
            _configure(programs, folder / name, addresses, chosen)
            servers = Servers(programs, family, folder / name, addresses, chosen)
            stack.callback(servers.close)
            ca_file = str(_certificate(folder / name, chosen))
            late_s = chosen.reverse_dns_delay_s
            wait_until_ready(
                programs, folder / name, addresses, ca_file, lambda: servers.running, late_s, chosen.single_sign_on
            )
            if chosen.ldif:  # On the running servers, as it is done in life; it may break what has just been checked.
                for controller in self._controllers:
                    build.edit(programs, folder / name, {"ldif": chosen.ldif}, controller)
            address = addresses[region.DC_NAME]
            target = ad_target(folder / name, addresses, chosen, self._credentials)
            processes, ports = servers.processes(), {**PORTS, **(SSO_PORTS if chosen.single_sign_on else {})}
            if self._behind:
                behind = {service: PORTS[_PORT_OF.get(service, service)] for service in self._behind}
                faults = self._faults if name == "candidate" else self._common_faults
                relays = start_relays(family, folder / name, address, behind, faults)
                processes["relay"] = Identity.of(relays.process.pid)
                ports |= relays.named_ports()
                target = relays.before(target, address)
            return AdArm(folder / name, address, ports, processes, target, chosen, addresses)

        more = {name: tuple(SSO_PORTS.values()) if arms[name].single_sign_on else () for name in self._names}
        addresses = [{dc: take_address(stack, more[name]) for dc in self._controllers} for name in self._names]
        with ThreadPoolExecutor(len(self._names)) as pool:
            self.arms.update(zip(self._names, pool.map(start, self._names, addresses), strict=True))


_PORT_OF: Mapping[Service, str] = {"ldap": "ldaps"}
"""Clients speak to the directory by TLS."""


def _settings_of(changes: Sequence[Change]) -> Settings:
    settings = Settings()
    for change in changes:
        settings = change.apply(settings)
    return settings


def _configure(programs: Programs, folder: Path, addresses: Mapping[str, str], chosen: Settings) -> None:
    """Write what the settings say into a clone, before anything runs there."""
    address = addresses[region.DC_NAME]
    for name, own in addresses.items():
        (folder / settings.SMB_CONFS[name]).write_text(settings.smb_conf(chosen, own, name))
        # For tools that are to ask this controller alone.
        target = Target.model_validate(_login(folder, {region.DC_NAME: own}, chosen, "csv"))
        (folder / f"krb5-{name}.conf").write_text(krb5_conf(target))
    login = krb5_conf(Target.model_validate(_login(folder, addresses, chosen, "csv")))
    (folder / "krb5.conf").write_text(f"{login}{settings.kdc_section()}")
    (folder / "resolv.conf").write_text(settings.resolv_conf(resolver_of(address)))
    (folder / "hosts").write_text(settings.hosts(address))
    (folder / "web" / "httpd.conf").write_text(settings.httpd_conf(chosen, address))
    if chosen.single_sign_on:
        single_sign_on.configure(folder, chosen, address)
    data = folder / "db" / "data"
    (data / "postgresql.conf").write_text(settings.postgresql_conf(chosen, address))
    (data / "pg_hba.conf").write_text(settings.pg_hba_conf())
    moved = {build.BUILD_ADDRESSES[name]: own for name, own in addresses.items()}
    build.edit(programs, folder, {"modify": _own_principals(addresses), "moved": moved})
    for name in addresses.keys() - {region.DC_NAME}:
        # Equal to the byte, as if all had been replicated.
        first, other = (folder / settings.FOLDERS[dc] / "private" / "sam.ldb.d" for dc in (region.DC_NAME, name))
        shutil.copytree(first, other, dirs_exist_ok=True)


def _own_principals(addresses: Mapping[str, str]) -> list[dict[str, object]]:
    """The first controller's account holds the names of all addresses: those of others become theirs."""
    first = region.controller_dn(region.DC_NAME)
    changes: list[dict[str, object]] = []
    for name in addresses.keys() - {region.DC_NAME}:
        principal = {"servicePrincipalName": [f"ldap/{addresses[name]}"]}
        changes += [{"dn": first, "delete": principal}, {"dn": region.controller_dn(name), "add": principal}]
    return changes


def ad_target(
    folder: Path, addresses: Mapping[str, str], chosen: Settings, credentials: CredentialKind
) -> dict[str, object]:
    """The fields of the Target of an arm whose clone is ``folder``."""
    address = addresses[region.DC_NAME]
    name_servers = [f"{own}:{PORTS['dns']}" for own in addresses.values()]
    return {
        **_login(folder, addresses, chosen, credentials),
        "directory": {**_directory(folder, addresses, chosen), "schema_kind": "ad"},
        "dns": {"servers": name_servers, "domain": region.DOMAIN, "site": None},
        "services": {"host": f"{region.WORKSTATIONS[0]}.{region.DOMAIN}", "cifs": region.DC_HOST},
        "ehr": {
            "url": f"http://{address}:{PORTS['http']}/",
            "service_host": region.EHR_HOST,
            "database_path": "db",
        },
        **({"sso": single_sign_on.target(address)} if chosen.single_sign_on else {}),
        "database": {"uri": f"postgres://{address}:{PORTS['postgres']}/ehr", "service_host": region.DATABASE_HOST},
        "service_accounts": {"keytab": str(folder / build.COMPONENTS_KEYTAB)},
    }


def _login(
    folder: Path, addresses: Mapping[str, str], chosen: Settings, credentials: CredentialKind
) -> dict[str, object]:
    files = {"csv": store.CLINICIANS_CSV, "keytab": build.CLINICIANS_KEYTAB}
    return {
        "realm": region.REALM,
        "kdcs": [f"{own}:{PORTS['kdc']}" for own in addresses.values()],
        "kdc_transport": chosen.kdc_transport,
        "directory": _directory(folder, addresses, chosen),
        "credentials": {
            credentials: str(folder / files[credentials]),
            "smart_cards": {**pki.smart_cards(folder), "kdc_hosts": [region.DC_HOST]},
        },
    }


def _directory(folder: Path, addresses: Mapping[str, str], chosen: Settings) -> dict[str, object]:
    first, *further = (
        {"uri": f"ldaps://{own}:{PORTS['ldaps']}", "service_host": f"{name}.{region.DOMAIN}"}
        for name, own in addresses.items()
    )
    return {
        **first,
        **({"further_controllers": further} if further else {}),
        "ca_file": str(_certificate(folder, chosen)),
        "user_base": region.USER_BASE,
        "service_base": region.SERVICE_BASE,
        "group_base": region.GROUP_BASE,
        "user_attribute": "sAMAccountName",
        "bind_dn": f"{{user}}@{region.DOMAIN}",
    }


def _certificate(folder: Path, chosen: Settings) -> Path:
    return folder / "tls" / f"{chosen.certificate}-cert.pem"
