"""Clients of the AD lab that log on once, and its peers' own tools."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS, find
from harness.lab.ad.domain import AdArm
from harness.lab.ad.settings import PORTS
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.protocol import StepFacts
from harness.model.scenario import Scenario
from harness.model.target import Target
from harness.system.process import environment

PATIENCE_S = 20.0
"""An upper bound on things that take milliseconds; only a hang reaches it."""
USER = "clin00007"
COLD_LOGON = load_scenario(find("cold-logon", SCENARIOS))


def changed(arm: AdArm, **parts: dict[str, Any]) -> dict[str, Any]:
    """The arm's target with some fields of its parts replaced."""
    whole: dict[str, Any] = dict(arm.target)
    return {**whole, **{name: {**whole[name], **part} for name, part in parts.items()}}


def in_clear(arm: AdArm, port: int = PORTS["ldap"], address: str | None = None) -> dict[str, Any]:
    """The arm's target with a directory without TLS, where Samba asks for signing or sealing."""
    return changed(arm, directory={"uri": f"ldap://{address or arm.address}:{port}"})


def client(target: dict[str, Any], folder: Path, *, users: Sequence[str] = (USER,), **unlike: object) -> LoginPath:
    """A prepared client of the target that takes the steps of a cold logon, unless told others."""
    asked = {**COLD_LOGON.model_dump(), "population": {"users": 1}, **unlike}
    told = Target.model_validate(target)
    use_krb5_conf(told, folder)
    path = LoginPath(told, Scenario.model_validate(asked), ThreadRuntime())
    path.prepare(users)
    return path


def ended(result: LoginResult) -> tuple[str, str, str]:
    return result.outcome.status, result.outcome.code, result.steps[-1].step


def facts_of(result: LoginResult) -> dict[str, StepFacts]:
    return {step.step: facts for step, facts in zip(result.steps, result.facts, strict=True)}


def tool(arm: AdArm, *argv: str) -> str:
    """What a command-line tool prints, with this arm's realm and a ticket cache of its own."""
    settings = environment(
        KRB5_CONFIG=str(arm.krb5_conf), KRB5CCNAME=f"FILE:{arm.folder}/login.ccache", LDAPCONF="/dev/null"
    )
    done = subprocess.run(argv, env=settings, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def get_ticket(arm: AdArm, user: str = USER, keytab: str = "clinicians.keytab") -> None:
    tool(arm, "kinit", "-k", "-t", str(arm.folder / keytab), user)


DATABASE_STEPS = ("kdc_tgs_postgres", "db_connect", "db_query")
FRONT_TO_DATABASE = ("kdc_as", *DATABASE_STEPS)
