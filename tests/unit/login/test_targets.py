"""What a target says for the steps of a whole logon: its errors, its defaults, and what is refused for want of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config.load import load_scenario, load_targets
from harness.config.shipped import scenarios
from harness.errors import ConfigError, UnsafeTargetError
from harness.guards.consent import check_safe
from harness.login.controllers import Controllers
from harness.login.dns.locate import ServiceRecord
from harness.model.database import Database
from harness.model.ehr import Ehr
from harness.model.endpoint import NO_NAMES
from harness.model.scenario import Scenario
from harness.model.steps import STEPS
from harness.model.target import Target, Targets

TARGET: dict[str, Any] = {
    "realm": "CLINIC.TEST",
    "kdcs": ["127.0.0.1"],
    "directory": {"uri": "ldap://127.0.0.1", "service_host": "dc1.clinic.test", "user_base": "", "group_base": ""},
    "credentials": {"env": "CLINIC_ACCOUNTS"},
}
WHOLE: dict[str, Any] = {
    **TARGET,
    "directory": {**TARGET["directory"], "schema_kind": "ad"},
    "dns": {"servers": ["127.0.0.2:5353", "::1"], "domain": "clinic.test"},
    "services": {"host": "ws001.clinic.test", "cifs": "dc1.clinic.test"},
    "ehr": {"url": "http://127.0.0.3:8080/portal/", "service_host": "ehr.clinic.test", "database_path": "db"},
    "sso": {
        "provider": {"url": "http://127.0.0.5/", "service_host": "idp.clinic.test"},
        "oidc": {"url": "http://127.0.0.3:8081/", "service_host": "ehr.clinic.test"},
        "saml": {"url": "http://127.0.0.3:8083/", "service_host": "ehr.clinic.test"},
    },
    "database": {"uri": "postgres://127.0.0.4:5433/ehr", "service_host": "pg.clinic.test"},
    "service_accounts": {"keytab": "services.keytab"},
}
SCENARIO: dict[str, Any] = {
    "name": "rush",
    "population": {"users": 1},
    "arrivals": {"curve": "constant", "rate": 1},
}


def without(key: str) -> dict[str, Any]:
    """The whole target but for one key path."""
    head, _, rest = key.partition(".")
    found = dict(WHOLE)
    if rest:
        found[head] = {name: value for name, value in WHOLE[head].items() if name != rest}
    else:
        del found[head]
    return found


def check(tmp_path: Path, steps: list[str], target: dict[str, Any]) -> None:
    (tmp_path / "rush.yaml").write_text(yaml.safe_dump({**SCENARIO, "steps": steps}))
    (tmp_path / "targets.yaml").write_text(yaml.safe_dump({"arms": {"baseline": target}}))
    check_safe(load_targets(tmp_path / "targets.yaml"), load_scenario(tmp_path / "rush.yaml"), ["baseline"])


def with_needs(step: str) -> list[str]:
    """The step, and before it all that it needs."""
    before: list[str] = []
    for need in STEPS[step].needs:
        before += [name for name in with_needs(need) if name not in before]
    return [*before, step]


@pytest.mark.parametrize(
    ("step", "key", "expected"),
    [
        ("dns_srv_kerberos", "dns", "a value, which step dns_srv_kerberos needs, got none"),
        ("dns_srv_dc", "dns", "a value, which step dns_srv_dc needs, got none"),
        ("cldap_ping", "dns", "a value, which step cldap_ping needs, got none"),
        ("kdc_tgs_host", "services.host", "a value, which step kdc_tgs_host needs, got none"),
        ("kdc_tgs_cifs", "services.cifs", "a value, which step kdc_tgs_cifs needs, got none"),
        ("kdc_tgs_http", "ehr", "a value, which step kdc_tgs_http needs, got none"),
        ("ehr_query", "ehr.database_path", "a value, which step ehr_query needs, got none"),
        ("kdc_tgs_idp", "sso", "a value, which step kdc_tgs_idp needs, got none"),
        ("oidc_start", "sso.oidc", "a value, which step oidc_start needs, got none"),
        ("saml_start", "sso.saml", "a value, which step saml_start needs, got none"),
        ("kdc_tgs_postgres", "database", "a value, which step kdc_tgs_postgres needs, got none"),
        ("ldap_token_groups", "directory.schema_kind", "ad, which step ldap_token_groups needs, got posix"),
    ],
)
def test_a_step_without_its_server_is_refused_before_load_with_file_and_key(
    tmp_path: Path, step: str, key: str, expected: str
) -> None:
    check(tmp_path, with_needs(step), WHOLE)
    with pytest.raises(ConfigError) as raised:
        check(tmp_path, with_needs(step), without(key))
    said = str(raised.value).removeprefix(f"{tmp_path}/targets.yaml:")
    line, _, rest = said.partition(": ")
    assert int(line) >= 1
    assert rest == f"arms.baseline.{key}: expected {expected}"


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        check(tmp_path, list(STEPS), TARGET)
    keys = [line.split(": ")[1].removeprefix("arms.baseline.") for line in str(raised.value).splitlines()]
    steps = [
        "dns",
        "services.host",
        "services.cifs",
        "ehr",
        "sso",
        "database",
        "directory.schema_kind",
        "ehr.database_path",
        "sso.oidc",
        "sso.saml",
    ]
    assert keys == steps


def test_a_target_of_before_still_serves_the_steps_of_before(tmp_path: Path) -> None:
    check(tmp_path, [name for name, step in STEPS.items() if not step.fields], TARGET)


def test_every_shipped_scenario_is_served_by_a_target_that_says_all() -> None:
    whole = Target.model_validate(WHOLE)
    for scenario in scenarios():
        assert whole.lacks(scenario.step_order, scenario.account_kinds) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dns": {"servers": ["ns1.clinic.test"], "domain": "x"}},
         "dns.servers: expected the address of a name server, got 'ns1.clinic.test'"),
        ({"dns": {"servers": [], "domain": "x"}}, "dns.servers: "),
        ({"dns": {"servers": ["127.0.0.1"], "domain": "clinic test"}}, "dns.domain: "),
        ({"dns": {"servers": ["127.0.0.1"], "domain": "x", "site": "Ward 1"}}, "dns.site: "),
        ({"dns": {"servers": ["127.0.0.1"]}}, "dns.domain: expected a value, got none"),
        ({"dns": {"servers": ["127.0.0.1"], "domain": "x", "sites": "a"}}, "dns.sites: unknown key; did you mean site"),
        ({"services": {"hosts": "ws"}}, "services.hosts: unknown key; did you mean host?"),
        ({"services": {"host": "ws/001"}}, "services.host: "),
        ({"ehr": {"url": "ftp://127.0.0.1/", "service_host": "x"}}, "ehr.url: "),
        ({"ehr": {"url": "http://127.0.0.1:0/", "service_host": "x"}},
         "ehr.url: expected a host and a port from 1 to 65535, got 'http://127.0.0.1:0/'"),
        ({"ehr": {"url": "http://127.0.0.1/\r\nX: y", "service_host": "x"}}, "ehr.url: "),
        ({"ehr": {"url": "http://127.0.0.1/", "service_host": "x\r\n"}}, "ehr.service_host: "),
        ({"ehr": {"url": "http://127.0.0.1/", "service_host": "x", "database_path": "a b"}}, "ehr.database_path: "),
        ({"sso": {"provider": {"url": "http://127.0.0.1/", "service_host": "x"}}},
         "sso: expected oidc, saml or both, got neither"),
        ({"sso": {name: {"url": "http://127.0.0.1/", "service_host": "x"} for name in ("provider", "oidc")}},
         "sso: oidc: expected another name or port than the provider's, got http://x:80"),
        ({"database": {"uri": "postgres://127.0.0.1:0/ehr", "service_host": "x"}},
         "database.uri: expected a host and a port from 1 to 65535, got '127.0.0.1:0'"),
        ({"database": {"uri": "postgres://127.0.0.1", "service_host": "x"}},
         "database.uri: expected postgres://HOST[:PORT]/DATABASE"),
        ({"database": {"uri": "mysql://127.0.0.1/ehr", "service_host": "x"}}, "database.uri: expected postgres://"),
        ({"service_accounts": {"keytab": "a", "csv": "b"}}, "service_accounts: expected exactly one of csv, keytab"),
        ({"directory": {**TARGET["directory"], "schema_kind": "novell"}},
         "directory.schema_kind: expected 'posix' or 'ad', got \"novell\""),
    ],
)  # fmt: skip
def test_what_a_target_says_wrong_is_named_by_its_key(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    (tmp_path / "targets.yaml").write_text(yaml.safe_dump({"arms": {"baseline": {**TARGET, **change}}}))
    with pytest.raises(ConfigError) as raised:
        load_targets(tmp_path / "targets.yaml")
    assert f": arms.baseline.{said}" in str(raised.value)


@pytest.mark.parametrize("part", [{"dns": {"servers": ["192.0.2.10"], "domain": "clinic.test"}},
                                  {"ehr": {"url": "http://192.0.2.10/", "service_host": "ehr"}},
                                  {"database": {"uri": "postgres://192.0.2.10/ehr", "service_host": "pg"}},
                                  ])  # fmt: skip
def test_name_servers_ehr_and_database_are_checked_as_every_address_is(tmp_path: Path, part: dict[str, Any]) -> None:
    with pytest.raises(UnsafeTargetError, match=r"192\.0\.2\.10, which is not loopback"):
        check(tmp_path, ["kdc_as"], {**TARGET, **part})


@pytest.mark.parametrize(
    ("url", "database_path", "endpoint", "page", "database_page"),
    [
        ("http://127.0.0.3:8080/", "db", "127.0.0.3:8080", "/", "/db"),
        ("http://127.0.0.3", "db", "127.0.0.3:80", "/", "/db"),
        ("https://ehr.clinic.test/portal", "db", "ehr.clinic.test:443", "/portal", "/db"),
        ("https://[::1]/portal/", "chart/db", "[::1]:443", "/portal/", "/portal/chart/db"),
        ("http://127.0.0.3/portal/", "/db", "127.0.0.3:80", "/portal/", "/db"),
    ],
)
def test_the_ehrs_pages_are_found_as_a_browser_finds_them(
    url: str, database_path: str, endpoint: str, page: str, database_page: str
) -> None:
    ehr = Ehr.model_validate({"url": url, "service_host": "ehr", "database_path": database_path})
    assert (str(ehr.endpoint), ehr.page, ehr.database_page) == (endpoint, page, database_page)


FURTHER = [{"uri": "ldap://127.0.0.4", "service_host": "dc2.clinic.test"}]


def test_further_controllers_are_checked_as_every_address_is_and_make_it_another_target() -> None:
    one = Target.model_validate(TARGET)
    two = Target.model_validate({**TARGET, "directory": {**TARGET["directory"], "further_controllers": FURTHER}})
    assert [str(it.endpoint) for it in two.directory.controllers] == ["127.0.0.1:389", "127.0.0.4:389"]
    assert {str(end) for end in two.endpoints} - {str(end) for end in one.endpoints} == {"127.0.0.4:389"}
    assert one.digest != two.digest
    assert one.directory.controllers == (one.directory,)


@pytest.mark.parametrize(
    ("further", "said"),
    [
        ({"uri": "ldaps://127.0.0.4", "service_host": "dc2"}, "expected URIs like ldap://… alone"),
        ({"uri": "ldap://127.0.0.4:0", "service_host": "dc2"}, "expected a host and a port from 1 to 65535"),
        ({"uri": "ldap://127.0.0.4"}, "service_host: expected a value, got none"),
    ],
)
def test_a_further_controller_that_can_not_be_is_named(tmp_path: Path, further: dict[str, str], said: str) -> None:
    directory = {**TARGET["directory"], "further_controllers": [further]}
    (tmp_path / "targets.yaml").write_text(yaml.safe_dump({"arms": {"baseline": {**TARGET, "directory": directory}}}))
    with pytest.raises(ConfigError) as raised:
        load_targets(tmp_path / "targets.yaml")
    assert said in str(raised.value)
    assert "further_controllers" in str(raised.value)


def test_targets_know_the_file_that_they_were_read_from_and_do_not_write_it_out() -> None:
    found = Targets.model_validate({"arms": {"baseline": TARGET}})
    assert found.source == "targets"
    assert found.read_from("a.yaml").source == "a.yaml"
    assert found.read_from("a.yaml").model_dump() == found.model_dump()


def test_a_password_in_the_databases_uri_is_refused_and_not_repeated(tmp_path: Path) -> None:
    database = {"uri": "postgres://svc:hunter2@127.0.0.1/ehr", "service_host": "x"}
    (tmp_path / "targets.yaml").write_text(yaml.safe_dump({"arms": {"baseline": {**TARGET, "database": database}}}))
    with pytest.raises(ConfigError, match="without a user or a password") as raised:
        load_targets(tmp_path / "targets.yaml")
    assert "hunter2" not in str(raised.value)


def test_what_is_written_in_the_place_of_service_accounts_is_not_repeated(tmp_path: Path) -> None:
    for wrong in ("hunter2", {"csv": ["hunter2"]}):
        target = {**TARGET, "service_accounts": wrong}
        (tmp_path / "targets.yaml").write_text(yaml.safe_dump({"arms": {"baseline": target}}))
        with pytest.raises(ConfigError, match="service_accounts") as raised:
            load_targets(tmp_path / "targets.yaml")
        assert "hunter2" not in str(raised.value)


def test_a_scenario_of_services_needs_their_accounts(tmp_path: Path) -> None:
    of_services = {**SCENARIO, "cohorts": {"components": {"share": 1, "accounts": "services", "steps": ["kdc_as"]}}}
    scenario = Scenario.model_validate(of_services)
    check_safe(Targets.model_validate({"arms": {"baseline": WHOLE}}), scenario, ["baseline"])
    with pytest.raises(ConfigError, match=r"service_accounts: expected a value, which .* services needs, got none"):
        check_safe(Targets.model_validate({"arms": {"baseline": TARGET}}), scenario, ["baseline"])


def test_services_log_in_with_their_own_credentials_and_their_entries_have_a_place_of_their_own() -> None:
    whole = {**WHOLE, "directory": {**WHOLE["directory"], "user_base": "OU=Users", "service_base": "OU=Services"}}
    target = Target.model_validate(whole)
    assert target.of("clinicians") == target
    services = target.of("services")
    assert services.credentials == target.service_accounts
    assert services.directory.user_base == "OU=Services"
    assert services.endpoints == target.endpoints
    without_place = Target.model_validate(WHOLE)
    assert without_place.of("services").directory == without_place.directory


@pytest.mark.parametrize(
    ("uri", "endpoint", "name"),
    [
        ("postgres://127.0.0.2:5433/ehr", "127.0.0.2:5433", "ehr"),
        ("postgresql://pg.clinic.test/journal", "pg.clinic.test:5432", "journal"),
        ("postgres://[::1]/ehr", "[::1]:5432", "ehr"),
    ],
)
def test_a_databases_uri_is_its_address_and_its_name(uri: str, endpoint: str, name: str) -> None:
    database = Database.model_validate({"uri": uri, "service_host": "pg"})
    assert (str(database.endpoint), database.name) == (endpoint, name)


def test_a_host_has_one_name_however_it_is_written() -> None:
    def target(host: str, v6: str) -> Target:
        directory = {"uri": f"ldaps://{host}:636", "service_host": host, "user_base": "", "group_base": ""}
        further = [{"uri": f"ldaps://[{v6}]", "service_host": host}]
        parts = {
            "kdcs": [host],
            "directory": {**directory, "further_controllers": further},
            "dns": {"servers": ["127.0.0.2"], "domain": host.partition(".")[2]},
            "services": {"host": host, "cifs": host},
            "ehr": {"url": f"https://{host}/portal", "service_host": host},
            "database": {"uri": f"postgres://{host}/ehr", "service_host": host},
        }
        return Target.model_validate({**TARGET, **parts})

    one, other = target("dc1.clinic.test", "fe80::a%Eth0"), target("DC1.Clinic.TEST.", "FE80::A%Eth0")
    assert one.endpoints == other.endpoints
    assert one.digest == other.digest
    assert one.dns == other.dns and one.services == other.services
    assert [it.service_host for it in other.directory.controllers] == ["dc1.clinic.test"] * 2


def test_a_controller_is_known_by_the_name_that_an_srv_record_gives_it_in_whatever_case() -> None:
    directory = {**TARGET["directory"], "uri": "ldap://127.0.0.1", "service_host": "DC1.CLINIC.TEST."}
    target = Target.model_validate({**TARGET, "directory": directory})
    record = ServiceRecord(0, 100, 389, "dc1.clinic.test")
    found, order = Controllers(target, NO_NAMES).named_by([record])
    assert (found, order[0].controller) == (record, target.directory)
