"""The embedded domain itself: for each arm a KDC and a directory, cloned from one built folder."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError
from harness.lab import directory, hospital, kdc, pki, store
from harness.lab.base import BaseLab, CredentialKind, RunningArm
from harness.lab.changes import Change, Settings, settings_of
from harness.lab.relays import faulty_services, start_relays
from harness.lab.tools import Tools, find_tools, run
from harness.login.kerberos.krb5conf import krb5_conf
from harness.model.fault import Fault, Service
from harness.model.target import ARMS, Arm, Target
from harness.system.process import Family, Identity, environment, free_ports, listens
from harness.system.quota import limited

READY_S = 5.0
"""How long an arm's servers may take until they listen; built domains need 0.1 s."""

PORT_TRIES = 5
"""How often other ports are tried: nothing keeps a free port free until a server has bound it."""


@dataclass(frozen=True, slots=True)
class LabArm(RunningArm):
    """One running arm: processes ``kdc``, ``slapd``, ``relay``; ports ``kdc``, ``ldap``, ``ldaps``, ``relay``.

    ``relay`` (and ``relay_kdc``) is there only where the directory (the KDC) is behind one.
    """

    @property
    def kdc_pid(self) -> int:
        """The pid of krb5kdc."""
        return self.processes["kdc"].pid

    @property
    def slapd_pid(self) -> int:
        """The pid of slapd."""
        return self.processes["slapd"].pid


class Lab(BaseLab[LabArm]):
    """The embedded domain, as a context manager.

    ``faults`` are put before the candidate's servers; the services that they concern, and those in ``behind_relay``,
    are behind a relay on each arm, so that the relay itself is no difference between the arms. ``changes`` are made to
    the candidate's settings, ``common`` before them to those of both; ``common_faults`` likewise.
    """

    def __init__(
        self,
        arms: Sequence[Arm] = ARMS,
        *,
        faults: Sequence[Fault] = (),
        common_faults: Sequence[Fault] = (),
        behind_relay: Collection[Service] = (),
        changes: Sequence[Change] = (),
        common: Sequence[Change] = (),
        credentials: CredentialKind = "csv",
    ) -> None:
        super().__init__()
        self._names = tuple(arms)
        self._common_faults = tuple(common_faults)
        self._faults = (*common_faults, *faults)
        self._behind: set[Service] = {*faulty_services(self._faults), *behind_relay}
        self._changes = (*common, *changes)
        self._common = tuple(common)
        self._credentials = credentials

    def _start(self, folder: Path, family: Family, stack: ExitStack) -> None:
        tools = find_tools()
        built = store.built(tools)
        for name in self._names:
            settings = settings_of(self._changes if name == "candidate" else self._common)
            starter = _ArmStarter(tools, family, folder / name, self._credentials, settings)
            arm = starter.start(built, self._behind, self._faults if name == "candidate" else self._common_faults)
            self.arms[name] = arm
            if settings.cpu_percent is not None:
                stack.enter_context(limited((arm.kdc_pid, arm.slapd_pid), settings.cpu_percent))


class _ArmStarter:
    def __init__(
        self, tools: Tools, family: Family, folder: Path, credentials: CredentialKind, settings: Settings
    ) -> None:
        self._tools = tools
        self._family = family
        self._folder = folder
        self._credentials = credentials
        self._settings = settings
        self._krb5_conf = folder / "krb5.conf"

    def start(self, built: Path, behind: Collection[Service], faults: Sequence[Fault]) -> LabArm:
        store.clone(built, self._folder)
        directory.change(self._tools, self._folder, self._settings, store.password(self._folder))
        ports, children = self._serve()
        self._log_in(ports["ldap"])  # Not by the relay: the check mustn't take one of the workers that hold.
        target = self._target(ports)
        if behind:
            services: dict[Service, int] = {name: ports[name] for name in behind}
            relays = start_relays(self._family, self._folder, "127.0.0.1", services, faults)
            children["relay"] = relays.process
            ports |= relays.named_ports()
            target = relays.before(target, "127.0.0.1")
        processes = {name: Identity.of(child.pid) for name, child in children.items()}
        return LabArm(self._folder, "127.0.0.1", ports, processes, target)

    def _serve(self) -> tuple[dict[str, int], dict[str, subprocess.Popen[bytes]]]:
        for _ in range(PORT_TRIES):
            ports = dict(zip(("kdc", "ldap", "ldaps"), free_ports(3), strict=True))
            children = self._spawn_servers(ports)
            listeners = [("kdc", "kdc"), ("slapd", "ldap"), ("slapd", "ldaps")]
            deadline = time.monotonic() + READY_S
            while all(child.poll() is None for child in children.values()) and time.monotonic() < deadline:
                if all(listens(children[name].pid, ports[port]) for name, port in listeners):
                    return ports, children
                time.sleep(0.005)
            for child in children.values():
                self._family.end(child)
        raise LabError(f"embedded domain: expected its servers to listen, which they didn't; {self._said()}")

    def _spawn_servers(self, ports: Mapping[str, int]) -> dict[str, subprocess.Popen[bytes]]:
        self._krb5_conf.write_text(krb5_conf(Target.model_validate(self._target(ports))))
        kdc_conf = self._folder / "kdc.conf"
        kdc_conf.write_text(kdc.configuration(self._folder, ports["kdc"], self._settings))
        slapd_conf = self._folder / "slapd.conf"
        slapd_conf.write_text(directory.configuration(self._tools, self._folder, self._settings))
        env = environment(
            KRB5_CONFIG=str(self._krb5_conf),
            KRB5_KDC_PROFILE=str(kdc_conf),
            KRB5_KTNAME=f"FILE:{self._folder / kdc.SERVICES_KEYTAB}",
            # The default is one locked file a user in /var/tmp: both arms, and other labs, would wait for each other.
            KRB5RCACHENAME="none:",
        )
        urls = f"ldap://127.0.0.1:{ports['ldap']} ldaps://127.0.0.1:{ports['ldaps']}"
        argv = {
            "kdc": [self._tools["krb5kdc"], "-n", "-r", hospital.REALM],
            "slapd": [self._tools["slapd"], "-d", "0", "-f", str(slapd_conf), "-h", urls],  # -d: in the foreground
        }
        return {name: self._family.spawn(argv[name], env, self._folder / f"{name}.out") for name in argv}

    def _log_in(self, ldap_port: int) -> None:
        user = hospital.CLINICIANS[0]
        ccache = self._folder / "check.ccache"
        env = environment(KRB5_CONFIG=str(self._krb5_conf), KRB5CCNAME=f"FILE:{ccache}", LDAPNOINIT="1")
        keytab = str(self._folder / kdc.CLINICIANS_KEYTAB)
        uri = f"ldap://127.0.0.1:{ldap_port}"
        run([self._tools["kinit"], "-k", "-t", keytab, user], env, timeout_s=READY_S)
        who = run([self._tools["ldapwhoami"], "-Y", "GSSAPI", "-Q", "-N", "-H", uri], env, timeout_s=READY_S)
        if who.strip().lower() != f"dn:{hospital.user_dn(user)}".lower():  # slapd prints its normal form.
            raise LabError(f"embedded domain: expected the directory to know {user}, got {who.strip()}")
        ccache.unlink()

    def _target(self, ports: Mapping[str, int]) -> dict[str, object]:
        files = {"csv": store.CLINICIANS_CSV, "keytab": kdc.CLINICIANS_KEYTAB}
        return {
            "realm": hospital.REALM,
            "kdcs": [f"127.0.0.1:{ports['kdc']}"],
            "directory": {
                "uri": f"ldap://127.0.0.1:{ports['ldap']}",
                "starttls": self._settings.starttls,
                "service_host": hospital.DIRECTORY_HOST,
                "ca_file": str(self._folder / directory.CERTIFICATE),
                "user_base": hospital.USER_BASE,
                "group_base": hospital.GROUP_BASE,
                "user_attribute": "uid",
                "bind_dn": hospital.user_dn("{user}"),
            },
            "credentials": {
                self._credentials: str(self._folder / files[self._credentials]),
                "smart_cards": pki.smart_cards(self._folder),
            },
        }

    def _said(self) -> str:
        """The last lines of the servers' logs, for whoever has to find the cause."""
        logs = (self._folder / name for name in ("kdc.log", "kdc.out", "slapd.out"))
        last = [log.read_text(errors="replace").splitlines()[-2:] for log in logs if log.exists()]
        words = " | ".join(line for lines in last for line in lines) or "they said nothing"
        confined = Path("/etc/apparmor.d/usr.sbin.slapd").exists()
        hint = "; if AppArmor confines slapd to its system folders, run: aa-disable /usr/sbin/slapd" if confined else ""
        return f"its log ends with: {words}{hint}"
