"""Cohorts of logins, and rounds of several with think times: what may be asked for, and what is then planned."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness.config.load import load_scenario
from harness.model.cohort import in_one_order
from harness.model.plan import NS, Plan, make_plan
from harness.model.scenario import Scenario
from harness.studies.soak import SoakPlan
from tests.helpers.documents import error_of
from tests.helpers.plans import BURSTS, replayed

COLD, WARM = ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind"], ["kdc_as", "ldap_connect"]
COHORTS: dict[str, Any] = {
    "cold-logon": {"share": 0.1, "cache": "cold", "steps": COLD},
    "tap-and-go": {"share": 0.6, "cache": "warm", "steps": WARM},
    "simple": {"share": 0.3, "steps": ["ldap_connect"], "authentication": "password"},
}
ROUNDS: list[dict[str, Any]] = [
    {"share": 0.25, "logins": ["cold-logon", "simple", "simple"], "think_s": 4},
    {"share": 0.75, "logins": ["simple"]},
]
IN_ROUNDS = {name: {**COHORTS[name], "share": None, "cache": "cold"} for name in ("cold-logon", "simple")}


def scenario(**changes: Any) -> Scenario:
    """A scenario of three cohorts, or of what takes their place."""
    usual = {
        "name": "ward",
        "cohorts": COHORTS,
        "population": {"users": 1000},
        "arrivals": {"curve": "constant", "rate": 20},
        "blocks": {"length_s": 10, "trim_s": 0, "pairs": 40},
    }
    return Scenario.model_validate({**usual, **changes})


def rounds(**changes: Any) -> Scenario:
    return scenario(cohorts=IN_ROUNDS, rounds=ROUNDS, **changes)


def cohorts_of(plan: Plan) -> list[str]:
    return [arrival.cohort for block in plan.of("baseline") for arrival in block.arrivals]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What is said of a scenario with these keys, without its file's name and line."""
    monkeypatch.chdir(tmp_path)

    def said(**keys: Any) -> str:
        document = {
            "name": "ward",
            "population": {"users": 10},
            "arrivals": {"curve": "constant", "rate": 1},
            **keys,
        }
        first = error_of(load_scenario, Path("w.yaml"), yaml.safe_dump(document)).splitlines()[0]
        return first.partition(": ")[2]

    return said


def changed(name: str, **changes: Any) -> dict[str, Any]:
    return {**COHORTS, name: {**COHORTS[name], **changes}}


def test_either_steps_or_cohorts_are_asked_for(said: Callable[..., str]) -> None:
    assert said() == "cohorts: expected either steps or cohorts, got neither"
    assert said(steps=COLD, cohorts=COHORTS) == "cohorts: expected either steps or cohorts, got both"
    cold_share = said(cohorts=COHORTS, population={"users": 10, "cold_share": 0.5})
    assert cold_share == "cohorts: expected no population.cold_share together with cohorts, whose caches say it"


def test_shares_that_do_not_sum_to_1_are_told_with_their_sum(said: Callable[..., str]) -> None:
    assert said(cohorts=changed("simple", share=0.25)) == "cohorts: expected shares that sum to 1, got 0.95"
    assert said(cohorts=changed("simple", share=None)) == "cohorts: expected a share above 0 of simple, got none"
    assert said(cohorts=changed("simple", share=0)) == "cohorts: expected a share above 0 of simple, got 0"
    assert said(cohorts=changed("simple", share=2)) == "cohorts.simple.share: expected a number of at most 1, got 2"
    two = [{**ROUNDS[0], "share": 0.5}, {**ROUNDS[1], "share": 0.7}]
    assert said(cohorts=IN_ROUNDS, rounds=two) == "cohorts: expected shares of rounds that sum to 1, got 1.2"


def test_shares_that_sum_to_1_but_for_the_rounding_of_decimals_are_taken() -> None:
    shares = dict(zip(COHORTS, (0.3, 0.6, 0.1), strict=True))
    assert sum(shares.values()) != 1
    mix = scenario(cohorts={name: {**cohort, "share": shares[name]} for name, cohort in COHORTS.items()}).mix
    assert {name: cohort.share for name, cohort in mix.items()} == shares


@pytest.mark.parametrize(
    ("name", "cohort", "why"),
    [
        ("all", {}, "expected another name than all, which means something else in reports"),
        ("login", {}, "expected another name than login, which means something else in reports"),
        ("cold", {"cache": "warm", "steps": WARM}, "expected another name than cold, which means something else"),
        ("odd", {"cache": "warm", "steps": ["kdc_as"]}, "expected a step of odd that a warm cache does not leave out"),
        ("odd", {"cache": "hot"}, "cohorts.odd.cache: expected 'cold' or 'warm', got \"hot\""),
        ("odd", {"steps": ["ldap_bind"]}, "cohorts.odd.steps: expected kdc_tgs_ldap, ldap_connect before ldap_bind"),
        ("odd", {"steps": []}, "cohorts.odd.steps: "),
        ("odd", {"think_s": 1}, "cohorts.odd.think_s: "),
        ("Tap & go", {}, "cohorts.Tap & go: "),
    ],
)
def test_a_cohort_that_can_not_be_is_refused_by_its_name(
    said: Callable[..., str], name: str, cohort: dict[str, Any], why: str
) -> None:
    assert why in said(cohorts={name: {"share": 1, "steps": COLD, **cohort}})


def test_rounds_and_cohorts_name_each_other(said: Callable[..., str]) -> None:
    unknown = [{"share": 1, "logins": ["cold-logon", "simple", "coffee"]}]
    assert said(cohorts=IN_ROUNDS, rounds=unknown) == (
        "cohorts: expected those that rounds name (cold-logon, simple, coffee), got cold-logon, simple"
    )
    assert said(steps=COLD, rounds=ROUNDS) == (
        "cohorts: expected those that rounds name (cold-logon, simple), got none"
    )
    assert said(cohorts=COHORTS, rounds=ROUNDS).startswith(
        "cohorts: expected no share of cold-logon together with rounds"
    )
    assert said(cohorts=IN_ROUNDS, rounds=[{"share": 1, "logins": []}]).startswith("rounds.0.logins: ")


def test_a_scenario_of_cohorts_comes_back_from_a_runs_manifest_as_it_was() -> None:
    for planned in (scenario(), rounds()):
        again = Scenario.model_validate(planned.model_dump(mode="json"))
        assert (again, again.digest) == (planned, planned.digest)
    assert scenario().digest != rounds().digest


def test_steps_alone_mean_a_cold_and_a_warm_cohort_of_the_same_way() -> None:
    plain = scenario(cohorts={}, steps=COLD, population={"users": 10, "cold_share": 0.75})
    assert {name: (cohort.share, cohort.taken) for name, cohort in plain.mix.items()} == {
        "cold": (0.75, tuple(COLD)),
        "warm": (0.25, ("ldap_connect", "ldap_bind")),
    }
    assert plain.mix["cold"].authentication == "key"
    assert plain.mix["warm"].held == ("kdc_as", "kdc_tgs_ldap")
    assert scenario(cohorts={}, steps=COLD).expected == ("cold",)


def test_steps_of_all_cohorts_have_one_order_that_is_each_cohorts_own() -> None:
    assert in_one_order([("a", "d"), ("a", "b", "c", "d"), ("x", "a")]) == ("x", "a", "b", "c", "d")
    assert in_one_order([]) == ()


def test_cohorts_have_the_shares_that_were_asked_for() -> None:
    found = cohorts_of(make_plan(scenario()))
    n = len(found)
    for name, cohort in scenario().mix.items():
        share = cohort.share or 0.0
        assert abs(found.count(name) - share * n) < 5 * math.sqrt(n * share * (1 - share))


def test_logins_of_rounds_come_at_the_scenarios_rate_in_every_part_of_a_block() -> None:
    """The later logins of a round would be missing from a block's beginning if no round had begun before it."""
    planned = rounds(blocks={"length_s": 10, "trim_s": 0, "pairs": 150})
    at = [(a.intended - b.start) / NS for b in make_plan(planned).of("baseline") for a in b.arrivals]
    counts, _ = np.histogram(at, bins=10, range=(0, 10))
    # A round is up to 3 logins, so that a count's variance is up to 3 times its mean.
    assert (np.abs(counts - 20 * 150) < 5 * math.sqrt(3 * 20 * 150)).all()


def test_shares_of_cohorts_follow_from_the_rounds() -> None:
    planned = rounds(blocks={"length_s": 10, "trim_s": 0, "pairs": 100})
    assert planned.round_logins == 1.5
    assert {name: cohort.share for name, cohort in planned.mix.items()} == pytest.approx(
        {"cold-logon": 1 / 6, "simple": 5 / 6}
    )
    found = cohorts_of(make_plan(planned))
    assert abs(found.count("cold-logon") - len(found) / 6) < 5 * math.sqrt(3 * len(found) / 6)


def test_the_logins_of_a_round_are_one_clinicians_in_order_with_exponential_think_times() -> None:
    trip = [{"share": 1, "logins": ["cold-logon", "simple", "simple"], "think_s": 4}]
    planned = scenario(
        cohorts=IN_ROUNDS, rounds=trip, population={"users": 1_000_000}, arrivals={"curve": "constant", "rate": 2},
        blocks={"length_s": 1000, "trim_s": 0, "pairs": 2},
    )  # fmt: skip
    gaps: list[float] = []
    for block in make_plan(planned).of("baseline"):
        due: dict[int, list[tuple[int, str]]] = {}
        for arrival in block.arrivals:
            due.setdefault(arrival.user, []).append((arrival.intended, arrival.cohort))
        whole = [logins for logins in due.values() if [cohort for _, cohort in logins] == trip[0]["logins"]]
        assert len(whole) > 0.95 * len(due), "all but those at the block's edges"
        gaps += [(after - before) / NS for logins in whole for (before, _), (after, _) in pairwise(logins)]
    n = len(gaps)
    assert abs(np.mean(gaps) / 4 - 1) < 5 / math.sqrt(n) + 0.01
    assert abs(np.mean(np.array(gaps) > 4) - math.exp(-1)) < 5 * math.sqrt(0.25 / n)


def test_rounds_never_come_faster_than_the_peak_that_safety_asks_of() -> None:
    planned = rounds(arrivals=BURSTS, blocks={"length_s": 14, "trim_s": 0, "pairs": 100})
    length_s = 14.0
    at = np.array([
        b.pair * length_s + (a.intended - b.start) / NS for b in make_plan(planned).of("baseline") for a in b.arrivals
    ])  # fmt: skip
    in_bursts = int((at % 7 < 2).sum())
    most = planned.peak_rate * 2 * 200
    assert in_bursts < most + 5 * math.sqrt(3 * most)
    mean = (10 * 5 + 60 * 2) / 7
    assert abs(len(at) / 1400 - mean) < 5 * math.sqrt(3 * mean / 1400)


def test_both_arms_replay_the_same_rounds() -> None:
    plan = make_plan(rounds())
    for one, other in zip(plan.blocks[::2], plan.blocks[1::2], strict=True):
        assert replayed(one) == replayed(other)


def test_a_soak_of_a_cohort_that_is_called_warm_has_no_ticket_kept_and_so_another_name() -> None:
    whole = rounds()
    named = {"warm": COLD, "cold": COLD[:2]}
    cohorts = {name: {"share": 0.5, "cache": name, "steps": steps} for name, steps in named.items()}
    both = Scenario.model_validate({**whole.model_dump(mode="json"), "rounds": [], "cohorts": cohorts})
    assert SoakPlan(2, "candidate").scenario(both).expected == ("warm-soaked",)


def test_a_soak_of_cohorts_sends_the_longest_way_alone_and_cold() -> None:
    soak = SoakPlan(2, "candidate").scenario(rounds())
    assert (soak.expected, soak.mix["cold-logon"].taken) == (("cold-logon",), tuple(COLD))
    assert set(cohorts_of(make_plan(soak, ["baseline"]))) == {"cold-logon"}
