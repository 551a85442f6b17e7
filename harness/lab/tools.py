"""The programs of the embedded domain: where they are, and what to install where they aren't."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError
from harness.system.packages import Need, install_command, look, said_missing

SERVERS = ("krb5kdc", "kdb5_util", "kadmin.local", "slapd", "slapadd")
"""Those whose version decides what a built domain's bytes are."""

_MODULES = ("/usr/lib/ldap", "/usr/lib/openldap", "/usr/lib64/openldap", "/usr/libexec/openldap")


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs, slapd's schema files and its loadable modules are."""

    programs: Mapping[str, str]
    schema: Path
    modules: Path | None
    """None where the backends are compiled into slapd."""

    def __getitem__(self, program: str) -> str:
        return self.programs[program]

    @property
    def digest(self) -> str:
        """SHA-256 of the servers' programs, since krb5kdc has no option that tells its version."""
        return hashlib.sha256(b"".join(Path(self[name]).read_bytes() for name in SERVERS)).hexdigest()


def find_tools() -> Tools:
    """The tools of this machine; raises LabError with the command that installs what is missing."""
    found, missing = look("embedded")
    if missing:
        raise missing_error("embedded domain", missing)
    modules = next((Path(folder) for folder in _MODULES if any(Path(folder).glob("*.la"))), None)
    return Tools({name: str(paths[0]) for name, paths in found.items()}, found["core.schema"][0].parent, modules)


def missing_error(what: str, missing: Iterable[Need]) -> LabError:
    """The error that names what is missing and the command that installs it."""
    missing = tuple(missing)
    return LabError(f"{what}: {said_missing(missing)} not found; run as root: {install_command(missing)}")


def run(argv: list[str], env: Mapping[str, str], typed: str = "", timeout_s: float = 60.0) -> str:
    """What a short-lived program prints, with ``typed`` on its standard input, where secrets may be.

    Raises LabError with what it said on standard error, which these programs keep free of what was typed.
    """
    name = Path(argv[0]).name
    try:
        done = subprocess.run(
            argv, env=env, input=typed, capture_output=True, text=True, timeout=timeout_s, umask=0o077, check=False
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{name}: expected it to end within {timeout_s:g} s, which it didn't") from None
    if done.returncode != 0:
        raise LabError(f"{name}: expected exit code 0, got {done.returncode}: {done.stderr.strip()}")
    return done.stdout
