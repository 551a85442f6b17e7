"""Command-line tools as clients of the AD lab's servers."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable

from harness.lab.ad.domain import AdArm
from harness.system.process import environment

PATIENCE_S = 60.0
"""An upper bound on things that take milliseconds; only a hang reaches it."""


def answer(arm: AdArm, *argv: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    settings = environment(
        KRB5_CONFIG=str(arm.krb5_conf), KRB5CCNAME=f"FILE:{arm.folder}/test.ccache", LDAPCONF="/dev/null"
    )
    return subprocess.run(argv, env=settings, input=typed, capture_output=True, text=True, timeout=PATIENCE_S)


def tool(arm: AdArm, *argv: str, typed: str = "") -> str:
    """What a command-line tool prints, with this arm's realm and a ticket cache of its own."""
    done = answer(arm, *argv, typed=typed)
    assert done.returncode == 0, done.stderr
    return done.stdout


def get_ticket(arm: AdArm, user: str, keytab: str = "clinicians.keytab") -> None:
    tool(arm, "kinit", "-k", "-t", str(arm.folder / keytab), user)


def eventually(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def known_fields(targets: dict[str, object]) -> dict[str, object]:
    """The targets without the fields of steps that this version of the model doesn't have."""
    text = json.loads(json.dumps(targets))
    for target in text["arms"].values():
        for name in ("dns", "services", "ehr"):
            target.pop(name)
        target["directory"].pop("schema_kind")
    return dict(text)
