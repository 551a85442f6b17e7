"""Updates that are allowed one by one add up, and their sum since a pinned release can block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import main
from harness.model.policy import Drift, Policy
from harness.model.scenario import Blocks
from harness.model.subject import DriftSince
from harness.model.target import Targets
from harness.model.verdict import Kind
from harness.record.folder import RunFolder
from harness.run.evidence import evidence_of
from tests.helpers.stored import POLICY, SCENARIO, TARGETS, stored_run

pytestmark = pytest.mark.slow

LONGER = SCENARIO.model_copy(update={"blocks": Blocks(length_s=3, trim_s=0.5, pairs=16)})
DRIFT = Drift.model_validate({"pinned": "r0", "login": {"p50": {"relative": 0.6}, "p95": None, "p99": None}})


def policy(drift: Drift | None = DRIFT) -> Policy:
    return POLICY.model_copy(update={"drift": drift})


def named(before: str | None, after: str | None) -> Targets:
    document: dict[str, Any] = TARGETS.model_dump(mode="json")
    document["arms"]["baseline"]["release"], document["arms"]["candidate"]["release"] = before, after
    return Targets.model_validate(document)


def run(results: Path, before: str | None, after: str | None, slower: float, drift: Drift | None = DRIFT) -> RunFolder:
    return stored_run(results, LONGER, policy(drift), slower=slower, targets=named(before, after))


def test_slowdowns_that_pass_one_by_one_block_together(tmp_path: Path) -> None:
    folders = [run(tmp_path, f"r{i}", f"r{i + 1}", 1.22) for i in range(3)]
    kinds = [evidence_of(folder).verdict.kind for folder in folders]
    assert kinds == [Kind.PASS, Kind.PASS, Kind.BLOCK]
    alone = evidence_of(folders[2], POLICY).verdict
    assert alone.kind is Kind.PASS
    verdict = evidence_of(folders[2]).verdict
    assert "than with r0, over 3 updates" in verdict.sentence
    (drifted,) = (one for one in verdict.findings if isinstance(one.subject, DriftSince) and one.cohort == "cold")
    assert drifted.estimate == pytest.approx(1.22**3 - 1, rel=0.2)
    assert drifted.candidate == pytest.approx((drifted.baseline or 0) * (1 + (drifted.estimate or 0)))


def test_equal_updates_do_not_add_up_to_anything(tmp_path: Path) -> None:
    folders = [run(tmp_path, f"r{i}", f"r{i + 1}", 1.0) for i in range(3)]
    verdict = evidence_of(folders[-1]).verdict
    assert verdict.kind is Kind.PASS
    assert any(isinstance(one.subject, DriftSince) for one in verdict.findings)


def test_an_update_that_was_measured_twice_counts_once(tmp_path: Path) -> None:
    for _ in range(3):
        run(tmp_path, "r0", "r1", 1.3)
    assert evidence_of(run(tmp_path, "r1", "r2", 1.0)).verdict.kind is Kind.PASS


def test_an_update_that_was_not_deployed_does_not_count(tmp_path: Path) -> None:
    run(tmp_path, "r0", "r1-slow", 1.45)
    run(tmp_path, "r0", "r1", 1.0)
    assert evidence_of(run(tmp_path, "r1", "r2", 1.3)).verdict.kind is Kind.PASS


def test_a_release_that_no_run_leads_to_keeps_from_a_pass(tmp_path: Path) -> None:
    run(tmp_path, "r0", "r1", 1.0)
    verdict = evidence_of(run(tmp_path, "r5", "r6", 1.0)).verdict
    assert verdict.kind is Kind.INCONCLUSIVE
    assert "lead from it to r5" in verdict.reasons[0]


def test_a_run_that_is_damaged_is_no_link(tmp_path: Path) -> None:
    broken = run(tmp_path, "r0", "r1", 1.0)
    (broken.path / "attempts.parquet").write_bytes(b"")
    assert evidence_of(run(tmp_path, "r1", "r2", 1.0)).verdict.kind is Kind.INCONCLUSIVE


def test_runs_of_another_workload_are_no_links(tmp_path: Path) -> None:
    stored_run(tmp_path, SCENARIO, policy(), targets=named("r0", "r1"))
    assert evidence_of(run(tmp_path, "r1", "r2", 1.0)).verdict.kind is Kind.INCONCLUSIVE


def test_a_policy_without_drift_reads_no_other_run(tmp_path: Path) -> None:
    for i in range(3):
        last = run(tmp_path, f"r{i}", f"r{i + 1}", 1.3, drift=None)
    assert evidence_of(last).verdict.kind is Kind.PASS


def test_targets_without_releases_are_refused_before_any_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.yaml").write_text("name: p\ndrift: {pinned: r0}\n")
    arm = (
        "{realm: A.TEST, kdcs: ['127.0.0.1:1'], directory: {uri: 'ldap://127.0.0.1:1', service_host: a.test, "
        "user_base: '', group_base: ''}, credentials: {env: NONE}}"
    )
    (tmp_path / "t.yaml").write_text(f"arms:\n  baseline: {arm}\n  candidate: {arm}\n")
    given = ["--targets", str(tmp_path / "t.yaml"), "--policy", str(tmp_path / "p.yaml")]
    assert main(["gate", "morning-rush", *given, "--results", str(tmp_path / "results")]) == 2
    assert "arms.baseline.release: expected what is deployed there" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_the_pin_does_not_change_what_a_calibration_is_of() -> None:
    assert policy().digest == POLICY.digest
