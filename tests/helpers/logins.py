"""Clients of the embedded domain that log in once, and what its servers' own logs and tools say of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import krb5
import pytest

from harness.lab import hospital, store
from harness.lab.domain import LabArm
from harness.login.kerberos.client import TicketCache
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.scenario import Scenario
from harness.model.target import Target
from harness.system.files import write_whole
from harness.system.process import environment

PATIENCE_S = 20.0
"""An upper bound on things that take milliseconds; only a hang reaches it."""
FULL = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups")
SIMPLE = ("ldap_connect", "ldap_simple_bind", "ldap_own_entry", "ldap_groups")
DEADLINE_S = 0.8
USER = "clin00007"


def changed(arm: LabArm, directory: dict[str, object] | None = None, **target: object) -> Target:
    """The arm's target with some of its fields replaced."""
    whole = dict(arm.target)
    return Target.model_validate({**whole, **target, "directory": {**dict(whole["directory"]), **(directory or {})}})  # type: ignore[call-overload]


def client(target: Target, folder: Path, user: str = USER, **unlike: object) -> LoginPath:
    """A prepared client of the target; ``unlike`` says what in its scenario is unlike a plain cold login by key."""
    use_krb5_conf(target, folder)
    path = unprepared(target, **unlike)
    path.prepare([user])
    return path


def unprepared(target: Target, **unlike: object) -> LoginPath:
    return LoginPath(target, scenario(**unlike), ThreadRuntime())


def scenario(**unlike: object) -> Scenario:
    fields = {
        "name": "test",
        "steps": FULL,
        "population": {"users": 1},
        "arrivals": {"curve": "constant", "rate": 1},
    }
    return Scenario.model_validate({**fields, **unlike})


def names(result: LoginResult) -> tuple[str, ...]:
    return tuple(step.step for step in result.steps)


def ended(result: LoginResult) -> tuple[str, str, str]:
    """Status, code, and the step that had the last word."""
    assert result.steps[-1].outcome == result.outcome
    return result.outcome.status, result.outcome.code, result.steps[-1].step


def took_s(result: LoginResult) -> float:
    return (result.steps[-1].ended - result.steps[-1].started) / 1e9


class KdcLog:
    """The lines of requests in a KDC's own log since this was made."""

    def __init__(self, arm: LabArm) -> None:
        self._path = arm.folder / "kdc.log"
        self._before = len(self._path.read_text())

    def lines(self) -> list[str]:
        return self._path.read_text()[self._before :].splitlines()

    def requests(self) -> list[tuple[str, str]]:
        """Kind and result of each request: ``("AS_REQ", "NEEDED_PREAUTH")``."""
        found = [re.search(r"\b(AS_REQ|TGS_REQ) \(.*?\) \S+: ([A-Z_]+):", line) for line in self.lines()]
        return [(match[1], match[2]) for match in found if match]


WHOLE_LOGIN = [("AS_REQ", "NEEDED_PREAUTH"), ("AS_REQ", "ISSUE"), ("TGS_REQ", "ISSUE")]


def kill(arm: LabArm, name: str) -> None:
    arm.processes[name].end(grace_s=0)
    assert not arm.processes[name].alive


def csv_file(folder: Path, *lines: str) -> dict[str, str]:
    """The ``credentials`` of a target with these accounts."""
    path = folder / "accounts.csv"
    write_whole(path, "".join(f"{line}\n" for line in lines), private=True)
    return {"csv": str(path)}


def password(arm: LabArm) -> str:
    return (arm.folder / store.CLINICIANS_CSV).read_text().splitlines()[0].split(",")[1]


def tool(arm: LabArm, *argv: str) -> str:
    settings = environment(KRB5_CONFIG=str(arm.krb5_conf), KRB5CCNAME=f"FILE:{arm.folder}/test.ccache")
    done = subprocess.run(argv, env=settings, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def groups_by_ldapsearch(arm: LabArm, user: str) -> set[str]:
    """The groups around a user, found as an administrator would: a search a member until nothing is new."""
    tool(arm, "kinit", "-k", "-t", str(arm.folder / "clinicians.keytab"), user)
    query = ("ldapsearch", "-Y", "GSSAPI", "-Q", "-N", "-LLL", "-o", "ldif-wrap=no")
    where = ("-H", f"ldap://127.0.0.1:{arm.ports['ldap']}", "-b", hospital.GROUP_BASE)
    found: set[str] = set()
    members = [hospital.user_dn(user)]
    while members:
        said = tool(arm, *query, *where, f"(member={members.pop()})", "dn")
        new = {line.removeprefix("dn: ") for line in said.splitlines() if line.startswith("dn: ")} - found
        found |= new
        members += new
    return found


def groups_of(user: str) -> set[str]:
    ward = int(user.removeprefix("clin")) % hospital.WARDS
    department = ward // hospital.WARDS_A_DEPARTMENT
    return {hospital.group_dn(name) for name in (f"Ward{ward:02d}", f"Dept{department}", "Hospital", "EHR-Users")}


def by_starttls(arm: LabArm) -> dict[str, object]:
    return {"starttls": True}


def by_ldaps(arm: LabArm) -> dict[str, object]:
    return {"uri": f"ldaps://127.0.0.1:{arm.ports['ldaps']}"}


def in_clear(arm: LabArm) -> dict[str, object]:
    return {}


Way = Callable[[LabArm], dict[str, object]]
IN_TLS = pytest.mark.parametrize("way", [by_starttls, by_ldaps])


# What a login leaves behind.


def memory_caches() -> set[str]:
    """Every ticket cache of this process that holds something.

    libkrb5 lists no MEMORY caches, so each name that there has been is asked for its owner.
    """
    context = krb5.init_context()
    prefix, _, newest = TicketCache(krb5.init_context()).name.rpartition("-")
    found = set()
    for number in range(1, int(newest)):
        name = f"{prefix}-{number}"
        with suppress(krb5.Krb5Error):
            krb5.cc_get_principal(context, krb5.cc_resolve(context, name.encode()))
            found.add(name)
    return found
