"""What integration tests share: they need real servers, and say so."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import LabError
from harness.lab.ad.namespace import check_namespaces
from harness.lab.ad.programs import find_ad_programs
from harness.lab.domain import Lab
from harness.lab.tools import find_tools
from harness.system.packages import look, said_missing
from tests.helpers.needs import missing
from tests.helpers.running import Inputs

RequireServer = Callable[..., None]


@pytest.fixture(scope="session")
def require_server() -> RequireServer:
    """A function of program names: without them a test is skipped, and failed where CI=true.

    Called with no name, it asks for the embedded domain.
    """

    def require(*programs: str) -> None:
        reason = ", ".join(f"{name} not found in PATH" for name in programs if shutil.which(name) is None)
        if not programs:
            try:
                find_tools()
            except LabError as error:
                reason = str(error)
        if reason:
            missing(reason)

    return require


@pytest.fixture(scope="session")
def require_ad_lab(session_cache: Path) -> Iterator[None]:
    """The AD lab can run here, and builds its state in the session's cache folder."""
    try:
        check_namespaces(find_ad_programs())
    except LabError as error:
        missing(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(session_cache))
        yield


@pytest.fixture(scope="session")
def require_sso() -> None:
    """The AD lab can have an identity provider here."""
    if absent := look("sso")[1]:
        missing(f"{said_missing(absent)} not found")


@pytest.fixture
def cache(session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The session's cache folder, in use: tests neither see nor touch the user's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(session_cache))
    return session_cache


@pytest.fixture(scope="session")
def require_domain(require_server: RequireServer, session_cache: Path) -> Iterator[None]:
    """The embedded domain can run here, and builds its state in the session's cache folder."""
    require_server()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(session_cache))
        yield


@pytest.fixture
def lab(require_domain: None) -> Iterator[Lab]:
    """The embedded domain with both arms, for one test."""
    with Lab() as running:
        yield running


@pytest.fixture
def targets(require_domain: None, tmp_path: Path) -> Iterator[Path]:
    """A targets file of the embedded domain's baseline, whose servers run."""
    with Lab(("baseline",)) as running:
        running.write_targets(tmp_path / "targets.yaml")
        yield tmp_path / "targets.yaml"


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """The folder of a test's scenario, policy and runs."""
    return Inputs(tmp_path)


@pytest.fixture(scope="session")
def require_faketime() -> None:
    """A program can be run at another time (libfaketime)."""
    if not list(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")):
        missing("libfaketime.so.1 not found in /usr/lib")


@pytest.fixture(scope="session")
def require_capture(require_server: RequireServer) -> None:
    """Packets of loopback can be captured: the programs are there, and this process may."""
    require_server("tshark", "dumpcap")
    listed = subprocess.run(["dumpcap", "-D"], capture_output=True, text=True, check=False)
    if not re.search(r"^\d+\. lo\b", listed.stdout, re.MULTILINE):
        missing(f"dumpcap: may not capture on lo: {listed.stderr.strip()}")
