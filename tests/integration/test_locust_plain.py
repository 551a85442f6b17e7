"""Plain Locust, as somebody who explores uses it: from the shell, and by its web UI."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from harness.config.load import load_scenario
from harness.lab.domain import Lab
from harness.load.fleet import LOCUSTFILE
from harness.model.plan import make_plan
from harness.model.steps import LOGIN
from harness.system.process import free_ports

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0
"""An upper bound on things that take milliseconds; only a hang reaches it."""


@pytest.fixture(autouse=True)
def _servers(require_server: Callable[..., None], cache: Path) -> None:
    require_server()


@pytest.fixture
def targets(cache: Path, tmp_path: Path) -> Iterator[Path]:
    with Lab(("baseline",)) as lab:
        lab.write_targets(tmp_path / "targets.yaml")
        yield tmp_path / "targets.yaml"


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """3 s of 10 logins a second, some of them warm."""
    path = tmp_path / "scenario.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "short",
                "steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups"],
                "population": {"users": 20, "cold_share": 0.7},
                "arrivals": {"curve": "constant", "rate": 10},
                "seats": 20,
                "blocks": {"length_s": 1.5, "trim_s": 0.5, "pairs": 2},
            }
        )
    )
    return path


def planned(scenario: Path) -> Counter[tuple[str, str]]:
    """How often the plan takes each step, and the login as a whole, by cohort."""
    what = load_scenario(scenario)
    plan = make_plan(what, ["baseline"])
    return Counter(
        (arrival.cohort, name)
        for block in plan.of("baseline")
        for arrival in block.arrivals
        for name in (*what.mix[arrival.cohort].taken, LOGIN)
    )


def command(*more: str) -> list[str]:
    return [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *more]


def headless(scenario: Path, targets: Path, *more: str) -> subprocess.CompletedProcess[str]:
    options = ("--scenario", str(scenario), "--targets", str(targets), "--arm", "baseline", "-u", "20", "-r", "20")
    return subprocess.run(
        command("--headless", "--only-summary", *options, *more), capture_output=True, text=True, timeout=3 * PATIENCE_S
    )


def test_a_headless_test_executes_the_plan_and_counts_each_step(targets: Path, scenario: Path, tmp_path: Path) -> None:
    """Of cohorts in rounds: a warm login whose cache lacks a ticket that its cohort leaves out would fail."""
    whole = ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups"]
    cohorts = {
        "cold-logon": {"steps": whole, "authentication": "password"},
        "tap-and-go": {"cache": "warm", "steps": whole[:5]},
        "peek": {"cache": "warm", "steps": ["kdc_as", "ldap_connect"]},
    }
    rounds = [
        {"share": 0.6, "logins": ["tap-and-go", "peek", "peek"], "think_s": 0.3},
        {"share": 0.4, "logins": ["cold-logon"]},
    ]
    changes = {"steps": [], "cohorts": cohorts, "rounds": rounds, "population": {"users": 20}}
    scenario.write_text(yaml.safe_dump({**yaml.safe_load(scenario.read_text()), **changes}))
    done = headless(scenario, targets, "-t", "25s", "--csv", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    with (tmp_path / "out_stats.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["Name"] != "Aggregated"]
    assert {(row["Type"], row["Name"]): int(row["Request Count"]) for row in rows} == planned(scenario)
    assert {row["Failure Count"] for row in rows} == {"0"}
    assert cohorts.keys() == {row["Type"] for row in rows}


# Inputs that do not let a test begin. Without -t: a test that did not end by itself would never end.


def refused(done: subprocess.CompletedProcess[str], *expected: str) -> None:
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    (first,) = [line for line in done.stderr.splitlines() if "/ERROR/" in line]
    said = done.stderr[done.stderr.index(first) :]
    assert all(text in said for text in expected), said
    assert re.search(r"Aggregated +0 ", done.stderr), done.stderr


def test_a_bad_targets_file_is_told_in_one_line(scenario: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("environment: lab\narms: 3\n")
    done = headless(scenario, bad)
    refused(done, f"{bad}:2: arms")
    assert done.stderr.count(str(bad)) == 1
    refused(headless(scenario, tmp_path / "none.yaml"), "none.yaml: expected a readable YAML file")


def without_loopback(targets: Path, to: Path, address: str, ports: dict[str, int] | None = None) -> Path:
    """The targets moved to another address, with no word of anybody's consent."""
    found = yaml.safe_load(targets.read_text())
    del found["environment"]
    target = found["arms"]["baseline"]
    kdc, ldap = (ports or {"kdc": 88, "ldap": 389}).values()
    target["kdcs"] = [f"{address}:{kdc}"]
    target["directory"]["uri"] = f"ldap://{address}:{ldap}"
    to.write_text(yaml.safe_dump(found))
    return to


def test_load_is_never_sent_to_a_documentation_address(targets: Path, scenario: Path, tmp_path: Path) -> None:
    done = headless(scenario, without_loopback(targets, tmp_path / "away.yaml", "192.0.2.1"))
    refused(done, "targets refused", "expected pre-production for 192.0.2.1", "got lab")


def own_address() -> str | None:
    """An address of this machine that isn't loopback; asking for the route to one sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))
        except OSError:
            return None
        found: str = asked.getsockname()[0]
        return None if found.startswith("127.") else found


def test_the_refusal_comes_before_the_first_packet(targets: Path, scenario: Path, tmp_path: Path) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    with ExitStack() as stack:
        kdc_udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        kdc_udp.bind((address, 0))
        kdc_tcp = stack.enter_context(socket.create_server((address, kdc_udp.getsockname()[1])))
        ldap = stack.enter_context(socket.create_server((address, 0)))
        ports = {"kdc": kdc_udp.getsockname()[1], "ldap": ldap.getsockname()[1]}
        refused(headless(scenario, without_loopback(targets, tmp_path / "away.yaml", address, ports)), address)
        for listener in (kdc_tcp, ldap):
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()
        kdc_udp.setblocking(False)
        with pytest.raises(BlockingIOError):
            kdc_udp.recv(1)

        # With consent the same load is sent, so the silence above was the refusal's doing.
        consent = yaml.safe_load((tmp_path / "away.yaml").read_text())
        consent |= {"environment": "pre-production", "allow": [f"{address}/32"], "max_rate": 10}
        (tmp_path / "agreed.yaml").write_text(yaml.safe_dump(consent))
        scenario.write_text(scenario.read_text() + "step_timeout_s: 0.3\n")
        refused(headless(scenario, tmp_path / "agreed.yaml"), "no key for", "timeout DEADLINE")
        assert kdc_udp.recv(1)


# The web UI.


@contextmanager
def web_ui(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    (port,) = free_ports(1)
    where = command("--web-host", "127.0.0.1", "--web-port", str(port))
    with (folder / "locust.log").open("wb") as log:
        process = subprocess.Popen(where, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url))
        yield url, process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return bool(get(url))
    except OSError:
        return False


def get(url: str, data: bytes | None = None) -> str:
    with urllib.request.urlopen(url, data, timeout=PATIENCE_S) as answer:
        text: str = answer.read().decode()
        return text


def post(url: str, **form: object) -> str:
    return get(url, urllib.parse.urlencode(form).encode())


def stats(url: str) -> tuple[str, dict[tuple[str, str], int]]:
    """The state, and how often each step has been counted."""
    found = json.loads(get(f"{url}/stats/requests"))
    rows = {(row["method"], row["name"]): row["num_requests"] for row in found["stats"] if row["name"] != "Aggregated"}
    return found["state"], rows


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def test_the_web_ui_asks_for_scenario_targets_and_arm_and_runs_them(
    targets: Path, scenario: Path, tmp_path: Path
) -> None:
    with web_ui(tmp_path) as (url, process):
        (arguments,) = re.findall(r"window\.templateArgs = (\{.*\})", get(url))
        fields = json.loads(arguments)["extra_options"]
        assert fields.keys() >= {"scenario", "targets", "arm"}
        assert fields["arm"]["choices"] == ["baseline", "candidate"]
        form = {"user_count": 20, "spawn_rate": 20, "scenario": scenario, "targets": targets, "arm": "baseline"}

        # Somebody mistypes, corrects it, and looks again at the same thing.
        assert '"success": true' in post(f"{url}/swarm", **{**form, "targets": tmp_path / "none.yaml"})
        eventually(lambda: "none.yaml: expected a readable YAML file" in (tmp_path / "locust.log").read_text())
        eventually(lambda: stats(url) == ("stopped", {}))
        for _ in range(2):
            assert '"success": true' in post(f"{url}/swarm", **form)
            eventually(lambda: stats(url)[1] == planned(scenario))
            post(f"{url}/stop")
            eventually(lambda: stats(url)[0] == "stopped")
        assert children(process.pid) == []

        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert "Traceback" not in (tmp_path / "locust.log").read_text()
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)
