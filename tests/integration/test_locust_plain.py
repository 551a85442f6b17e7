"""Plain Locust, as somebody who explores uses it: from the shell, and by its web UI."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from harness.lab.domain import Lab
from harness.model.target import ARMS
from tests.helpers.needs import missing
from tests.helpers.plain_locust import (
    PATIENCE_S,
    SHORT,
    command,
    errors_in,
    headless,
    logins,
    only_run,
    planned,
    web_ui,
    write,
)
from tests.helpers.running import AUTHGATE, POLICY, finished, until

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("require_domain")]


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    return write(tmp_path / "scenario.yaml", SHORT)


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
    done = headless(scenario, targets, "--csv", str(tmp_path / "out"))
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
        missing("this machine has no address but loopback")
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


def children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def test_the_web_ui_asks_for_scenario_targets_and_arm_and_runs_them(
    targets: Path, scenario: Path, tmp_path: Path
) -> None:
    with web_ui(tmp_path) as site:
        site.open()
        choices = json.loads(site.ask("/authgate/choices")[1])
        assert {"morning-rush", "night-shift"} <= {found["name"] for found in choices["scenarios"]}
        assert choices["arms"] == ["baseline", "candidate"]
        assert {"file": "targets.yaml", "arms": ["baseline"], "lab": ""} in choices["targets"]
        form = {"scenario": scenario, "targets": targets, "arm": "baseline"}

        # Somebody mistypes: that is said beside the field, and nothing begins.
        answer = site.post("/swarm", **{**form, "targets": tmp_path / "none.yaml", "seats": "many"})
        assert not answer["success"]
        assert answer["fields"].keys() == {"targets", "seats"}
        assert "none.yaml: expected a readable YAML file" in answer["fields"]["targets"]
        assert site.stats() == ("ready", {}) and not errors_in(site.log)

        # They correct it, and look again at the same thing.
        for _ in range(2):
            assert site.post("/swarm", **form)["success"]
            state = site.phase("done")
            assert (state["ended"], state["planned"]) == (logins(scenario), logins(scenario))
            until(lambda: site.stats() == ("stopped", planned(scenario)), PATIENCE_S, str(site.stats()))
        assert children(site.process.pid) == []

        site.process.send_signal(signal.SIGTERM)
        assert site.process.wait(PATIENCE_S) == 0
        assert "Traceback" not in site.log
        with pytest.raises(ProcessLookupError):
            os.kill(site.process.pid, 0)


def test_the_state_is_true_from_the_second_test_on_while_it_prepares_and_while_it_runs(
    targets: Path, scenario: Path, tmp_path: Path
) -> None:
    with web_ui(tmp_path) as site:
        site.open()
        form = {"scenario": scenario, "targets": targets, "arm": "baseline"}
        for _ in range(2):
            assert site.post("/swarm", **form)["success"]
            seen = set()
            while (state := site.state())["phase"] != "done":
                seen.add((state["phase"], state["locust"]))
                time.sleep(0.02)
            assert {("preparing", "spawning"), ("running", "running")} <= seen
            # Locust's page asks again only in these states, and shows its Stop button in no other.
            assert {locust for phase, locust in seen if phase in ("preparing", "running")} <= {"spawning", "running"}


def test_the_lab_that_is_up_is_offered_first(cache: Path, tmp_path: Path) -> None:
    def lab(word: str) -> int:
        return subprocess.run([*AUTHGATE, "lab", word], cwd=tmp_path, capture_output=True, timeout=120).returncode

    assert lab("up") == 0
    try:
        with web_ui(tmp_path) as site:
            for path in ("/authgate/choices", "/gate/choices"):
                offered = json.loads(site.ask(path)[1])
                first = offered["targets"][0]
                assert first["lab"] and set(first["arms"]) == set(ARMS), path
                assert Path(offered["now"]["targets"]) == Path(first["file"]), "and it is what the form begins with"
    finally:
        assert lab("down") == 0


def test_a_running_test_is_not_edited_and_is_stopped_by_hand(targets: Path, scenario: Path, tmp_path: Path) -> None:
    long = write(scenario, {**SHORT, "blocks": {**SHORT["blocks"], "pairs": 200}})
    with web_ui(tmp_path) as site:
        site.open()
        form = {"scenario": long, "targets": targets, "arm": "baseline"}
        assert site.post("/swarm", **form)["success"]
        site.phase("running")
        answer = site.post("/swarm", **form, user_count=5, spawn_rate=5)
        assert not answer["success"] and "stop it first" in answer["message"]
        assert site.state()["seats"] == SHORT["seats"]
        until(lambda: site.state()["ended"] >= 5, PATIENCE_S, "no logins")
        site.post("/stop")
        state = site.phase("stopped")
        assert re.fullmatch(rf"stopped: \d+ of {logins(long)} logins", state["says"])
    run = only_run(tmp_path / "results")
    manifest = run.manifest()
    assert (manifest["status"], manifest["ending"]["interrupted"]) == ("partial", state["says"])
    assert len(run.attempts()) == state["ended"]


# What a test says of itself.


def test_a_plan_that_is_done_ends_the_test_and_its_run_is_kept(targets: Path, scenario: Path, tmp_path: Path) -> None:
    done = headless(scenario, targets)
    assert done.returncode == 0, done.stderr
    count = logins(scenario)
    assert f"plan done: {count} of {count} logins" in done.stderr
    # The totals are those of logins, not of their steps.
    assert re.search(rf"Aggregated +{count} ", done.stderr), done.stderr
    run = only_run(tmp_path / "results")
    assert run.manifest()["status"] == "complete"
    assert (run.arms(), run.scenario().name) == (("baseline",), "short")
    assert sorted(run.attempts()["seq"].to_pylist()) == list(range(count))


def test_what_plain_tests_leave_is_reported_and_compared_as_any_run_is(
    cache: Path, scenario: Path, tmp_path: Path
) -> None:
    runs = []
    with Lab() as lab:
        lab.write_targets(tmp_path / "targets.yaml")
        for arm in ARMS:
            inputs = ("--scenario", str(scenario), "--targets", str(tmp_path / "targets.yaml"), "--arm", arm)
            asked = command("--headless", "--only-summary", *inputs, "--results", str(tmp_path / arm))
            assert finished(asked).returncode == 0
            runs.append(str(only_run(tmp_path / arm).path))
    for arm, run in zip(ARMS, runs, strict=True):
        told = finished([*AUTHGATE, "report", run])
        assert told.returncode == 0, told.stdout + told.stderr
        assert "INCONCLUSIVE" in told.stdout and f"this run measured the {arm} alone" in told.stdout
        assert {"report.html", "verdict.json"} <= {path.name for path in Path(run).iterdir()}
        assert finished([*AUTHGATE, "compare", run]).returncode == 2
    policy = write(tmp_path / "policy.yaml", POLICY)
    judged = finished([*AUTHGATE, "compare", *runs, "--policy", str(policy), "--out", str(tmp_path / "judged")])
    assert judged.returncode == 20, judged.stdout + judged.stderr
    assert "one after the other" in judged.stdout, "and nothing is said to be missing"


def test_seats_are_the_scenario_s_unless_said_and_too_few_are_told(
    targets: Path, scenario: Path, tmp_path: Path
) -> None:
    slow = write(scenario, {**SHORT, "arrivals": {"curve": "constant", "rate": 150}})
    few = headless(slow, targets, "-u", "1")
    waits = only_run(tmp_path / "results").manifest()["plain"]
    assert (waits["seats"], few.returncode) == (1, 0)
    assert waits["seat_waits"] > 0.01 * logins(slow)
    assert (
        f"the generator was too small: {waits['seat_waits']} of {logins(slow)} logins waited for a seat" in few.stderr
    )


def test_a_failed_login_is_told_once_with_its_code_and_its_step(targets: Path, scenario: Path, tmp_path: Path) -> None:
    found = yaml.safe_load(targets.read_text())
    found["arms"]["baseline"]["directory"]["group_base"] = "ou=Nowhere,dc=clinic,dc=test"
    done = headless(scenario, write(tmp_path / "nowhere.yaml", found))
    told = done.stderr[done.stderr.index("Error report") :]
    cold = [line for line in told.splitlines() if "cold" in line]
    assert len(cold) == 1 and "cold login: error LDAP 32 noSuchObject at ldap_groups" in cold[0], told
    assert "RuntimeError" not in told
