"""Why Active Directory refuses an account whose password may be right: what a KDC and a directory add to their code.

One code stands for many reasons (KDC_ERR_CLIENT_REVOKED for five), and each asks for something else to be done.
"""

from __future__ import annotations

import re

from harness.login.net import der

_BY_STATUS = {
    0xC000006E: "ACCOUNT_RESTRICTION",
    0xC000006F: "INVALID_LOGON_HOURS",
    0xC0000070: "INVALID_WORKSTATION",
    0xC0000071: "PASSWORD_EXPIRED",
    0xC0000072: "ACCOUNT_DISABLED",
    0xC0000193: "ACCOUNT_EXPIRED",
    0xC0000224: "PASSWORD_MUST_CHANGE",
    0xC0000234: "ACCOUNT_LOCKED_OUT",
}
"""NTSTATUS (MS-ERREF 2.3.1), without STATUS_ before it."""
BAD_BINDINGS = "BAD_CHANNEL_BINDINGS"
"""SEC_E_BAD_BINDINGS (MS-ERREF 2.1.1): the client's TLS connection is not the server's, or the client named none."""
_BY_WIN32 = {
    0x530: "INVALID_LOGON_HOURS",
    0x531: "INVALID_WORKSTATION",
    0x532: "PASSWORD_EXPIRED",
    0x533: "ACCOUNT_DISABLED",
    0x701: "ACCOUNT_EXPIRED",
    0x773: "PASSWORD_MUST_CHANGE",
    0x775: "ACCOUNT_LOCKED_OUT",
    0x80090346: BAD_BINDINGS,
}
"""Win32 errors (MS-ERREF 2.2), which a refused bind has as its ``data``, and one HRESULT."""
RESTRICTIONS = frozenset(_BY_STATUS.values())
_EXTENDED = 3
"""KERB_ERR_TYPE_EXTENDED (MS-KILE 2.2.2): a KERB-EXT-ERROR (2.2.1) follows; with Samba in a PA-DATA of this number."""
_E_DATA = 12
_DATA = re.compile(r"LdapErr: .*, data ([0-9a-f]+)")


def of_kdc(message: bytes) -> str:
    """The reason that a KRB-ERROR (RFC 4120 §5.9.1) gives; empty where it gives none, or is something else."""
    try:
        error = der.decode(message)
        if error.tag != der.application(30):
            return ""
        told = der.decode(der.decode(error.content).field(_E_DATA).content)
        fields = [told] if told.part(der.context(1)) is not None else list(told.parts())
        for one in fields:
            if one.field(1).number() == _EXTENDED:
                return _BY_STATUS.get(int.from_bytes(one.field(2).content[:4], "little"), "")
    except (ValueError, IndexError):
        pass
    return ""


def of_bind(message: str) -> str:
    """The reason that the diagnostic message of a refused bind gives; empty where it gives none."""
    found = _DATA.search(message)
    return _BY_WIN32.get(int(found[1], 16), "") if found else ""
