"""A login that isn't done in time is given up and tried again; a denied one never is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from harness.login.path import LoginResult
from harness.login.tries import tried
from harness.model.attempt import OK, Outcome, StepTiming
from harness.model.patience import Patience
from harness.model.steps import EARLIER_TRIES

LATE, DENIED, BROKEN = Outcome("timeout", "DEADLINE"), Outcome("denied", "KDC_ERR_X"), Outcome("error", "LDAP 51")
PATIENCE = Patience(gives_up_s=10, tries=3, again_after_s=1)


class Scripted:
    """Tries that end as they are told to, and a clinician who comes back until ``refused``."""

    def __init__(self, *outcomes: Outcome, refused: bool = False) -> None:
        self.sent: list[Outcome] = []
        self.pauses: list[float] = []
        self._outcomes = iter(outcomes)
        self._refused = refused

    def one_try(self) -> LoginResult:
        outcome = next(self._outcomes)
        self.sent.append(outcome)
        began = time.monotonic_ns()
        steps = (StepTiming("kdc_as", began, began, OK, pool_wait=7), StepTiming("http", began, began + 1, outcome))
        return LoginResult(outcome, steps)

    def comes_back(self, after_s: float) -> bool:
        self.pauses.append(after_s)
        return not self._refused

    def result(self, patience: Patience | None = PATIENCE) -> LoginResult:
        return tried(self.one_try, patience, self.comes_back)


def test_a_login_not_done_in_time_is_tried_again_after_the_pause_and_its_steps_are_those_of_the_last_try() -> None:
    tries = Scripted(LATE, LATE, OK)
    found = tries.result()
    assert found.outcome == OK
    assert tries.pauses == [1.0, 1.0]
    assert [step.step for step in found.steps] == [EARLIER_TRIES, EARLIER_TRIES, "kdc_as", "http"]
    first, second, begun, _ = found.steps
    assert first.outcome == second.outcome == Outcome("timeout", "http"), "what was under way is kept"
    assert first.pool_wait == 7, "a shortage of threads does not vanish with the try"
    assert first.started <= first.ended <= second.started <= second.ended <= begun.started


def test_a_login_is_tried_so_often_and_no_more() -> None:
    tries = Scripted(LATE, LATE, LATE, OK)
    assert tries.result().outcome == LATE
    assert len(tries.sent) == 3


def test_without_patience_a_login_is_tried_once() -> None:
    tries = Scripted(LATE, OK)
    assert tries.result(None).outcome == LATE
    assert len(tries.sent) == 1


@given(st.lists(st.sampled_from([OK, LATE, DENIED, BROKEN]), min_size=10), st.integers(1, 10))
def test_nothing_is_sent_after_an_answer_and_above_all_not_after_a_denial(
    outcomes: Sequence[Outcome], at_most: int
) -> None:
    tries = Scripted(*outcomes)
    found = tries.result(Patience(gives_up_s=1, tries=at_most, again_after_s=0))
    assert all(outcome == LATE for outcome in tries.sent[:-1])
    assert found.outcome == tries.sent[-1]
    assert sum(step.step == EARLIER_TRIES for step in found.steps) == len(tries.sent) - 1 < at_most


def test_a_clinician_whose_account_was_denied_meanwhile_does_not_come_back() -> None:
    tries = Scripted(LATE, OK, refused=True)
    assert tries.result().outcome == LATE
    assert len(tries.sent) == 1
