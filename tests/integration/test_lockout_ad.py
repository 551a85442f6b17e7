"""A password list that is wrong, against a domain controller that locks accounts: none is locked, by any way in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.doctor.examine import examine
from harness.doctor.machine import Machine
from harness.lab import hospital, store
from harness.lab.ad import region
from harness.lab.ad.changes import Change
from harness.lab.ad.domain import AdLab
from harness.lab.ad.settings import PORTS
from harness.load.fleet import LOCUSTFILE
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.record.folder import RunFolder
from harness.system.files import write_whole
from harness.system.process import environment
from tests.helpers.running import AUTHGATE, POLICY, finished

pytestmark = pytest.mark.integration

THRESHOLD, OWN_THRESHOLD = 3, 6
PLAIN = hospital.CLINICIANS[100:110]
"""Of the domain's own policy."""
SPARED = hospital.CLINICIANS[200:210]
"""Of a policy of their own, which the first of them may read: an administrator."""
READER = hospital.CLINICIANS[7]
_HALF_AN_HOUR = "-18000000000"
_SETTINGS = f"CN=spared,CN=Password Settings Container,CN=System,{region.SUFFIX}"
LDIF = f"""dn: {region.SUFFIX}
changetype: modify
replace: lockoutThreshold
lockoutThreshold: {THRESHOLD}

dn: {_SETTINGS}
changetype: add
objectClass: msDS-PasswordSettings
msDS-PasswordSettingsPrecedence: 10
msDS-PasswordReversibleEncryptionEnabled: FALSE
msDS-PasswordHistoryLength: 0
msDS-PasswordComplexityEnabled: FALSE
msDS-MinimumPasswordLength: 1
msDS-MinimumPasswordAge: 0
msDS-MaximumPasswordAge: -864000000000000
msDS-LockoutThreshold: {OWN_THRESHOLD}
msDS-LockoutObservationWindow: {_HALF_AN_HOUR}
msDS-LockoutDuration: {_HALF_AN_HOUR}
"""
LDIF += "".join(f"msDS-PSOAppliesTo: {region.user_dn(user)}\n" for user in SPARED)
LDIF += f"""
dn: CN=Domain Admins,CN=Users,{region.SUFFIX}
changetype: modify
add: member
member: {region.user_dn(SPARED[0])}
"""
SCENARIO: dict[str, Any] = {
    "name": "small",
    "steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry"],
    "population": {"users": len(PLAIN)},
    "arrivals": {"curve": "constant", "rate": 10},
    "timeout_s": 5,
    "step_timeout_s": 5,
    "seats": 50,
    "blocks": {"length_s": 2, "trim_s": 0.5, "pairs": 4},
}
WRONG = "Wr0ng-and-more"


@pytest.fixture(scope="module")
def lab(require_ad_lab: None) -> Iterator[AdLab]:
    locking = Change("locking", "", lambda settings: replace(settings, ldif=LDIF))
    with AdLab(common=(locking,)) as running:
        yield running


@pytest.fixture(autouse=True)
def _process_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


class Files:
    """The inputs of the ways in: accounts of which some have a wrong password."""

    def __init__(self, lab: AdLab, folder: Path, users: Sequence[str], right: Sequence[str] = ()) -> None:
        password = (lab.arms["baseline"].folder / store.CLINICIANS_CSV).read_text().splitlines()[0].partition(",")[2]
        self.accounts = folder / "accounts.csv"
        lines = (f"{user},{password if user in right else WRONG}\n" for user in users)
        write_whole(self.accounts, "".join(lines), private=True)
        arms = {name: {**arm.target, "credentials": {"csv": str(self.accounts)}} for name, arm in lab.arms.items()}
        self.document: dict[str, Any] = {"environment": "lab", "arms": arms}
        self.targets = self._write(folder / "targets.yaml", self.document)
        self.scenario = self._write(folder / "scenario.yaml", SCENARIO)
        self.policy = self._write(folder / "policy.yaml", POLICY)
        self.results = str(folder / "results")

    @staticmethod
    def _write(path: Path, document: dict[str, Any]) -> str:
        path.write_text(yaml.safe_dump(document))
        return str(path)


def failures(lab: AdLab) -> dict[str, int]:
    """Every account with a wrong password on a controller, with the higher count; none may be locked."""
    found: dict[str, int] = {}
    for arm in lab.arms.values():
        env = environment(KRB5_CONFIG=str(arm.krb5_conf), KRB5CCNAME=f"FILE:{arm.folder}/reader.ccache")
        keytab = str(arm.folder / "clinicians.keytab")
        subprocess.run(["kinit", "-k", "-t", keytab, READER], env=env, check=True, timeout=20)
        uri = f"ldap://{arm.address}:{PORTS['ldap']}"
        query = ["ldapsearch", "-Y", "GSSAPI", "-Q", "-N", "-LLL", "-H", uri, "-b", region.USER_BASE]
        asked = [*query, "(badPwdCount>=1)", "cn", "badPwdCount", "lockoutTime"]
        said = subprocess.run(asked, env=env, check=True, timeout=20, capture_output=True, text=True).stdout
        assert not re.search(r"^lockoutTime: [1-9]", said, re.MULTILINE), said
        counts = zip(re.findall(r"^cn: (\S+)", said, re.M), re.findall(r"^badPwdCount: (\d+)", said, re.M), strict=True)
        for user, count in counts:
            found[user] = max(found.get(user, 0), int(count))
    return found


def ways_in(files: Files, user: str) -> dict[str, list[str]]:
    """The command line of each way to send passwords."""
    inputs = [files.scenario, "--targets", files.targets]
    locust = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary", "-t", "5s"]
    plain = ["--scenario", files.scenario, "--targets", files.targets, "-u", "5", "-r", "5"]
    plain += ["--results", files.results]
    return {
        "gate": [*AUTHGATE, "gate", *inputs, "--policy", files.policy, "--results", files.results],
        "run": [*AUTHGATE, "run", *inputs, "--results", files.results],
        "login": [*AUTHGATE, "login", user, "--targets", files.targets, "--scenario", files.scenario],
        "doctor": [*AUTHGATE, "doctor", "--targets", files.targets, "--scenario", files.scenario],
        "locust": [*locust, *plain, "--arm", "baseline"],
        "locust, the other arm": [*locust, *plain, "--arm", "candidate"],
    }


def test_a_list_that_is_wrong_throughout_locks_no_account_by_any_way_in(
    lab: AdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = Files(lab, tmp_path, PLAIN)
    for name, command in ways_in(files, PLAIN[0]).items():
        done = finished(command)
        said = done.stdout + done.stderr
        assert done.returncode and re.search(r"was denied|KDC_ERR_PREAUTH_FAILED", said), (name, said)
        assert "Traceback" not in said and WRONG not in said
        assert max(failures(lab).values()) == 1, name
    # Somebody corrects the file, twice, and is wrong again.
    for _ in range(2):
        os.utime(files.accounts)
        for name in ("login", "doctor"):
            finished(ways_in(files, PLAIN[0])[name])
            assert max(failures(lab).values()) <= THRESHOLD - 1, name


def test_accounts_that_one_wrong_password_would_bring_near_being_locked_are_refused_before_any_is_tried(
    lab: AdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    others = hospital.CLINICIANS[120:130]
    files = Files(lab, tmp_path, others, right=others[:1])
    for name in ("run", "locust"):
        done = finished(ways_in(files, others[0])[name])
        assert done.returncode == 2
        said = " ".join((done.stdout + done.stderr).split())
        assert f"10 of 10 could be brought within 2 wrong passwords of being locked: {others[0]} (0 of 3 used)" in said
        assert "a password settings object whose lockout threshold is 0, or 4 and more" in said
    assert not failures(lab).keys() & set(others)


def test_accounts_whose_own_policy_leaves_enough_are_tried_and_none_more_often_than_it_leaves(
    lab: AdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = Files(lab, tmp_path, SPARED, right=SPARED[:2])
    done = finished(ways_in(files, SPARED[0])["run"])
    assert "accounts refused" not in done.stdout + done.stderr
    found = failures(lab)
    tried = {user: found[user] for user in SPARED if user in found}
    assert tried and not tried.keys() & set(SPARED[:2])
    (run,) = Path(files.results).iterdir()
    columns = ["user", "status", "started", "ended"]
    denied = [row for row in RunFolder.open(run).attempts().select(columns).to_pylist() if row["status"] == "denied"]
    known = {user: min(row["ended"] for row in denied if row["user"] == user) for user in tried}
    # After a stop of the machine what was due is sent at once: logins under way at the first denial end as they do.
    assert all(row["started"] < known[row["user"]] for row in denied), denied
    assert Counter(tried) <= Counter(row["user"] for row in denied), "a controller counts no attempt that is not told"


def lockout_remarks(lab: AdLab, folder: Path, users: Sequence[str]) -> list[tuple[str, str]]:
    """Level and words of what the doctor says of it, on the baseline, where the first account has its password."""
    files = Files(lab, folder, users, right=users[:1])
    told = Targets.model_validate({**files.document, "arms": {"baseline": files.document["arms"]["baseline"]}})
    scenario = Scenario.model_validate({**SCENARIO, "population": {"users": len(users)}})
    checks = examine(told, scenario, Machine(watched_s=0)).checks
    return [(one.remark.level, one.remark.found) for one in checks if one.name == "lockout"]


def test_the_doctor_tells_the_policy_and_tries_no_account_that_it_endangers(
    lab: AdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    others = hospital.CLINICIANS[130:140]
    found = lockout_remarks(lab, tmp_path, others)
    assert [level for level, _ in found] == ["problem", "ok"]
    assert "3 wrong passwords lock an account, counted for 30 min (the domain's policy)" in found[1][1]
    assert not failures(lab).keys() & set(others)
    assert lockout_remarks(lab, tmp_path, SPARED[:1]) == [
        ("ok", "6 wrong passwords lock an account, counted for 30 min (spared)")
    ]
    (unreadable,) = lockout_remarks(lab, tmp_path, SPARED[1:2])
    assert unreadable[0] == "warning" and "settings object that they may not read" in unreadable[1]
