"""How often the gate errs on real servers: equal arms, and arms that differ by a planted fifth: ``make real-aa``.

    python -m tests.benchmarks.real_aa [--equal 150] [--slower 30] [--lab embedded] [--seed 2016] [--publish]

Each run starts a lab of its own and takes a minute or two. Its row is on disk as soon as it has ended (real_aa.jsonl),
and what is there is not run again: a series that was stopped goes on where it was. The table (real_aa.md) is of all
rows; ``--publish`` puts the short one into docs/statistics.md. The machine may be quiet or busy: each row says which.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from scipy.stats import beta

from harness.errors import AuthgateError
from harness.model.metric import Metric
from harness.model.target import Targets
from harness.model.update import LabKind, Update
from harness.record.folder import RunFolder
from harness.report.write import write_all
from harness.run.evidence import evidence_of
from harness.run.execute import execute
from harness.run.request import RunRequest
from harness.updates.replay import lab_of, policy_of, scenario_of
from harness.version import version_text

RECORD, TABLE = (Path(__file__).with_suffix(suffix) for suffix in (".jsonl", ".md"))
PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
ABOVE = """
Equal arms, and a candidate whose KDC answers later, on both labs' real servers, policy `quick`, one virtual machine
with 2 cores (`make real-aa`): how often the gate erred, with the exact binomial bound at 95 % that the counts allow.
[Each run that was not as wanted](../tests/benchmarks/real_aa.md) says why.
"""
BEGIN, END = "<!-- real A/A: written by `make real-aa` -->", "<!-- end of real A/A -->"
VERDICTS = ("BLOCK", "PASS", "INCONCLUSIVE", "INVALID", "no run")
QUIET_BELOW = 0.25
"""The share of the cores that is in use before the run."""
LOOK_S = 2.0
CONFIDENCE = 0.95
AWAY_S, PLANTED_S = 0.03, 0.0075
"""By how much both arms' KDC answers late, and the candidate's besides, which is about a fifth of the login; an AS
exchange has two answers."""
BLOCKS: dict[LabKind, dict[str, float]] = {
    "embedded": {"length_s": 2.5, "trim_s": 0.5, "per_pair": 2, "pairs": 16},
    "ad": {"length_s": 5, "trim_s": 1, "per_pair": 4, "pairs": 16},
}
RATES: dict[LabKind, int] = {"embedded": 20, "ad": 4}
SCENARIOS: dict[LabKind, str] = {"embedded": "demo", "ad": "cold-logon"}
STEPS: dict[LabKind, tuple[str, ...]] = {
    "embedded": (),
    "ad": ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_token_groups"),
}
"""Where not all of the scenario's."""

Row = dict[str, Any]
Ticks = tuple[int, int, int]
Kind = Literal["equal", "slower"]


def run_of(kind: Kind, lab: LabKind) -> Update:
    """The run as an entry of the catalogue."""
    planted = [{"kind": "delay", "at": "kdc_as", "s": PLANTED_S}] if kind == "slower" else []
    return Update.model_validate(
        {
            "name": f"real-aa-{kind}",
            "title": f"{kind} arms, {lab} lab",
            "sources": [{"text": "Planted by the relay, or nothing.", "standing": "documented"}],
            "mechanism": "The candidate's KDC answers later, or as the baseline's.",
            "fault": {
                "lab": lab,
                "common_relay": [{"kind": "delay", "at": "kdc_as", "s": AWAY_S}],
                "relay": planted,
                "why": "A known truth on real servers.",
            },
            "signature": ["shift"],
            "expected": {"verdict": "BLOCK" if planted else "PASS", "by": "login p50"},
            "run": {
                "scenario": SCENARIOS[lab],
                "policy": "quick",
                "rate": RATES[lab],
                "users": 400,
                "cold_share": 1,
                "blocks": BLOCKS[lab],
                "steps": STEPS[lab],
            },
        }
    )


def measured(kind: Kind, lab: LabKind, seed: int, results: Path) -> Row:
    """One run and what came of it; the folders of runs that erred are kept."""
    before = _processor()
    time.sleep(LOOK_S)
    update, began, busy = run_of(kind, lab), time.monotonic(), _processor()
    row: Row = {
        "kind": kind,
        "lab": lab,
        "seed": seed,
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "version": version_text(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "used_before": _used(before, busy),
    }
    try:
        scenario, policy = scenario_of(update).model_copy(update={"seed": seed}), policy_of(update)
        with lab_of(update, scenario) as servers:
            request = RunRequest(scenario, Targets.model_validate(servers.targets), policy, results)
            folder = execute(request, lambda _: None)
        evidence = evidence_of(RunFolder.open(folder.path))
    except AuthgateError as error:
        row |= {"verdict": "no run", "reasons": [str(error)], "load_s": 0.0}
    else:
        verdict = evidence.verdict
        login = next((f for f in verdict.findings if f.subject == Metric("cold", "login", "p50")), None)
        row |= {
            "run": folder.path.name,
            "verdict": verdict.kind.name,
            "load_s": verdict.load_s,
            "reasons": list(verdict.reasons),
            "step": verdict.blamed_step,
            "p50_s": None if login is None else login.baseline,
            "change": None if login is None else login.estimate,
        }
        if verdict.kind.name == update.expected.verdict:
            shutil.rmtree(folder.path)
        else:
            write_all(evidence, folder.path)
    after = _processor()
    return row | {
        "wall_s": round(time.monotonic() - began, 1),
        "load_after": round(os.getloadavg()[0], 2),
        "busy": _used(busy, after),
        "steal": round((after[1] - busy[1]) / max(sum(after) - sum(busy), 1), 4),
    }


def _used(before: Ticks, after: Ticks) -> float:
    """The share of the cores that was in use meanwhile."""
    return round(1 - (after[0] - before[0]) / max(sum(after) - sum(before), 1), 3)


def _processor() -> Ticks:
    """What all cores together have been so far, in ticks: idle, stolen by the host, anything else (proc(5))."""
    ticks = [int(part) for part in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    idle, steal = ticks[3] + ticks[4], ticks[7]
    return idle, steal, sum(ticks) - idle - steal


def rows_on_disk(record: Path) -> list[Row]:
    """The rows that were written whole; a last one that was cut off is not one."""
    if not record.exists():
        return []
    found = []
    for line in record.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def missing(rows: Sequence[Row], kind: Kind, lab: LabKind, seed: int, count: int) -> list[int]:
    """The seeds of a series of ``count`` runs from ``seed`` on that have no row yet."""
    done = {row["seed"] for row in rows if (row["kind"], row["lab"]) == (kind, lab)}
    return [number for number in range(seed, seed + count) if number not in done]


def at_most(count: int, of: int) -> float:
    """The exact upper bound of a share at 95 %, one-sided (Clopper & Pearson, Biometrika 26, 1934)."""
    return 1.0 if count >= of else float(beta.ppf(CONFIDENCE, count + 1, of - count))


def at_least(count: int, of: int) -> float:
    """The exact lower bound likewise."""
    return 0.0 if count <= 0 else float(beta.ppf(1 - CONFIDENCE, count, of - count + 1))


def table(rows: Sequence[Row]) -> list[str]:
    """One line a kind of run, lab and state of the machine; the bounds are of the runs that were sound."""
    lines = [
        "| arms | lab | machine | runs | BLOCK | PASS | INCONCLUSIVE | INVALID | the gate errs in | s of load |",
        f"|{' --- |' * 10}",
    ]
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        # Of the first 200 rows the load average alone is known, in which a series' own last run counts.
        busy = row.get("used_before", row["load_before"] / (row["cores"] or 1)) >= QUIET_BELOW
        groups.setdefault((row["kind"], row["lab"], "busy" if busy else "quiet"), []).append(row)
    for kind, lab, _ in [key for key in groups if key[2] == "quiet" and (*key[:2], "busy") in groups]:
        groups[kind, lab, "quiet or busy"] = [row for row in rows if (row["kind"], row["lab"]) == (kind, lab)]
    for (kind, lab, machine), mine in sorted(groups.items()):
        n = {verdict: sum(row["verdict"] == verdict for row in mine) for verdict in VERDICTS}
        sound = n["BLOCK"] + n["PASS"] + n["INCONCLUSIVE"]
        erred = "BLOCK" if kind == "equal" else "PASS"
        title = "equal" if kind == "equal" else f"candidate {1e3 * 2 * PLANTED_S:g} ms slower{_change(mine)}"
        loads = sorted(row["load_s"] for row in mine)
        bound = f"at most {100 * at_most(n[erred], sound):.2g} %" if sound else "–"
        found = f"; BLOCK at least {100 * at_least(n['BLOCK'], sound):.2g} %" if kind == "slower" and sound else ""
        lines.append(
            f"| {title} | {lab} | {machine} | {len(mine)} | {n['BLOCK']} | {n['PASS']} | {n['INCONCLUSIVE']} | "
            f"{n['INVALID'] + n['no run']} | {bound}{found} | {loads[len(loads) // 2]:.0f} |"
        )
    return lines


def _change(rows: Sequence[Row]) -> str:
    changes = sorted(row["change"] for row in rows if row.get("change") is not None)
    return f" (p50 {100 * changes[len(changes) // 2]:+.0f} %)" if changes else ""


def markdown(rows: Sequence[Row]) -> str:
    """The whole table, and what the runs that were not as wanted said."""
    dates = sorted(row["date"][:10] for row in rows)
    versions = ", ".join(dict.fromkeys(row["version"] for row in rows))
    odd = [row for row in rows if row["verdict"] != ("PASS" if row["kind"] == "equal" else "BLOCK")]
    lines = [
        "# Real A/A",
        "",
        f"- {' to '.join(dict.fromkeys((dates[0], dates[-1])))}, authgate {versions}; servers and load generator share "
        f"{rows[0]['cores']} cores. Policy `quick`, pairs of {' and '.join(_blocks(rows))}.",
        f"- Both arms' KDC answers {1e3 * AWAY_S:g} ms late. *busy*: {100 * QUIET_BELOW:g} % of the cores or more were "
        f"in use before the run; of {sum('used_before' not in row for row in rows)} rows the load average alone is "
        "known, to which a series' own last run adds.",
        f"- The gate errs where equal arms are blocked or slower ones passed: the exact binomial bound at "
        f"{100 * CONFIDENCE:g} %, of the sound runs.",
        "- Repeat or go on with `make real-aa`; the rows are in real_aa.jsonl.",
        "",
        *table(rows),
        "",
    ]
    if odd:
        lines += ["## Not as wanted", ""]
        lines += [
            f"- {row['kind']}, {row['lab']}, seed {row['seed']}, load {row['load_before']}: {row['verdict']}: "
            f"{(row['reasons'] or [''])[0]}"
            for row in odd
        ]
    return "\n".join(lines).rstrip() + "\n"


def _blocks(rows: Sequence[Row]) -> list[str]:
    labs: list[LabKind] = [lab for lab in RATES if any(row["lab"] == lab for row in rows)]
    return [
        f"2 × {BLOCKS[lab]['per_pair']} blocks of {BLOCKS[lab]['length_s']:g} s at {RATES[lab]}/s ({lab})"
        for lab in labs
    ]


def published(page: str, rows: Sequence[Row]) -> str:
    """The page with the table between its marks; raises ValueError where they are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN} and {END} in the page")
    return "\n".join((f"{before}{begin}", *ABOVE.splitlines(), "", *table(rows), f"{end}{after}"))


def main(argv: Sequence[str]) -> int:
    """Run what is missing; 1 if equal arms were blocked or slower ones passed."""
    parser = argparse.ArgumentParser(prog="real_aa", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--equal", type=int, default=150, help="runs of equal arms (%(default)s)")
    parser.add_argument("--slower", type=int, default=30, help="runs with the planted slowdown (%(default)s)")
    parser.add_argument("--lab", choices=tuple(RATES), default="embedded")
    parser.add_argument("--seed", type=int, default=2016, help="of the first run; each has one more (%(default)s)")
    parser.add_argument("--record", type=Path, default=RECORD, help="the rows (%(default)s)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folders of runs that erred (results)")
    parser.add_argument("--publish", action="store_true", help=f"write the table into {PAGE.name}, too")
    options = parser.parse_args(argv)
    kinds: tuple[tuple[Kind, int], ...] = (("equal", options.equal), ("slower", options.slower))
    for kind, count in kinds:
        for seed in missing(rows_on_disk(options.record), kind, options.lab, options.seed, count):
            row = measured(kind, options.lab, seed, options.results)
            with options.record.open("a", encoding="utf-8") as record:
                record.write(json.dumps(row) + "\n")
                record.flush()
                os.fsync(record.fileno())
            print(f"{kind} {seed}: {row['verdict']} after {row['wall_s']:.0f} s", file=sys.stderr)
            options.record.with_suffix(".md").write_text(markdown(rows_on_disk(options.record)), encoding="utf-8")
    rows = rows_on_disk(options.record)
    if options.publish and rows:
        PAGE.write_text(published(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    print("\n".join(table(rows)))
    return int(any((row["kind"], row["verdict"]) in {("equal", "BLOCK"), ("slower", "PASS")} for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
