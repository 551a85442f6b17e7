"""The programs of the AD lab, and what to install where they aren't there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError
from harness.lab.tools import find_programs, missing_error

SYSTEM_PYTHON = "/usr/bin/python3"
"""The only interpreter that Debian's Samba bindings are made for."""

PACKAGES = {
    "samba": "samba",
    "samba-tool": "samba",
    "apache2": "apache2",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "openssl": "openssl",
    "kinit": "krb5-user",
    "kvno": "krb5-user",
    "ldapsearch": "ldap-utils",
    "dig": "bind9-dnsutils",
    "curl": "curl",
}
"""The Debian package of each program."""

_FILES = {
    "/usr/share/samba/setup/provision.ldif": "samba-ad-provision",
    "/usr/lib/*/samba/ldb/samldb.so": "samba-dsdb-modules",
    "/usr/lib/*/samba/vfs/xattr_tdb.so": "samba-vfs-modules",
    "/usr/lib/python3/dist-packages/samba/samdb.py": "python3-samba",
    "/usr/lib/python3/dist-packages/psycopg2/__init__.py": "python3-psycopg2",
    "/usr/lib/apache2/modules/mod_auth_gssapi.so": "libapache2-mod-auth-gssapi",
    "/usr/lib/apache2/modules/mod_wsgi.so": "libapache2-mod-wsgi-py3",
    "/usr/lib/*/sasl2/libgssapiv2.so": "libsasl2-modules-gssapi-mit",
    "/usr/lib/postgresql/*/bin/postgres": "postgresql",
}
"""Files that a program needs beside itself, with the Debian package of each."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the programs are."""

    paths: Mapping[str, str]
    postgresql: Path
    """The folder of PostgreSQL's programs, which Debian keeps out of PATH."""

    def __getitem__(self, program: str) -> str:
        return self.paths[program]

    @property
    def digest(self) -> str:
        """SHA-256 over the programs that decide what a built domain's bytes are."""
        provision = Path("/usr/share/samba/setup/provision.ldif")
        files = (Path(self["samba"]), Path(self["samba-tool"]), provision, self.postgresql / "postgres")
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def find_ad_programs() -> Programs:
    """The programs of this machine; raises LabError with what is missing, the rights to run them among it."""
    paths, missing = find_programs(PACKAGES)
    found = {pattern: sorted(Path("/").glob(pattern.lstrip("/"))) for pattern in _FILES}
    missing |= {Path(pattern).name: _FILES[pattern] for pattern, files in found.items() if not files}
    if missing:
        raise missing_error("AD lab", missing)
    if os.geteuid() != 0:
        raise LabError("AD lab: expected to be run by root, since Samba's LDAP listens on ports 389 and 636 only")
    newest = max(found["/usr/lib/postgresql/*/bin/postgres"], key=lambda path: int(path.parts[-3]))
    return Programs(paths, newest.parent)
