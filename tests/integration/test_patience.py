"""Clients that give up and come back, on real servers behind a relay that holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.lab.domain import Lab
from harness.login.tries import tried
from harness.model.fault import Hold
from harness.model.patience import Patience
from harness.model.steps import EARLIER_TRIES
from harness.model.target import Target
from tests.helpers.logins import USER, KdcLog, client, csv_file, ended
from tests.helpers.running import AUTHGATE, SCENARIO, Inputs, finished, stopped

pytestmark = pytest.mark.integration

NS = 1_000_000_000
GIVES_UP_S, AGAIN_AFTER_S, TRIES = 1.0, 0.1, 3
STEPS = list(SCENARIO["steps"])
IMPATIENT = {
    **SCENARIO,
    "arrivals": {"curve": "constant", "rate": 10},
    "population": {"users": 20, "cold_share": 1},
    "patience": {"gives_up_s": GIVES_UP_S, "tries": TRIES, "again_after_s": AGAIN_AFTER_S},
    "timeout_s": 4,
    "blocks": {"length_s": 1, "trim_s": 0, "pairs": 2},
}


@pytest.fixture(scope="module")
def lab(require_domain: None) -> Iterator[Lab]:
    """The candidate's directory serves 2 logins a second."""
    with Lab(faults=[Hold(hold_s=0.5, workers=1)]) as held:
        yield held


@pytest.fixture(scope="module")
def attempts(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """2 s of logins at 10 a second by clients that come back."""
    inputs = Inputs(tmp_path_factory.mktemp("patience"))
    files = [str(inputs.write(name, each)) for name, each in (("s", IMPATIENT), ("t", lab.targets))]
    options = ["--arm", "candidate", "--results", str(inputs.results)]
    done = finished([*AUTHGATE, "run", files[0], "--targets", files[1], *options])
    assert done.returncode == 0, done.stdout + done.stderr
    rows: list[dict[str, Any]] = inputs.attempts().to_pylist()
    return rows


def test_a_client_that_gave_up_in_a_stall_hangs_up_and_comes_through_when_it_comes_back(
    lab: Lab, tmp_path: Path
) -> None:
    arm = lab.arms["baseline"]
    patience = Patience(gives_up_s=1.5, tries=3, again_after_s=0)
    target = Target.model_validate(arm.target)
    path = client(target, tmp_path, timeout_s=5, patience=patience)
    port = target.directory.endpoint.port

    def connections() -> int:
        return sum(bool(c.raddr) and c.raddr.port == port for c in psutil.Process().net_connections("tcp"))

    with ExitStack() as stall:
        stall.enter_context(stopped(arm.processes["slapd"].pid))
        left: list[int] = []

        def comes_back(_: float) -> bool:
            left.append(connections())
            stall.close()
            return True

        found = tried(lambda: path.login(USER, "cold"), patience, comes_back)
    assert found.outcome.status == "ok"
    assert [step.step for step in found.steps] == [EARLIER_TRIES, *STEPS]
    assert left == [0], "what was given up holds no connection"


def test_once_a_step_was_given_up_no_password_is_sent_for_it(lab: Lab, tmp_path: Path) -> None:
    """A client that went on in the background would try a stale password that nobody waits for."""
    arm = lab.arms["baseline"]
    target = Target.model_validate({**arm.target, "credentials": csv_file(tmp_path, f"{USER},not it")})
    path = client(target, tmp_path, steps=["kdc_as"], step_timeout_s=0.9, authentication="password")
    patient = client(target, tmp_path, steps=["kdc_as"], authentication="password")
    log = KdcLog(arm)
    with stopped(arm.processes["kdc"].pid):
        assert path.login(USER, "cold").outcome.status == "timeout"
    assert list(path.denied_late()) == []
    assert ended(patient.login(USER, "cold")) == ("denied", "KDC_ERR_PREAUTH_FAILED", "kdc_as")
    # The request of the first login is answered late, and that of the second; one attempt is made at the password.
    assert log.requests().count(("AS_REQ", "NEEDED_PREAUTH")) == 2
    assert sum("PREAUTH_FAILED" in line for line in log.lines()) == 1


def test_where_the_servers_stay_overloaded_clients_come_back_until_their_last_try(
    attempts: list[dict[str, Any]],
) -> None:
    tries = Counter((row["tries"], row["status"]) for row in attempts)
    assert {row["status"] for row in attempts} <= {"ok", "timeout"}
    assert max(count for count, _ in tries) == TRIES
    assert tries[TRIES, "timeout"]
    assert not any(status == "timeout" for count, status in tries if count < TRIES), "nobody stays away before that"


def test_response_time_runs_from_the_intended_start_through_every_try(attempts: list[dict[str, Any]]) -> None:
    where = Counter(step["code"] for row in attempts for step in row["steps"] if step["step"] == EARLIER_TRIES)
    assert where.most_common(1)[0][0] == "ldap_bind", "it is the bind that is held"
    for row in attempts:
        earlier = [step for step in row["steps"] if step["step"] == EARLIER_TRIES]
        assert len(earlier) == row["tries"] - 1
        assert row["intended"] <= row["started"] <= row["steps"][0]["started"]
        for step in earlier:
            assert step["ended"] - step["started"] >= (GIVES_UP_S + AGAIN_AFTER_S) * NS * 0.9
            assert step["status"] == "timeout" and step["code"] in STEPS
        assert row["ended"] - row["intended"] >= sum(step["ended"] - step["started"] for step in earlier)


def test_the_steps_after_earlier_tries_are_those_of_the_last_try_from_its_beginning(
    attempts: list[dict[str, Any]],
) -> None:
    for row in attempts:
        names = [step["step"] for step in row["steps"] if step["step"] != EARLIER_TRIES]
        assert names == STEPS[: len(names)], "each step once, from the first"
        times = [instant for step in row["steps"] for instant in (step["started"], step["ended"])]
        assert times == sorted(times)
        assert (row["status"] == "ok") == (names == STEPS and row["steps"][-1]["status"] == "ok")
