"""This machine as a load generator: its clock, its limits, and who else uses its processors.

Nothing here is sent anywhere. NTP plays no part: all that is measured is on the monotonic clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from harness.model.diagnosis import Remark, not_applicable, ok, warning
from harness.model.scenario import Scenario
from harness.model.steps import STEPS
from harness.system.process import open_files
from harness.version import __version__

COARSE_S = 1e-5
"""A hundredth of the shortest steps, which take about 1 ms."""
FILES_A_SEAT = 3
"""At once: the directory, the EHR, and a KDC or name server."""
FILES_BESIDES = 200
TIME_WAIT_S = 60
"""How long Linux keeps a port that a connection was closed from (TCP_TIMEWAIT_LEN)."""
STEAL_AT_MOST = 0.02
_WATCHED_S = 0.5


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the kernel describes this machine."""

    root: Path = Path("/")
    watched_s: float = _WATCHED_S

    def read(self, path: str) -> str | None:
        """What a file of the kernel's says; None where there is none to be read."""
        try:
            return (self.root / path).read_text().strip()
        except OSError:
            return None


def versions(_: Machine, __: Scenario | None) -> Iterator[Remark]:
    """What measures: to be the same on every generator; a worker of another version is refused by its master."""
    system = os.uname()  # and not platform(), which starts a program: a worker looks from a thread, where none can be
    kernel = f"{system.sysname} {system.release} {system.machine}"
    yield ok(f"authgate {__version__}, Locust {version('locust')}, Python {python_version()}, {kernel}")


def clock(_: Machine, __: Scenario | None) -> Iterator[Remark]:
    """The clock of all measurements is monotonic and fine."""
    info = time.get_clock_info("monotonic")
    found = f"monotonic, {info.resolution * 1e9:g} ns ({info.implementation})"
    if not info.monotonic or info.resolution > COARSE_S:
        yield warning(found, "measure from a machine whose clock is finer than 10 µs")
    else:
        yield ok(found)


def files(_: Machine, scenario: Scenario | None) -> Iterator[Remark]:
    """A worker may have as many files open as its seats need."""
    limit = open_files()
    if scenario is None:
        yield ok(f"{limit} files a worker")
        return
    needed = scenario.seats * FILES_A_SEAT + FILES_BESIDES
    found = f"{limit} files a worker, at most {needed} for {scenario.seats} seats"
    if needed > limit:
        yield warning(found, f"raise the hard limit (ulimit -Hn {needed}, LimitNOFILE), or lower the scenario's seats")
    else:
        yield ok(found)


def ephemeral_ports(machine: Machine, scenario: Scenario | None) -> Iterator[Remark]:
    """Closed connections leave enough ports for new ones to the same server."""
    text = machine.read("proc/sys/net/ipv4/ip_local_port_range")
    if text is None:
        yield not_applicable("the kernel doesn't say")
        return
    low, high = map(int, text.split())
    count = high - low + 1
    if scenario is None:
        yield ok(f"{count} ports for outgoing connections")
        return
    exchanges = sum(STEPS[name].kind == "kdc" for name in scenario.step_order)
    connections = max(exchanges + ("kdc_as" in scenario.step_order), 1)  # pre-authentication is one more
    taken = round(connections * scenario.peak_rate * TIME_WAIT_S)
    found = f"{count} ports for outgoing connections, {taken} in use at the peak if KDCs are asked by TCP"
    if taken > count:
        yield warning(found, "widen net.ipv4.ip_local_port_range to 15000 65000, or lower the rate")
    else:
        yield ok(found)


def processors(machine: Machine, _: Scenario | None) -> Iterator[Remark]:
    """There is a core for each arm's worker, and they have little else to do."""
    stat, load = machine.read("proc/stat") or "", machine.read("proc/loadavg")
    cores = sum(line.startswith("cpu") and line[3:4].isdigit() for line in stat.splitlines())
    if not cores or load is None:
        yield not_applicable("the kernel doesn't say")
        return
    busy = float(load.split()[0])
    found = f"{cores} cores, load {busy:g}"
    if cores < 2:
        yield warning(found, "use two cores or more, one for each arm's worker")
    elif busy > cores / 2:
        yield warning(found, "stop what else runs here: a late generator makes a run INVALID")
    else:
        yield ok(found)


def steal(machine: Machine, _: Scenario | None) -> Iterator[Remark]:
    """The hypervisor gives this machine the processor time that it asks for."""
    before = _cpu_times(machine)
    time.sleep(machine.watched_s)
    after = _cpu_times(machine)
    if before is None or after is None:
        yield not_applicable("the kernel doesn't say")
        return
    total = sum(after) - sum(before)
    stolen = (after[7] - before[7]) / total if total else 0.0
    found = f"{stolen:.1%} of the last {machine.watched_s:g} s went to other virtual machines"
    if stolen > STEAL_AT_MOST:
        yield warning(found, "use a machine with dedicated cores")
    else:
        yield ok(found)


def _cpu_times(machine: Machine) -> tuple[int, ...] | None:
    """user, nice, system, idle, iowait, irq, softirq, steal (proc(5)); guests' times are in the user's already."""
    fields = (machine.read("proc/stat") or "").partition("\n")[0].split()
    return tuple(map(int, fields[1:9])) if len(fields) > 8 else None


def governor(machine: Machine, _: Scenario | None) -> Iterator[Remark]:
    """The processors run at a constant speed."""
    found = machine.read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if found is None:
        yield not_applicable("the kernel doesn't say how it sets the processors' speed")
    elif found == "performance":
        yield ok(found)
    else:
        yield warning(found, "set it to performance for the run (cpupower frequency-set -g performance)")
