"""The programs of the embedded domain: where they are, and what to install where they aren't."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError

PACKAGES = {
    "krb5kdc": "krb5-kdc",
    "kdb5_util": "krb5-kdc",
    "kadmin.local": "krb5-admin-server",
    "kinit": "krb5-user",
    "slapd": "slapd",
    "slapadd": "slapd",
    "ldapwhoami": "ldap-utils",
    "openssl": "openssl",
}
"""The Debian package of each program."""

SERVERS = ("krb5kdc", "kdb5_util", "kadmin.local", "slapd", "slapadd")
"""Those whose version decides what a built domain's bytes are."""

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/openldap", "/usr/libexec", "/usr/libexec/openldap")
_SCHEMAS = ("/etc/ldap/schema", "/etc/openldap/schema", "/usr/local/etc/openldap/schema")
_MODULES = ("/usr/lib/ldap", "/usr/lib/openldap", "/usr/lib64/openldap", "/usr/libexec/openldap")
_PKINIT = tuple(f"usr/{lib}/krb5/plugins/preauth/pkinit.so" for lib in ("lib", "lib64", "lib/*"))
_SASL = ("usr/lib/sasl2", "usr/lib64/sasl2", "usr/lib/*/sasl2")


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
    found, missing = find_programs(PACKAGES)
    schema = _first_folder(_SCHEMAS, "core.schema")
    if schema is None:
        missing["core.schema"] = "slapd"
    if not _has_sasl_gssapi():
        missing["libgssapiv2.so"] = "libsasl2-modules-gssapi-mit"
    if not any(path for pattern in _PKINIT for path in Path("/").glob(pattern)):
        missing["pkinit.so"] = "krb5-pkinit"
    if missing or schema is None:
        raise missing_error("embedded domain", missing)
    return Tools(found, schema, _first_folder(_MODULES, "*.la"))


def find_programs(packages: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Where these programs are, and those that aren't with the package of each."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SBIN))
    found = {name: shutil.which(name, path=path) for name in packages}
    missing = {name: packages[name] for name, where in found.items() if where is None}
    return {name: where for name, where in found.items() if where}, missing


def missing_error(what: str, missing: Mapping[str, str]) -> LabError:
    """The error that names what is missing and the command that installs it."""
    return LabError(
        f"{what}: {', '.join(missing)} not found in PATH, {', '.join(_SBIN)} and the libraries' folders; "
        f"run: apt-get install --no-install-recommends {' '.join(dict.fromkeys(missing.values()))}"
    )


def _has_sasl_gssapi() -> bool:
    return any(folder.glob("libgssapiv2.so*") for pattern in _SASL for folder in Path("/").glob(pattern))


def _first_folder(folders: tuple[str, ...], pattern: str) -> Path | None:
    return next((Path(folder) for folder in folders if any(Path(folder).glob(pattern))), None)


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
