"""Is what authgate records what the wire saw? One run a row, measured by authgate and by a capture at the same time.

``python -m tests.benchmarks.fidelity`` writes fidelity.md and fidelity.json beside this file. Each row is a rate, alone
or beside processes that use up every core, straight to the servers or through the lab's relay, on the embedded domain
or on Active Directory (as root). What the recorded times exceed the captured ones by is the floor of this instrument.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness import __version__
from harness.lab.ad.domain import AdLab
from harness.lab.ad.settings import PORTS
from harness.lab.domain import Lab
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.record import protocol
from harness.record.folder import RunFolder
from harness.run.execute import execute
from harness.run.request import RunRequest
from tests.helpers.wire_times import capturing, step_times

TABLE, RECORD = (Path(__file__).with_suffix(suffix) for suffix in (".md", ".json"))
QUANTILES = (0.5, 0.95, 0.99)
EMBEDDED = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups")
AD = (*EMBEDDED[:-1], "ldap_token_groups")
TARGET_MS = {0.5: 0.1, 0.99: 0.5}
Row = dict[str, Any]


def scenario_of(rate: float, seconds: float, steps: Sequence[str]) -> Scenario:
    """Cold logins at a constant rate."""
    return Scenario.model_validate(
        {
            "name": "fidelity",
            "steps": steps,
            "population": {"users": 500, "cold_share": 1},
            "arrivals": {"curve": "constant", "rate": rate},
            "seats": 400,
            "blocks": {"length_s": seconds / 2, "trim_s": 0.5, "pairs": 2},
        }
    )


@contextmanager
def hogs(count: int, seconds: float) -> Iterator[None]:
    """So many processes that use up a core each, for so many seconds at most."""
    code = f"import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def measured(lab: str, relay: bool, rate: float, hog: bool, seconds: float) -> Row:
    """One run under capture: quantiles of each step as recorded and as captured, in ms."""
    steps = AD if lab == "ad" else EMBEDDED
    behind = ("kdc", "ldap") if relay else ()
    with (
        tempfile.TemporaryDirectory() as name,
        (AdLab if lab == "ad" else Lab)(("baseline",), behind_relay=behind, credentials="keytab") as running,
    ):
        arm = running.arms["baseline"]
        kdc, ldap = (arm.ports["kdc"], arm.ports["ldap"]) if lab == "embedded" else (PORTS["kdc"], PORTS["ldaps"])
        if relay:
            kdc, ldap = arm.ports["relay_kdc"], arm.ports["relay"]
        file = Path(name) / "run.pcapng"
        request = RunRequest(
            scenario_of(rate, seconds, steps), Targets.model_validate(running.targets), Policy(), Path(name),
            ("baseline",), early_stop=False,
        )  # fmt: skip
        with capturing(file, [kdc, ldap], seconds + 120, arm.address), hogs(os.cpu_count() if hog else 0, seconds + 90):
            folder = execute(request, lambda _: None)
        wire = step_times(file, kdc, ldap, places(folder))
        recorded = recorded_times(folder)
        row: Row = {"lab": lab, "relay": relay, "rate": rate, "hog": hog, "logins": len(folder.attempts())}
    row["steps"] = {
        step: {
            "logins": len(recorded[step]),
            "captured": len(wire[step]),
            **{f"p{q * 100:g}": [float(np.quantile(times[step], q)) for times in (recorded, wire)] for q in QUANTILES},
        }
        for step in steps
    }
    return row


def places(folder: RunFolder) -> dict[str, int]:
    """The directory's steps with their round trips, as the run's explained login shows them."""
    (arm,) = protocol.read(folder).values()
    found = {}
    for step in arm.logins[0].steps:
        if step.step.startswith("ldap"):
            handshakes = 1 + (step.facts.tls is not None) if step.step == "ldap_connect" else 0
            found[step.step] = step.facts.round_trips + handshakes
    return found


def recorded_times(folder: RunFolder) -> dict[str, list[float]]:
    """The service times that authgate recorded, by step, in ms."""
    found: dict[str, list[float]] = {}
    for attempt in folder.attempts().to_pylist():
        for step in attempt["steps"]:
            found.setdefault(step["step"], []).append((step["ended"] - step["started"] - step["own"]) / 1e6)
    return found


def markdown(rows: Sequence[Row]) -> str:
    """The rows for people."""
    lines = [
        "# What authgate records, beside what the wire saw",
        "",
        f"- {datetime.now(UTC):%Y-%m-%d}, authgate {__version__}; {os.cpu_count()} cores, {platform.platform()}, "
        f"Python {platform.python_version()}; servers, generator and capture share them.",
        "- Each cell: recorded / captured, in ms, of one run. Cold logins, one worker.",
        f"- Aimed at, at 100 logins/s: p50 within {TARGET_MS[0.5]} ms and p99 within {TARGET_MS[0.99]} ms of the wire.",
        "- Regenerate with `python -m tests.benchmarks.fidelity`.",
        "",
    ]
    for row in rows:
        where = f"{'Active Directory' if row['lab'] == 'ad' else 'embedded domain'}, {row['rate']:g} logins/s"
        where += ", through the relay" if row["relay"] else ""
        where += ", beside a process a core that never waits" if row["hog"] else ""
        lines += [f"## {where}", "", "| step | p50 | p95 | p99 | captured |", "| --- | --- | --- | --- | --- |"]
        for step, found in row["steps"].items():
            cells = [" / ".join(f"{ms:.3f}" for ms in found[f"p{q * 100:g}"]) for q in QUANTILES]
            lines.append(f"| {step} | {' | '.join(cells)} | {found['captured']:,} of {found['logins']:,} |")
        lines.append("")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Make the rows asked for, keep them beside those there are, and say which miss the target."""
    parser = argparse.ArgumentParser(prog="fidelity", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--labs", nargs="+", choices=("embedded", "ad"), default=["embedded", "ad"])
    parser.add_argument("--rates", nargs="+", type=float, default=[20, 50, 100, 200])
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args(argv)
    rows: dict[tuple[Any, ...], Row] = {}
    key = ("lab", "relay", "hog", "rate")
    if RECORD.exists():
        rows = {tuple(row[name] for name in key): row for row in json.loads(RECORD.read_text())}
    for lab in options.labs:
        for rate in options.rates if lab == "embedded" else [rate for rate in options.rates if rate <= 50]:
            for relay, hog in ((False, False), (True, False), (False, True)):
                row = measured(lab, relay, rate, hog, options.seconds)
                rows[tuple(row[name] for name in key)] = row
                kept = [rows[one] for one in sorted(rows)]
                RECORD.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
                TABLE.write_text(markdown(kept), encoding="utf-8")
                print(f"{lab} {rate:g}/s relay={relay} hog={hog}: {row['logins']} logins", file=sys.stderr)
    missed = [
        f"{row['lab']} {step} {quantile:g}"
        for row in rows.values()
        if row["rate"] == 100 and not row["hog"]
        for step, found in row["steps"].items()
        for quantile, limit in TARGET_MS.items()
        if abs(np.subtract(*found[f"p{quantile * 100:g}"])) > limit
    ]
    print(f"beyond the target: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
