"""How long `authgate compare RUN` takes with all its reports, and how much memory: 10 million logins an arm by default.

Run as ``python -m tests.benchmarks.bench_report [--logins 10000000]``. A run's folder of logins of six steps is written
as a finished gate leaves it, from its own plan; then the command judges it in a process of its own, whose time (on the
clock and of processor) and peak memory are printed. The candidate is 3 % slower.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.model.attempt import Floats
from harness.model.plan import NS, Block, Plan, make_plan
from harness.model.policy import Policy
from harness.model.protocol import ArmProtocol
from harness.model.scenario import Scenario
from harness.model.target import ARMS
from harness.record import protocol
from harness.record.completeness import KEY, Written, planned_of
from harness.record.folder import RunFolder
from harness.record.parquet import write_attempts
from harness.record.schema import ATTEMPTS, HEALTH
from harness.run.assess import Ending
from harness.system.files import whole
from tests.helpers.stored import TARGETS

BLOCK_S = 7.5
STEPS_MS = {
    "kdc_as": 0.8,
    "kdc_tgs_ldap": 0.5,
    "ldap_connect": 0.1,
    "ldap_bind": 1.1,
    "ldap_own_entry": 0.4,
    "ldap_groups": 0.6,
}
OWN_MS, LATE_MS, SLOWER = 0.1, 0.4, 1.03
_STEP: Any = ATTEMPTS.field("steps").type


def scenario_of(logins: int, pairs: int) -> Scenario:
    """A scenario with about so many logins an arm."""
    return Scenario.model_validate(
        {
            "name": "bench-report",
            "steps": list(STEPS_MS),
            "population": {"users": 2000},
            "arrivals": {"curve": "constant", "rate": logins / (pairs * BLOCK_S)},
            "blocks": {"length_s": BLOCK_S, "trim_s": 2.5, "pairs": pairs},
            "seed": 2016,
        }
    )


def write(results: Path, logins: int, pairs: int) -> Path:
    """A finished run of so many logins an arm; its folder."""
    scenario = scenario_of(logins, pairs)
    folder = RunFolder.create(results, scenario, TARGETS, Policy(), ARMS)
    plan = make_plan(scenario)
    protocol.save(folder, {arm: protocol.as_json(ArmProtocol({}, ())) for arm in ARMS})
    with whole(folder.path / "attempts.parquet") as file:
        write_attempts(_attempts(plan), file)
    with whole(folder.path / "health.parquet") as file:
        pq.write_table(health_of(plan), file)
    seconds = plan.length // NS
    written = replace(Written.by(plan), attempts=planned_of(plan), health=dict.fromkeys(ARMS, seconds), whole=True)
    for name in (protocol.FILE, "attempts.parquet", "health.parquet"):
        written = written.with_file(folder.path / name)
    ending = asdict(Ending(complete=True, pairs=pairs))
    folder.update_manifest(status="complete", ending=ending, **{KEY: written.document})
    return folder.path


def _attempts(plan: Plan) -> Iterator[Any]:
    """The attempts of a plan, a few pairs at a time."""
    rng = np.random.default_rng(plan.seed)
    tables: list[Any] = []
    for block in plan.blocks:
        tables.append(of_block(block, rng))
        if len(tables) % 2 == 0 and sum(map(len, tables)) > 1 << 17:
            yield pa.concat_tables(tables)
            tables = []
    if tables:
        yield pa.concat_tables(tables)


def of_block(block: Block, rng: np.random.Generator) -> Any:
    due = block.arrivals
    count, steps = len(due), len(STEPS_MS)
    slower = SLOWER if block.arm == "candidate" else 1.0
    started = due.intended + _ns(rng.exponential(LATE_MS, count))
    service = np.stack([ms * slower * rng.lognormal(0, 0.3, count) for ms in STEPS_MS.values()], axis=1)
    own = _ns(rng.exponential(OWN_MS, (count, steps)))
    ended = started[:, None] + np.cumsum(_ns(service) + own, axis=1)
    begun = np.concatenate([started[:, None], ended[:, :-1]], axis=1)
    nothing = np.zeros(count * steps, dtype=np.int64)
    of_steps = {
        "step": _words(np.tile(np.arange(steps), count), list(STEPS_MS)),
        "started": pa.array(begun.ravel()),
        "ended": pa.array(ended.ravel()),
        "status": _words(nothing, ["ok"]),
        "code": _words(nothing, [""]),
        "pool_wait": pa.array(nothing),
        "server": _words(np.tile(np.arange(steps) > 1, count).astype(np.int64), ["127.0.0.1:88", "127.0.0.1:389"]),
        "own": pa.array(own.ravel()),
    }
    inner = _STEP.value_type
    flat = pa.StructArray.from_arrays(
        [of_steps[inner.field(place).name] for place in range(inner.num_fields)],
        fields=[inner.field(place) for place in range(inner.num_fields)],
    )
    offsets = pa.array(np.arange(0, count * steps + 1, steps), pa.int32())
    zero = np.zeros(count, dtype=np.int64)
    columns = {
        "seq": pa.array(due.seq),
        "arm": _words(zero, [block.arm]),
        "block": pa.array(zero + block.index, pa.int32()),
        "pair": pa.array(zero + block.pair, pa.int32()),
        "user": _words(due.user, [f"u{user:06}" for user in range(2000)]),
        "cohort": _words(due.cohort, list(due.cohorts)),
        "intended": pa.array(due.intended),
        "started": pa.array(started),
        "ended": pa.array(ended[:, -1]),
        "seat_wait": pa.array(zero),
        "status": _words(zero, ["ok"]),
        "code": _words(zero, [""]),
        "tries": pa.array(zero + 1, pa.int32()),
        "own": pa.array(own.sum(axis=1)),
        "steps": pa.ListArray.from_arrays(offsets, flat, type=_STEP),
    }
    return pa.Table.from_arrays([columns[name] for name in ATTEMPTS.names], schema=ATTEMPTS)


def _ns(values_ms: Floats) -> Any:
    return (values_ms * 1e6).astype(np.int64)


def _words(codes: Any, words: list[str]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(words)).cast(pa.string())


def health_of(plan: Plan) -> Any:
    """A row a second and arm, of a generator with little to do."""
    seconds = np.arange(1, plan.length // NS + 1)
    figures = {"started": 1000, "send_lag_p99_ms": 1.0, "send_lag_max_ms": 2.0, "pool_wait_max_ms": 0.0,
               "hub_stall_p99_ms": 1.0, "hub_stall_max_ms": 3.0, "cpu": 0.4, "busy_seats": 5, "rss_mb": 150.0,
               "run_queue_ms": 4.0, "worker": 0, "clock_error_ms": 0.0, "journal_ms": 0.1}  # fmt: skip
    tables = []
    for arm in ARMS:
        columns = {"arm": [arm] * len(seconds), "t": seconds * NS}
        columns |= {name: [value] * len(seconds) for name, value in figures.items()}
        tables.append(pa.Table.from_pydict(columns, schema=HEALTH))
    return pa.concat_tables(tables).sort_by("t")


def main() -> int:
    """Write the run, then judge it in a fresh process; print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logins", type=int, default=10_000_000, help="an arm (%(default)s)")
    parser.add_argument("--pairs", type=int, default=600, help="of blocks (%(default)s)")
    parser.add_argument("--keep", type=Path, help="a folder to keep the run in, or to take it from")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        results = arguments.keep or Path(name)
        kept = sorted(results.glob("*-bench-report-*"))
        run = kept[0] if kept else write(results, arguments.logins, arguments.pairs)
        began = time.perf_counter()
        code = subprocess.run([sys.executable, "-m", "harness", "compare", str(run)], check=False).returncode
        took_s = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        verdict = json.loads((run / "verdict.json").read_text())
        p50 = next(f for f in verdict["findings"] if (f["step"], f["statistic"]) == ("login", "p50"))
        megabytes = (run / "attempts.parquet").stat().st_size / 1e6
        print(
            f"2 × {arguments.logins:,} logins of {len(STEPS_MS)} steps in {arguments.pairs} pairs, {megabytes:,.0f} MB"
        )
        change = f"login p50 {p50['estimate']:+.2%} (planted {SLOWER - 1:+.0%} of the steps)"
        print(f"{verdict['verdict']} (exit {code}), {change}")
        cpu_s, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20
        print(f"compared and reported in {took_s:.1f} s, {cpu_s:.1f} s of processor, {peak:.2f} GiB at most")
    return 0


if __name__ == "__main__":
    sys.exit(main())
