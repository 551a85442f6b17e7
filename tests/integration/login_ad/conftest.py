"""The AD lab, for single logons."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from harness.lab.ad.domain import AdArm, AdLab
from harness.login.path import LoginResult
from tests.helpers.logons_ad import USER, client


@pytest.fixture(scope="module")
def lab(require_ad_lab: None) -> Iterator[AdLab]:
    """One lab for all tests, which only log in to it."""
    with AdLab() as running:
        yield running


@pytest.fixture(autouse=True)
def _process_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture(params=["baseline", "candidate"])
def arm(request: pytest.FixtureRequest, lab: AdLab) -> AdArm:
    return lab.arms[request.param]


@pytest.fixture
def baseline(lab: AdLab) -> AdArm:
    return lab.arms["baseline"]


@pytest.fixture(scope="module")
def logon(lab: AdLab, tmp_path_factory: pytest.TempPathFactory) -> LoginResult:
    """A cold logon to the baseline, explained."""
    path = client(dict(lab.arms["baseline"].target), tmp_path_factory.mktemp("logon"))
    return path.login(USER, "cold", explain=True)
