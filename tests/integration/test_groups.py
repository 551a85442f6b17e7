"""Groups as directories other than the lab's have them: by memberUid, by uniqueMember, by the hundred."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.lab.tools import find_tools, run
from harness.login.ldap.session import PAGE
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.scenario import Scenario
from harness.model.target import Target
from harness.system.files import write_whole
from harness.system.process import Family, environment, free_ports, listens

pytestmark = pytest.mark.integration

SUFFIX = "dc=clinic,dc=test"
PASSWORD = "lab-of-groups"
MANY = PAGE + 100
"""More groups than slapd gives of one search."""
USERS = ("by-dn", "many", "posix", "many-posix", "unique", "nowhere")


def person(user: str) -> str:
    return f"uid={user},ou=Users,{SUFFIX}"


def group(name: str) -> str:
    return f"cn={name},ou=Groups,{SUFFIX}"


def entries() -> Iterator[list[str]]:
    """Every entry: its DN, and its attributes as LDIF has them."""
    yield [SUFFIX, "objectClass: dcObject", "objectClass: organization", "o: Clinic", "dc: clinic"]
    for unit in ("Users", "Groups"):
        yield [f"ou={unit},{SUFFIX}", "objectClass: organizationalUnit", f"ou: {unit}"]
    for user in USERS:
        names = [f"{attribute}: {user}" for attribute in ("uid", "cn", "sn")]
        yield [person(user), "objectClass: inetOrgPerson", *names, f"userPassword: {PASSWORD}"]

    def by_dn(name: str, member: str) -> list[str]:
        return [group(name), "objectClass: groupOfNames", f"cn: {name}", f"member: {member}"]

    def by_uid(name: str, *users: str) -> list[str]:
        uids = [f"memberUid: {user}" for user in users]
        return [group(name), "objectClass: posixGroup", f"cn: {name}", f"gidNumber: {1000 + len(name)}", *uids]

    yield by_dn("inner", person("by-dn"))
    yield by_dn("outer", group("inner"))
    yield by_uid("staff", "posix", "by-dn")
    yield [group("club"), "objectClass: groupOfUniqueNames", "cn: club", f"uniqueMember: {person('unique')}"]
    for number in range(MANY):
        yield by_dn(f"flat{number:03d}", person("many"))
        yield by_uid(f"posix{number:03d}", "many-posix")


@pytest.fixture(scope="module")
def directory(require_domain: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The fields of a target at a slapd of these entries, without memberOf."""
    tools, folder = find_tools(), tmp_path_factory.mktemp("slapd")
    (folder / "data").mkdir()
    schemas = "".join(f"include {tools.schema}/{n}.schema\n" for n in ("core", "cosine", "inetorgperson", "nis"))
    module = f"modulepath {tools.modules}\nmoduleload back_mdb.la\n" if tools.modules is not None else ""
    conf = folder / "slapd.conf"
    conf.write_text(
        f"{schemas}{module}loglevel 0\ndatabase mdb\nsuffix {SUFFIX}\ndirectory {folder}/data\ndbnosync\n"
        "sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited\n"
        "access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by anonymous auth\n"
    )
    ldif = "\n".join("\n".join([f"dn: {dn}", *lines, ""]) for dn, *lines in entries())
    run([tools["slapadd"], "-q", "-f", str(conf)], environment(), typed=ldif)
    write_whole(folder / "accounts.csv", "".join(f"{user},{PASSWORD}\n" for user in USERS), private=True)
    (port,) = free_ports(1)
    family = Family()
    try:
        uri = f"ldap://127.0.0.1:{port}"
        child = family.spawn([tools["slapd"], "-f", str(conf), "-h", uri, "-d", "0"], environment(), folder / "out")
        while not listens(child.pid, port):
            assert child.poll() is None, (folder / "out").read_text()
        bases = {"user_base": f"ou=Users,{SUFFIX}", "group_base": f"ou=Groups,{SUFFIX}", "bind_dn": person("{user}")}
        yield {
            "realm": "CLINIC.TEST",
            "kdcs": ["127.0.0.1"],
            "directory": {"uri": uri, "service_host": "ldap.clinic.test", **bases},
            "credentials": {"csv": str(folder / "accounts.csv")},
        }
    finally:
        family.close()


@pytest.fixture
def login(directory: dict[str, Any]) -> Callable[[str], LoginResult]:
    """A login by a simple bind, explained."""
    steps = ("ldap_connect", "ldap_simple_bind", "ldap_own_entry", "ldap_groups")
    asked = {"name": "test", "steps": steps, "population": {"users": 1}, "arrivals": {"curve": "constant", "rate": 1}}
    path = LoginPath(Target.model_validate(directory), Scenario.model_validate(asked), ThreadRuntime())
    return lambda user: path.login(user, "cold", explain=True)


@pytest.mark.parametrize(
    ("user", "groups"),
    [
        ("by-dn", {group("inner"), group("outer")}),
        ("posix", {group("staff")}),
        ("unique", {group("club")}),
        ("nowhere", set()),
        ("many", {group(f"flat{number:03d}") for number in range(MANY)}),
        ("many-posix", {group(f"posix{number:03d}") for number in range(MANY)}),
    ],
)
def test_a_user_is_found_in_every_group_in_whichever_way_the_directory_has_it(
    login: Callable[[str], LoginResult], user: str, groups: set[str]
) -> None:
    result = login(user)
    assert result.outcome.status == "ok", result.outcome
    assert result.groups == groups


def test_who_is_in_few_groups_costs_no_page_and_no_further_question(login: Callable[[str], LoginResult]) -> None:
    facts = login("by-dn").facts[-1]
    assert facts.round_trips == 3  # the groups, theirs, and none around those
    assert login("many").facts[-1].round_trips == 1 + 2 + MANY // 100
