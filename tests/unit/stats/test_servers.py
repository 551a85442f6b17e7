"""Which server answered each step: only where there are several, and no arm mixed with another."""

from __future__ import annotations

import numpy as np
import pytest

from harness.model.attempt import STATUSES, AttemptTable, StepColumns
from harness.model.comparison import Design
from harness.model.policy import Policy
from harness.stats.servers import server_times

LOGINS, TIMEOUT_S = 100, 10.0
DESIGN = Design(block_s=15, trim_s=1, horizon_pairs=1, timeout_s=TIMEOUT_S)
NEAR, FAR, NOBODY = 0, 1, 2
SERVERS = ("127.0.0.2:88", "127.0.0.3:88", "")


def table(candidates: list[int], failed: bool = False) -> AttemptTable:
    """One pair of blocks of cold logins with one step: the baseline's server is NEAR and takes 10 ms, FAR takes 50."""
    arm = np.repeat(np.arange(2, dtype=np.int8), LOGINS)
    server = np.concatenate([np.full(LOGINS, NEAR), np.resize(candidates, LOGINS)]).astype(np.int16)
    took = np.where(server == FAR, 0.050, 0.010)
    status = np.where((server == NOBODY) | failed, STATUSES.index("timeout"), 0).astype(np.int8)
    zeros = np.zeros(2 * LOGINS, dtype=np.int64)
    return AttemptTable(
        arm=arm,
        block=arm.astype(np.int64),
        pair=zeros,
        offset_s=np.full(2 * LOGINS, 5.0),
        intended_s=5.0 + 15.0 * arm,
        cohort=zeros.astype(np.int8),
        status=status,
        response_s=took,
        service_s=took.copy(),
        steps={"kdc_as": StepColumns(np.arange(2 * LOGINS), took.copy(), status.copy(), server, SERVERS)},
    )


def found(of: AttemptTable) -> dict[tuple[str, str], tuple[int, float, float, float]]:
    rows = server_times(of, DESIGN, Policy(discard_pairs=0), [0])
    assert {(row.cohort, row.step) for row in rows} <= {("cold", "kdc_as")}
    return {(row.arm, row.server): (row.count, row.share, round(row.p50_s, 9), round(row.p95_s, 9)) for row in rows}


def test_each_arms_servers_have_their_share_and_their_own_times() -> None:
    assert found(table([NEAR, NEAR, NEAR, FAR])) == {
        ("baseline", SERVERS[NEAR]): (100, 1.0, 0.010, 0.010),
        ("candidate", SERVERS[NEAR]): (75, 0.75, 0.010, 0.010),
        ("candidate", SERVERS[FAR]): (25, 0.25, 0.050, 0.050),
    }


@pytest.mark.parametrize("candidates", [[NEAR], [FAR], [FAR, NOBODY]])
def test_arms_of_one_server_each_have_no_table(candidates: list[int]) -> None:
    assert found(table(candidates)) == {}


def test_a_step_that_nobody_answered_lasts_as_long_as_the_time_out() -> None:
    rows = found(table([NEAR, FAR, NOBODY, NOBODY]))
    assert rows["candidate", ""] == (50, 0.5, TIMEOUT_S, TIMEOUT_S)


def test_logins_of_the_trim_are_left_out_and_a_table_without_servers_has_none() -> None:
    whole = table([NEAR, FAR])
    trimmed = Design(block_s=15, trim_s=6, horizon_pairs=1, timeout_s=TIMEOUT_S)
    assert server_times(whole, trimmed, Policy(discard_pairs=0), [0]) == ()
    columns = whole.steps["kdc_as"]
    without = StepColumns(columns.row, columns.service_s, columns.status)
    old = AttemptTable(**{**{name: getattr(whole, name) for name in whole.__slots__}, "steps": {"kdc_as": without}})
    assert found(old) == {}


def test_steps_of_two_tables_are_joined_with_the_servers_of_both() -> None:
    def columns(server: list[int], servers: tuple[str, ...]) -> StepColumns:
        n = len(server)
        places = np.array(server, dtype=np.int16)
        return StepColumns(np.arange(n), np.ones(n), np.zeros(n, dtype=np.int8), places, servers)

    joined = StepColumns.joined([(columns([0, 1], ("a", "b")), 0), (columns([0, 1, 0], ("b", "c")), 2)])
    assert joined.server is not None
    assert [joined.servers[place] for place in joined.server] == ["a", "b", "b", "c", "b"]
    assert joined.row.tolist() == [0, 1, 2, 3, 4]
    foreign = StepColumns(np.arange(1), np.ones(1), np.zeros(1, dtype=np.int8))
    assert StepColumns.joined([(columns([0], ("a",)), 0), (foreign, 1)]).server is None
