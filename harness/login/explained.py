"""What single logins on an arm show of its protocol, put down for the comparison with the other arm."""

from __future__ import annotations

from collections.abc import Iterable

from harness.login.path import LoginResult
from harness.model.protocol import ArmProtocol, ExplainedLogin, ExplainedStep
from harness.model.target import Target

HOST, DOMAIN = "HOST", "DOMAIN"


def explained_login(cohort: str, user: str, result: LoginResult) -> ExplainedLogin:
    """The login's steps with their facts."""
    steps = zip(result.steps, result.facts, strict=True)
    return ExplainedLogin(
        cohort,
        user,
        tuple(ExplainedStep(step.step, step.outcome.status, step.outcome.code, facts) for step, facts in steps),
    )


def arm_protocol(target: Target, logins: Iterable[ExplainedLogin]) -> ArmProtocol:
    """The logins of one arm, with what its own names stand for."""
    names = {controller.service_host.lower(): HOST for controller in target.directory.controllers}
    if target.dns is not None:
        names[target.dns.domain.lower()] = DOMAIN
    return ArmProtocol(names, tuple(logins))
