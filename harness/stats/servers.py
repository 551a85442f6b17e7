"""Which server answered each step, and how fast, where an arm has several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.model.attempt import AttemptTable, Ints
from harness.model.comparison import Design
from harness.model.policy import Policy
from harness.model.servers import ServerTimes
from harness.model.shown import Distribution
from harness.model.target import ARMS, Arm
from harness.stats.logins import Logins, Timed, logins_of, steps_timed, usable_pairs


def server_times(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> tuple[ServerTimes, ...]:
    """The servers of those steps in which an arm had several, for each cohort apart.

    It describes the logins that were judged, and takes no part in the verdict.
    """
    logins = logins_of(table, design, usable_pairs(pairs, design, policy))
    return answered(answers_of(table, logins, steps_timed(table, logins, design.timeout_s)))


Answers = Mapping[tuple[str, str, Arm, str], Distribution]
"""The times (s) of the step of a cohort, by arm and server: the keys have step, cohort, arm and server."""


def answers_of(table: AttemptTable, logins: Logins, steps: Mapping[str, Timed]) -> Answers:
    """The servers of every step of logins that count; pieces of a run add up to the whole."""
    _, pairs, arms = logins.shape
    found: dict[tuple[str, str, Arm, str], Distribution] = {}

    def cohort_and_arm(cell: Ints) -> Ints:
        return cell // max(pairs * arms, 1) * arms + cell % arms

    of_all = cohort_and_arm(logins.used)  # most steps are taken by every login
    for step, timed in steps.items():
        columns = table.steps[step]
        if columns.server is None or not len(timed.cell):
            continue
        of_cohort_and_arm = of_all if timed.cell is logins.used else cohort_and_arm(timed.cell)
        kind = of_cohort_and_arm * len(columns.servers) + columns.server[timed.at]
        kinds = len(table.cohorts) * arms * len(columns.servers)
        for here, times_s in enumerate(Distribution.of_each(timed.times_s, kind, kinds)):
            if len(times_s.values):
                rest, of_server = divmod(here, len(columns.servers))
                of_cohort, of_arm = divmod(rest, arms)
                found[step, table.cohorts[of_cohort], ARMS[of_arm], columns.servers[of_server]] = times_s
    return found


def joined(pieces: Sequence[Answers]) -> Answers:
    """Pieces of a run as one."""
    keys = dict.fromkeys(key for piece in pieces for key in piece)
    return {key: Distribution.joined([piece[key] for piece in pieces if key in piece]) for key in keys}


def answered(whole: Answers) -> tuple[ServerTimes, ...]:
    """The servers of a run's steps in which an arm had several that have a name."""
    servers: dict[tuple[str, Arm], set[str]] = {}
    taken: Counter[tuple[str, str, Arm]] = Counter()
    for (step, cohort, arm, server), found in whole.items():
        servers.setdefault((step, arm), set()).update({server} - {""})
        taken[step, cohort, arm] += len(found)
    several = {step for (step, _), names in servers.items() if len(names) > 1}
    return tuple(
        ServerTimes(arm, cohort, step, server, len(found), len(found) / taken[step, cohort, arm],
                    found.quantile(0.5), found.quantile(0.95))
        for (step, cohort, arm, server), found in whole.items()
        if step in several
    )  # fmt: skip
