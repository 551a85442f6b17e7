"""What tries that were given up do to the figures: they add up, blame nobody wrongly, and are never judged."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from harness.gate.findings import findings_of
from harness.gate.sentences import blame_in_words, blamed_step
from harness.model.attempt import OK, Attempt, AttemptTable, Outcome, StepTiming
from harness.model.comparison import Design
from harness.model.plan import NS
from harness.model.policy import Policy
from harness.model.retries import RetryAnatomy
from harness.model.steps import EARLIER_TRIES
from harness.model.target import ARMS
from harness.record.columns import attempt_table
from harness.record.schema import ATTEMPTS, attempts_batch
from harness.stats.attribution import anatomy
from harness.stats.compare import compare
from harness.stats.failures import failure_anatomy
from harness.stats.retries import retry_anatomy

PAIRS, LOGINS, BLOCK_S = 6, 60, 60
DESIGN = Design(block_s=BLOCK_S, trim_s=0, horizon_pairs=PAIRS, timeout_s=32)
POLICY = Policy(discard_pairs=0)
LATE = Outcome("timeout", "DEADLINE")


def login(seq: int, rng: np.random.Generator) -> Attempt:
    """Of the candidate's logins one in three is given up once, at the front, and one in six fails at last."""
    block, place = divmod(seq, LOGINS)
    pair, arm = divmod(block, 2)
    at = block * BLOCK_S * NS + place * NS // 2
    steps, now = [], at
    fails = arm == 1 and place % 6 == 0
    earlier = 2 if fails else int(arm == 1 and place % 3 == 0)
    for under_way in ("http_negotiate", "kdc_as")[:earlier]:
        steps.append(StepTiming(EARLIER_TRIES, now, now + 11 * NS, Outcome("timeout", under_way)))
        now = steps[-1].ended
    for step, mean_s in (("kdc_as", 0.02), ("http_negotiate", 10.0 if fails else 0.1 + 4.5 * arm)):
        took = round(mean_s * (1.0 if fails else rng.uniform(0.9, 1.1)) * NS)
        steps.append(StepTiming(step, now, now + took, LATE if fails and step == "http_negotiate" else OK))
        now += took
    return Attempt(seq, ARMS[arm], block, pair, "u", "cold", at, at, now, LATE if fails else OK, tuple(steps))


@pytest.fixture(scope="module")
def attempts() -> list[Attempt]:
    rng = np.random.default_rng(3)
    return [login(seq, rng) for seq in range(2 * PAIRS * LOGINS)]


@pytest.fixture(scope="module")
def table(attempts: list[Attempt]) -> AttemptTable:
    starts = {block: block * BLOCK_S * NS for block in range(2 * PAIRS)}
    return attempt_table(pa.Table.from_batches([attempts_batch(attempts)], ATTEMPTS), starts)


@pytest.fixture(scope="module")
def found(table: AttemptTable) -> RetryAnatomy:
    anatomy = retry_anatomy(table, DESIGN, POLICY, range(PAIRS))
    assert anatomy is not None
    return anatomy


def test_planted_retries_are_found_on_the_arm_and_in_the_step_where_they_were(found: RetryAnatomy) -> None:
    assert (found.again.baseline, found.again.candidate) == pytest.approx((0, 1 / 3))
    assert (found.tries.baseline, found.tries.candidate) == pytest.approx((1, 1.5))
    in_step = {step: part.candidate for step, part in found.given_up.items()}
    assert in_step == pytest.approx({"http_negotiate": 1 / 3, "kdc_as": 1 / 6})


def test_the_tries_given_up_in_each_step_add_up_to_all_beyond_the_first(found: RetryAnatomy) -> None:
    assert sum(part.added for part in found.given_up.values()) == pytest.approx(found.tries.added)
    assert sum(part.candidate for part in found.given_up.values()) == pytest.approx(found.tries.candidate - 1)


def test_the_time_lost_in_earlier_tries_is_part_of_a_slowdown_whose_parts_still_add_up(table: AttemptTable) -> None:
    for part in anatomy(table, DESIGN, POLICY, range(PAIRS)):
        assert EARLIER_TRIES in {p.step for p in part.parts}
        assert sum(p.added_s for p in part.parts) == pytest.approx(part.added_s)
        elsewhere = next(p for p in part.parts if p.step == "elsewhere")
        assert elsewhere.added_s == pytest.approx(0, abs=1e-6), "no failed step is charged for its earlier tries"


def test_earlier_tries_are_shown_and_neither_judged_nor_blamed(table: AttemptTable) -> None:
    compared = compare(table, DESIGN, POLICY, range(PAIRS))
    judged = [shift.metric.step for shift in compared.shifts] + [each.metric.step for each in compared.not_judged]
    assert EARLIER_TRIES not in judged
    spent = {part.step: part.added_s for part in compared.attribution}
    assert spent[EARLIER_TRIES] == pytest.approx(11 * 0.5)
    assert blamed_step(findings_of(compared, True, POLICY), compared.attribution) == "http_negotiate"
    words = blame_in_words("http_negotiate", compared.attribution)
    assert spent[EARLIER_TRIES] > spent["http_negotiate"]
    assert words.startswith("most time is lost in tries that were given up, and then in the step http_negotiate")


def test_a_try_that_was_given_up_is_no_failure_and_a_login_that_failed_has_the_cause_of_its_last_try(
    table: AttemptTable,
) -> None:
    failures = failure_anatomy(table, DESIGN, POLICY, range(PAIRS))
    assert failures is not None
    assert failures.added == pytest.approx(1 / 6)
    assert [str(part.cause) for part in failures.parts] == ["http_negotiate DEADLINE"]


def test_where_nobody_came_back_or_pairs_are_too_few_nothing_is_said(
    table: AttemptTable, attempts: list[Attempt]
) -> None:
    assert retry_anatomy(table, DESIGN, POLICY, range(2)) is None
    calm = [attempt for attempt in attempts if attempt.tries == 1]
    starts = {block: block * BLOCK_S * NS for block in range(2 * PAIRS)}
    once = attempt_table(pa.Table.from_batches([attempts_batch(calm)], ATTEMPTS), starts)
    assert once.given_up is None
    assert retry_anatomy(once, DESIGN, POLICY, range(PAIRS)) is None
    early = [attempt for attempt in attempts if attempt.pair == 0 or attempt.tries == 1]
    then_calm = attempt_table(pa.Table.from_batches([attempts_batch(early)], ATTEMPTS), starts)
    assert retry_anatomy(then_calm, DESIGN, Policy(discard_pairs=1), range(PAIRS)) is None
    first = Policy(discard_pairs=PAIRS)
    assert retry_anatomy(table, DESIGN, first, range(PAIRS)) is None
