"""Changes of a directory's entries, as an administrator or an update would make them: LDIF (RFC 2849)."""

from __future__ import annotations

from harness.lab.ad import region
from harness.lab.hospital import CLINICIANS, HOSPITAL

RC4_HMAC = "4"
"""msDS-SupportedEncryptionTypes: RC4-HMAC alone (MS-KILE 2.2.7)."""
DISABLED = "66050"
"""userAccountControl: NORMAL_ACCOUNT, DONT_EXPIRE_PASSWORD, ACCOUNTDISABLE (MS-ADTS 2.2.16)."""


def replaced(dn: str, attribute: str, value: str) -> str:
    """Give an attribute this value alone."""
    return _changed(dn, "replace", attribute, value)


def without(dn: str, attribute: str, value: str) -> str:
    """Take a value from an attribute."""
    return _changed(dn, "delete", attribute, value)


def disabled(percent: int) -> str:
    """Disable so many of a hundred clinicians, spread evenly over all wards; the first is always let in."""
    chosen = (user for number, user in enumerate(CLINICIANS) if (number * 37 + 50) % 100 < percent)
    return "".join(replaced(region.user_dn(user), "userAccountControl", DISABLED) for user in chosen)


def in_nested_groups(count: int) -> str:
    """Put every clinician into ``count`` more groups, each nested in the next."""
    first = f"Nested{region.MANY_GROUPS - count:03d}"
    return _changed(region.group_dn(first), "add", "member", region.group_dn(HOSPITAL))


def _changed(dn: str, how: str, attribute: str, value: str) -> str:
    return f"dn: {dn}\nchangetype: modify\n{how}: {attribute}\n{attribute}: {value}\n\n"
