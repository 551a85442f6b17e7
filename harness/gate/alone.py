"""The verdict on a run of one arm, which is none: there is nothing to compare it with."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.target import ARMS, Arm
from harness.model.verdict import Kind, Verdict


def judge_alone(arm: Arm, pairs: int, load_s: float, faults: Sequence[str], interrupted: str) -> Verdict:
    """INCONCLUSIVE, with what would make a verdict of it; INVALID where the evidence can't be relied on."""
    (other,) = (known for known in ARMS if known != arm)
    ended = (f"the run ended early: {interrupted}",) if interrupted else ()
    if faults:
        sentence = (
            f"No verdict: the measurement itself was not sound ({faults[0]}), so it says nothing about the servers."
        )
        reasons = (*ended, *faults)
    else:
        sentence = f"Nothing is judged: this run measured the {arm} alone."
        reasons = (*ended, f"a verdict needs both arms: the {other} was not measured")
    return Verdict(
        kind=Kind.INVALID if faults else Kind.INCONCLUSIVE,
        sentence=sentence,
        reasons=reasons,
        notices=(),
        findings=(),
        blamed_step=None,
        pairs_used=pairs,
        load_s=load_s,
        final=True,
    )
