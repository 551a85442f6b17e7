"""The notice says what will be sent, to whom and by whom, names the detections that fit it, and holds no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.main import main
from harness.config import shipped
from harness.config.load import load_scenario, load_targets
from harness.model.plan import make_plan
from harness.notice.detections import DETECTIONS, may_fire
from harness.notice.traffic import traffic_of

pytestmark = pytest.mark.slow

PASSWORD = "Correct-Horse-17"
TARGETS = shipped.SCENARIOS / "targets" / "pre-production.yaml"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The shipped targets file beside 2,000 accounts."""
    accounts = tmp_path / "clinicians.csv"
    accounts.write_text("".join(f"clin{i:05d},{PASSWORD}\n" for i in range(2000)))
    accounts.chmod(0o600)
    targets = tmp_path / "targets.yaml"
    targets.write_text(TARGETS.read_text())
    return targets


def notice(site: Path, capsys: pytest.CaptureFixture[str], *more: str, scenario: str = "morning-rush") -> str:
    assert main(["notice", "--targets", str(site), "--scenario", scenario, *more]) == 0
    return capsys.readouterr().out


def names(scenario: str, site: Path, rejected: bool = False) -> set[str]:
    traffic = traffic_of(load_targets(site), load_scenario(shipped.find(scenario, shipped.SCENARIOS)))
    return {one.name for one in may_fire(traffic, rejected)}


def test_it_says_where_when_by_whom_and_how_much(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = notice(site, capsys, "--starts", "2026-11-30T02:00+01:00", "--contact", "Anna, 1234")
    plan = make_plan(load_scenario(shipped.find("morning-rush", shipped.SCENARIOS)))
    logins = sum(len(block.arrivals) for block in plan.blocks)
    assert f"{logins:,} logins in 21 min, 50 a second, in some blocks 75" in text
    assert "| LDAP connections | 75 |" in text  # at the stage above the peak
    assert "| candidate | LDAP, TLS | 10.20.30.12:636 |" in text
    assert "2,000 accounts" in text and "clin01999" in text
    assert "Anna, 1234" in text
    assert PASSWORD not in text


def test_it_is_one_page(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(notice(site, capsys).splitlines()) < 70


def test_an_account_that_is_a_honeytoken_is_told_however_the_list_writes_it(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traps = tmp_path / "traps"
    traps.write_text("CLINIC\\CLIN00042\nclin00007@clinic.example\nsql-admin\n")
    text = notice(site, capsys, "--honeytokens", str(traps))
    assert "must be taken out of the list (2): clin00007, clin00042" in text
    traps.write_text("sql-admin\n")
    assert "None of them is among the 1 honeytoken accounts" in notice(site, capsys, "--honeytokens", str(traps))


def test_every_account_can_be_listed_for_the_desk(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notice(site, capsys, "--accounts", str(tmp_path / "names"), "--out", str(tmp_path / "notice.md"))
    listed = (tmp_path / "names").read_text().splitlines()
    assert (len(listed), listed[0], listed[-1]) == (2000, "clin00000", "clin01999")
    assert (tmp_path / "notice.md").read_text().startswith("# Notice")


def test_a_detection_is_listed_where_what_it_looks_for_is_sent(site: Path, tmp_path: Path) -> None:
    simple = tmp_path / "simple.yaml"
    simple.write_text(
        "name: simple\nsteps: [ldap_connect, ldap_simple_bind]\npopulation: {users: 5}\n"
        "arrivals: {curve: constant, rate: 5}\n"
    )
    brute, names_asked = "Suspected Brute Force attack (LDAP) (2004)", "Network-mapping reconnaissance (DNS) (2007)"
    assert brute in names(str(simple), site)
    assert brute not in names("morning-rush", site)
    assert names_asked in names("cold-logon", site)
    assert names_asked not in names("morning-rush", site)
    assert "Event 2889, unsigned or clear-text LDAP bind" not in names(str(simple), site)  # within TLS
    site.write_text(site.read_text().replace("ldaps://", "ldap://"))
    assert "Event 2889, unsigned or clear-text LDAP bind" in names(str(simple), site)


def test_detections_of_active_directory_are_not_listed_for_another_directory(site: Path) -> None:
    site.write_text(site.read_text().replace("schema_kind: ad", "schema_kind: posix"))
    assert names("morning-rush", site) == {"Spike in Successful Logon Events from a Source IP"}
    assert names("morning-rush", site, rejected=True) == set()


def test_each_detection_has_a_public_source() -> None:
    assert all(one.source.startswith("https://") and one.why for one in DETECTIONS)
    assert len({one.source for one in DETECTIONS}) == len(DETECTIONS)


def test_what_the_scenario_needs_and_the_targets_lack_is_an_error_with_its_place(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text("\n".join(line for line in site.read_text().splitlines() if "dns:" not in line))
    assert main(["notice", "--targets", str(site), "--scenario", "cold-logon"]) == 2
    assert "arms.baseline.dns: expected a value" in capsys.readouterr().err
