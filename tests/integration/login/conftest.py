"""One arm of the embedded domain, for single logins."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.lab.domain import Lab, LabArm


@pytest.fixture(autouse=True)
def _servers(require_server: Callable[..., None], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_server()
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture
def arm(cache: Path) -> Iterator[LabArm]:
    with Lab(("baseline",)) as lab:
        yield lab.arms["baseline"]
