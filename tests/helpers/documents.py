"""A scenario, targets and a policy as users write them, and what is said of wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from harness.errors import ConfigError

CANARY = "hunter2-canary"

SCENARIO = """\
name: rush
steps: [kdc_as, kdc_tgs_ldap, ldap_connect, ldap_bind]
population:
  users: 100
  cold_share: 0.5
timeout_s: 10
step_timeout_s: 5
# comments and blank lines count

arrivals:
  curve: constant
  rate: 20
blocks:
  length_s: 15
  trim_s: 4
"""
TARGETS = """\
environment: lab
arms:
  baseline:
    realm: CLINIC.TEST
    kdcs: ["127.0.0.1:88", "[::1]:88"]
    directory:
      uri: ldap://127.0.0.1:389
      service_host: dc.clinic.test
      user_base: ou=people,dc=clinic,dc=test
      group_base: ou=groups,dc=clinic,dc=test
      ca_file: ca.pem
    credentials: {csv: secrets/accounts.csv}
"""
POLICY = """\
name: strict
margins:
  login:
    p50: {relative: 0.10, floor_ms: 5}
looks: {block_from: 3, pass_from: 12, pass_after_s: 600}
"""
Load = Callable[[Path], BaseModel]


def error_of(load: Load, path: Path, content: str | bytes) -> str:
    """What a file's error says; fails where the file loads."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value)
