"""Play the faults, and write the table."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import __version__
from tests.benchmarks.faults.rows import ROWS, Row, gated_row
from tests.helpers import spoilt_record
from tests.helpers.faults import Result

RECORD = Path(__file__).parents[1] / "faults.json"
TABLE = Path(__file__).parents[3] / "docs" / "faults.md"
WORDS_AT_MOST = 200
HEAD = """\
# What happens when something breaks in the middle of a run?

Each fault below was played to a gate under load on a lab; `python -m tests.benchmarks.faults` played them and wrote
this page. The lab is the embedded domain, or Active Directory where the row says so. The runs are of half a minute with
margins as wide as that needs, so a short fault may pass. *Lost* counts logins that were on disk a second before the
fault and are not in the evidence, *left* the gate's processes 5 s after its end; exit code -9 is the kill's own. Where
a full disk takes no verdict.json the verdict is the one that was printed: it can be had again from what was measured.

Processor hogs in one arm's blocks alone make that arm slower, so what they may come to has a direction. In the
candidate's blocks they may cost it a PASS, but a PASS in spite of them is one: without them its logins would have
taken less. In the baseline's blocks they may hide a slower candidate: a PASS must hold with all that the generator
added to the baseline taken out again. In neither may a candidate be blocked that is equal.

Further below: inputs that were damaged, and servers whose answers were spoilt, by `make fuzz` (`--record`). Of an input
no traceback, signal, memory above 1 GiB or 20 s of processor time is right, nor a PASS from what is damaged; of an
answer nothing but an outcome of its step, within the deadline.

"""


def wrong(row: Row, result: Result) -> str:
    """What is not as it must be; empty where all is."""
    codes = {"PASS": 0, "BLOCK": 10, "INCONCLUSIVE": 20, "INVALID": 30}
    if "Traceback" in result.said:
        return "a traceback"
    if result.verdict not in row.right:
        return f"expected {' or '.join(row.right)}"
    if result.code not in (codes.get(result.verdict, 2), -signal.SIGKILL, 1 if result.verdict == "none" else 2):
        return "another exit code than the verdict's"
    if result.lost and not row.loses:
        return f"{result.lost} logins lost"
    if result.left:
        return f"{result.left} processes left"
    if row.names and not re.search(row.names, " ".join(result.words)):
        return f"expected words of {row.names}"
    return ""


def _load() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    return found


def table(rows: Mapping[str, Any]) -> str:
    """docs/faults.md: the rows that there are, in their order."""
    done = [(row, rows[row.title]) for row in ROWS if row.title in rows]
    bad = sum(bool(found["wrong"]) for _, found in done)
    of = f"authgate {', '.join(sorted({found['version'] for _, found in done}))}"
    days = sorted({found["day"] for _, found in done})
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    lines = [
        f"{len(done)} faults, of which {bad} came to something that should be otherwise; {of}, {when}, one virtual",
        "machine with 2 cores.",
        "",
        "| fault | verdict | exit | lost | left | why, in the gate's first words |",
        "|---|---|---|---|---|---|",
    ]
    for row, found in done:
        mark = f" **({found['wrong']})**" if found["wrong"] else ""
        cells = (row.title, found["verdict"] + mark, found["code"], found["lost"], found["left"], _why(found["words"]))
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return HEAD + "\n".join([*lines, *spoilt_record.lines()]) + "\n"


def _why(words: list[str]) -> str:
    first = words[0] if words else ""
    return first if len(first) <= WORDS_AT_MOST else f"{first[:WORDS_AT_MOST].rsplit(' ', 1)[0]} …"


def played(row: Row) -> Result:
    """One row, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return (row.run or gated_row)(row, Path(folder))


def main() -> int:
    """Play the rows that were asked for; 1 where one is not as it must be."""
    parser = argparse.ArgumentParser(description="Play faults to running gates, and write docs/faults.md.")
    parser.add_argument("--only", nargs="+", default=[""], help="Rows whose title holds one of these.")
    parser.add_argument("--again", action="store_true", help="Rows that are recorded too.")
    parser.add_argument("--for-s", type=float, default=float("inf"), help="Begin no row after so many seconds.")
    parser.add_argument("--table", action="store_true", help="Write the page from what is recorded, and play nothing.")
    parser.add_argument("--inside", metavar="ROW", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        print(json.dumps(asdict(played(next(row for row in ROWS if row.title == asked.inside)))))
        return 0
    if asked.table:
        TABLE.write_text(table(_load()), encoding="utf-8")
        return 0
    began, rows, failures = time.monotonic(), _load(), 0
    for row in ROWS:
        if not any(word in row.title for word in asked.only) or (row.title in rows and not asked.again):
            continue
        if time.monotonic() - began > asked.for_s:
            break
        result = played(row)
        faulty = wrong(row, result)
        failures += bool(faulty)
        kept = {key: value for key, value in asdict(result).items() if key != "said"}
        rows[row.title] = {**kept, "wrong": faulty, "day": f"{datetime.now(UTC):%Y-%m-%d}", "version": __version__}
        recorded = json.dumps(rows, indent=1, ensure_ascii=False)
        recorded = re.sub(rf"{re.escape(tempfile.gettempdir())}/[^/]+(/disk)?/", "…/", recorded)
        RECORD.write_text(f"{recorded}\n", encoding="utf-8")
        TABLE.write_text(table(_load()), encoding="utf-8")
        print(f"{row.title}: {result.verdict} {result.code} lost {result.lost} left {result.left} {faulty or 'right'}")
        print(f"    {result.words[:2]}", flush=True)
        if faulty:
            print(result.said[-1500:], flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
