"""Which calibration is used, what is said of a stale one, and which sites are not judged at all."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigError, RunError
from harness.model.calibration import Calibration
from harness.model.metric import Metric
from harness.model.policy import Policy
from harness.model.site import UNCALIBRATED, UNKNOWN_SPREAD, Site, Spread
from harness.model.target import Targets
from harness.record.calibration import calibration_file, read, save, site_document, site_of
from harness.run.site import Subject, find_site, site_by
from harness.studies.calibrate import Repeats, calibrate
from tests.helpers.calibrations import ARM, CALIBRATION, NOISE, NOW, OLD, P50, POLICY, SUBJECT, TARGETS, WORKLOAD


def site(subject: Subject = SUBJECT, **changes: Any) -> Site:
    return site_by(replace(CALIBRATION, **changes), "a.json", subject)


def test_a_calibration_of_this_site_is_used_without_a_word() -> None:
    found = site()
    assert (found.warnings, found.refusal, found.runs) == ((), "", 8)
    assert found.spread(P50, interleaved=True) == NOISE.deployments
    between_runs = found.spread(P50, interleaved=False)
    assert between_runs.sd == pytest.approx(math.sqrt(2 * 0.03**2 + 0.02**2))
    assert between_runs.freedom == 7


def test_another_seed_is_the_same_workload() -> None:
    seeded = WORKLOAD.model_copy(update={"seed": 7})
    assert seeded.digest != WORKLOAD.digest
    assert site(replace(SUBJECT, scenario=seeded)).warnings == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scenario_digest": "x"}, "another workload"),
        ({"targets": {"baseline": "x"}}, "other servers"),
        ({"policy_digest": "x"}, "another policy"),
        ({"version": "0.0.1"}, "authgate 0.0.1"),
        ({"began": OLD, "measured": OLD}, "31 days from this measurement, 30 days are allowed"),
        ({"verdicts": {"PASS": 7, "BLOCK": 1}}, "1 of 8 A/A runs blocked"),
    ],
)
def test_a_stale_calibration_is_used_with_a_warning(changes: Mapping[str, Any], said: str) -> None:
    found = site(**changes)
    (warning,) = found.warnings
    assert warning.startswith("a.json: ") and said in warning
    assert found.refusal == ""
    assert found.spread(P50, interleaved=True) == NOISE.deployments


def test_levels_of_other_servers_or_of_a_shorter_time_say_nothing_of_these() -> None:
    for found in (
        site(targets={"baseline": "x"}),
        site(scenario_digest="x"),
        site(replace(SUBJECT, apart=timedelta(days=8))),
    ):
        assert len(found.warnings) == 1
        assert found.spread(P50, interleaved=False) == UNKNOWN_SPREAD
    assert site(replace(SUBJECT, apart=timedelta(days=7))).levels


def test_the_policy_says_what_is_stale() -> None:
    patient = Policy.model_validate({"calibration": {"max_age_days": 60}})
    assert site(replace(SUBJECT, policy=patient), began=OLD, measured=OLD).warnings == ()


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({"BLOCK": 2, "PASS": 1}, "blocked 2 of 3 A/A runs"),
        ({"INCONCLUSIVE": 3}, "could pass"),
        ({"INVALID": 3}, "could pass"),
    ],
)
def test_a_site_where_the_gate_errs_is_refused_unless_it_erred_by_another_policy(
    verdicts: dict[str, int], said: str
) -> None:
    assert said in site(verdicts=verdicts).refusal
    for other in ({"policy_digest": "x"}, {"scenario_digest": "x"}, {"targets": {"baseline": "x"}}):
        found = site(verdicts=verdicts, **other)
        assert found.refusal == "" and found.warnings


def test_of_another_tool_s_attempts_nothing_more_is_claimed_than_is_known() -> None:
    found = site(Subject(NOW, POLICY), verdicts={"INCONCLUSIVE": 3})
    assert found.refusal == "" and "another tool" in found.warnings[0]
    assert found.levels


def test_the_calibration_that_lies_with_the_results_is_found_and_a_named_one_goes_before_it(tmp_path: Path) -> None:
    assert find_site(SUBJECT, None, tmp_path) == UNCALIBRATED
    usual = calibration_file(tmp_path, WORKLOAD.name, POLICY.name)
    save(CALIBRATION, usual)
    save(replace(CALIBRATION, runs=("a",)), tmp_path / "other.json")
    assert find_site(SUBJECT, None, tmp_path).source == str(usual)
    assert find_site(SUBJECT, tmp_path / "other.json", tmp_path).runs == 1
    with pytest.raises(RunError, match=r"none\.json: expected a calibration's file, got: No such file"):
        find_site(SUBJECT, tmp_path / "none.json", tmp_path)


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    save(CALIBRATION, tmp_path / "c.json")
    assert read(tmp_path / "c.json") == CALIBRATION
    assert "Infinity" not in (tmp_path / "c.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"noise": [1], "format": 2}', '{"format": 2}'])
def test_what_is_no_calibration_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "c.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match="expected what authgate calibrate has written"):
        read(file)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("began", "yesterday"),
        ("measured", "2026-11-20T08:00"),
        ("verdicts", {"PASS": "all"}),
        ("runs", 3),
        ("alpha", ""),
    ],
)
def test_a_calibration_with_any_part_broken_is_refused(tmp_path: Path, key: str, value: object) -> None:
    file = tmp_path / "c.json"
    save(CALIBRATION, file)
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), key: value}), encoding="utf-8")
    with pytest.raises(RunError, match="expected what authgate calibrate has written"):
        read(file)


@pytest.mark.parametrize("values", [(-0.1, 3, 0.1), (0.2, 3, 0.1), (math.nan, 3, 0.1), (0.1, 0, 0.2)])
def test_a_spread_that_can_t_be_is_refused(values: tuple[float, int, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 <= sd <= upper and a degree of freedom"):
        Spread(*values)


@pytest.mark.parametrize("form", [{}, {"format": 1}, {"format": 4}, {"format": "3"}])
def test_a_calibration_of_another_form_says_what_to_do(tmp_path: Path, form: dict[str, object]) -> None:
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"scenario": "small", "noise": [], "false_blocks": 0, **form}), encoding="utf-8")
    with pytest.raises(RunError, match=r"expected a calibration of format 3, .* run authgate calibrate again"):
        read(file)


WRITTEN_BY_0_1_0 = {
    "cold login p50": Metric("cold", "login", "p50"),
    "cold login p95 above the peak": Metric("cold", "login", "p95", "headroom"),
    "tap-and-go kdc_tgs_ldap p50": Metric("tap-and-go", "kdc_tgs_ldap", "p50"),
    "login failure rate": Metric("all", "login", "failure_rate"),
    "login failure rate above the peak": Metric("all", "login", "failure_rate", "headroom"),
    "login slow rate": Metric("all", "login", "slow_rate"),
}
"""The labels that stood in place of keys."""


def test_a_calibration_of_0_1_0_is_read_though_it_knows_metrics_by_their_labels(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    save(replace(CALIBRATION, noise=tuple(replace(NOISE, metric=it) for it in WRITTEN_BY_0_1_0.values())), file)
    expected, document = read(file), json.loads(file.read_text(encoding="utf-8"))
    document["format"] = 2
    for row, label in zip(document["noise"], WRITTEN_BY_0_1_0, strict=True):
        row |= {"metric": label, "family": "login", "unit": "log_ratio"}
    file.write_text(json.dumps(document), encoding="utf-8")
    assert read(file) == expected
    assert [noise.metric for noise in expected.noise] == list(WRITTEN_BY_0_1_0.values())


def test_a_run_of_0_1_0_is_judged_by_what_its_manifest_keeps_of_its_calibration() -> None:
    kept = {**(site_document(site()) or {}), "deployments": {label: [0.02, 8, 0.05] for label in WRITTEN_BY_0_1_0}}
    assert site_of({"calibration": kept}).deployments == dict.fromkeys(WRITTEN_BY_0_1_0.values(), Spread(0.02, 8, 0.05))


def test_a_reworded_label_loses_no_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(CALIBRATION, tmp_path / "c.json")
    manifest = {"calibration": site_document(site())}
    monkeypatch.setattr(Metric, "label", property(lambda metric: "median of first logins"))
    assert read(tmp_path / "c.json") == CALIBRATION
    assert site_of(manifest).spread(P50, interleaved=True) == NOISE.deployments


def test_a_manifest_keeps_what_the_verdict_rests_on() -> None:
    found = site(verdicts={"BLOCK": 3}, version="0.0.1")
    kept = json.loads(json.dumps({"calibration": site_document(found)}))
    assert site_of(kept) == found
    assert site_document(UNCALIBRATED) is None
    assert site_of({}) == site_of({"calibration": None}) == UNCALIBRATED
    for broken in (
        [],
        {},
        {"levels": 1},
        {**kept["calibration"], "levels": {P50.key: 3}},
        {**kept["calibration"], "levels": {"p50": [0.1, 3, 0.2]}},
    ):
        with pytest.raises(RunError, match="calibration: expected what a run writes there"):
            site_of({"calibration": broken})


def test_a_target_is_another_by_its_servers_and_not_by_who_logs_in() -> None:
    arm = TARGETS.arms["baseline"]
    other = arm.model_copy(update={"credentials": arm.credentials.model_copy(update={"env": "OTHERS"})})
    assert other.digest == arm.digest != TARGETS.arms["candidate"].digest


@pytest.mark.parametrize(
    ("same_bits", "between", "said"),
    [
        (True, None, "--same-bits: expected --between COMMAND too"),
        (False, "", "--between: expected a command, got nothing"),
        (False, "redeploy 'a", "--between: expected a command, got one with no closing quotation"),
    ],
)
def test_repeats_that_can_t_be_made_are_refused(same_bits: bool, between: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Repeats.of(3, same_bits, between)


def calibrated(tmp_path: Path, repeats: Repeats, targets: Targets = TARGETS) -> Calibration:
    return calibrate(WORKLOAD, targets, POLICY, repeats, tmp_path, lambda _: None, lambda _: None)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((sys.executable, "-c", "raise SystemExit(3)", "s3cret"), "expected exit code 0 before repeat 1, got 3"),
        (("no-such-command", "s3cret"), "no-such-command: expected a command that runs, got: No such file"),
    ],
)
def test_a_deployment_that_fails_ends_the_calibration_before_any_load(
    tmp_path: Path, command: tuple[str, ...], said: str
) -> None:
    with pytest.raises(RunError, match=said) as caught:
        calibrated(tmp_path, Repeats(2, True, command))
    assert "s3cret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_same_bits_on_both_arms_need_both_arms(tmp_path: Path) -> None:
    alone = Targets.model_validate({"arms": {"baseline": ARM}})
    with pytest.raises(ConfigError, match="expected candidate too, got baseline"):
        calibrated(tmp_path, Repeats(2, True, ("true",)), alone)
