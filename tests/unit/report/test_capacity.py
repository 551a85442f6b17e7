"""What a search for capacity leaves: a document, a page, a figure, and what the terminal says."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from harness.errors import ConfigError
from harness.model.capacity import CapacityEvidence
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.report.capacity import capacity_document, page, print_capacity, write_capacity
from harness.studies.capacity import SearchSettings, search
from tests.benchmarks.operating_characteristics.world import NAMES
from tests.helpers.capacities import capacity_of, lost_server
from tests.helpers.documents import SCENARIO, TARGETS

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>\x1b[31m"


@pytest.fixture(scope="module")
def lost() -> CapacityEvidence:
    return lost_server()


def printed(evidence: CapacityEvidence) -> str:
    console = Console(file=io.StringIO(), width=160)
    print_capacity(evidence, console, Path("results/capacity-test.html"))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_terminal_says_verdict_capacities_headroom_and_where_the_report_is(lost: CapacityEvidence) -> None:
    said = printed(lost)
    assert "BLOCK" in said and "exit code 10" in said
    assert "The update costs capacity" in said
    assert "of the stated peak" in said and "times" in said
    assert "mean at 50/s" in said and "headroom" in said
    assert "results/capacity-test.html" in said
    assert "not those of a hospital's" in " ".join(said.split())


def test_the_document_is_strict_json_in_which_what_is_not_known_is_null(lost: CapacityEvidence) -> None:
    text = json.dumps(capacity_document(lost), allow_nan=False)
    found = json.loads(text)
    assert (found["schema_version"], found["exit_code"], found["verdict"]["kind"]) == (2, 10, "BLOCK")
    assert found["comparison"]["arms"]["candidate"]["over_all"]["low"] > 0
    never = [dict.fromkeys(("baseline", "candidate"), [r for r in of["baseline"] if r.state == "sustained"][:5])
             for of in (ladder.rungs for ladder in lost.ladders)]  # fmt: skip
    unknown = capacity_document(capacity_of(never, None))  # type: ignore[arg-type]
    assert unknown["comparison"]["arms"]["candidate"]["over_all"]["high"] is None
    json.dumps(unknown, allow_nan=False)


def test_the_page_asks_nothing_of_the_network_and_escapes_what_it_is_given(lost: CapacityEvidence) -> None:
    hostile = replace(lost, scenario=HOSTILE)
    html = page(hostile)
    assert "<script" not in html and "\x1b" not in html
    assert "http://" not in html and "https://" not in html
    assert "One bottleneck of several equal servers" in html
    assert html.count("<h3>") == len(lost.ladders)


def test_five_files_are_written_and_the_same_evidence_gives_the_same_bytes(
    lost: CapacityEvidence, tmp_path: Path
) -> None:
    write_capacity(lost, tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(first) == {f"capacity-test.{end}" for end in ("json", "junit.xml", "md", "png", "html")}
    write_capacity(lost, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_a_search_that_was_cut_short_says_so_everywhere(lost: CapacityEvidence) -> None:
    cut = capacity_of([ladder.rungs for ladder in lost.ladders[:2]], None, "interrupted by the user")  # type: ignore[misc]
    assert "INVALID" in printed(cut)
    assert "interrupted by the user" in page(cut)


def test_every_step_is_predicted_with_the_login_s_saturation(lost: CapacityEvidence) -> None:
    for found in lost.extrapolations.values():
        assert [part.subject for part in found] == ["login", *NAMES]
        shown = [part for part in found if part.saturation is not None]
        assert len({part.saturation.estimate for part in shown if part.saturation}) <= 1
        assert all(math.isfinite(point) for part in shown for row in part.curve for point in row)


SETTINGS = SearchSettings(lowest=0.5, highest=3.0, step=1.15, ladders=5, rungs=12, rung_s=15.0)


@pytest.mark.parametrize(
    ("settings", "changes", "complaint"),
    [
        (replace(SETTINGS, highest=0.51), {}, "--to at least one --step above --from"),
        (replace(SETTINGS, lowest=0.01), {}, "--from: expected at least"),
        (replace(SETTINGS, highest=60.0), {}, "--to: expected at most"),
        (replace(SETTINGS, lowest=10.0, highest=300.0, within_s=0.1), {}, "--to: expected at most 1"),
        (SETTINGS, {"timeout_s": 2.0, "step_timeout_s": 2.0}, "timeout_s: expected more than the budget of 3 s, got 2"),
    ],
)
def test_what_cannot_be_read_is_refused_before_any_load(
    settings: SearchSettings, changes: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    rush = {**yaml.safe_load(SCENARIO), "arrivals": {"curve": "constant", "rate": 50}, **changes}
    with pytest.raises(ConfigError, match=complaint):
        search(
            Scenario.model_validate(rush), Targets.model_validate(yaml.safe_load(TARGETS)), Policy(), settings,
            tmp_path, lambda snapshot: None, lambda ladder: None,
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_policy_without_a_budget_needs_one_by_option(tmp_path: Path) -> None:
    policy = Policy.model_validate({"budgets": {"login_p95_s": None}})
    with pytest.raises(ConfigError, match=r"budgets\.login_p95_s: expected a number, or --within-ms"):
        search(
            Scenario.model_validate(yaml.safe_load(SCENARIO)), Targets.model_validate(yaml.safe_load(TARGETS)),
            policy, SETTINGS, tmp_path,
            lambda snapshot: None, lambda ladder: None,
        )  # fmt: skip
