"""What all tests share: no example of a property is judged by how long it took, a domain is built once, and what failed
while the machine stood still is run anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.helpers.stalls import pytest_runtest_protocol as pytest_runtest_protocol

settings.register_profile("untimed", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of this process of tests; the domains that are built in it are those of all the processes.

    To build Active Directory takes half a minute of both cores.
    """
    folder = tmp_path_factory.mktemp("cache")
    if "PYTEST_XDIST_WORKER" in os.environ:
        built = tmp_path_factory.getbasetemp().parent / "built"
        built.mkdir(0o700, exist_ok=True)
        (folder / "authgate").mkdir(0o700)
        (folder / "authgate" / "lab").symlink_to(built)
    return folder
