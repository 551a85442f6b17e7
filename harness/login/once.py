"""One clinician's login with its protocol facts: what an engineer looks at first when something is slow."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from harness.errors import CredentialError, KdcUnavailableError, RunError
from harness.guards.consent import check_safe
from harness.login.caution import Caution
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.names import UnusableNameError, account_name
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.rates import ConstantRate
from harness.model.scenario import Scenario
from harness.model.target import Arm, Targets
from harness.system.cache import scratch


def log_in_once(targets: Targets, arm: Arm, scenario: Scenario, user: str, cohort: str) -> LoginResult:
    """One login on one arm by the steps of a cohort, explained; a warm one fills its ticket cache before, unmeasured.

    Raises UnsafeTargetError, CredentialError, and RunError where the warm login's ticket cache could not be filled.
    """
    one_a_second = scenario.model_copy(update={"arrivals": ConstantRate(curve="constant", rate=1)})
    addresses = check_safe(targets, one_a_second, [arm])
    target = targets.arms[arm]
    try:
        user = account_name(user, target.realm)
    except UnusableNameError as unusable:
        raise CredentialError(f"USER: expected {unusable}") from None
    one = scenario.model_copy(update={"population": scenario.population.model_copy(update={"users": 1})})
    with scratch() as name:
        folder = Path(name)
        use_krb5_conf(target, folder)
        path = LoginPath(target, one, ThreadRuntime(), addresses)
        caution = Caution(targets, arm)
        with caution.first_try():
            caution.check([user])
            with suppress(KdcUnavailableError):  # the login itself shows it, at its step
                path.prepare([user])
            if scenario.mix[cohort].cache == "warm":
                before = path.warm_up(user, cohort)
                caution.note(user, before.outcome)
                if before.outcome.status != "ok":
                    failed = before.steps[-1]
                    raise RunError(f"the cold login before the warm one failed at {failed.step}: {failed.outcome.code}")
            result = path.login(user, cohort, explain=True)
            caution.note(user, result.outcome)
            return result
