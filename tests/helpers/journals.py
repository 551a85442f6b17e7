"""Logins and seconds of health written out by hand, and the journals that workers make of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.model.attempt import OK, Attempt, Outcome, StepTiming
from harness.model.target import Arm
from harness.record.folder import RunFolder
from harness.record.journal import JournalWriter
from harness.record.schema import ATTEMPTS, HEALTH, HealthSecond, attempts_batch, health_batch

MS = 1_000_000
DENIED = Outcome("denied", "KDC_ERR_CLIENT_REVOKED")


def attempt(seq: int = 0, *, steps: Sequence[StepTiming] = (), **changes: Any) -> Attempt:
    """A login that took 30 ms and began 2 ms late."""
    fields: dict[str, Any] = {
        "arm": "baseline", "block": 0, "pair": 0, "user": "u000001", "cohort": "cold", "intended": 100 * MS,
        "started": 102 * MS, "ended": 132 * MS, "outcome": OK,
    }  # fmt: skip
    return Attempt(seq=seq, steps=tuple(steps), **{**fields, **changes})


AS = StepTiming("kdc_as", 102 * MS, 112 * MS, OK, pool_wait=MS)
BIND = StepTiming("ldap_bind", 112 * MS, 132 * MS, OK, server="127.0.0.2:389")
LATER = {"arm": "candidate", "block": 3, "pair": 1, "cohort": "warm"}
LOGINS = (
    attempt(0, steps=[AS, BIND]),
    attempt(1, steps=[StepTiming("ldap_bind", 5_010 * MS, 5_015 * MS, DENIED)], intended=5_001 * MS,
            started=5_010 * MS, ended=5_015 * MS, outcome=DENIED, seat_wait=9 * MS, **LATER),
    attempt(2, intended=5_002 * MS, started=5_002 * MS, ended=5_002 * MS, outcome=Outcome("withheld", "X"), **LATER),
    attempt(3, steps=[AS], ended=10_102 * MS, outcome=Outcome("timeout", "DEADLINE")),
)  # fmt: skip


def batch(*seqs: int) -> Any:
    return attempts_batch([attempt(seq, steps=[AS, BIND][: seq % 3]) for seq in seqs])


def second(t: int, arm: Arm = "baseline") -> HealthSecond:
    return HealthSecond(arm, t, 20, 1.5, 2.5, 0.5, 1.25, 4.0, 0.3, 7, 120.5)


def written(path: Path, batches: Sequence[Any], schema: Any = ATTEMPTS) -> Path:
    writer = JournalWriter(path, schema)
    for each in batches:
        writer.write(each)
    writer.close()
    return path


def fill(run: RunFolder) -> None:
    """Journals of both arms, written as two workers do, so that neither is in the order of seq alone."""
    for arm, seqs in (("baseline", (0, 3)), ("candidate", (2, 1))):
        written(run.journal("attempts", arm), [batch(seqs[0]), batch(seqs[1])])
        written(run.journal("health", arm), [health_batch([second(seqs[1], "baseline"), second(seqs[0])])], HEALTH)
