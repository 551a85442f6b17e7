"""The scoreboard: every update of the catalogue, and equal arms, gated for real: ``make scoreboard``.

    python -m tests.benchmarks.scoreboard [--equal 20] [--only NAME …] [--again] [--results DIR]

Writes tests/benchmarks/scoreboard.md and .json after each run. What the .json holds already is not run again unless
``--again`` asks for it, so an interrupted evening goes on where it stopped. It wants a machine to itself.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness.config import shipped
from harness.errors import AuthgateError
from harness.model.plan import NS
from harness.model.target import ARMS
from harness.model.update import LabKind, Update
from harness.record.folder import RunFolder
from harness.report.write import write_all
from harness.updates.replay import outcome_of, replay

TABLE, RECORD = (Path(__file__).with_suffix(suffix) for suffix in (".md", ".json"))
FIXED_S = 1.0
RIVALS = {
    "p95 > 1 s": "a fixed threshold on the candidate's p95, as k6's",
    "mean +20 %": "the averages differ by more than 20 %, as Login Enterprise's",
    "p95 +15 %": "the p95 of the two differ by more than 15 %, as locomotive's",
}
PACKAGES = ("samba", "slapd", "krb5-kdc", "apache2", "postgresql", "libkrb5-3")
EQUAL: dict[LabKind, dict[str, Any]] = {
    "embedded": {"scenario": "demo", "rate": 12, "users": 400, "cold_share": 1},
    "ad": {
        "scenario": "cold-logon",
        "rate": 4,
        "users": 400,
        "steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_token_groups"],
    },
}
"""The runs that most entries are given, for arms that do not differ."""

Row = dict[str, Any]


def equal_arms(lab: LabKind, number: int) -> Update:
    """An entry in whose run nothing differs."""
    return Update.model_validate(
        {
            "name": f"equal-{lab}-{number}",
            "title": f"equal arms, {lab} lab",
            "sources": [{"text": "Nothing is changed.", "standing": "documented"}],
            "mechanism": "None.",
            "fault": {"lab": lab, "why": "Arms that don't differ must not be blocked."},
            "signature": ["shift"],
            "expected": {"verdict": "PASS", "by": "every metric within its margin"},
            "run": {**EQUAL[lab], "blocks": {"length_s": 5, "trim_s": 1, "pairs": 12}},
        }
    )


def rivals(folder: RunFolder) -> dict[str, bool]:
    """Whom the same recorded logins would have made block; all of them, at the times that they took."""
    logins = folder.attempts()
    arm, intended, ended, own = (logins[name].to_numpy() for name in ("arm", "intended", "ended", "own"))
    before, after = ((ended - intended - own)[arm == name] / NS for name in ARMS)
    if not len(before) or not len(after):
        return {}
    p95_before, p95_after = (float(np.quantile(times, 0.95)) for times in (before, after))
    found = (p95_after > FIXED_S, after.mean() > 1.2 * before.mean(), p95_after > 1.15 * p95_before)
    return dict(zip(RIVALS, map(bool, found), strict=True))


def row_of(update: Update, results: Path) -> Row:
    """One run and what came of it."""
    wanted = {
        "name": update.name,
        "title": update.title,
        "lab": update.fault.lab,
        "expected": update.expected.verdict,
        "steps": list(update.expected.steps),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    try:
        evidence = replay(update, results)
    except AuthgateError as error:
        return {**wanted, "verdict": "no run", "step": None, "load_s": 0.0, "as_expected": False, "said": str(error)}
    write_all(evidence, results / evidence.run_id)
    outcome = outcome_of(update, evidence)
    return {
        **wanted,
        "verdict": outcome.verdict,
        "step": outcome.step,
        "load_s": outcome.load_s,
        "as_expected": outcome.as_expected,
        "said": evidence.verdict.sentence,
        "rivals": rivals(RunFolder(results / evidence.run_id)),
        "host": evidence.manifest["host"],
        "versions": evidence.manifest["versions"],
    }


def markdown(rows: Sequence[Row]) -> str:
    """The scoreboard for people."""
    updates = [row for row in rows if not row["name"].startswith("equal-")]
    equal = [row for row in rows if row["name"].startswith("equal-")]
    host: Row = next((row["host"] for row in rows if "host" in row), {})
    versions: Row = next((row["versions"] for row in rows if "versions" in row), {})
    dates = sorted({row["date"] for row in rows})
    by = Counter(row["versions"]["authgate"] for row in rows if "versions" in row)
    measured = [f"{version} ({count} runs)" if len(by) > 1 else version for version, count in sorted(by.items())]
    right = sum(row["as_expected"] for row in updates)
    kinds = {kind: sum(row["verdict"] == kind for row in equal) for kind in sorted({r["verdict"] for r in equal})}
    lines = [
        "# Scoreboard",
        "",
        f"- {' to '.join(dict.fromkeys((dates[0], dates[-1])))}, authgate {' and '.join(measured)}; "
        f"{host.get('cores')} cores, {host.get('system')}, Python {host.get('python')}; servers and load generator "
        "share them.",
        f"- Servers: {', '.join(f'{name} {found}' for name, found in _debian().items())}. "
        f"Libraries: {', '.join(f'{name} {found}' for name, found in versions.items())}.",
        f"- {right} of {len(updates)} updates got the expected verdict and the right step.",
        f"- Equal arms: {len(equal)} runs, {', '.join(f'{count} {kind}' for kind, count in kinds.items())}.",
        "- Regenerate with `make scoreboard`; `python -m tests.benchmarks.scoreboard` runs what the record lacks. "
        "The catalogue: `authgate updates list`.",
        "",
        "A tick in the last three columns says that others' rules would have blocked on the same recorded logins: "
        + "; ".join(f"*{name}* is {what}" for name, what in RIVALS.items())
        + ". They name no step.",
        "",
        f"| update | lab | expected | verdict | s of load | step blamed | {' | '.join(RIVALS)} |",
        f"|{' --- |' * (6 + len(RIVALS))}",
    ]
    for row in (*updates, *equal):
        mark = "✓" if row["as_expected"] else "✗"
        others = " | ".join("✓" if row.get("rivals", {}).get(name) else "–" for name in RIVALS)
        step = row["step"] or "–"
        lines.append(
            f"| {row['name']} | {row['lab']} | {row['expected']} | {row['verdict']} {mark} | {row['load_s']:.0f} "
            f"| {step} | {others} |"
        )
    return "\n".join(lines) + "\n"


def _debian() -> dict[str, str]:
    query = shutil.which("dpkg-query")
    if query is None:
        return {}
    command = [query, "-W", "-f", "${Package} ${Version}\n", *PACKAGES]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return dict(line.split(" ", 1) for line in said.splitlines())


def main(argv: Sequence[str]) -> int:
    """Run what is missing; 0 if every update got what it has to get and no equal arms were blocked."""
    parser = argparse.ArgumentParser(prog="scoreboard", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--equal", type=int, default=20, help="runs of equal arms, shared out on both labs (20)")
    parser.add_argument("--only", nargs="+", help="these updates alone")
    parser.add_argument("--again", action="store_true", help="run again what the record holds")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where the runs go (results)")
    options = parser.parse_args(argv)
    wanted = [*shipped.updates()]
    wanted += [equal_arms(("embedded", "ad")[number % 2], number // 2 + 1) for number in range(options.equal)]
    rows: dict[str, Row] = {row["name"]: row for row in json.loads(RECORD.read_text())} if RECORD.exists() else {}
    rows = {update.name: rows[update.name] for update in wanted if update.name in rows}
    for update in wanted:
        asked = options.only is None or update.name in options.only
        if asked and (options.again or update.name not in rows):
            rows[update.name] = row = row_of(update, options.results)
            print(f"{row['name']}: {row['verdict']} {row['step'] or ''} {row['load_s']:.0f} s", file=sys.stderr)
            ordered = [rows[entry.name] for entry in wanted if entry.name in rows]
            RECORD.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
            TABLE.write_text(markdown(ordered), encoding="utf-8")
    blocked = [row["name"] for row in rows.values() if row["name"].startswith("equal-") and row["verdict"] == "BLOCK"]
    wrong = [row["name"] for row in rows.values() if not row["as_expected"] and not row["name"].startswith("equal-")]
    print(f"not as expected: {', '.join((*wrong, *blocked)) or 'none'}")
    return 1 if wrong or blocked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
