"""A limit on the processor time of processes, as a virtual machine or a container has one (the kernel's CFS bandwidth).

By the control groups of either version: sched-bwc.rst and cgroup-v2.rst of the kernel's documentation. A group's
processes may run for ``percent`` of every 100 ms, all together, and stand still for the rest of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from harness.errors import LabError

PERIOD_US = 100_000
ROOT = Path("/sys/fs/cgroup")
_PREFIX = "authgate-"
_numbers = count()


@contextmanager
def limited(pids: Iterable[int], percent: int, root: Path = ROOT) -> Iterator[None]:
    """Keep these processes, and what they fork from now on, to so much of one processor; raises LabError.

    The limit lasts as long as the block; at its end they may be running still.
    """
    group = _new_group(root)
    try:
        try:
            _set(group, percent)
            for pid in pids:
                (group / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            raise _refused(error) from None
        yield
    finally:
        _remove(group)


def _new_group(root: Path) -> Path:
    parent = _parent(root)
    for left in parent.glob(f"{_PREFIX}*"):  # of a lab that was killed
        if not Path(f"/proc/{left.name.removeprefix(_PREFIX).partition('-')[0]}").exists():
            with suppress(OSError):
                left.rmdir()
    group = parent / f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
    try:
        group.mkdir()
    except OSError as error:
        raise _refused(error) from None
    return group


def _parent(root: Path) -> Path:
    """Where a group with a limit of processor time can be made: version 1's own tree, or below this process's group."""
    for tree in ("cpu", "cpu,cpuacct"):
        if (root / tree / "cpu.cfs_quota_us").exists() or (root / tree / "cpu.shares").exists():
            return root / tree
    return root


def _set(group: Path, percent: int) -> None:
    quota_us = PERIOD_US * percent // 100
    if (group / "cpu.cfs_quota_us").exists():
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        return
    if not (group / "cpu.max").exists():
        (group.parent / "cgroup.subtree_control").write_text("+cpu")
    (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")


def _remove(group: Path) -> None:
    """Give back what is still running, and the group goes; one that can't is removed by the next that is made."""
    with suppress(OSError):
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()


def _refused(error: OSError) -> LabError:
    return LabError(
        f"cpu-quota: expected the right to make a control group below {ROOT} (root; in a container: a writable "
        f"/sys/fs/cgroup), got: {error.strerror}"
    )
