"""What a login reads of the directory: its root entry, the clinician's own entry, the groups around it.

Every function raises StepFailedError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import ldap3

from harness.login.codes import ldap_outcome
from harness.login.ldap.messages import Entry, escaped
from harness.login.ldap.session import MALFORMED, DirectorySession
from harness.login.names import is_upn
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome
from harness.model.target import Directory

TERMS_AT_MOST = 100
"""Of one search's filter."""
TOO_MANY = ldap_outcome(4)
GROUP_DEPTH_AT_MOST = 10
"""Groups nested deeper than this, or in a ring, end the expansion."""
ANY = "(objectClass=*)"
OWN_ATTRIBUTES = ("cn", "mail", "memberOf")
ROOT_ATTRIBUTES = ("defaultNamingContext", "dnsHostName", "supportedSASLMechanisms")
IN_CHAIN = "1.2.840.113556.1.4.1941"
"""LDAP_MATCHING_RULE_TRANSITIVE_EVAL (MS-ADTS 3.1.1.3.4.4.3)."""
_SID_HEAD_BYTES = 8
FIRST_OWN_RID, DOMAIN_USERS_RID = 1000, 513
"""Relative identifiers below are those of a domain's well-known groups, as 513, Domain Users (MS-DTYP 2.4.2.4)."""


def root_entry(session: DirectorySession) -> str:
    """The server's own name, if it says one, from its root entry (RFC 4512 §5.1)."""
    found = session.search("", ANY, ROOT_ATTRIBUTES, ldap3.BASE)
    names = found[0].attributes.get("dnshostname") if found else None
    return names[0].decode(errors="replace") if names else ""


def own_entry(session: DirectorySession, directory: Directory, user: str) -> Entry:
    """The user's entry: exactly one is expected.

    A service whose name is SERVICE/HOST is found by that; so is, in Active Directory, who is known by a user principal
    name alone, since no KDC was asked.
    """
    where = f"({naming_attribute(directory, user)}={escaped(user)})"
    attributes = OWN_ATTRIBUTES if directory.schema_kind == "posix" else (*OWN_ATTRIBUTES, "objectSid")
    found = session.search(directory.user_base, where, attributes)
    if len(found) != 1:
        raise StepFailedError(Outcome("error", f"ENTRIES_{len(found)}"))
    return found[0]


def naming_attribute(directory: Directory, user: str) -> str:
    """The attribute by whose value the user's entry is found."""
    if is_upn(user) and directory.schema_kind == "ad":
        return "userPrincipalName"
    return "servicePrincipalName" if "/" in user else directory.user_attribute


def nested_groups(session: DirectorySession, directory: Directory, entry: Entry, user: str) -> frozenset[str]:
    """The DNs of all groups that the user is in: the entry's own, and a search a level of nesting until none is new.

    Who is in no group by DN is looked for by the two other ways to be in one: as posixGroup has it (memberUid, RFC 2307
    §4), and as groupOfUniqueNames (RFC 4519 §3.6).
    """
    direct = [value.decode(errors="replace") for value in _values(session, entry, "memberof")]
    known = frozenset(direct)
    level: Sequence[str] = direct or [entry.dn]  # not every directory keeps memberOf
    for depth in range(GROUP_DEPTH_AT_MOST):
        found = _groups(session, directory, [f"(member={escaped(dn)})" for dn in level])
        if not (found or known or depth):
            otherwise = (
                f"(memberUid={escaped(user)})",
                f"(uniqueMember={escaped(entry.dn)})",
            )
            found = _groups(session, directory, otherwise)
        level = [dn for dn in found if dn not in known]
        known |= set(level)
        if not level:
            break
    return known


def _groups(session: DirectorySession, directory: Directory, terms: Sequence[str]) -> list[str]:
    """The DNs of the groups that match one of the terms, and all of them: by pages where they are too many for one."""
    found: list[str] = []
    for begin in range(0, len(terms), TERMS_AT_MOST):
        where = f"(|{''.join(terms[begin : begin + TERMS_AT_MOST])})"
        try:
            groups = session.search(directory.group_base, where, ["cn"])
        except StepFailedError as failure:
            if failure.outcome != TOO_MANY:
                raise
            groups = session.search_by_pages(directory.group_base, where, ["cn"])
        found += [group.dn for group in groups]
    return found


def _values(session: DirectorySession, entry: Entry, attribute: str) -> tuple[bytes, ...]:
    """All values of an attribute (its name in lower case), of which a controller may have given the first ones alone.

    By range retrieval (MS-ADTS 3.1.1.3.1.3.3).
    """
    values = list(entry.attributes.get(attribute, ()))
    ranged = _ranged(entry, attribute)
    while ranged is not None:
        more, last = ranged
        values += more
        if last == "*" or not more:
            break
        if not (last.isascii() and last.isdigit()):
            raise StepFailedError(MALFORMED)
        found = session.search(entry.dn, ANY, [f"{attribute};range={int(last) + 1}-*"], ldap3.BASE)
        ranged = _ranged(found[0], attribute) if found else None
    return tuple(values)


def _ranged(entry: Entry, attribute: str) -> tuple[tuple[bytes, ...], str] | None:
    """The values that an entry has of a range, and where that ends: a number, or a star where there are no more."""
    for name, values in entry.attributes.items():
        if name.startswith(f"{attribute};range="):
            return values, name.rpartition("-")[2]
    return None


def token_groups(session: DirectorySession, entry: Entry) -> frozenset[str]:
    """The SIDs of all groups that the user is in, as the directory computes them (MS-ADTS 3.1.1.4.5.19)."""
    found = session.search(entry.dn, ANY, ["tokenGroups"], ldap3.BASE)
    sids = frozenset(sid_text(value) for one in found for value in one.attributes.get("tokengroups", ()))
    if not sids:
        raise StepFailedError(Outcome("error", "NO_TOKEN_GROUPS"))
    return sids


def in_chain(session: DirectorySession, entry: Entry, groups: Iterable[str]) -> str:
    """Ask by the in-chain rule whether the user is in one of these groups; the group's SID, empty for one in none.

    Asked of the user's entry alone: over a whole OU, or down from a group of thousands, the rule takes up to seconds.
    The group is the one of the user's domain that was made last (the highest RID), so the same on both arms. Who is in
    Domain Users alone is asked of that, so that the question is asked of everybody.
    """
    domain = "".join(sid_text(value) for value in entry.attributes.get("objectsid", ())).rpartition("-")[0]
    if not domain:
        raise StepFailedError(Outcome("error", "NO_SID"))
    own = [rid for of, _, text in (sid.rpartition("-") for sid in groups)
           if of == domain and (rid := int(text)) >= FIRST_OWN_RID]  # fmt: skip
    group = f"{domain}-{max(own, default=DOMAIN_USERS_RID)}"
    # A SID may stand for a DN (MS-ADTS 3.1.1.3.1.2.4).
    found = session.search(entry.dn, f"(memberOf:{IN_CHAIN}:=<SID={group}>)", ["cn"], ldap3.BASE)
    if own and len(found) != 1:
        raise StepFailedError(Outcome("error", "NOT_IN_CHAIN"))
    return group if own else ""


def sid_text(sid: bytes) -> str:
    """A security identifier as text (MS-DTYP 2.4.2.1 and 2.4.2.2); raises StepFailedError where it is none."""
    if len(sid) < _SID_HEAD_BYTES or len(sid) != _SID_HEAD_BYTES + 4 * sid[1]:
        raise StepFailedError(MALFORMED)
    parts = struct.unpack_from(f"<{sid[1]}I", sid, _SID_HEAD_BYTES)
    return "-".join(map(str, ("S", sid[0], int.from_bytes(sid[2:8], "big"), *parts)))
