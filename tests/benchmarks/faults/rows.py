"""The faults: what is done to a gate under load or to its servers, and what may come of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.lab import directory, hospital
from harness.lab.ad.domain import AdLab
from harness.lab.domain import Lab
from harness.model.fault import Delay
from harness.model.target import Arm
from harness.system.process import environment
from tests.helpers.faults import Result, Scene, expired_certificate, fill, gated, refused, small_disk
from tests.helpers.running import POLICY, SCENARIO, Inputs, interrupt, until

LENGTH: dict[str, Any] = {
    "arrivals": {"curve": "constant", "rate": 30},
    "blocks": {"length_s": 2, "trim_s": 0.5, "pairs": 9},
}
EMBEDDED: dict[str, Any] = {**SCENARIO, **LENGTH}
AD: dict[str, Any] = {
    **{key: value for key, value in SCENARIO.items() if key != "steps"},
    "name": "small-ad",
    "steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "kdc_tgs_http", "http_negotiate",
              "ehr_query"],
    "arrivals": {"curve": "constant", "rate": 8},
    "blocks": {"length_s": 3, "trim_s": 0.5, "pairs": 7},
}  # fmt: skip
LONG_POLICY: dict[str, Any] = {
    **POLICY,
    "looks": {**POLICY["looks"], "pass_from": 6},
    "limits": {"send_lag_p99_ms": 500, "pool_wait_p99_ms": 500, "hub_stall_p99_ms": 500, "generator_cpu": 1.0},
}
NARROW = {"relative": 0.25, "floor_ms": 1}
AS_SHIPPED: dict[str, Any] = {
    **{key: value for key, value in LONG_POLICY.items() if key != "limits"},
    "margins": {**POLICY["margins"], "login": {"p50": NARROW, "p95": None, "p99": None}},
}
"""With the limits on the generator that users have, and a margin that some milliseconds of its own could overstep: the
tests' other limits and margins are wide, for machines that have other work."""
SLOWER: Any = partial(Lab, faults=(Delay(at="kdc_as", s=0.0015),))
"""Behind relays, of which the candidate's adds half as much again as ``NARROW`` allows a login of 4 ms."""
BAD: tuple[str, ...] = ("BLOCK", "INVALID", "INCONCLUSIVE")
ANY: tuple[str, ...] = ("PASS", *BAD)
NOT_ITS_FAULT: tuple[str, ...] = ("PASS", "INCONCLUSIVE", "INVALID")
"""What may be said of equal arms: a BLOCK would blame the candidate for what was done to the generator."""
Act = Callable[[Scene], None]


@dataclass(frozen=True)
class Row:
    """A fault: on which lab, what is done, the verdicts that are right, and what the words must name."""

    title: str
    act: Act
    right: tuple[str, ...] = BAD
    names: str = ""
    """A pattern; empty where there may be nothing to tell."""
    lab: str = "embedded"
    policy: Mapping[str, Any] | None = None
    run: Callable[[Row, Path], Result] | None = None
    """For what is not a gate whose load flows already."""
    loses: bool = False
    """Whether what was measured is lost by the fault itself."""


def _lab(row: Row) -> Any:
    return {"embedded": Lab, "relay": partial(Lab, behind_relay=["ldap"]), "slower": SLOWER, "ad": AdLab}[row.lab]()


def gated_row(row: Row, folder: Path, **directory: object) -> Result:
    """A gate to which the row's fault is played once its load flows."""
    scenario = AD if row.lab == "ad" else EMBEDDED
    with _lab(row) as lab:
        return gated(lab, Inputs(folder), scenario, row.policy or LONG_POLICY, row.act, **directory)


def _nothing(_: Scene) -> None:
    """Let it run."""


# What is done.


def _killed(*victims: tuple[Arm, str]) -> Act:
    return lambda scene: [scene.kill(*victim) for victim in victims] and None


def _frozen(seconds: float, *victims: tuple[Arm, str]) -> Act:
    def act(scene: Scene) -> None:
        scene.freeze(seconds, *(process for victim in victims for process in scene.servers(*victim)))

    return act


def _restarted(arm: Arm, server: str) -> Act:
    return lambda scene: scene.restart(arm, server)


def _part_killed(name: str) -> Act:
    return lambda scene: scene.part(name).kill()


def _part_frozen(seconds: float, name: str) -> Act:
    def act(scene: Scene) -> None:
        scene.wait_for_block("candidate" if name == "candidate" else "baseline")
        scene.freeze(seconds, scene.part(name))

    return act


def _command_stopped(number: signal.Signals) -> Act:
    return lambda scene: os.kill(scene.running.process.pid, number)


def _folder_gone(scene: Scene) -> None:
    shutil.rmtree(scene.inputs.run)


def _certificate_expired(scene: Scene) -> None:
    folder = scene.arm("candidate").folder
    certificate, key = folder / directory.CERTIFICATE, folder / directory.KEY
    subject = f"/CN={hospital.DIRECTORY_HOST}"
    scene.restart("candidate", "slapd", 0.0, lambda: expired_certificate(folder, certificate, key, subject))


def _keytab_rotated(scene: Scene) -> None:
    arm = scene.arm("candidate")
    settings = environment(KRB5_CONFIG=str(arm.krb5_conf), KRB5_KDC_PROFILE=str(arm.folder / "kdc.conf"))
    for principal in (f"ldap/{hospital.DIRECTORY_HOST}", "ldap/127.0.0.1"):
        argv = ["kadmin.local", "-r", hospital.REALM, "-p", "test/admin", "cpw", "-randkey", principal]
        subprocess.run(argv, env=settings, check=True, capture_output=True)


def _network_cut(scene: Scene) -> None:
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    time.sleep(5)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _in_own_network(row: Row, folder: Path) -> Result:
    """The whole row in a network of its own, so that it is no other's that is cut."""
    if os.environ.get(_INSIDE):
        return gated_row(row, folder)
    script = 'ip link set lo up && exec "$0" -m tests.benchmarks.faults --inside "$1"'
    command = ["unshare", "--net", "sh", "-c", script, sys.executable, row.title]
    done = subprocess.run(command, env={**os.environ, _INSIDE: "1"}, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return Result(**{**found, "words": tuple(found["words"])})


_INSIDE = "AUTHGATE_FAULTS_INSIDE"


def _disk_full_before(row: Row, folder: Path) -> Result:
    with _lab(row) as lab, small_disk(folder, "8m") as disk:
        command = Inputs(disk).command(lab.targets, EMBEDDED, LONG_POLICY)
        fill(disk)
        return refused(Inputs(disk), command)


def _disk_full_after(row: Row, folder: Path, size: str = "8m") -> Result:
    with _lab(row) as lab, small_disk(folder, size) as disk:
        return gated(lab, Inputs(disk), EMBEDDED, LONG_POLICY, row.act)


def _fill_now(scene: Scene) -> None:
    fill(scene.inputs.folder)


def _fill_but_the_journals(scene: Scene) -> None:
    """Room for what is still measured, and not for the whole of it once more."""
    fill(scene.inputs.folder, leave_b=700_000)


def _fill_before_the_reports(scene: Scene) -> None:
    """Once the journals have become Parquet and are gone, verdict and reports are all that is still to be written."""
    until(lambda: not list(scene.inputs.run.glob("*.arrows")), 90, "the journals stayed")
    fill(scene.inputs.folder)


def _hogs_in_blocks_of(arm: Arm) -> Act:
    return lambda scene: scene.hogs_in_blocks_of(arm)


def _interrupted(scene: Scene) -> None:
    interrupt(scene.running)


def part_of(name: str) -> str:
    """Which part of the gate a title means."""
    return name.partition("'")[0]


BOTH: tuple[Arm, Arm] = ("baseline", "candidate")
CANDIDATES = r"candidate|BLOCK|slower|fail"
ROWS = (
    Row("nothing", _nothing, ("PASS",)),
    *(
        Row(f"{arm}'s {name} killed", _killed((arm, server)), right, names)
        for name, server in (("KDC", "kdc"), ("directory", "slapd"))
        for arm, right, names in (("candidate", ("BLOCK",), CANDIDATES), ("baseline", ("INVALID",), "baseline"))
    ),
    *(
        Row(f"{arm}'s {name} frozen for {seconds} s", _frozen(seconds, (arm, server)), right)
        for name, server in (("KDC", "kdc"), ("directory", "slapd"))
        for arm, seconds, right in (
            ("candidate", 3, ANY), ("candidate", 30, ("BLOCK",)), ("baseline", 3, ("PASS", "INCONCLUSIVE", "INVALID")),
            ("baseline", 30, ("INVALID", "INCONCLUSIVE")),
        )
    ),
    *(Row(f"candidate's {name} restarted", _restarted("candidate", server), ANY)
      for name, server in (("KDC", "kdc"), ("directory", "slapd"))),
    Row("both KDCs killed", _killed(*((arm, "kdc") for arm in BOTH)), ("INVALID",), "baseline"),
    Row("both directories frozen for 3 s", _frozen(3, *((arm, "slapd") for arm in BOTH)), ANY),
    Row("candidate's relay killed", _killed(("candidate", "relay")), ("BLOCK",), CANDIDATES, "relay"),
    *(Row(f"{name} killed", _part_killed(part_of(name)), ("INVALID",),
          part_of(name)) for name in ("baseline's worker", "candidate's worker", "master")),
    *(Row(f"{name} frozen for 3 s", _part_frozen(3, part_of(name)), ("INVALID", "INCONCLUSIVE"), "late|stall|lag|lost")
      for name in ("baseline's worker", "candidate's worker")),
    Row("master frozen for 3 s", _part_frozen(3, "master"), ANY),
    Row("the command killed", _command_stopped(signal.SIGKILL), ("INVALID", "INCONCLUSIVE"), "killed"),
    Row("the command ended by SIGTERM", _command_stopped(signal.SIGTERM), ("INVALID", "INCONCLUSIVE"), "interrupt"),
    Row("the command interrupted", _interrupted, ("INVALID", "INCONCLUSIVE"), "interrupt"),
    Row("disk full before the run", _nothing, ("none",), "space|results", run=_disk_full_before),
    Row("disk full under load", _fill_now, ("INVALID", "none"), "space", run=_disk_full_after),
    Row("disk full when the journals are put together", _fill_but_the_journals, ("none",), "space",
        run=_disk_full_after),
    Row("disk full when verdict and reports are written", _fill_before_the_reports, NOT_ITS_FAULT, "space",
        run=_disk_full_after),
    Row("the run's folder removed", _folder_gone, ("none",), "folder|gone|vanished", loses=True),
    Row("network cut for 5 s", _network_cut, BAD, run=_in_own_network),
    Row("candidate's certificate expired", _certificate_expired, ("BLOCK",), "TLS|ldap_connect|certificate",
        run=lambda row, folder: gated_row(row, folder, starttls=True)),
    Row("candidate's keytab rotated", _keytab_rotated, ("BLOCK",), "candidate"),
    Row("processor hogs in all blocks", lambda scene: scene.hogs() and None, NOT_ITS_FAULT,
        policy=AS_SHIPPED),
    Row("processor hogs in the candidate's blocks", _hogs_in_blocks_of("candidate"), NOT_ITS_FAULT, policy=AS_SHIPPED),
    Row("processor hogs in the baseline's blocks", _hogs_in_blocks_of("baseline"), NOT_ITS_FAULT, policy=AS_SHIPPED),
    Row("a candidate slower than its margin", _nothing, ("BLOCK", "INCONCLUSIVE"), "kdc_as|margin", "slower",
        AS_SHIPPED),
    Row("the same, and processor hogs in the baseline's blocks", _hogs_in_blocks_of("baseline"), BAD, lab="slower",
        policy=AS_SHIPPED),
    Row("candidate's worker gets no more memory", lambda scene: scene.limit_memory(scene.part("candidate")),
        ("INVALID", "PASS", "INCONCLUSIVE")),
    *(Row(f"AD: {title}", act, right, names, "ad") for title, act, right, names in (
        ("nothing", _nothing, ("PASS", "INCONCLUSIVE"), ""),
        ("candidate's controller killed", _killed(("candidate", "dc")), ("BLOCK",), CANDIDATES),
        ("baseline's controller killed", _killed(("baseline", "dc")), ("INVALID",), "baseline"),
        ("candidate's controller frozen for 3 s", _frozen(3, ("candidate", "dc")), ANY, ""),
        ("candidate's controller frozen for 30 s", _frozen(30, ("candidate", "dc")), ("BLOCK",), CANDIDATES),
        ("candidate's front killed", _killed(("candidate", "web")), ("BLOCK",), "http_negotiate"),
        ("candidate's front frozen for 30 s", _frozen(30, ("candidate", "web")), ("BLOCK",), "http_negotiate"),
        ("candidate's database killed", _killed(("candidate", "database")), ("BLOCK",), "ehr_query"),
        ("both controllers killed", _killed(*((arm, "dc") for arm in BOTH)), ("INVALID",), "baseline"),
    )),
)  # fmt: skip
