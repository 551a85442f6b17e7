"""A single login with the facts that the arms' comparison on the wire rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.login.explained import arm_protocol, explained_login
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath
from harness.login.runtime import ThreadRuntime
from harness.model.protocol import ArmProtocol
from harness.model.scenario import Scenario
from harness.model.target import Target


def protocol_of(fields: dict[str, Any], scenario: Scenario, user: str, folder: Path) -> ArmProtocol:
    """What a cold login of the user shows; it has to succeed."""
    target = Target.model_validate(fields)
    use_krb5_conf(target, folder)
    one = scenario.model_copy(update={"population": scenario.population.model_copy(update={"users": 1})})
    path = LoginPath(target, one, ThreadRuntime())
    path.prepare([user])
    result = path.login(user, "cold", explain=True)
    assert result.outcome.status == "ok", result.outcome
    return arm_protocol(target, [explained_login("cold", user, result)])
