"""What a login leaves behind in its process: nothing."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest

from harness.lab.domain import LabArm
from tests.helpers.logins import (
    FULL,
    USER,
    changed,
    client,
    csv_file,
    memory_caches,
)

pytestmark = pytest.mark.integration


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_no_ticket_cache_socket_or_thread_outlives_its_login(arm: LabArm, tmp_path: Path) -> None:
    target = changed(arm)
    path = client(target, tmp_path)
    denied = client(changed(arm, credentials=csv_file(tmp_path, "clin00009,not it")), tmp_path, "clin00009")
    path.login(USER, "cold")

    def left() -> tuple[set[str], int, int]:
        return memory_caches(), len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    gc.collect()
    before = left()
    for _ in range(20):
        assert path.login(USER, "cold").outcome.status == "ok"
        assert denied.login("clin00009", "cold").outcome.status == "denied"
    caches, files, threads = left()
    assert caches == before[0] and files <= before[1] and threads <= before[2]
    path.warm_up(USER)
    assert len(memory_caches()) == len(before[0]) + 1  # It does count them.


def test_two_thousand_logins_do_not_grow_the_process(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path, steps=FULL[:2])
    for _ in range(200):
        path.login(USER, "cold")
    before = resident_mb()
    for _ in range(2000):
        assert path.login(USER, "cold").outcome.status == "ok"
    # Two tickets of 450 bytes with their keys and names: 2,000 caches left behind would be some 6 MB.
    assert resident_mb() - before < 3.0
