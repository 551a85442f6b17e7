"""A limit on processor time by the kernel itself, and as the files of the other version of control groups want it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.errors import LabError
from harness.system.quota import limited
from tests.helpers.needs import missing

PERCENT = 20
PATIENCE = 300


@pytest.fixture
def busy() -> Iterator[psutil.Process]:
    """A process that takes all of a processor that it gets."""
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield psutil.Process(child.pid)
    finally:
        child.kill()
        child.wait()


def throttled() -> int:
    """How often the groups of this test have been stopped by now."""
    stats = Path("/sys/fs/cgroup").rglob(f"authgate-{os.getpid()}-*/cpu.stat")
    found = (line for stat in stats for line in stat.read_text().splitlines())
    return sum(int(line.split()[1]) for line in found if line.startswith("nr_throttled"))


def test_a_process_is_stopped_where_its_share_is_used_up_and_runs_freely_afterwards(busy: psutil.Process) -> None:
    try:
        with limited([busy.pid], PERCENT):
            for _ in range(PATIENCE):
                if throttled():
                    break
                time.sleep(0.1)
            assert throttled() > 0
    except LabError as error:
        missing(str(error))
    assert throttled() == 0, "its group is gone"
    assert busy.is_running()


def test_the_second_version_of_control_groups_is_given_what_it_documents(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("")
    with limited([1], 30, tmp_path):
        (group,) = tmp_path.glob("authgate-*")
        assert (group / "cpu.max").read_text() == "30000 100000"
        assert (group / "cgroup.procs").read_text() == "1"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu"


def test_where_no_group_may_be_made_the_error_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cpu-quota: expected the right to make a control group"), \
            limited([1], 30, tmp_path / "none"):  # fmt: skip
        raise AssertionError("not reached")
