"""Errors by the names that libkrb5 itself gives them, whichever is installed."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

from harness.login.codes import kerberos_outcome
from harness.login.kerberos.error_table import BASE, NAMES
from tests.helpers.needs import missing

HEADER = Path("/usr/include/krb5/krb5.h")
RENAMED = {"KDC_ERR_KEY_EXP": "KDC_ERR_KEY_EXPIRED"}
"""By RFC 4120."""
MESSAGES = {
    "KDC_ERR_CLIENT_REVOKED": "Client's credentials have been revoked",
    "KDC_ERR_PREAUTH_FAILED": "Preauthentication failed",
    "KRB_AP_ERR_SKEW": "Clock skew too great",
    "KRB_ERR_RESPONSE_TOO_BIG": "Response too big for UDP, retry with TCP",
    "KRB5_KDCREP_MODIFIED": "KDC reply did not match expectations",
    "KRB5_KDCREP_SKEW": "Clock skew too great in KDC reply",
    "KRB5_REALM_UNKNOWN": "Cannot find KDC for requested realm",
    "KRB5_KDC_UNREACH": "Cannot contact any KDC for requested realm",
    "KRB5_KT_NOTFOUND": "Key table entry not found",
    "KRB5_FCC_NOFILE": "No credentials cache found",
    "KRB5_PREAUTH_FAILED": "Generic preauthentication failure",
    "KRB5_REALM_CANT_RESOLVE": "Cannot resolve network address for KDC in requested realm",
    "KRB5_GET_IN_TKT_LOOP": "Looping detected inside krb5_get_in_tkt",
}


def test_a_name_stands_at_the_number_that_the_installed_library_has_its_message_at() -> None:
    library, errors = ctypes.CDLL("libkrb5.so.3"), ctypes.CDLL("libcom_err.so.2")
    context = ctypes.c_void_p()
    assert library.krb5_init_context(ctypes.byref(context)) == 0  # which registers the table
    errors.error_message.restype, errors.error_message.argtypes = ctypes.c_char_p, [ctypes.c_long]
    by_name = {name: number for number, name in NAMES.items()}
    found = {name: errors.error_message(BASE + by_name[name]).decode() for name in MESSAGES}
    assert found == MESSAGES


def test_every_number_of_the_installed_header_has_its_name() -> None:
    if not HEADER.exists():
        missing(f"{HEADER} is not here: Debian's package libkrb5-dev has it")
    defined = re.findall(r"#define (KRB5\w+)\s+\((-1765328\d{3})L\)", HEADER.read_text())
    assert len(defined) > 200
    for name, code in defined:
        if "PLACEHOLD" not in name:
            short = re.sub(r"^KRB5(?=(KDC|KRB)_)", "", name)
            assert kerberos_outcome(int(code)).code == RENAMED.get(short, short)
