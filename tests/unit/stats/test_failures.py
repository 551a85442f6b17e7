"""Which failures a difference comes from: planted truth, and causes that add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from harness.model.attempt import OK, STATUSES, Attempt, AttemptTable, Outcome, StepTiming
from harness.model.failures import Cause, FailureAnatomy
from harness.model.plan import NS
from harness.model.policy import Policy
from harness.model.target import ARMS
from harness.record.columns import attempt_table
from harness.record.schema import ATTEMPTS, attempts_batch
from harness.stats.failures import NAMED_AT_MOST, failure_anatomy
from tests.helpers.synthetic import DESIGN, World, table_of

POLICY = Policy(discard_pairs=0)
UNREACHABLE = Cause("kdc_as", "error", "KRB5_KDC_UNREACH")


def with_codes(table: AttemptTable, code: str = "KRB5_KDC_UNREACH") -> AttemptTable:
    """The planted failures told their code."""
    return replace(table, code=(table.status != 0).astype(np.int16), codes=("", code))


def busy_everywhere(table: AttemptTable, share: float, kinds: int = 1) -> AttemptTable:
    """A share of both arms' logins that went well fail at the bind instead, with one of so many codes."""
    rng = np.random.default_rng(5)
    struck = (table.status == 0) & (rng.uniform(size=len(table)) < share)
    status = np.where(struck, STATUSES.index("error"), table.status).astype(np.int8)
    bind = table.steps["ldap_bind"]
    broken = np.where(struck[bind.row], STATUSES.index("error"), bind.status).astype(np.int8)
    assert table.code is not None
    code = np.where(struck, rng.integers(0, kinds, len(table)) + len(table.codes), table.code).astype(np.int16)
    codes = (*table.codes, *(f"LDAP {51 + kind} busy" for kind in range(kinds)))
    return replace(
        table, status=status, code=code, codes=codes, steps={**table.steps, "ldap_bind": replace(bind, status=broken)}
    )


def found_in(table: AttemptTable, pairs: int) -> FailureAnatomy | None:
    return failure_anatomy(table, DESIGN, POLICY, range(pairs))


def test_a_planted_failure_is_laid_to_its_step_and_its_code_and_what_both_arms_share_is_not() -> None:
    table = busy_everywhere(with_codes(table_of(World(pairs=16, failing=0.05))), 0.02)
    found = found_in(table, 16)
    assert found is not None and found.shown
    assert found.added == pytest.approx(0.05, abs=0.01)
    parts = {part.cause: part for part in found.parts}
    assert set(parts) == {UNREACHABLE, Cause("ldap_bind", "error", "LDAP 51 busy")}
    worst = parts[UNREACHABLE]
    assert worst.baseline == 0.0 and worst.low < 0.05 < worst.high
    assert worst.part is not None and worst.part > 0.8
    shared = parts[Cause("ldap_bind", "error", "LDAP 51 busy")]
    assert shared.baseline == pytest.approx(0.02, abs=0.005)
    assert shared.low < 0 < shared.high


@pytest.mark.parametrize("kinds", [1, NAMED_AT_MOST + 5])
def test_the_causes_add_up_to_the_whole_even_where_they_are_too_many_to_be_named(kinds: int) -> None:
    table = busy_everywhere(with_codes(table_of(World(pairs=8, failing=0.1))), 0.1, kinds)
    found = found_in(table, 8)
    assert found is not None
    assert len(found.parts) <= NAMED_AT_MOST + 1
    assert (None in {part.cause for part in found.parts}) == (kinds > NAMED_AT_MOST)
    assert sum(part.added for part in found.parts) == pytest.approx(found.added, abs=1e-12)
    assert sum(part.part or 0.0 for part in found.parts) == pytest.approx(1.0)
    failed = [(table.status[(table.arm == arm) & (table.offset_s >= DESIGN.trim_s)] != 0).mean() for arm in (0, 1)]
    assert [sum(p.baseline for p in found.parts), sum(p.candidate for p in found.parts)] == pytest.approx(
        failed, rel=0.02
    )


def test_no_part_is_given_of_a_difference_that_may_be_zero() -> None:
    found = found_in(busy_everywhere(with_codes(table_of(World(pairs=12))), 0.05), 12)
    assert found is not None and not found.shown
    assert [part.part for part in found.parts] == [None]


def test_without_failures_or_with_two_pairs_there_is_nothing_to_say() -> None:
    assert found_in(table_of(World(pairs=6)), 6) is None
    assert found_in(table_of(World(pairs=6, failing=0.2)), 2) is None


def test_a_login_that_failed_outside_every_step_or_whose_code_nobody_kept_has_a_cause_all_the_same() -> None:
    table = table_of(World(pairs=6, failing=0.2))
    found = found_in(table, 6)
    assert found is not None and {part.cause for part in found.parts} == {Cause("kdc_as", "error", "")}
    assert str(found.parts[0].cause) == "kdc_as error"
    calm = table_of(World(pairs=6))
    given_up = np.where(calm.arm == 1, STATUSES.index("timeout"), 0).astype(np.int8)
    found = found_in(replace(calm, status=given_up), 6)
    assert found is not None and [str(part.cause) for part in found.parts] == ["outside every step timeout"]


def test_the_code_that_the_journal_keeps_is_the_cause_that_is_named() -> None:
    refused = Outcome("denied", "KDC_ERR_CLIENT_REVOKED")
    attempts = []
    for seq in range(48):
        pair, arm, failed = seq // 8, (seq // 4) % 2, seq % 8 == 4
        outcome, at = refused if failed else OK, (2 * pair + arm) * 15 * NS + 5 * NS
        attempts.append(
            Attempt(seq, ARMS[arm], 2 * pair + arm, pair, "u", "cold", at, at, at + NS, outcome,
                    (StepTiming("kdc_as", at, at + NS, outcome),))
        )  # fmt: skip
    starts = {block: block * 15 * NS for block in range(12)}
    table = attempt_table(pa.Table.from_batches([attempts_batch(attempts)], ATTEMPTS), starts)
    found = found_in(table, 6)
    assert found is not None and found.added == pytest.approx(0.25)
    assert [str(part.cause) for part in found.parts] == ["kdc_as KDC_ERR_CLIENT_REVOKED"]
