"""A locustfile of somebody's own logs in by LoginClient, on real servers, under the guards of every other way in."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.guards.denial_share import DENIALS_AT_LEAST
from tests.helpers.pages import ROOT
from tests.helpers.plain_locust import PATIENCE_S, command, write

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("require_domain")]

LOCUSTFILE = ROOT / "tests" / "data" / "locustfile_by_hand.py"
STEPS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry")
RATE, LASTS_S, USERS = 20, 6, 15


def changed(targets: Path, **changes: Any) -> Path:
    return write(targets.with_name("changed.yaml"), {**yaml.safe_load(targets.read_text()), **changes})


def locust(targets: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    asked = command("--headless", "-u", str(USERS), "-r", str(USERS), "-t", f"{LASTS_S}s", "--csv", str(folder / "out"),
                    file=LOCUSTFILE)  # fmt: skip
    environment = {**os.environ, "TARGETS": str(targets), "PYTHONPATH": str(ROOT)}
    return subprocess.run(asked, capture_output=True, text=True, timeout=3 * PATIENCE_S, env=environment, cwd=folder)


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "out_stats.csv").open(encoding="utf-8") as file:
        return {row["Name"]: row for row in csv.DictReader(file)}


def test_each_step_and_each_login_is_a_row_of_locust_s_and_the_rate_is_kept(targets: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    done = locust(changed(targets, max_rate=RATE), tmp_path)
    elapsed_s = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path)
    assert found.keys() == {*STEPS, "login", "Aggregated"}
    count = int(found["login"]["Request Count"])
    # The test's end cuts a login of each user short at most.
    assert all(count <= int(found[step]["Request Count"]) <= count + USERS for step in STEPS)
    assert all(int(row["Failure Count"]) == 0 for row in found.values())
    assert 10 < count <= RATE * elapsed_s  # 15 users would send some hundred a second
    spent = {name: float(row["Average Response Time"]) * int(row["Request Count"]) for name, row in found.items()}
    cut_ms = sum((int(found[s]["Request Count"]) - count) * float(found[s]["Max Response Time"]) for s in STEPS)
    # A login is the sum of its steps, but for those of logins that the end cut short.
    assert -1 <= sum(spent[step] for step in STEPS) - spent["login"] <= cut_ms + 1


def test_wrong_passwords_end_the_test_and_each_is_sent_once(targets: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(targets.read_text())
    right = Path(document["arms"]["baseline"]["credentials"]["csv"]).read_text().splitlines()
    users = [line.split(",")[0] for line in right if line != "user,password"][:40]
    wrong = tmp_path / "wrong.csv"
    wrong.touch(mode=0o600)
    wrong.write_text("".join(f"{user},not-it\n" for user in users))
    document["arms"]["baseline"]["credentials"] = {"csv": str(wrong)}
    done = locust(write(tmp_path / "wrong.yaml", document), tmp_path)
    assert done.returncode == 1
    found = re.search(r"(\d+) of (\d+) logins were denied; stopped so that no account is locked", done.stderr)
    assert found is not None
    # Until it has been let in, an account is tried by one user at a time, so that nothing was under way besides.
    assert found[1] == found[2] == str(DENIALS_AT_LEAST)
    assert "not-it" not in done.stderr + done.stdout


def test_what_the_targets_do_not_allow_is_refused_before_the_first_packet(targets: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(targets.read_text())
    document["arms"]["baseline"]["kdcs"] = ["192.0.2.1"]
    done = locust(write(tmp_path / "elsewhere.yaml", document), tmp_path)
    assert done.returncode == 2
    assert "expected pre-production for 192.0.2.1, which is not loopback" in done.stderr
    assert "login" not in rows(tmp_path)
