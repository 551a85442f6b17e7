"""A run's telemetry from real logins, and collectors that must not touch the run."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.lab.domain import Lab
from harness.model.plan import NS, make_plan
from harness.record.folder import RunFolder
from tests.helpers.collector import Collector, collector, told
from tests.helpers.prometheus import prometheus, require_prometheus
from tests.helpers.running import AUTHGATE, SCENARIO, Inputs

pytestmark = pytest.mark.integration

SHORT = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 2}}


@pytest.fixture(scope="module")
def lab(require_domain: None) -> Any:
    with Lab() as running:
        yield running


def run(lab: Lab, folder: Path, its: Collector, **variables: str) -> tuple[RunFolder, str]:
    """A short run that is sent to a collector: its folder, and what it said of errors."""
    inputs = Inputs(folder)
    scenario, targets = inputs.write("scenario", SHORT), inputs.write("targets", lab.targets)
    command = [*AUTHGATE, "run", scenario, "--targets", targets, "--results", inputs.results, "-q", "--otlp", its.url]
    env = {**os.environ, **variables}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    found = RunFolder.open(inputs.run)
    assert found.manifest()["status"] == "complete"
    planned = sum(len(block.arrivals) for block in make_plan(found.scenario(), found.arms()).blocks)
    assert len(found.attempts()) == planned, "the run is whole"
    return found, done.stderr


def test_what_a_collector_has_of_a_run_is_what_the_run_recorded(lab: Lab, tmp_path: Path) -> None:
    with collector() as its:
        folder, said = run(lab, tmp_path, its, OTEL_TRACES_SAMPLER="always_on", OTEL_METRIC_EXPORT_INTERVAL="250")
    assert said == ""
    logins = folder.attempts().to_pylist()
    counts = its.counts("authgate.login.duration", "authgate.arm", "authgate.cohort", "authgate.result")
    assert counts == Counter((login["arm"], login["cohort"], login["status"]) for login in logins)
    steps = its.counts("authgate.step.duration", "authgate.arm", "authgate.step", "authgate.result")
    assert steps == Counter((it["arm"], step["step"], step["status"]) for it in logins for step in it["steps"])
    assert len(its.points("authgate.login.duration")) > 3, "while it went on"
    origin = round(folder.manifest()["origin_wall"] * NS)
    expected = {(it["arm"], it["seq"], "login", origin + it["intended"], origin + it["ended"]) for it in logins}
    roots = {span.span_id: told(span.attributes) for span in its.spans if not span.parent_span_id}
    spans = {
        (whose["authgate.arm"], whose["authgate.seq"], span.name, span.start_time_unix_nano, span.end_time_unix_nano)
        for span in its.spans
        for whose in [roots[span.parent_span_id or span.span_id]]
    }
    expected |= {
        (it["arm"], it["seq"], step["step"], origin + step["started"], origin + step["ended"])
        for it in logins
        for step in it["steps"]
    }
    assert spans == expected
    servers = {(at["server.address"], at["server.port"]) for span in its.spans if span.parent_span_id
               for at in [told(span.attributes)]}  # fmt: skip
    assert len(servers) == 4, "a KDC and a directory of each arm"
    assert not [body for body in its.raw if b"clin0" in body], "no account is named"


@pytest.mark.parametrize("answers", [None, 503])
def test_a_collector_that_hangs_or_refuses_costs_a_line_at_the_end(
    lab: Lab, tmp_path: Path, answers: int | None
) -> None:
    with collector(answers) as its:
        _, said = run(lab, tmp_path, its, OTEL_EXPORTER_OTLP_TIMEOUT="1", OTEL_METRIC_EXPORT_INTERVAL="500")
    assert said.startswith("otlp: 0 of ") and said.count("\n") == 1, said


def test_prometheus_itself_has_a_run_s_numbers_while_it_goes_on(lab: Lab, tmp_path: Path) -> None:
    require_prometheus()
    inputs = Inputs(tmp_path)
    scenario, targets = inputs.write("scenario", SHORT), inputs.write("targets", lab.targets)
    with prometheus(tmp_path) as its:
        command = [*AUTHGATE, "run", scenario, "--targets", targets, "--results", inputs.results, "-q",
                   "--metrics-port", its.scraped]  # fmt: skip
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        last = {found["metric"]["arm"]: float(found["value"][1])
                for found in its.asked("max_over_time(authgate_logins_total[5m])")}  # fmt: skip
        (info,) = its.asked("last_over_time(authgate_run_info[5m])")
    logins = Counter(login["arm"] for login in RunFolder.open(inputs.run).attempts().to_pylist())
    assert last.keys() == logins.keys() == {"baseline", "candidate"}
    assert all(0 < last[arm] <= logins[arm] for arm in logins)
    assert info["metric"]["scenario"] == SHORT["name"] and info["metric"]["job"] == "authgate"
