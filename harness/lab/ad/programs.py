"""The programs of the AD lab, and what to install where they aren't there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError
from harness.lab.tools import missing_error
from harness.system.packages import look

SYSTEM_PYTHON = "/usr/bin/python3"
"""The only interpreter that Debian's Samba bindings are made for."""


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


def find_ad_programs(single_sign_on: bool = False) -> Programs:
    """The programs of this machine; raises LabError with what is missing, the rights to run them among it."""
    found, missing = look("ad", *(("sso",) if single_sign_on else ()))
    if missing:
        raise missing_error("AD lab", missing)
    if os.geteuid() != 0:
        raise LabError("AD lab: expected to be run by root, since Samba's LDAP listens on ports 389 and 636 only")
    newest = max(found["postgres"], key=lambda path: int(path.parts[-3]))
    return Programs({name: str(paths[0]) for name, paths in found.items()}, newest.parent)
