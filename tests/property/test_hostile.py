"""Servers that mean harm, always in the same ways; what clients are asked is in tests.helpers.hostile_servers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SEED = 2016
QUICK = 20_000
PROTOCOLS = ("cldap", "dns", "http", "kdc", "ldap", "postgres")


@pytest.mark.slow
def test_twenty_thousand_spoilt_answers_end_in_an_outcome_within_the_deadline_and_in_bounded_memory() -> None:
    """In a process of its own, whose memory is its own."""
    command = [sys.executable, "-m", "tests.property.hostile", "--seed", str(SEED), "--answers", str(QUICK)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    given = dict(re.findall(r"^(\w+) +(\d+) answers", done.stdout, re.MULTILINE))
    assert sorted(given) == sorted(PROTOCOLS)
    assert sum(map(int, given.values())) >= QUICK
