"""What to do next, for whoever reads a verdict: one or two sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.gate.findings import pairs_that_decide
from harness.gate.words import lasting
from harness.model.comparison import Comparison
from harness.model.policy import Policy
from harness.model.target import ARMS, Arm
from harness.model.verdict import Kind, Verdict

NEXT = {
    Kind.PASS: "Deploy it as your change process says, and keep this report with the change.",
    Kind.BLOCK: "Keep the present servers. Look at the step that is blamed and at what changed on the wire, mend it, "
    "and run the gate again.",
    Kind.INVALID: "Mend what is listed as a reason, and measure again: this run says nothing about the update.",
}
LONGER = "Measure again for longer, with the update kept out until then."
SOAK_LONGER = "Soak again for longer, as the reasons say, with the update kept out until then."


def what_next(verdict: Verdict, comparison: Comparison | None, policy: Policy | None, soak: bool = False) -> str:
    """What a reader of the verdict should do; of an open one how much longer to measure, at the noise that it saw."""
    if verdict.kind is not Kind.INCONCLUSIVE:
        return NEXT[verdict.kind]
    if soak or comparison is None or policy is None:
        return SOAK_LONGER if soak else LONGER
    return " ".join(_decisions(comparison, policy)) or LONGER


def what_next_of_one(verdict: Verdict, arm: Arm) -> str:
    """The same of a run of one arm."""
    if verdict.kind is Kind.INVALID:
        return NEXT[Kind.INVALID]
    (other,) = (known for known in ARMS if known != arm)
    return (
        f"Measure both arms in one run (authgate gate), or the {other} alone (authgate run --arm {other}) and then "
        "compare the two runs (authgate compare BASELINE CANDIDATE)."
    )


def _decisions(comparison: Comparison, policy: Policy) -> Iterator[str]:
    needed = [more for more in pairs_that_decide(comparison, policy).values() if more is not None]
    if not comparison.design.interleaved:
        yield "Measure both arms in one run (authgate gate): arms measured one after the other can't decide it."
        return
    if finite := [more for more in needed if math.isfinite(more)]:
        pairs = math.ceil(max(finite))
        time = lasting(pairs * comparison.design.pair_s / 60)
        yield (
            f"Measure again for longer: about {pairs} more pairs of blocks ({time}) at this noise, "
            f"{comparison.seen + pairs} in all (blocks.pairs in the scenario)."
        )
    if undecidable := len(needed) - len(finite):
        which = "1 metric lies" if undecidable == 1 else f"{undecidable} metrics lie"
        yield (
            f"{which} too close to the margin for more pairs to decide: find out where the added time comes from, or "
            "lower the noise (authgate doctor, authgate calibrate)."
        )
