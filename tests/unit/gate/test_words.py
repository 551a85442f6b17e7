"""What a verdict says to whoever signs off the deployment, and to whoever has to find the cause."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.gate.judge import judge
from harness.gate.words import (
    change,
    lasting,
    level,
    longer,
    longer_than,
    part_of,
    points,
    seconds,
    share,
    step_title,
)
from harness.model.comparison import LeakTest, NotJudged
from harness.model.health import ArmHealth
from harness.model.metric import Metric
from harness.model.policy import Budgets, Policy
from harness.model.protocol import Difference
from harness.model.target import Arm
from harness.model.verdict import Kind, Verdict
from tests.helpers.synthetic import ENDED, HEALTH, POLICY, SOUND, World, compared


def verdict_on(world: World, health: dict[Arm, ArmHealth] = HEALTH) -> Verdict:
    return judge(compared(world), health, ENDED, POLICY)


def test_a_block_says_what_a_login_would_take_and_in_which_step() -> None:
    found = verdict_on(World(pairs=12, factors={"kdc_as": 50}))
    assert found.sentence.startswith("Do not deploy: with this update logins would take 1.")
    assert " s instead of 131 ms at the 95th percentile (1 login in 20), about 1" in found.sentence
    assert found.sentence.endswith("nearly all of the added time is in the step kdc_as (Kerberos AS exchange).")
    assert found.blamed_step == "kdc_as"


def test_a_block_for_failures_says_how_many_logins_would_fail_and_blames_the_failing_step() -> None:
    found = verdict_on(World(pairs=12, failing=0.3, failing_step="ldap_bind"))
    assert "% of logins would fail instead of 0 %" in found.sentence
    assert "10 s" not in found.sentence, "nobody's login took the time-out that failed logins count as"
    assert found.blamed_step == "ldap_bind"


def test_a_block_for_a_rare_stall_says_how_many_logins_it_strikes() -> None:
    found = verdict_on(World(pairs=39, rate=5, stalled=0.02))
    assert "% of logins would be slow (over 1 s and over 5 times a usual login) instead of 0 %" in found.sentence
    assert found.blamed_step == "ldap_bind"


def test_a_block_for_what_single_logins_show_says_nothing_of_times_that_noise_made() -> None:
    weaker = Difference("enctype-weaker", "kdc_as", "all", "session key", "aes256", "rc4")
    found = judge(compared(World(pairs=6, noise=0.3, factor=1.05)), HEALTH, ENDED, POLICY, (weaker,))
    assert found.sentence == (
        "Do not deploy: with this update logins change on the wire: kdc_as session key: aes256 → rc4 in single logins "
        "(enctype-weaker)."
    )


def test_a_run_of_one_pair_says_that_it_knows_nothing_about_the_noise() -> None:
    found = judge(compared(World(pairs=2)), HEALTH, ENDED, POLICY)
    assert any("a single difference says nothing about the noise" in reason for reason in found.reasons)
    assert not any("practical number of pairs" in reason for reason in found.reasons)


def test_where_no_step_blocks_noise_is_not_blamed() -> None:
    usual = compared(World(pairs=12))
    by_leak = replace(usual, leak=LeakTest(slope=0.1, se=0.01, p_value=1e-6, p_alike=1e-6, minutes=20))
    found = judge(by_leak, HEALTH, ENDED, POLICY)
    assert (found.kind, found.blamed_step) == (Kind.BLOCK, None)


def test_where_both_kinds_of_login_are_measured_the_sentence_says_which() -> None:
    assert "first logins would take" in verdict_on(World(pairs=12, cold_share=0.5, factors={"kdc_as": 50})).sentence


def test_a_pass_says_what_was_shown_and_never_that_nothing_changed() -> None:
    found = verdict_on(World(pairs=40))
    assert found.sentence.startswith("This update may be deployed: logins were shown to take at most")
    assert "is allowed" in found.sentence
    assert "no difference" not in " ".join((found.sentence, *found.reasons, *found.notices))


def test_a_pass_says_how_many_metrics_were_judged_and_what_was_not() -> None:
    usual = compared(World(pairs=40))
    found = judge(usual, HEALTH, ENDED, POLICY)
    others = len(found.findings) - 1
    assert found.sentence.endswith(f" is allowed, and {others} other metrics are within their limits too.")
    assert "every metric that was judged" in found.reasons[0]
    last = NotJudged(usual.shifts[-1].metric, "too few logins")
    less = judge(replace(usual, shifts=usual.shifts[:-1], not_judged=(last,)), HEALTH, ENDED, POLICY).sentence
    assert less.endswith(f", and {others - 1} other metrics are within their limits too; 1 could not be judged.")
    quick = Policy(quick=True, budgets=Budgets(login_p95_s=None))
    alone = tuple(shift for shift in usual.shifts if shift.metric == Metric("cold", "login", "p50"))
    least = judge(replace(usual, shifts=alone, not_judged=(), leak=None), HEALTH, ENDED, quick).sentence
    assert least.endswith(" is allowed; whether logins grow slower as the servers run was not tested.")


def test_an_open_verdict_says_what_held_it_back_and_how_many_pairs_would_decide_it() -> None:
    found = verdict_on(World(pairs=16, noise=0.12))
    assert found.sentence.startswith("Do not deploy yet: this run could not show")
    held = [reason for reason in found.reasons if reason.startswith("cold login p50: ")]
    assert "margin +10 %" in held[0]
    assert "more pair" in held[0]


def test_a_shift_on_its_margin_is_not_promised_a_decision() -> None:
    comparison = compared(World(pairs=24, noise=0.1))
    on_it = [replace(s, estimate=s.margin, low=0.0, high=2 * s.margin) for s in comparison.shifts]
    found = judge(replace(comparison, shifts=tuple(on_it)), HEALTH, ENDED, POLICY)
    assert "too close to its margin" in found.reasons[-1]


def test_an_invalid_verdict_names_the_fault_and_judges_nothing() -> None:
    found = verdict_on(World(pairs=12), {**HEALTH, "baseline": replace(SOUND, worker_lost=True)})
    assert found.sentence == (
        "No verdict: the measurement itself was not sound (baseline: its load worker was lost), "
        "so it says nothing about the update."
    )


@pytest.mark.parametrize(
    "world",
    [
        World(pairs=30, rate=20, growth=0.03),
        World(pairs=30, factors={"ldap_groups": 1.6}, noise=0.01),
        World(pairs=20, factor=40),
    ],
)
def test_every_block_has_a_sentence_a_reason_and_a_step(world: World) -> None:
    found = verdict_on(world)
    assert found.exit_code == 10
    assert found.blamed_step in found.sentence  # type: ignore[operator]
    assert found.reasons


def test_only_a_step_that_slowed_is_spoken_of_where_logins_stayed_within_their_margins() -> None:
    found = verdict_on(World(pairs=39, factors={"kdc_tgs_ldap": 1.5}, noise=0.02))
    assert "the step kdc_tgs_ldap (Kerberos TGS exchange for ldap/) of a login would take 22.5 ms instead of 15 ms" in (
        found.sentence
    )


def test_a_leak_a_budget_and_an_outage_are_told_in_plain_words() -> None:
    usual = compared(World(pairs=30))
    leak = usual.leak
    assert leak is not None
    leaking = replace(usual, leak=replace(leak, slope=math.log(1.02), p_value=1e-5, p_alike=1e-5))
    told = [
        judge(found, HEALTH, ENDED, POLICY).sentence
        for found in (leaking, replace(usual, candidate_p95_s=4.0), replace(usual, outage_blocks=(7, 8)))
    ]
    assert "logins grow slower the longer the servers run, by +2 % a minute" in told[0]
    assert "1 login in 20 would take more than the 3 s that are allowed" in told[1]
    assert "logins failed for a time, as in an outage" in told[2]


def test_the_times_of_the_sentence_are_those_of_its_reasons() -> None:
    found = verdict_on(World(pairs=12, factors={"kdc_as": 50}))
    (reason,) = (reason for reason in found.reasons if reason.startswith("cold login p95: "))
    baseline, candidate = reason.split(": ")[1].split(",")[0].split(" → ")
    assert f"{candidate} instead of {baseline}" in found.sentence


def test_changes_of_a_short_time_are_told_in_ms_and_of_a_long_one_in_per_cent() -> None:
    assert [change(v, "relative", 0.006) for v in (0.1, -0.005, 1e-9, 1665.0, 1e9)] == [
        "+0.6 ms", "−0.03 ms", "0 ms", "+9.99 s", "+∞",
    ]  # fmt: skip
    assert change(0.1, "relative", 0.2) == "+10 %"
    assert [longer_than(v, 0.02) for v in (0.085, -0.1, 0.0)] == ["1.7 ms longer", "2 ms shorter", "just as long"]
    assert longer_than(0.085, 2.0) == "8.5 % longer"


def test_a_pass_on_fast_servers_speaks_of_ms() -> None:
    usual = compared(World(pairs=40))
    fast = tuple(
        replace(shift, baseline=shift.baseline / 20, candidate=shift.candidate / 20)
        if shift.metric.unit == "log_ratio" else shift
        for shift in usual.shifts
    )  # fmt: skip
    found = judge(replace(usual, shifts=fast), HEALTH, ENDED, POLICY)
    assert found.kind is Kind.PASS
    assert " ms longer at the" in found.sentence and " ms longer is allowed" in found.sentence
    assert "% longer" not in found.sentence


def test_no_figure_is_absurd() -> None:
    assert change(452_917_846.0, "relative") == "over ×10,000"
    assert points(1.0) == "100 percentage points" and points(0.0025) == "0.25 percentage points"
    assert part_of(1.0, 0.9999, 1.0) == "100 %" and part_of(0.6, 0.4, 0.8) == "60 % (40 to 80 %)"
    assert part_of(-0.001, -0.2, 0.2) == "0 % (−20 to 20 %)"
    assert change(-1e-6, "share") == "0 pp"


def test_quantities_read_as_one_would_say_them() -> None:
    assert [seconds(v) for v in (None, math.inf, 4e-5, 0.0061, 2.5)] == ["–", "+∞", "40 µs", "6.1 ms", "2.5 s"]
    assert [share(v) for v in (None, 0.0, 0.0033, 1.0)] == ["–", "0 %", "0.33 %", "100 %"]
    assert [level(0.5, unit) for unit in ("share", "relative")] == ["50 %", "500 ms"]
    assert [change(v, "relative") for v in (None, -math.inf, -0.03, 0.0, 0.1, 1667)] == [
        "–",
        "−∞",
        "−3 %",
        "0 %",
        "+10 %",
        "×1,668",
    ]
    assert [change(0.002, unit) for unit in ("share", "per_minute", "seconds")] == [
        "+0.2 pp",
        "+0.2 % a minute",
        "2 ms",
    ]
    assert [longer(v) for v in (0.12, -0.03, 1667.0)] == ["12 % longer", "3 % shorter", "1,668 times as long"]
    assert step_title("a_step_of_tomorrow") == "a_step_of_tomorrow"


def test_a_length_of_time_is_told_as_one_says_it() -> None:
    assert [lasting(m) for m in (0.5, 45, 174, 12 * 1440, math.inf)] == [
        "30 s",
        "45 min",
        "2.9 h",
        "12 days",
        "for ever",
    ]
