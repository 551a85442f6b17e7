"""The rules of the decision, one by one."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.gate.findings import decide, findings_of
from harness.gate.judge import judge
from harness.model.comparison import Comparison, NotJudged, Periodic, QuantileShift, StepShare
from harness.model.health import ArmHealth, RunState
from harness.model.metric import Metric
from harness.model.policy import Budgets, Leak, Looks, Policy
from harness.model.site import UNCALIBRATED, Site, Spread
from harness.model.subject import LeakSlope
from harness.model.target import ARMS, Arm
from harness.model.verdict import Kind, Verdict
from tests.helpers.comparisons import EQUAL, LIKELY, MARGIN, NO_LEAK, NOTICE, OPEN, P50, P95, WORSE, comparison, shift
from tests.helpers.synthetic import DESIGN, ENDED, HEALTH, POLICY, RUNNING, SOUND


def verdict(
    compared: Comparison, state: RunState = RUNNING, policy: Policy = POLICY, health: dict[Arm, ArmHealth] = HEALTH
) -> Verdict:
    return judge(compared, health, state, policy)


@pytest.mark.parametrize(
    ("found", "decision"),
    [
        (WORSE, "block"),
        (EQUAL, "pass"),
        (NOTICE, "notice"),
        (OPEN, "inconclusive"),
        (LIKELY, "likely slower"),
        (shift(-math.inf, 9.0, math.inf), "inconclusive"),
        (shift(MARGIN, 0.2, 0.3), "likely slower"),  # at the margin is not above it
        (shift(-0.1, 0.0, MARGIN), "inconclusive"),  # nor below it
    ],
)
def test_a_metric_is_decided_by_its_bounds_and_its_margin(found: QuantileShift, decision: str) -> None:
    assert decide(found) == decision


def test_every_metric_within_its_margin_is_a_pass() -> None:
    found = verdict(comparison(EQUAL, NOTICE))
    assert (found.kind, found.exit_code, found.final, found.blamed_step) == (Kind.PASS, 0, True, None)


def test_one_metric_beyond_its_margin_blocks_whatever_the_others_say() -> None:
    found = verdict(comparison(EQUAL, replace(WORSE, metric=P95), OPEN))
    assert (found.kind, found.exit_code, found.final) == (Kind.BLOCK, 10, True)
    assert len(found.reasons) == 1
    assert found.reasons[0].startswith("cold login p95: ")


def test_an_open_metric_holds_a_pass_back_and_the_run_goes_on() -> None:
    found = verdict(comparison(EQUAL, replace(OPEN, metric=P95)))
    assert (found.kind, found.exit_code, found.final) == (Kind.INCONCLUSIVE, 20, False)


def test_likely_slower_is_not_yet_a_block() -> None:
    assert verdict(comparison(LIKELY)).kind is Kind.INCONCLUSIVE


@pytest.mark.parametrize(("pairs", "state"), [(39, RUNNING), (20, ENDED)])
def test_what_is_open_at_the_end_stays_open(pairs: int, state: RunState) -> None:
    found = verdict(comparison(OPEN, pairs=pairs, seen=pairs + 1), state)
    assert (found.kind, found.final) == (Kind.INCONCLUSIVE, True)


def test_no_pass_before_the_candidate_is_old_enough_to_show_a_leak() -> None:
    young = comparison(candidate_age_s=659.0)
    assert verdict(young).kind is Kind.INCONCLUSIVE
    assert "660 s of the candidate's life" in verdict(young).reasons[0]
    quick = Policy(quick=True, looks=Looks(pass_after_s=120))
    assert verdict(young, policy=quick).kind is Kind.PASS
    assert "leak" in " ".join(verdict(young, policy=quick).notices)


def test_no_pass_before_the_first_look_of_the_pass_rule() -> None:
    assert verdict(comparison(pairs=11)).kind is Kind.INCONCLUSIVE


def test_a_suspected_leak_holds_a_pass_back() -> None:
    suspected = comparison(leak=replace(NO_LEAK, p_value=0.01))
    assert verdict(suspected).kind is Kind.INCONCLUSIVE
    assert verdict(suspected, policy=Policy(quick=True)).kind is Kind.INCONCLUSIVE


def test_growth_that_hosts_which_drift_may_have_made_holds_a_pass_back_and_does_not_block() -> None:
    drifting = comparison(leak=replace(NO_LEAK, slope=0.02, p_value=0.0005, p_alike=0.02))
    found = verdict(drifting, ENDED)
    assert found.kind is Kind.INCONCLUSIVE and "p = 0.0005" in found.reasons[0]


def test_a_leak_blocks_only_at_the_end() -> None:
    leaking = comparison(leak=replace(NO_LEAK, slope=0.02, p_value=0.0005, p_alike=0.0005))
    assert verdict(leaking).kind is Kind.INCONCLUSIVE
    assert verdict(leaking, ENDED).kind is Kind.BLOCK
    assert verdict(replace(leaking, pairs=39, seen=40)).kind is Kind.BLOCK
    assert (
        verdict(replace(leaking, pairs=39, seen=40))
        .reasons[0]
        .startswith("login p50 growth: change +2 % a minute; p = 0.0005")
    )


def test_an_untested_leak_holds_a_pass_back_unless_the_policy_is_quick() -> None:
    assert verdict(comparison(leak=None)).kind is Kind.INCONCLUSIVE
    assert verdict(comparison(leak=None), policy=Policy(quick=True)).kind is Kind.PASS


def test_a_quick_policy_never_says_that_a_leak_was_tested_and_blocks_one_that_it_sees() -> None:
    quick = Policy(quick=True)
    (unseen,) = (f for f in verdict(comparison(), policy=quick).findings if f.subject == LeakSlope())
    assert unseen.decision == "not judged" and "p = 0.3 over 19 min" in unseen.note
    seen = comparison(leak=replace(NO_LEAK, slope=0.02, p_value=0.0005, p_alike=0.0005))
    assert verdict(seen, policy=quick).kind is Kind.INCONCLUSIVE
    assert verdict(seen, ENDED, policy=quick).kind is Kind.BLOCK


def test_an_absolute_budget_blocks_whatever_the_baseline_does() -> None:
    assert verdict(comparison(candidate_p95_s=3.1)).kind is Kind.BLOCK
    assert verdict(comparison(candidate_p95_s=2.5, candidate_p95_high_s=2.9)).kind is Kind.PASS
    # Not shown to be within the budget is not within the budget.
    assert verdict(comparison(candidate_p95_s=2.9, candidate_p95_high_s=3.2)).kind is Kind.INCONCLUSIVE
    assert verdict(comparison(candidate_p95_s=3.1), policy=Policy(budgets=Budgets(login_p95_s=None))).kind is Kind.PASS


def test_two_outage_blocks_in_a_row_block_and_two_apart_are_noticed() -> None:
    assert verdict(comparison(outage_blocks=(4, 5))).kind is Kind.BLOCK
    apart = verdict(comparison(outage_blocks=(4, 6)))
    assert apart.kind is Kind.PASS
    assert any("4, 6" in notice for notice in apart.notices)


@pytest.mark.parametrize(("down", "kind"), [((9, 11), Kind.BLOCK), ((9, 12), Kind.PASS)])
def test_an_outage_goes_on_beyond_a_pair_above_the_peak(down: tuple[int, int], kind: Kind) -> None:
    above = shift(-0.1, 0.0, 0.05, Metric("cold", "login", "p95", "headroom"))
    design = replace(DESIGN, headroom_every=11)
    assert verdict(comparison(EQUAL, above, outage_blocks=down, design=design)).kind is kind


def test_denials_before_the_other_arm_had_its_turn_are_said_to_be_no_comparison() -> None:
    untried = {
        arm: replace(SOUND, denied=14 * code, started=14 * code, tried=14 * code) for code, arm in enumerate(ARMS)
    }
    found = verdict(comparison(), RunState(complete=False, stopped_for_denials=True), health=untried)
    assert found.kind is Kind.INVALID
    assert "the baseline had not been measured yet" in found.reasons[1]


def test_what_blocks_at_the_end_was_suspected_before() -> None:
    with pytest.raises(ValueError, match="block_p of suspect_p at most"):
        Leak(suspect_p=0.0001, block_p=0.001)


def test_an_interrupted_run_never_passes_and_may_block() -> None:
    interrupted = RunState(complete=False, interrupted="stopped by hand")
    assert verdict(comparison(), interrupted).kind is Kind.INCONCLUSIVE
    assert "stopped by hand" in verdict(comparison(), interrupted).reasons[0]
    assert not verdict(comparison(), interrupted).final
    assert verdict(comparison(WORSE), interrupted).kind is Kind.BLOCK


def test_arms_measured_one_after_the_other_never_pass() -> None:
    stored = replace(DESIGN, interleaved=False)
    assert verdict(comparison(design=stored)).kind is Kind.INCONCLUSIVE
    assert verdict(comparison(WORSE, design=stored)).kind is Kind.BLOCK


def test_arms_measured_one_after_the_other_say_what_to_do_and_never_block_by_a_leak() -> None:
    stored = replace(DESIGN, interleaved=False)
    leaking = replace(NO_LEAK, slope=0.2, p_value=1e-9, p_alike=1e-9)
    found = verdict(comparison(OPEN, design=stored, leak=leaking), ENDED)
    assert found.kind is Kind.INCONCLUSIVE
    assert "authgate gate" in found.reasons[1] and "calibrate" in found.reasons[1]
    known = Site(source="a.json", runs=8, levels={P50: Spread(0.03, 7, 0.05)})
    found = verdict(comparison(OPEN, design=stored, leak=leaking, site=known), ENDED)
    assert found.kind is Kind.INCONCLUSIVE
    assert not any("no calibration" in reason for reason in found.reasons)
    assert any("between the calibration's 8 runs" in notice for notice in found.notices)


@pytest.mark.parametrize("shifts", [EQUAL, OPEN, WORSE])
def test_where_the_gate_errs_on_its_own_site_nothing_is_judged(shifts: QuantileShift) -> None:
    found = verdict(comparison(shifts, site=Site(source="a.json", refusal="a.json: 3 of 3 A/A runs blocked")))
    assert (found.kind, found.exit_code) == (Kind.INVALID, 30)
    assert found.reasons == ("a.json: 3 of 3 A/A runs blocked",)


def test_a_verdict_says_how_far_two_deployments_are_known_to_differ() -> None:
    def said(site: Site) -> str:
        return " ".join(verdict(comparison(EQUAL, replace(EQUAL, metric=P95), site=site)).notices)

    tau = Spread(0.02, 8, 0.04)
    assert "never calibrated; it is taken as 0" in said(UNCALIBRATED)
    assert "ran on one deployment; it is taken as 0" in said(Site(source="a.json", warnings=("a.json: is stale",)))
    assert "a.json: is stale" in said(Site(source="a.json", warnings=("a.json: is stale",)))
    assert "taken as 0 where it was not measured: cold login p95" in said(Site("a.json", deployments={P50: tau}))
    assert "taken as 0" not in said(Site("a.json", deployments={P50: tau, P95: tau}))


@pytest.mark.parametrize("shifts", [EQUAL, OPEN, WORSE])
def test_an_unsound_measurement_is_invalid_whatever_it_shows(shifts: QuantileShift) -> None:
    health: dict[Arm, ArmHealth] = {**HEALTH, "candidate": replace(SOUND, send_lag_p99_ms=90.0)}
    found = verdict(comparison(shifts), health=health)
    assert (found.kind, found.exit_code, found.final) == (Kind.INVALID, 30, False)
    assert found.blamed_step is None


def test_a_lost_worker_is_invalid_and_no_further_pair_can_mend_it() -> None:
    found = verdict(comparison(), health={**HEALTH, "baseline": replace(SOUND, worker_lost=True)})
    assert (found.kind, found.final) == (Kind.INVALID, True)


def test_a_block_stands_where_the_fault_spared_the_candidate() -> None:
    health: dict[Arm, ArmHealth] = {**HEALTH, "candidate": replace(SOUND, started=8_000, seat_waits=3_000)}
    blocked = verdict(comparison(WORSE), health=health)
    assert blocked.kind is Kind.BLOCK
    assert sum("can only have made the candidate look better" in notice for notice in blocked.notices) == 3
    assert verdict(comparison(), health=health).kind is Kind.INVALID
    both = replace(SOUND, started=8_000, seat_waits=3_000)
    assert verdict(comparison(WORSE), health=dict.fromkeys(HEALTH, both)).kind is Kind.INVALID


def test_a_candidate_that_alone_denies_logins_is_blocked() -> None:
    denied = RunState(complete=False, stopped_for_denials=True)
    health: dict[Arm, ArmHealth] = {**HEALTH, "candidate": replace(SOUND, started=900, denied=40, tried=1_000)}
    found = verdict(comparison(), denied, health=health)
    assert (found.kind, found.final) == (Kind.BLOCK, True)
    assert found.reasons[0] == "logins denied: 0 on the baseline, 40 on the candidate"
    both = verdict(comparison(WORSE), denied, health=dict.fromkeys(HEALTH, replace(SOUND, denied=300)))
    assert (both.kind, both.final) == (Kind.INVALID, True)


def test_nothing_is_passed_without_a_login_time_that_was_judged() -> None:
    rate = shift(-0.001, 0.0, 0.001, Metric("all", "login", "failure_rate"), margin=0.002)
    reason = NotJudged(P50, "too few logins")
    found = verdict(comparison(rate, not_judged=(reason,)))
    assert found.kind is Kind.INCONCLUSIVE
    assert "no login latency could be judged" in found.reasons


def test_a_metric_that_could_not_be_judged_is_noticed_and_holds_nothing_back() -> None:
    found = verdict(comparison(EQUAL, not_judged=(NotJudged(P95, "too few logins: …"),)))
    assert found.kind is Kind.PASS
    assert any(notice.startswith("Not judged") and "cold login p95" in notice for notice in found.notices)


def test_findings_come_the_most_severe_first() -> None:
    shifts = [EQUAL, OPEN, NOTICE, LIKELY, WORSE]
    steps = ("kdc_as", "kdc_tgs_ldap", "ldap_bind", "ldap_groups", "login")
    named = [replace(s, metric=Metric("cold", step, "p50")) for s, step in zip(shifts, steps, strict=True)]
    found = findings_of(comparison(*named, not_judged=(NotJudged(P95, "few"),)), False, POLICY)
    assert [f.decision for f in found] == [
        "block",
        "likely slower",
        "inconclusive",
        "notice",
        "pass",
        "pass",
        "pass",
        "not judged",
    ]


def test_a_finding_speaks_in_relative_changes_and_leaves_open_bounds_out() -> None:
    (found, *_) = findings_of(comparison(shift(-math.inf, math.log(2), math.inf, detectable=math.inf)), False, POLICY)
    assert (found.unit, found.estimate, found.margin) == ("relative", pytest.approx(1.0), pytest.approx(0.1))
    assert (found.low, found.high, found.detectable) == (None, None, None)


def test_the_blocking_step_that_added_most_is_blamed() -> None:
    worse = [replace(WORSE, metric=Metric("cold", step, "p50")) for step in ("kdc_as", "ldap_bind")]
    parts = tuple(
        StepShare("cold", step, added, 0.1, 0.1 + added)
        for step, added in (("kdc_as", 0.01), ("ldap_bind", 0.05), ("ldap_groups", 0.2))
    )
    assert verdict(comparison(*worse, attribution=parts)).blamed_step == "ldap_bind"
    assert verdict(comparison(WORSE, attribution=parts)).blamed_step == "ldap_groups"
    assert verdict(comparison(WORSE)).blamed_step is None
    faster = (StepShare("cold", "kdc_as", -0.01, 0.1, 0.09),)
    assert verdict(comparison(WORSE, attribution=faster)).blamed_step is None


def test_what_came_by_the_clock_is_told_and_decides_nothing() -> None:
    plain, found = verdict(comparison()), verdict(comparison(periodic=Periodic(30.03, 0.554)))
    assert found.kind is plain.kind
    (told,) = set(found.notices) - set(plain.notices)
    assert told.startswith("Both arms were slower every 30 s") and "explains 55 % of the variance" in told
