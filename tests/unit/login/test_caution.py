"""Which logins send a password, and which have shown that it is right."""

from __future__ import annotations

import pytest

from harness.login.caution import let_in, tries_passwords
from harness.model.attempt import OK, Outcome, StepTiming
from harness.model.cohort import Authentication, Cohort

WHOLE = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind")


@pytest.mark.parametrize(
    ("authentication", "steps", "cache", "sends"),
    [
        ("key", WHOLE, "cold", True),
        ("password", WHOLE, "cold", True),
        ("smart-card", WHOLE, "cold", False),
        ("smart-card", ("kdc_as", "ldap_connect", "ldap_ntlm_bind"), "cold", True),
        ("key", WHOLE, "warm", False),  # its ticket is in the cache
        ("key", ("ldap_connect", "ldap_simple_bind"), "warm", True),
    ],
)
def test_a_login_may_count_as_a_wrong_password_where_a_step_of_it_takes_one(
    authentication: Authentication, steps: tuple[str, ...], cache: str, sends: bool
) -> None:
    cohort = Cohort.model_validate({"share": 1, "cache": cache, "steps": steps, "authentication": authentication})
    assert tries_passwords(cohort, cohort.taken) is sends


@pytest.mark.parametrize(
    ("last", "right"),
    [(("kdc_as", "timeout"), False), (("ldap_bind", "timeout"), True), (("ldap_connect", "error"), True)],
)
def test_an_account_is_let_in_once_a_server_has_taken_its_password_however_the_login_ends(
    last: tuple[str, str], right: bool
) -> None:
    name, status = last
    ends = Outcome(status, "X")  # type: ignore[arg-type]
    steps = [StepTiming(step, 0, 1, OK if step != name else ends, 0, "") for step in WHOLE]
    assert let_in(steps[: WHOLE.index(name) + 1]) is right
    assert not let_in(())
