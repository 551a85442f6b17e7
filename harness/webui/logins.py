"""Single logins for the gate's page: the slowest and the failed ones of the last minute, each with its waterfall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc

from harness.model.attempt import Ints
from harness.model.plan import NS
from harness.report import words

LOGINS_AT_MOST = 6


def logins_as_json(recent: Any) -> dict[str, list[dict[str, Any]]]:
    """The slowest logins of the last minute, and the latest that failed, each with its steps."""
    if recent is None or not len(recent):
        return {"slowest": [], "failed": []}
    good = pc.equal(recent["status"], "ok")
    took = pc.subtract(recent["ended"], recent["intended"])
    return {
        "slowest": _largest(recent, pc.if_else(good, took, -1)),
        "failed": _largest(recent, pc.if_else(good, -1, recent["ended"])),
    }


def _largest(logins: Any, by: Any) -> list[dict[str, Any]]:
    """The logins with the largest values; those with a negative one are none.

    Each is sliced out: to take them by their numbers, Arrow copies the steps of all logins of the minute first.
    """
    values = by.to_numpy()
    most = np.argsort(-values)[:LOGINS_AT_MOST] if len(values) <= LOGINS_AT_MOST else _first(-values)
    return [login_as_json(logins.slice(int(at), 1).to_pylist()[0]) for at in most if values[at] >= 0]


def _first(values: Ints) -> Ints:
    few = np.argpartition(values, LOGINS_AT_MOST)[:LOGINS_AT_MOST]
    return few[np.argsort(values[few])]


def login_as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """One login with its waterfall; times in ms from when it was due. Whose it was is not told."""
    due = row["intended"]
    return {
        "arm": row["arm"],
        "cohort": words.printable(row["cohort"]),
        "at_s": row["ended"] / NS,
        "took": words.seconds((row["ended"] - due) / NS),
        "took_ms": (row["ended"] - due) / 1e6,
        "status": row["status"],
        "code": words.printable(row["code"]),
        "tries": row["tries"],
        "waited_ms": (row["started"] - due) / 1e6,
        "steps": [
            {
                "step": words.printable(step["step"]),
                "from_ms": (step["started"] - due) / 1e6,
                "took_ms": (step["ended"] - step["started"]) / 1e6,
                "took": words.seconds((step["ended"] - step["started"]) / NS),
                "status": step["status"],
                "code": words.printable(step["code"]),
                "server": words.printable(step["server"] or ""),
            }
            for step in row["steps"]
        ],
    }
