"""What the watch of a run keeps of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.model.attempt import OK, Attempt, Outcome, StepTiming
from harness.model.plan import NS, Arriving, Block, Plan
from harness.record.schema import attempts_batch
from harness.run.tally import Tally

BLOCKS = tuple(
    Block(index, index // 2, ("baseline", "candidate")[index % 2], index * 10 * NS, 10 * NS,
          Arriving(10 * index, index * 10 * NS, np.arange(10), np.arange(10) * NS, np.zeros(10, np.int32),
                   np.zeros(10, np.int8), ("cold",)))
    for index in range(4)
)  # fmt: skip


def attempts(block: Block, denied: int = 0) -> list[Attempt]:
    return [
        Attempt(a.seq, block.arm, block.index, block.pair, "u", "cold", a.intended, a.intended, a.intended + NS,
                Outcome("denied", "X") if i < denied else OK, ())
        for i, a in enumerate(block.arrivals)
    ]  # fmt: skip


def test_counts_add_up_over_batches_and_only_the_last_seconds_are_kept() -> None:
    tally = Tally(Plan("digest", 1, BLOCKS), window_s=5.0)
    for block in BLOCKS[:3]:
        rows = attempts(block, denied=block.index)
        tally.add(attempts_batch(rows[:4]))
        tally.add(attempts_batch(rows[4:]))
    assert tally.by_block.tolist() == [10, 10, 10, 0]
    assert tally.by_pair.tolist() == [20, 10]
    assert (tally.total, tally.denied) == (30, 3)
    recent = tally.recent(30 * NS)
    assert recent["seq"].to_pylist() == [25, 26, 27, 28, 29]
    assert len(tally.recent(60 * NS)) == 0
    assert tally.total == 30


def test_failures_are_counted_by_arm_step_and_code() -> None:
    tally = Tally(Plan("digest", 1, BLOCKS), window_s=5.0)
    tally.add(attempts_batch(attempts(BLOCKS[0])))
    tally.add(attempts_batch(attempts(BLOCKS[1], denied=3)))
    slow = replace(
        attempts(BLOCKS[1])[0],
        outcome=Outcome("timeout", "DEADLINE"),
        steps=(
            StepTiming("kdc_as", 10 * NS, 10 * NS, OK),
            StepTiming("ldap_bind", 10 * NS, 11 * NS, Outcome("timeout")),
        ),
    )
    tally.add(attempts_batch([slow]))
    assert tally.ended == {"baseline": 10, "candidate": 11}
    assert tally.failures == {("candidate", "", "denied X"): 3, ("candidate", "ldap_bind", "timeout DEADLINE"): 1}


def test_no_login_is_copied_to_show_the_last_seconds_but_those_at_the_windows_edge() -> None:
    tally = Tally(Plan("digest", 1, BLOCKS), window_s=5.0)
    rows = attempts(BLOCKS[2])
    batches = [attempts_batch(rows[start : start + 2]) for start in range(0, len(rows), 2)]
    for batch in batches:
        tally.add(batch)
    shown = tally.recent(rows[3].ended + round(5.0 * NS)).column("steps").chunks
    kept = [chunk.buffers()[1].address for chunk in shown]
    assert kept == [batch["steps"].buffers()[1].address for batch in batches[2:]]
