"""What authgate needs of the machine, whether it is there, and the command that installs what is not.

The list is ``packages.txt`` beside this module; ``.ci/packages`` reads it too, before there is a Python for that.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath

ROOT = Path("/")
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/openldap", "/usr/libexec", "/usr/libexec/openldap")
"""Where servers are that an ordinary user's PATH leaves out."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that must be there: who needs it, its Debian package, and any one of these programs or files."""

    group: str
    package: str
    shown_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """What an error calls it: a program's name, or a file's."""
        return PurePath(self.shown_by[0]).name.rstrip("*")

    def found(self, root: Path = ROOT) -> tuple[Path, ...]:
        """Where it is, in the order of names; nowhere, if it is not there."""
        if "/" in self.shown_by[0]:
            return tuple(path for pattern in self.shown_by for path in sorted(root.glob(pattern.lstrip("/"))))
        where = shutil.which(self.name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN)))
        return () if where is None else (Path(where),)


@cache
def needs() -> tuple[Need, ...]:
    """All that the list holds."""
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return tuple(Need(group, package, tuple(shown_by)) for group, package, *shown_by in rows)


def look(*groups: str, root: Path = ROOT) -> tuple[dict[str, tuple[Path, ...]], tuple[Need, ...]]:
    """Where each thing that these groups need is, by its name, and what is missing."""
    wanted = [need for need in needs() if need.group in groups]
    found = {need.name: need.found(root) for need in wanted}
    return found, tuple(need for need in wanted if not found[need.name])


def said_missing(missing: Iterable[Need]) -> str:
    """Names of what is missing, for a sentence."""
    return ", ".join(dict.fromkeys(need.name for need in missing))


def install_command(missing: Iterable[Need]) -> str:
    """What installs it on Debian, to be run as root."""
    return f"apt-get install --no-install-recommends {' '.join(dict.fromkeys(need.package for need in missing))}"


def library_missing(error: ImportError) -> str | None:
    """What to do about a shared library without which a module can't be loaded; None where that isn't what is wrong."""
    missing = [need for need in needs() if need.group == "library" and need.name in str(error)]
    return f"{error}; run as root: {install_command(missing)}" if missing else None
