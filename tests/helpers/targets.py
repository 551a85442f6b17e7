"""A target of addresses that nobody has."""

from __future__ import annotations

from typing import Any

from harness.model.target import Target

REALM = "CLINIC.TEST"


def target(**changes: Any) -> Target:
    fields = {
        "realm": REALM,
        "kdcs": ["192.0.2.10", "[2001:db8::10]:8888"],
        "directory": {"uri": "ldap://192.0.2.10", "service_host": "dc.clinic.test", "user_base": "", "group_base": ""},
        "credentials": {"env": "CLINIC_ACCOUNTS"},
    }
    return Target.model_validate({**fields, **changes})
