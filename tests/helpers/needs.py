"""What a test needs of its machine: without it the test is skipped, and failed where CI=true, which has everything."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """End the test, for want of what the reason says."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
