"""The people of the embedded domain, its names, and how its directory spells them."""

from __future__ import annotations

from collections.abc import Iterator

REALM = "CLINIC.TEST"
SUFFIX = "dc=clinic,dc=test"
USER_BASE = f"ou=Users,{SUFFIX}"
GROUP_BASE = f"ou=Groups,{SUFFIX}"
DIRECTORY_HOST = "ldap.clinic.test"
KDC_HOST = "kdc.clinic.test"
SERVICES = (f"ldap/{DIRECTORY_HOST}", "HTTP/ehr.clinic.test", "postgres/pg.clinic.test")

CLINICIANS = tuple(f"clin{number:05d}" for number in range(2000))
WARDS = 40
WARDS_A_DEPARTMENT = 5
HOSPITAL = "Hospital"
EHR_USERS = "EHR-Users"


def user_dn(user: str) -> str:
    """The DN of a clinician; ``{user}`` in, a template out."""
    return f"uid={user},{USER_BASE}"


def group_dn(group: str) -> str:
    """The DN of a group."""
    return f"cn={group},{GROUP_BASE}"


def groups() -> Iterator[tuple[str, list[str], list[str]]]:
    """Each group with the DNs of its members and the names of its parents.

    Wards are nested in departments and those in the hospital; who may use the journal is said by one flat, large group.
    """
    ward_names = [f"Ward{ward:02d}" for ward in range(WARDS)]
    departments = [f"Dept{number}" for number in range(WARDS // WARDS_A_DEPARTMENT)]
    for ward, name in enumerate(ward_names):
        members = [user_dn(user) for user in CLINICIANS[ward::WARDS]]
        yield name, members, [departments[ward // WARDS_A_DEPARTMENT]]
    for number, name in enumerate(departments):
        wards = ward_names[number * WARDS_A_DEPARTMENT :][:WARDS_A_DEPARTMENT]
        yield name, [group_dn(ward) for ward in wards], [HOSPITAL]
    yield HOSPITAL, [group_dn(name) for name in departments], []
    yield EHR_USERS, [user_dn(user) for user in CLINICIANS], []


def ldif(password_hash: str, others: int = 0) -> str:
    """The whole directory as LDIF (RFC 2849), with ``memberOf`` written out and ``others`` people besides.

    slapadd runs no overlay: written here, it costs nothing; left to the memberOf overlay, each entry is one more write.
    """
    base: list[tuple[str, list[tuple[str, str]]]] = [
        (SUFFIX, [("objectClass", "dcObject"), ("objectClass", "organization"), ("o", "Clinic"), ("dc", "clinic")]),
        (USER_BASE, [("objectClass", "organizationalUnit"), ("ou", "Users")]),
        (GROUP_BASE, [("objectClass", "organizationalUnit"), ("ou", "Groups")]),
    ]
    entries = (*base, *_user_entries(password_hash), *_group_entries(), *_other_entries(others))
    return "\n".join(_entry(dn, lines) for dn, lines in entries)


def _user_entries(password_hash: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for number, user in enumerate(CLINICIANS):
        yield (
            user_dn(user),
            [
                ("objectClass", "inetOrgPerson"),
                ("uid", user),
                ("cn", f"Clinician {number}"),
                ("sn", f"{number:05d}"),
                ("mail", f"{user}@clinic.test"),
                ("userPassword", password_hash),
                ("memberOf", group_dn(f"Ward{number % WARDS:02d}")),
                ("memberOf", group_dn(EHR_USERS)),
            ],
        )


def _other_entries(count: int) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for number in range(count):
        name = f"other{number:06d}"
        yield user_dn(name), [("objectClass", "inetOrgPerson"), ("uid", name), ("cn", name), ("sn", name)]


def _group_entries() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for name, members, parents in groups():
        lines = [("objectClass", "groupOfNames"), ("cn", name)]
        lines += [("member", dn) for dn in members]
        yield group_dn(name), lines + [("memberOf", group_dn(parent)) for parent in parents]


def _entry(dn: str, lines: list[tuple[str, str]]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in [("dn", dn), *lines])
