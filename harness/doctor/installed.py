"""What of the machine the labs and a build need, and the command that installs what is missing.

Nobody needs all of it: who has servers of their own needs neither lab. So it is looked at where neither servers nor a
scenario are named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from harness.doctor.machine import Machine
from harness.model.diagnosis import Remark, not_applicable, ok, warning
from harness.model.scenario import Scenario
from harness.system.packages import install_command, look, said_missing


def of(*groups: str, as_root: bool = False) -> Callable[[Machine, Scenario | None], Iterator[Remark]]:
    """The check of what these groups need (``harness/system/packages.txt``), and whether root's rights are there."""

    def made(machine: Machine, _: Scenario | None) -> Iterator[Remark]:
        _found, missing = look(*groups, root=machine.root)
        if missing:
            yield warning(f"not found: {said_missing(missing)}", f"as root: {install_command(missing)}")
        else:
            yield ok("all that it needs is there")
        if as_root and os.geteuid() != 0:
            yield not_applicable("it can only be run by root")

    return made


INSTALLED = (
    ("build of krb5, gssapi", of("build", "library")),
    ("embedded domain", of("embedded", "pbkdf2", "argon2")),
    ("AD lab", of("ad", as_root=True)),
    ("single sign-on of the AD lab", of("sso")),
)
