"""What a login reads of the directory: its root entry, the clinician's own entry, the groups around it.

Every function raises StepFailedError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import ldap3
from ldap3.utils.conv import escape_filter_chars

from harness.login.ldap.messages import Entry
from harness.login.ldap.session import DirectorySession
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome
from harness.model.target import Directory

GROUP_DEPTH_AT_MOST = 10
"""Groups nested deeper than this, or in a ring, end the expansion."""
ANY = "(objectClass=*)"
OWN_ATTRIBUTES = ("cn", "mail", "memberOf")
ROOT_ATTRIBUTES = ("defaultNamingContext", "dnsHostName", "supportedSASLMechanisms")
IN_CHAIN = "1.2.840.113556.1.4.1941"
"""LDAP_MATCHING_RULE_TRANSITIVE_EVAL (MS-ADTS 3.1.1.3.4.4.3)."""
FIRST_OWN_RID = 1000
"""Relative identifiers below are those of a domain's well-known groups, as 513, Domain Users (MS-DTYP 2.4.2.4)."""


def root_entry(session: DirectorySession) -> str:
    """The server's own name, if it says one, from its root entry (RFC 4512 §5.1)."""
    found = session.search("", ANY, ROOT_ATTRIBUTES, ldap3.BASE)
    names = found[0].attributes.get("dnshostname") if found else None
    return names[0].decode(errors="replace") if names else ""


def own_entry(session: DirectorySession, directory: Directory, user: str) -> Entry:
    """The user's entry: exactly one is expected. A service whose name is SERVICE/HOST is found by that."""
    attribute = "servicePrincipalName" if "/" in user else directory.user_attribute
    where = f"({attribute}={escape_filter_chars(user)})"
    attributes = OWN_ATTRIBUTES if directory.schema_kind == "posix" else (*OWN_ATTRIBUTES, "objectSid")
    found = session.search(directory.user_base, where, attributes)
    if len(found) != 1:
        raise StepFailedError(Outcome("error", f"ENTRIES_{len(found)}"))
    return found[0]


def nested_groups(session: DirectorySession, directory: Directory, entry: Entry) -> frozenset[str]:
    """The DNs of all groups that the user is in: the entry's own, and a search a level of nesting until none is new."""
    direct = [value.decode() for value in entry.attributes.get("memberof", ())]
    known = frozenset(direct)
    level: Sequence[str] = direct or [entry.dn]  # not every directory keeps memberOf
    for _ in range(GROUP_DEPTH_AT_MOST):
        terms = "".join(f"(member={escape_filter_chars(dn)})" for dn in level)
        found = session.search(directory.group_base, f"(|{terms})", ["cn"])
        level = [group.dn for group in found if group.dn not in known]
        known |= set(level)
        if not level:
            break
    return known


def token_groups(session: DirectorySession, entry: Entry) -> frozenset[str]:
    """The SIDs of all groups that the user is in, as the directory computes them (MS-ADTS 3.1.1.4.5.19)."""
    found = session.search(entry.dn, ANY, ["tokenGroups"], ldap3.BASE)
    sids = frozenset(sid_text(value) for one in found for value in one.attributes.get("tokengroups", ()))
    if not sids:
        raise StepFailedError(Outcome("error", "NO_TOKEN_GROUPS"))
    return sids


def in_chain(session: DirectorySession, entry: Entry, groups: Iterable[str]) -> str:
    """Ask by the in-chain rule whether the user is in one of these groups; the group's SID.

    Asked of the user's entry alone: over a whole OU, or down from a group of thousands, the rule takes up to seconds.
    The group is the one of the user's domain that was made last (the highest RID), so the same on both arms.
    """
    domain = "".join(sid_text(value) for value in entry.attributes.get("objectsid", ())).rpartition("-")[0]
    own = [rid for of, _, text in (sid.rpartition("-") for sid in groups)
           if of == domain and (rid := int(text)) >= FIRST_OWN_RID]  # fmt: skip
    if not own:
        raise StepFailedError(Outcome("error", "NO_GROUPS"))
    group = f"{domain}-{max(own)}"
    # A SID may stand for a DN (MS-ADTS 3.1.1.3.1.2.4).
    found = session.search(entry.dn, f"(memberOf:{IN_CHAIN}:=<SID={group}>)", ["cn"], ldap3.BASE)
    if len(found) != 1:
        raise StepFailedError(Outcome("error", "NOT_IN_CHAIN"))
    return group


def sid_text(sid: bytes) -> str:
    """A security identifier as text (MS-DTYP 2.4.2.1 and 2.4.2.2)."""
    parts = struct.unpack_from(f"<{sid[1]}I", sid, 8)
    return "-".join(map(str, ("S", sid[0], int.from_bytes(sid[2:8], "big"), *parts)))
