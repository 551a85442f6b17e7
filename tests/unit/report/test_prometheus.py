"""A run's numbers in Prometheus' own format, as Prometheus' own checker reads it."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from harness.cli.metrics import also_metrics
from harness.errors import RunError
from harness.model.endpoint import Endpoint
from harness.model.policy import Policy
from harness.model.progress import Look, Preparing, Snapshot
from harness.report.prometheus import exposition
from harness.system.process import free_ports
from tests.helpers.evidence_samples import blocked
from tests.helpers.prometheus import require_prometheus
from tests.helpers.stored import SCENARIO

RUN = Preparing("results/x", SCENARIO, Policy(), ("baseline", "candidate"))


def snapshot() -> Snapshot:
    evidence = blocked()
    assert evidence.comparison is not None
    return Snapshot(
        block=3, blocks=10, arms=("baseline",), pairs_judged=2, offered=20.0, achieved=19.5,
        latencies={"baseline": (0.02, 0.05), "candidate": None},
        look=Look(evidence.verdict, evidence.comparison, evidence.health), left_s=12.5,
        failed={"baseline": (1, 200), "candidate": (30, 190)},
        failures={("candidate", "kdc_as", 'odd "code"\\ \n')  : 29},
        generators={"baseline": {"cpu": 0.25, "send_lag_p99_ms": None, "busy_seats": 4, "rss_mb": 90.0}},
    )  # fmt: skip


def test_each_number_stands_with_its_arm_and_unit() -> None:
    text = exposition(RUN, snapshot())
    assert 'authgate_run_info{scenario="stored",policy="default"} 1.0' in text
    assert 'authgate_logins_failed_total{arm="candidate"} 30.0' in text
    assert 'authgate_login_p95_seconds{arm="baseline"} 0.05' in text
    assert 'authgate_verdict{verdict="BLOCK"} 1.0' in text and 'authgate_verdict{verdict="PASS"} 0.0' in text
    assert 'authgate_generator_resident_bytes{arm="baseline"} 90000000.0' in text


def test_what_is_not_known_is_left_out() -> None:
    assert exposition(None, None) == ""
    text = exposition(RUN, snapshot())
    assert "authgate_generator_send_lag" not in text
    assert 'authgate_login_p50_seconds{arm="candidate"' not in text


def test_a_label_can_hold_any_text() -> None:
    (line,) = (line for line in exposition(RUN, snapshot()).splitlines() if line.startswith("authgate_failures_total{"))
    assert line.endswith('code="odd \\"code\\"\\\\ \\n"} 29.0')


def test_prometheus_own_checker_finds_nothing_to_complain_of() -> None:
    require_prometheus()
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=exposition(RUN, snapshot()), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_served_while_the_run_goes_on_and_no_longer(tmp_path: Path) -> None:
    shown: list[object] = []
    (port,) = free_ports(1)
    with also_metrics(shown.append, Endpoint(host="127.0.0.1", port=port)) as display:
        display(RUN)
        display(snapshot())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert b"authgate_pairs_judged 2.0" in answer.read()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)
    assert len(shown) == 2
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_a_port_that_is_taken_is_told_before_the_run(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    address = Endpoint(host="127.0.0.1", port=port)
    with (
        also_metrics(lambda _: None, address),
        pytest.raises(RunError, match="--metrics-port: expected to listen"),
        also_metrics(lambda _: None, address),
    ):
        pass
