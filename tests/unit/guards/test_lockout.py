"""What is decided of an account's wrong passwords, and what is remembered of them beyond a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import CredentialError
from harness.guards.denials import Denials, arms_together, domain_of, source_of
from harness.guards.lockout import KEPT_FREE, Allowance, LockoutPolicy, Standing, refusal
from harness.model.attempt import Outcome
from harness.model.credentials import Credentials
from harness.model.target import Targets

WRONG = Outcome("denied", "KDC_ERR_PREAUTH_FAILED")


def standing(threshold: int, failures: int = 0) -> Standing:
    return Standing(LockoutPolicy(threshold, 1800, "the domain's policy"), failures)


# The decision.


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(1, 2))
def test_what_is_left_to_all_arms_together_keeps_an_account_more_than_two_from_being_locked(
    threshold: int, failures: int, arms: int
) -> None:
    left = standing(threshold, failures).tries_left(arms)
    assert left is not None
    if left:
        assert threshold - (failures + left * arms) > KEPT_FREE
    assert threshold - (failures + (left + 1) * arms) <= KEPT_FREE


@pytest.mark.parametrize(("told", "left"), [(standing(0, 7), None), (Standing(None, 7), 1)])
def test_an_account_that_nothing_locks_has_no_limit_and_one_of_a_hidden_policy_is_tried_once_at_a_time(
    told: Standing, left: int | None
) -> None:
    assert told.tries_left(2) == left
    assert refusal({"zoe": told}, 2) is None


@pytest.mark.parametrize(
    ("threshold", "failures", "arms", "refused"),
    [(3, 0, 1, True), (4, 0, 1, False), (4, 0, 2, True), (5, 0, 2, False), (5, 1, 2, True), (10, 6, 1, False)],
)
def test_a_run_is_refused_where_one_wrong_password_of_each_arm_would_come_too_near(
    threshold: int, failures: int, arms: int, refused: bool
) -> None:
    assert (refusal({"zoe": standing(threshold, failures)}, arms) is not None) is refused


def test_a_refusal_names_the_accounts_that_are_nearest_and_a_threshold_that_would_do() -> None:
    found = refusal({"zoe": standing(5), **{f"u{n}": standing(5, n) for n in range(8)}}, 1)
    assert found is not None
    assert "6 of 9" in found.found
    assert "u7 (7 of 5 used), u6 (6 of 5 used)" in found.found and "and 1 more" in found.found
    assert "zoe" not in found.found
    enough = int(found.advice.split("or ")[1].split()[0])
    assert refusal({"u7": standing(enough, 7)}, 1) is None
    assert refusal({"u7": standing(enough - 1, 7)}, 1) is not None


def test_an_account_is_tried_no_more_than_is_left_until_it_is_let_in_and_then_as_often_as_need_be() -> None:
    allowance = Allowance({"zoe": standing(5), "eve": standing(0)}, arms=1)  # two are left of zoe's
    for _ in range(2):
        assert allowance.may_be_tried("zoe")
        allowance.begin("zoe")
    assert not allowance.may_be_tried("zoe")
    allowance.end("zoe", let_in=False)  # a time-out: it may have been a wrong password all the same
    assert not allowance.may_be_tried("zoe")
    allowance.end("zoe", let_in=True)
    assert all(allowance.may_be_tried(user) for user in ("zoe", "eve", "unknown"))


def test_a_login_waits_for_the_answer_to_an_earlier_one_of_its_account_and_for_no_other() -> None:
    allowance = Allowance({"zoe": standing(4), "eve": standing(4)}, arms=1)
    allowance.begin("zoe")
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            allowance.end("zoe", let_in=True)

    allowance.wait("eve", nap)
    assert naps == []
    allowance.wait("zoe", nap)
    assert len(naps) == 3 and allowance.may_be_tried("zoe")
    allowance.begin("eve")
    allowance.end("eve", let_in=False)
    allowance.wait("eve", nap)  # nothing is under way: it is for the caller to leave it out
    assert len(naps) == 3 and not allowance.may_be_tried("eve")


# What is remembered.


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def denials_of(domain: str, state: str = "state") -> Denials:
    """Those of a domain, by credentials in this state."""
    return Denials(domain, lambda _: state)


def test_an_account_that_was_denied_is_refused_by_whatever_way_in_until_its_credentials_change() -> None:
    denials_of("REGION.TEST", "file, first state").note("Zoe", WRONG)
    with pytest.raises(CredentialError, match="zoe was denied 0 min ago, by the credentials that are there now"):
        denials_of("REGION.TEST", "file, first state").check(["eve", "zoe"])
    for other in (
        denials_of("REGION.TEST", "file, second state"),
        denials_of("CLINIC.TEST", "file, first state"),
    ):
        other.check(["eve", "zoe"])


def test_an_account_that_was_denied_twice_is_refused_for_a_while_whatever_has_changed() -> None:
    for number in range(2):
        denials_of("REGION.TEST", f"state {number}").check(["zoe"])
        denials_of("REGION.TEST", f"state {number}").note("zoe", WRONG)
    with pytest.raises(CredentialError, match="zoe was denied 2 times within 30 min"):
        denials_of("REGION.TEST", "").check(["zoe"])


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Denials]:
    """A machine's denials by its name: each has a cache and a file of credentials of its own."""

    def machine(name: str) -> Denials:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        file = tmp_path / f"{name}.csv"
        if not file.exists():
            file.write_text("zoe,old")
            os.utime(file, (time.time() - 3600, time.time() - 3600))
        return Denials("REGION.TEST", lambda _: source_of(Credentials(csv=str(file))))

    return machine


def test_an_account_that_one_machine_was_denied_is_refused_on_all_others_at_the_next_run(
    machines: Callable[[str], Denials], tmp_path: Path
) -> None:
    key = machines("first worker").note("Zoe", WRONG)
    machines("master").hear([{"user": "Zoe", "key": key, "ago_s": 0.0}])
    second = machines("second worker")
    second.check(["zoe"])
    second.hear(machines("master").told())
    with pytest.raises(CredentialError, match="zoe was denied 0 min ago, by the credentials that are there now"):
        machines("second worker").check(["zoe"])
    (tmp_path / "second worker.csv").write_text("zoe,new")
    machines("second worker").check(["zoe"])
    machines("second worker").hear(machines("master").told())
    machines("second worker").check(["zoe"])


def test_one_denial_counts_once_however_often_it_is_told(machines: Callable[[str], Denials], tmp_path: Path) -> None:
    key = machines("worker").note("zoe", WRONG)
    told = [{"user": "zoe", "key": key, "ago_s": 1.0}]
    for _ in range(3):
        machines("worker").hear(told)
        machines("master").hear(told)
    assert len(machines("master").told()) == 1
    for name in ("worker", "master"):
        (tmp_path / f"{name}.csv").write_text("zoe,new")
        machines(name).check(["zoe"])


def test_an_account_that_was_denied_on_two_machines_is_refused_for_a_while(
    machines: Callable[[str], Denials], tmp_path: Path
) -> None:
    told = [{"user": "zoe", "key": machines(name).note("zoe", WRONG), "ago_s": 5.0} for name in ("first", "second")]
    (tmp_path / "third.csv").write_text("zoe,new")
    third = machines("third")
    third.hear(told)
    with pytest.raises(CredentialError, match="zoe was denied 2 times within 30 min"):
        third.check(["zoe"])


def test_a_denial_that_is_no_wrong_password_is_not_remembered() -> None:
    for code in ("KDC_ERR_CLIENT_REVOKED", "KDC_ERR_KEY_EXPIRED"):
        denials_of("REGION.TEST", "state").note("zoe", Outcome("denied", code))
    denials_of("REGION.TEST", "state").check(["zoe"])


def test_denials_of_yesterday_and_lines_that_were_cut_off_are_passed_over(tmp_path: Path) -> None:
    denials = denials_of("REGION.TEST", "state")
    denials.note("zoe", WRONG)
    (file,) = (tmp_path / "cache" / "authgate").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    old = file.read_text().replace(f"{int(time.time()) // 1000}", f"{int(time.time()) // 1000 - 200}", 1)
    file.write_text(old + '{"at": 1, "dom')
    denials.check(["zoe"])


def test_a_file_that_has_grown_large_keeps_what_still_counts_alone(tmp_path: Path) -> None:
    denials_of("REGION.TEST").note("zoe", WRONG)
    (file,) = (tmp_path / "cache" / "authgate").iterdir()
    old = '{"at": 1.0, "domain": "REGION.TEST", "user": "eve", "source": "state"}\n'
    file.write_text(old * 20_000 + file.read_text())
    with denials_of("CLINIC.TEST").one_at_a_time():
        pass
    assert len(file.read_text().splitlines()) == 1 and file.stat().st_mode & 0o077 == 0
    assert denials_of("REGION.TEST").refused(["zoe", "eve"]).keys() == {"zoe"}


def test_while_one_process_tries_an_account_first_another_one_waits(tmp_path: Path) -> None:
    code = (
        "from harness.guards.denials import Denials\n"
        "with Denials('X', str).one_at_a_time(): print('in', flush=True); input()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "in\n"
        naps = []

        def nap(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 3:
                other.communicate("\n")

        with denials_of("X", "").one_at_a_time(nap):
            assert len(naps) >= 3


def targets(environment: str, **credentials: str) -> Targets:
    def arm(port: int) -> dict[str, object]:
        directory = {"uri": "ldap://127.0.0.1", "service_host": "dc1.region.test", "user_base": "", "group_base": ""}
        kdcs = [f"127.0.0.1:{port}"]
        return {"realm": "REGION.TEST", "kdcs": kdcs, "directory": directory, "credentials": credentials}

    document = {"environment": environment, "arms": {"baseline": arm(88), "candidate": arm(89)}}
    return Targets.model_validate(document)


def test_the_arms_of_one_realm_count_together_and_the_arms_of_labs_do_not() -> None:
    production, lab = targets("pre-production", env="X"), targets("lab", env="X")
    assert (arms_together(production, "baseline"), arms_together(lab, "baseline")) == (2, 1)
    assert domain_of(production, "baseline") == "REGION.TEST"
    assert domain_of(lab, "baseline") != domain_of(lab, "candidate")


def test_the_state_of_credentials_changes_with_their_file_and_holds_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("zoe,secret\n")
    told = Credentials(csv=str(file))
    before = source_of(told)
    assert before == source_of(told) and "secret" not in before and str(file) in before
    os.utime(file, (1, 1))
    assert source_of(told) != before
    assert source_of(Credentials(env="X")) == source_of(None) == ""
