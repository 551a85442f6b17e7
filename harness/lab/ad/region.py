"""The people, machines and services of the AD lab's domain, and how Active Directory spells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.lab.hospital import CLINICIANS, HOSPITAL, WARDS, WARDS_A_DEPARTMENT

REALM = "REGION.TEST"
DOMAIN = "region.test"
WORKGROUP = "REGION"
SUFFIX = "DC=region,DC=test"
ROOT = f"OU=Region,{SUFFIX}"
USER_BASE = f"OU=Users,{ROOT}"
GROUP_BASE = f"OU=Groups,{ROOT}"
SERVICE_BASE = f"OU=Services,{ROOT}"
WORKSTATION_BASE = f"OU=Workstations,{ROOT}"

DC_NAME = "dc1"
SECOND_DC_NAME, SECOND_SITE = "dc2", "Datacentre"
"""Of an arm with two controllers: the second is in a site of its own, far from the clients' subnet."""
SECOND_DC_HOST = f"{SECOND_DC_NAME}.{DOMAIN}"
FIRST_SITE = "Default-First-Site-Name"
SUBNET = "127.0.0.0/8"
"""The clients' subnet, mapped to the first site."""
CONFIGURATION = f"CN=Configuration,{SUFFIX}"
SUBNET_DN = f"CN={SUBNET},CN=Subnets,CN=Sites,{CONFIGURATION}"
DC_HOST, EHR_HOST, DATABASE_HOST, IDP_HOST = (f"{name}.{DOMAIN}" for name in (DC_NAME, "ehr", "pg", "idp"))
EHR_SERVICE, DATABASE_SERVICE = f"HTTP/{EHR_HOST}", f"postgres/{DATABASE_HOST}"
IDP_SERVICE = f"HTTP/{IDP_HOST}"
"""The identity provider's, which runs where single sign-on is asked for."""
INTEGRATION_SERVICE = f"integration/engine.{DOMAIN}"

WORKSTATIONS = tuple(f"ws{number:03d}" for number in range(1, 21))

EHR_USERS = "EHR-Users"
"""Ward, department and hospital are nested in it: every clinician is in it at a depth of four."""

MANY_GROUPS_USER = "manygroups"
"""A user besides the clinicians whose tickets carry ``MANY_GROUPS`` nested groups in their PAC."""
MANY_GROUPS = 200

USERS = (*CLINICIANS, MANY_GROUPS_USER)
"""Everyone who logs in; the user with many groups is last, so that no population of clinicians holds it."""

TEMPLATE = CLINICIANS[0]
"""The clinician whose password is hashed; the others get a copy of its hashes."""

SERVICE_ACCOUNTS: Mapping[str, Mapping[str, str]] = {
    # Constrained delegation (MS-SFU): the web front may act as its user, at the database and nowhere else.
    "svc-ehr": {"servicePrincipalName": EHR_SERVICE, "msDS-AllowedToDelegateTo": DATABASE_SERVICE},
    "svc-db": {"servicePrincipalName": DATABASE_SERVICE},
    "svc-integration": {"servicePrincipalName": INTEGRATION_SERVICE},
    "svc-idp": {"servicePrincipalName": IDP_SERVICE},
}

COMPONENTS = ("svc-ehr", "svc-integration")
"""The service accounts that log in to other components: the front to the database, the integration engine to the
directory."""

_NORMAL_ACCOUNT, _WORKSTATION_TRUST, _DONT_EXPIRE = 0x200, 0x1000, 0x10000
"""Bits of userAccountControl (MS-ADTS 2.2.16)."""
_AES_ONLY = "24"
"""msDS-SupportedEncryptionTypes: AES-128 and AES-256 (MS-KILE 2.2.7)."""
_GLOBAL_SECURITY_GROUP = str(-0x80000000 + 2)
"""groupType (MS-ADTS 2.2.12)."""

Entry = Mapping[str, str | Sequence[str]]
"""Attributes by name. Two are the population script's own: ``password``, to be hashed, and ``like``, the DN whose
hashes to copy."""


def controller_dn(name: str) -> str:
    """The DN of a domain controller's account."""
    return f"CN={name.upper()},OU=Domain Controllers,{SUFFIX}"


def user_dn(user: str) -> str:
    """The DN of a user."""
    return f"CN={user},{USER_BASE}"


def group_dn(group: str) -> str:
    """The DN of a group."""
    return f"CN={group},{GROUP_BASE}"


def service_dn(account: str) -> str:
    """The DN of a service's account."""
    return f"CN={account},{SERVICE_BASE}"


def entries(passwords: Mapping[str, str]) -> Iterator[Entry]:
    """Every entry below the domain's root, parents before children; ``passwords`` are by sAMAccountName."""
    for dn in (ROOT, USER_BASE, GROUP_BASE, SERVICE_BASE, WORKSTATION_BASE):
        yield {"dn": dn, "objectClass": "organizationalUnit"}
    yield from _users(passwords)
    yield from _groups()
    yield from _services(passwords)
    yield from _workstations(passwords)


def accounts_with_password() -> tuple[str, ...]:
    """The sAMAccountNames for which ``entries`` needs a password."""
    return (TEMPLATE, *SERVICE_ACCOUNTS, *(f"{name.upper()}$" for name in WORKSTATIONS))


def _users(passwords: Mapping[str, str]) -> Iterator[Entry]:
    for user in USERS:
        secret = {"password": passwords[user]} if user == TEMPLATE else {"like": user_dn(TEMPLATE)}
        yield {
            "dn": user_dn(user),
            "objectClass": "user",
            "sAMAccountName": user,
            "userPrincipalName": f"{user}@{DOMAIN}",
            "mail": f"{user}@{DOMAIN}",
            "userAccountControl": str(_NORMAL_ACCOUNT | _DONT_EXPIRE),
            **secret,
        }


def _groups() -> Iterator[Entry]:
    wards = [f"Ward{ward:02d}" for ward in range(WARDS)]
    departments = [f"Dept{number}" for number in range(WARDS // WARDS_A_DEPARTMENT)]
    for number, ward in enumerate(wards):
        yield _group(ward, [user_dn(user) for user in CLINICIANS[number::WARDS]])
    for number, department in enumerate(departments):
        mine = wards[number * WARDS_A_DEPARTMENT :][:WARDS_A_DEPARTMENT]
        yield _group(department, [group_dn(ward) for ward in mine])
    yield _group(HOSPITAL, [group_dn(department) for department in departments])
    yield _group(EHR_USERS, [group_dn(HOSPITAL)])
    member = user_dn(MANY_GROUPS_USER)
    for number in range(MANY_GROUPS):
        name = f"Nested{number:03d}"
        yield _group(name, [member])
        member = group_dn(name)


def _group(name: str, members: list[str]) -> Entry:
    return {
        "dn": group_dn(name),
        "objectClass": "group",
        "sAMAccountName": name,
        "groupType": _GLOBAL_SECURITY_GROUP,
        "member": members,
    }


def _services(passwords: Mapping[str, str]) -> Iterator[Entry]:
    for account, attributes in SERVICE_ACCOUNTS.items():
        yield {
            "dn": service_dn(account),
            "objectClass": "user",
            "sAMAccountName": account,
            # As ktpass /mapuser makes it: the keytab's name, HTTP/…, can then ask for a ticket of its own (S4U2Proxy).
            "userPrincipalName": f"{attributes['servicePrincipalName']}@{REALM}",
            "userAccountControl": str(_NORMAL_ACCOUNT | _DONT_EXPIRE),
            "msDS-SupportedEncryptionTypes": _AES_ONLY,
            "password": passwords[account],
            **attributes,
        }


def _workstations(passwords: Mapping[str, str]) -> Iterator[Entry]:
    for name in WORKSTATIONS:
        account = f"{name.upper()}$"
        yield {
            "dn": f"CN={name.upper()},{WORKSTATION_BASE}",
            "objectClass": "computer",
            "sAMAccountName": account,
            "userAccountControl": str(_WORKSTATION_TRUST),
            "dNSHostName": f"{name}.{DOMAIN}",
            "servicePrincipalName": [f"HOST/{name}.{DOMAIN}", f"HOST/{name.upper()}"],
            "msDS-SupportedEncryptionTypes": _AES_ONLY,
            "password": passwords[account],
        }
