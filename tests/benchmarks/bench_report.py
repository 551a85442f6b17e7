"""How long `authgate compare RUN` takes with all its reports, and how much memory: 10 million logins an arm by default.

Run as ``python -m tests.benchmarks.bench_report [--logins 10000000] [--mixed]``. A run's folder of logins of six steps
is written as a finished gate leaves it, from its own plan; then the command judges it in a process of its own, whose
time (on the clock and of processor) and peak memory are printed. The candidate is 3 % slower. With ``--mixed`` the
logins are of the cohorts of ``component-mesh``, each with a way of its own, and one in a thousand fails at some step.
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

from harness.config.load import load_scenario
from harness.model.attempt import Floats, Ints
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
MESH_MS = STEPS_MS | {"kdc_tgs_postgres": 0.5, "db_connect": 1.3, "db_query": 0.3}
MESH = Path(__file__).parents[2] / "scenarios" / "component-mesh.yaml"
FAILING = 0.001
OWN_MS, LATE_MS, SLOWER = 0.1, 0.4, 1.03
_STEP: Any = ATTEMPTS.field("steps").type


def scenario_of(logins: int, pairs: int, mixed: bool = False) -> Scenario:
    """A scenario with about so many logins an arm."""
    who: dict[str, Any] = {"steps": list(STEPS_MS), "population": {"users": 2000}}
    if mixed:
        mesh = load_scenario(MESH).model_dump()
        who = {"cohorts": mesh["cohorts"], "population": {"users": 20}}
    return Scenario.model_validate(
        {
            "name": "bench-report",
            **who,
            "arrivals": {"curve": "constant", "rate": logins / (pairs * BLOCK_S)},
            "blocks": {"length_s": BLOCK_S, "trim_s": 2.5, "pairs": pairs},
            "seed": 2016,
        }
    )


def write(results: Path, logins: int, pairs: int, mixed: bool = False) -> Path:
    """A finished run of so many logins an arm; its folder."""
    scenario = scenario_of(logins, pairs, mixed)
    folder = RunFolder.create(results, scenario, TARGETS, Policy(), ARMS)
    plan = make_plan(scenario)
    protocol.save(folder, {arm: protocol.as_json(ArmProtocol({}, ())) for arm in ARMS})
    with whole(folder.path / "attempts.parquet") as file:
        write_attempts(_attempts(plan, scenario), file)
    with whole(folder.path / "health.parquet") as file:
        pq.write_table(health_of(plan), file)
    seconds = plan.length // NS
    written = replace(Written.by(plan), attempts=planned_of(plan), health=dict.fromkeys(ARMS, seconds), whole=True)
    for name in (protocol.FILE, "attempts.parquet", "health.parquet"):
        written = written.with_file(folder.path / name)
    ending = asdict(Ending(complete=True, pairs=pairs))
    folder.update_manifest(status="complete", ending=ending, **{KEY: written.document})
    return folder.path


def _attempts(plan: Plan, scenario: Scenario) -> Iterator[Any]:
    """The attempts of a plan, a few pairs at a time."""
    rng = np.random.default_rng(plan.seed)
    tables: list[Any] = []
    for block in plan.blocks:
        tables.append(of_block(block, scenario, rng))
        if len(tables) % 2 == 0 and sum(map(len, tables)) > 1 << 17:
            yield pa.concat_tables(tables)
            tables = []
    if tables:
        yield pa.concat_tables(tables)


def of_block(block: Block, scenario: Scenario, rng: np.random.Generator) -> Any:
    """The attempts of a block, each by its cohort's way."""
    due = block.arrivals
    count, names = len(due), scenario.step_order
    ways, lengths = _ways(scenario)
    way, taken = ways[due.cohort], lengths[due.cohort]
    failed = rng.uniform(size=count) < (FAILING if scenario.cohorts else 0.0)
    taken = np.where(failed, rng.integers(0, taken) + 1, taken)
    slower = SLOWER if block.arm == "candidate" else 1.0
    started = due.intended + _ns(rng.exponential(LATE_MS, count))
    usual_ms = np.array([MESH_MS[name] for name in names])[way]
    own = _ns(rng.exponential(OWN_MS, way.shape))
    ended = started[:, None] + np.cumsum(_ns(usual_ms * slower * rng.lognormal(0, 0.3, way.shape)) + own, axis=1)
    begun = np.concatenate([started[:, None], ended[:, :-1]], axis=1)
    there = np.arange(way.shape[1]) < taken[:, None]
    last = (np.arange(count), taken - 1)
    wrong = np.zeros(way.shape, dtype=np.int64)
    wrong[last] = failed
    nothing = np.zeros(int(taken.sum()), dtype=np.int64)
    of_steps = {
        "step": _words(way[there], list(names)),
        "started": pa.array(begun[there]),
        "ended": pa.array(ended[there]),
        "status": _words(wrong[there], ["ok", "error"]),
        "code": _words(wrong[there], ["", "KRB_AP_ERR_SKEW"]),
        "pool_wait": pa.array(nothing),
        "server": _words((way[there] > 1).astype(np.int64), ["127.0.0.1:88", "127.0.0.1:389"]),
        "own": pa.array(own[there]),
    }
    inner = _STEP.value_type
    flat = pa.StructArray.from_arrays(
        [of_steps[inner.field(place).name] for place in range(inner.num_fields)],
        fields=[inner.field(place) for place in range(inner.num_fields)],
    )
    offsets = pa.array(np.concatenate([[0], np.cumsum(taken)]), pa.int32())
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
        "ended": pa.array(ended[last]),
        "seat_wait": pa.array(zero),
        "status": _words(failed, ["ok", "error"]),
        "code": _words(failed, ["", "KRB_AP_ERR_SKEW"]),
        "tries": pa.array(zero + 1, pa.int32()),
        "own": pa.array(np.where(there, own, 0).sum(axis=1)),
        "steps": pa.ListArray.from_arrays(offsets, flat, type=_STEP),
    }
    return pa.Table.from_arrays([columns[name] for name in ATTEMPTS.names], schema=ATTEMPTS)


def _ways(scenario: Scenario) -> tuple[Ints, Ints]:
    """Each cohort's steps as places in the scenario's order, a row a cohort, and how many they are."""
    taken = [[scenario.step_order.index(step) for step in cohort.taken] for cohort in scenario.mix.values()]
    longest = max(map(len, taken))
    return np.array([way + [0] * (longest - len(way)) for way in taken]), np.array(list(map(len, taken)))


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
    parser.add_argument("--mixed", action="store_true", help="of several cohorts, each with its own way")
    parser.add_argument("--keep", type=Path, help="a folder to keep the run in, or to take it from")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        results = arguments.keep or Path(name)
        kept = sorted(results.glob("*-bench-report-*"))
        run = kept[0] if kept else write(results, arguments.logins, arguments.pairs, arguments.mixed)
        began = time.perf_counter()
        code = subprocess.run([sys.executable, "-m", "harness", "compare", str(run)], check=False).returncode
        took_s = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        verdict = json.loads((run / "verdict.json").read_text())
        megabytes = (run / "attempts.parquet").stat().st_size / 1e6
        of = "several cohorts" if arguments.mixed else f"{len(STEPS_MS)} steps"
        print(f"2 × {arguments.logins:,} logins of {of} in {arguments.pairs} pairs, {megabytes:,.0f} MB")
        p50s = [f for f in verdict["findings"] if (f["step"], f["statistic"]) == ("login", "p50")]
        changes = ", ".join(f"{f['estimate']:+.2%}" for f in p50s)
        print(f"{verdict['verdict']} (exit {code}), login p50 {changes} (planted {SLOWER - 1:+.0%} of the steps)")
        cpu_s, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20
        print(f"compared and reported in {took_s:.1f} s, {cpu_s:.1f} s of processor, {peak:.2f} GiB at most")
    return 0


if __name__ == "__main__":
    sys.exit(main())
