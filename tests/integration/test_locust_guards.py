"""Plain Locust has the guards of every other way in: on accounts, on its web server, and on what its workers send."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pyarrow.compute as pc
import pytest
import yaml

from harness.errors import RunError
from harness.guards.denial_share import DENIALS_AT_LEAST
from harness.system.process import free_ports
from tests.helpers.plain_locust import (
    PATIENCE_S,
    SHORT,
    STEPS,
    command,
    errors_in,
    headless,
    logins,
    only_run,
    options,
    started,
    web_ui,
    write,
)
from tests.helpers.running import until

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("require_domain")]
LONG: dict[str, Any] = {
    "name": "long",
    "steps": STEPS,
    "population": {"users": 200},
    "arrivals": {"curve": "constant", "rate": 40},
    "seats": 40,
    "blocks": {"length_s": 5, "trim_s": 1, "pairs": 2},
}
"""10 s of 40 logins a second."""
PASSWORD = "right-password"


def wrong_for_a_tenth(targets: Path) -> Path:
    """The targets with a file of accounts in which every tenth password is wrong."""
    found = yaml.safe_load(targets.read_text())
    right = Path(found["arms"]["baseline"]["credentials"]["csv"]).read_text().splitlines()
    first = next(place for place, line in enumerate(right) if line != "user,password")
    wrong = targets.with_name("wrong.csv")
    wrong.touch(mode=0o600)
    lines = [f"{line.split(',')[0]},not-it" if (place - first) % 10 == 5 else line for place, line in enumerate(right)]
    wrong.write_text("\n".join(lines))
    found["arms"]["baseline"]["credentials"] = {"csv": str(wrong)}
    return write(targets.with_name("wrong.yaml"), found)


# Accounts.


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["one-process", "two-workers"])
def test_ten_in_a_hundred_wrong_passwords_stop_the_test_and_each_is_sent_once(
    targets: Path, tmp_path: Path, processes: tuple[str, ...]
) -> None:
    scenario = write(tmp_path / "scenario.yaml", LONG)
    done = headless(scenario, wrong_for_a_tenth(targets), *processes)
    (said,) = [line for line in errors_in(done.stderr) if "denied" in line]
    found = re.search(r"(\d+) of (\d+) logins were denied; stopped so that no account is locked", said)
    assert found and done.returncode == 1
    run = only_run(tmp_path / "results")
    assert run.manifest()["ending"]["stopped_for_denials"]
    attempts = run.attempts()
    denied = Counter(attempts.filter(pc.equal(attempts["status"], "denied"))["user"].to_pylist())
    assert set(denied.values()) == {1}
    # Of the 20 that would have been: those at the stop, and what was under way on two workers then.
    assert DENIALS_AT_LEAST <= len(denied) <= DENIALS_AT_LEAST + 4
    assert len(attempts) < logins(scenario) / 2


def test_the_web_ui_stops_for_denials_too_and_says_so(targets: Path, tmp_path: Path) -> None:
    scenario = write(tmp_path / "scenario.yaml", LONG)
    with web_ui(tmp_path) as site:
        site.open()
        assert site.post("/swarm", scenario=scenario, targets=wrong_for_a_tenth(targets), arm="baseline")["success"]
        state = site.phase("stopped")
        assert "logins were denied; stopped so that no account is locked" in state["says"]
        until(lambda: site.stats()[0] == "stopped", PATIENCE_S, "Locust's part goes on")


# The web server.


def listening(process: subprocess.Popen[bytes]) -> set[str]:
    return {found.laddr.ip for found in psutil.Process(process.pid).net_connections() if found.status == "LISTEN"}


def test_nothing_listens_beyond_loopback_unless_told(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with web_ui(tmp_path, "--master", "--master-bind-port", str(port)) as site:
        until(lambda: bool(listening(site.process)), PATIENCE_S, "it listens nowhere")
        assert listening(site.process) == {"127.0.0.1"}


def test_another_origin_another_host_and_a_request_without_a_token_are_refused(targets: Path, tmp_path: Path) -> None:
    form = {"scenario": write(tmp_path / "scenario.yaml", SHORT), "targets": targets, "arm": "baseline"}
    with web_ui(tmp_path) as site:
        for path in ("/swarm", "/stop", "/stats/reset", "/user"):
            assert site.stranger().ask(path, form)[0] == 403, f"{path}: no token"
        foreign = "http://evil.example"
        for path, posted in (("/swarm", form), ("/stop", {}), ("/", None), ("/stats/requests", None)):
            status, _, headers = site.ask(path, posted, Origin=foreign)
            assert status == 403, path
            assert "Access-Control-Allow-Origin" not in headers
        # A sandboxed frame, another port of the same host, and a name that an attacker has pointed here.
        assert site.ask("/swarm", form, Origin="null")[0] == 403
        assert site.ask("/swarm", form, Origin="http://127.0.0.1:1")[0] == 403
        assert site.ask("/swarm", form, Sec_Fetch_Site="cross-site")[0] == 403
        assert site.ask("/", Host="evil.example")[0] == 403
        assert site.ask("/swarm", form, Host="evil.example", Origin=foreign)[0] == 403
        assert site.state()["phase"] == "ready"

        _, _, headers = site.ask("/start")
        assert headers["X-Frame-Options"] == "SAMEORIGIN" and "default-src 'none'" in headers["Content-Security-Policy"]
        assert site.post("/swarm", **form)["success"], "the page itself may"


def test_beyond_loopback_there_is_no_web_ui_without_a_password(tmp_path: Path) -> None:
    done = subprocess.run(
        command("--web-host", "0.0.0.0", "--web-port", "1"), capture_output=True, text=True, timeout=3 * PATIENCE_S
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "expected a password for a web UI that listens on 0.0.0.0" in done.stderr
    open_to_all = tmp_path / "password"
    open_to_all.write_text(PASSWORD)
    open_to_all.chmod(0o644)
    done = subprocess.run(
        command("--web-login", "--web-password-file", str(open_to_all)),
        capture_output=True, text=True, timeout=3 * PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 2 and "chmod 600" in done.stderr and PASSWORD not in done.stderr


@pytest.mark.parametrize("by", ["file", "environment"])
def test_with_a_password_everything_but_the_login_asks_for_it(tmp_path: Path, by: str) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_text(f"{PASSWORD}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    arguments = ("--web-password-file", str(file)) if by == "file" else ("--web-login",)
    environment = {} if by == "file" else {"AUTHGATE_WEB_PASSWORD": PASSWORD}
    with web_ui(tmp_path, *arguments, **environment) as site:
        for path in ("/", "/start", "/authgate/state", "/authgate/choices", "/stats/requests", "/logs"):
            assert 'type="password"' in site.ask(path)[1], path
        assert 'type="password"' in site.ask("/swarm", {"user_count": 1}, Origin=site.url)[1]
        assert site.ask("/authgate/login", {"password": "wrong"}, Origin=site.url)[0] == 401
        assert 'id="form"' in site.ask("/authgate/login", {"password": PASSWORD}, Origin=site.url)[1]
        assert site.state()["phase"] == "ready"
        assert PASSWORD not in site.log


# Several workers.


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Any]:
    """A master with a web UI and two workers; a further one can be started."""
    (port,) = free_ports(1)
    with web_ui(tmp_path, "--master", "--master-bind-port", str(port)) as site, ExitStack() as stack:
        count = 0

        def start() -> subprocess.Popen[bytes]:
            nonlocal count
            count += 1
            arguments = command("--worker", "--master-port", str(port))
            return stack.enter_context(started(arguments, tmp_path / f"worker-{count}.log"))

        def connected(wanted: int) -> None:
            got = '"worker_count": {}'
            until(lambda: got.format(wanted) in site.ask("/worker-count")[1].replace('":', '": ').replace("  ", " "),
                  PATIENCE_S, "not all workers connected")  # fmt: skip

        site.open()
        yield site, start, connected


def test_a_typo_in_the_form_ends_no_worker_and_two_of_them_share_the_plan(
    fleet: Any, targets: Path, tmp_path: Path
) -> None:
    site, start, connected = fleet
    workers = [start(), start()]
    connected(2)
    scenario = write(tmp_path / "scenario.yaml", LONG)
    form = {"scenario": scenario, "arm": "baseline"}
    assert "none.yaml" in site.post("/swarm", **form, targets="none.yaml")["fields"]["targets"]
    assert [worker.poll() for worker in workers] == [None, None]
    assert site.post("/swarm", **form, targets=targets)["success"]
    state = site.phase("done")
    assert state["says"] == f"plan done: {logins(scenario)} of {logins(scenario)} logins"
    planned = [share["planned"] for share in state["shares"]]
    assert sum(planned) == logins(scenario) and min(planned) > 0.3 * logins(scenario), "neither of them idles"
    run = only_run(tmp_path / "results")
    assert sorted(run.attempts()["seq"].to_pylist()) == list(range(logins(scenario)))


def test_a_worker_that_is_killed_is_told_with_what_is_missing_and_its_replacement_shares_the_next_plan(
    fleet: Any, targets: Path, tmp_path: Path
) -> None:
    site, start, connected = fleet
    workers = [start(), start()]
    connected(2)
    scenario = write(tmp_path / "scenario.yaml", LONG)
    form = {"scenario": scenario, "targets": targets, "arm": "baseline"}
    assert site.post("/swarm", **form)["success"]
    site.phase("running")
    until(lambda: site.state()["ended"] > 20, PATIENCE_S, "no logins")
    os.kill(workers[0].pid, signal.SIGKILL)
    start()
    state = site.phase("stopped")
    count = logins(scenario)
    (lost,) = [share for share in state["shares"] if share["lost"]]
    missing = lost["planned"] - lost["ended"]
    assert missing > 0
    assert f"plan not done: {count - missing} of {count} logins; worker {lost['index'] + 1} of 2" in state["says"]
    # Which of the two the master notices first, the lost connection or the silence, is a matter of time.
    assert re.search(
        rf"was (lost|silent for 3 s), and with it {missing} of its {lost['planned']} logins", state["says"]
    )
    run = only_run(tmp_path / "results")
    assert run.manifest()["status"] == "partial"
    assert run.manifest()["plain"]["missing"] == {lost["client"]: missing}

    # At the next start the plan is shared by those that are there then, whatever numbers Locust has given them.
    connected(2)
    until(lambda: site.stats()[0] == "stopped", PATIENCE_S, "Locust's part goes on")
    assert site.post("/swarm", **form)["success"]
    assert site.phase("done")["ended"] == count


def test_a_worker_whose_master_is_killed_stops_sending(targets: Path, tmp_path: Path) -> None:
    scenario = write(tmp_path / "scenario.yaml", {**LONG, "blocks": {**LONG["blocks"], "pairs": 40}})
    arguments = command(*options(scenario, targets, tmp_path / "results"), "--processes", "1")
    with started(arguments, tmp_path / "locust.log") as master:

        def attempts() -> int:
            try:
                return len(only_run(tmp_path / "results").attempts())
            except (RunError, OSError, ValueError):  # not there yet
                return 0

        until(lambda: attempts() > 20, PATIENCE_S, (tmp_path / "locust.log").read_text())
        (worker,) = psutil.Process(master.pid).children()
        try:
            os.kill(master.pid, signal.SIGKILL)
            until(lambda: "nothing more is sent" in (tmp_path / "locust.log").read_text(), PATIENCE_S, "it goes on")
        finally:
            worker.kill()
