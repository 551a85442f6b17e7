"""FAST armour (RFC 6113) and Active Directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.lab.ad.domain import AdArm
from harness.login.kerberos.keytab import read_keytab
from tests.helpers.logons_ad import COLD_LOGON, USER, client

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("authentication", ["key", "password"])
def test_a_logon_under_the_armour_of_an_account_of_the_domain_gets_through(
    baseline: AdArm, tmp_path: Path, authentication: str
) -> None:
    fields: dict[str, Any] = dict(baseline.target)
    keytab = fields["service_accounts"]["keytab"]
    principal = sorted(read_keytab(Path(keytab)).by_principal)[0].decode().partition("@")[0]
    fields["armor"] = {"keytab": keytab, "principal": principal}
    result = client(fields, tmp_path, authentication=authentication).login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"
    assert tuple(step.step for step in result.steps) == COLD_LOGON.steps
