"""Components of the EHR as clients of the AD lab, and a gate of them with clinicians."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.lab.ad import region
from harness.lab.ad.domain import AdArm, AdLab
from harness.lab.ad.settings import PORTS
from harness.login.path import LoginPath
from harness.login.postgres import WHOSE
from harness.model.steps import Cache
from tests.helpers.logons_ad import (
    COLD_LOGON,
    DATABASE_STEPS,
    FRONT_TO_DATABASE,
    USER,
    changed,
    client,
    ended,
    facts_of,
    get_ticket,
    tool,
)
from tests.helpers.running import POLICY, Inputs, finished

pytestmark = pytest.mark.integration
ENGINE_TO_DIRECTORY = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry")


def components(
    target: dict[str, Any],
    folder: Path,
    steps: Sequence[str],
    users: Sequence[str] = region.COMPONENTS,
    cache: Cache = "cold",
) -> LoginPath:
    """A prepared client of the components' accounts, all of one cohort."""
    cohort = {"share": 1, "cache": cache, "accounts": "services", "steps": steps}
    everyone = {"population": {"users": len(users)}, "steps": (), "cohorts": {"components": cohort}}
    path = client(target, folder, users=users, **everyone)
    assert tuple(path.user("components", number) for number in range(len(users))) == tuple(users)
    return path


SERVICES_KEYTAB = (region.EHR_SERVICE, region.DATABASE_SERVICE, region.INTEGRATION_SERVICE)
"""Who is in the lab's services.keytab, by the names of principals instead of accounts."""


def by_principals(arm: AdArm) -> dict[str, Any]:
    return changed(arm, service_accounts={"keytab": str(arm.folder / "services.keytab")})


def test_a_component_logs_in_to_the_database_which_knows_it_as_psql_shows(baseline: AdArm, tmp_path: Path) -> None:
    path = components(dict(baseline.target), tmp_path, FRONT_TO_DATABASE)
    result = path.login("svc-ehr", "components", explain=True)
    assert result.outcome.status == "ok"
    assert [ticket.service for ticket in facts_of(result)["kdc_tgs_postgres"].tickets] == [
        f"{region.DATABASE_SERVICE}@{region.REALM}"
    ]
    assert [facts_of(result)[step].round_trips for step in ("db_connect", "db_query")] == [2, 1]
    assert {step.server for step in result.steps[2:]} == {f"{baseline.address}:{PORTS['postgres']}"}
    get_ticket(baseline, "svc-ehr", "components.keytab")
    where = f"host={region.DATABASE_HOST} hostaddr={baseline.address} dbname=ehr user=svc-ehr gssencmode=disable"
    assert tool(baseline, "psql", "-w", "-At", "-c", WHOSE, where) == f"svc-ehr@{region.REALM}\n"


def test_a_warm_component_asks_the_database_without_the_kdc(baseline: AdArm, tmp_path: Path) -> None:
    path = components(dict(baseline.target), tmp_path, FRONT_TO_DATABASE, cache="warm")
    assert path.warm_up("svc-ehr", "components").outcome.status == "ok"
    result = path.login("svc-ehr", "components", explain=True)
    assert (result.outcome.status, [step.step for step in result.steps]) == ("ok", ["db_connect", "db_query"])
    assert all(not facts.exchanges and not facts.tickets for facts in result.facts)


def test_a_clinician_may_ask_the_database_too(baseline: AdArm, tmp_path: Path) -> None:
    path = client(dict(baseline.target), tmp_path, steps=FRONT_TO_DATABASE)
    assert path.login(USER, "cold").outcome.status == "ok"


def test_what_the_database_refuses_is_told_by_its_sqlstate(baseline: AdArm, tmp_path: Path) -> None:
    """It knows no role of a service's principal name, and no other database."""
    path = components(by_principals(baseline), tmp_path, FRONT_TO_DATABASE, SERVICES_KEYTAB)
    refused = path.login(region.EHR_SERVICE, "components")
    assert ended(refused) == ("denied", "SQLSTATE 28000", "db_connect")
    elsewhere = changed(baseline, database={"uri": f"postgres://{baseline.address}/nowhere"})
    refused = components(elsewhere, tmp_path, FRONT_TO_DATABASE).login("svc-ehr", "components")
    assert ended(refused) == ("error", "SQLSTATE 3D000", "db_connect")


def test_a_component_finds_its_own_entry_by_the_name_that_it_logs_in_by(baseline: AdArm, tmp_path: Path) -> None:
    for target, users in ((dict(baseline.target), region.COMPONENTS), (by_principals(baseline), SERVICES_KEYTAB)):
        path = components(target, tmp_path, ENGINE_TO_DIRECTORY, users)
        for user in users:
            result = path.login(user, "components", explain=True)
            assert result.outcome.status == "ok"
            assert facts_of(result)["ldap_own_entry"].entries == 1
    not_people = changed(baseline, directory={"service_base": region.USER_BASE})
    lost = components(not_people, tmp_path, ENGINE_TO_DIRECTORY).login("svc-ehr", "components")
    assert ended(lost) == ("error", "ENTRIES_0", "ldap_own_entry")


def test_a_gate_of_equal_controllers_measures_every_step_and_names_its_server(lab: AdLab, tmp_path: Path) -> None:
    """The whole way under Locust, at a rate that two controllers on two cores serve."""
    cohorts = {
        "logon": {"share": 0.5, "steps": COLD_LOGON.steps},
        "unlock": {"share": 0.2, "cache": "warm", "steps": COLD_LOGON.steps},
        "components": {"share": 0.3, "accounts": "services", "steps": FRONT_TO_DATABASE},
    }
    small = {
        **COLD_LOGON.model_dump(mode="json"),
        "steps": (),
        "cohorts": cohorts,
        "population": {"users": 100},
        "arrivals": {"curve": "constant", "rate": 4},
        "blocks": {"length_s": 2, "trim_s": 0.5, "pairs": 4},
    }
    inputs = Inputs(tmp_path)
    done = finished(inputs.command(lab.targets, scenario=small, policy={**POLICY, "name": "ad"}))
    # A generator that stood still for a second makes so short a run INVALID, and is not the subject.
    assert done.returncode in (0, 20, 30), done.stdout + done.stderr
    attempts = inputs.attempts()
    assert set(attempts["status"].to_pylist()) == {"ok"}
    whose = set(zip(attempts["cohort"].to_pylist(), attempts["user"].to_pylist(), strict=True))
    assert {user for cohort, user in whose if cohort == "components"} == set(region.COMPONENTS)
    for name in ("baseline", "candidate"):
        mine = attempts.filter([arm == name for arm in attempts["arm"].to_pylist()])
        taken = [step for steps in mine["steps"].to_pylist() for step in steps]
        assert {step["step"] for step in taken} == {*COLD_LOGON.steps, *DATABASE_STEPS}
        assert {step["server"].rpartition(":")[0] for step in taken} == {lab.arms[name].address}
    assert inputs.verdict()["protocol"] == []
