"""A test that fails while the machine itself stood still is run anew, twice at most: its servers stood still, too.

A host that runs other machines besides stops a core of one for a second now and then, and no load generator is on time
in that second. A thread on that core that only sleeps notices: where all wake on time, a failure is the test's own.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from time import monotonic, sleep  # its own names: no test's clock is its clock

import pytest
from _pytest.runner import runtestprotocol

NAP_S, STALL_S = 0.01, 0.25
"""Busy processes on all cores delay a thread that sleeps by some tens of milliseconds."""
ANEW = 2


@dataclass
class Watch:
    """How late a thread that sleeps on a core has woken at worst, in seconds, since it was last asked."""

    worst_s: float = 0.0

    def keep(self, core: int) -> None:
        """Look on for as long as the process lives."""
        os.sched_setaffinity(threading.get_native_id(), {core})
        last = monotonic()
        while True:
            sleep(NAP_S)
            now = monotonic()
            self.worst_s, last = max(self.worst_s, now - last - NAP_S), now

    def taken(self) -> float:
        """The worst by now; from here on it begins anew."""
        found, self.worst_s = self.worst_s, 0.0
        return found


WATCH = Watch()
for _core in os.sched_getaffinity(0):
    threading.Thread(target=WATCH.keep, args=(_core,), daemon=True, name=f"stalls of core {_core}").start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run one test, as pytest does, and again where it failed and the machine stood still meanwhile."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for turn in range(1 + ANEW):
        WATCH.taken()
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if turn == ANEW or not any(report.failed for report in reports):
            break
        sleep(10 * NAP_S)  # what stood still until now is noticed as it wakes
        stood_s = WATCH.taken()
        if stood_s < STALL_S:
            break
        print(f"\n{item.nodeid}: failed while this machine stood still for {stood_s:.2f} s: anew", file=sys.stderr)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
