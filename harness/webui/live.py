"""What a run looks like now, as a file beside its evidence: by it a page in another process follows the run.

It is written once a second, and only while somebody looks: a page touches ``watched`` as long as it is open. So a page
that nobody looks at costs the run nothing, and none can hold it up. The file goes when the run has ended.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.model.comparison import QuantileShift
from harness.model.health import ArmHealth
from harness.model.plan import NS
from harness.model.policy import Limits
from harness.model.progress import Display, Look, Preparing, Snapshot
from harness.model.steps import LOGIN
from harness.model.target import ARMS
from harness.model.verdict import Finding
from harness.report import rows, words
from harness.report.language import ENGLISH, Language
from harness.stats.validity import unsound
from harness.system.files import write_whole
from harness.system.process import Identity
from harness.webui.logins import logins_as_json

log = logging.getLogger(__name__)

LIVE, WATCHED = "live.json", "live.watched"
EVERY_S = 1.0
LOOKED_WITHIN_S = 5.0
"""A page that has touched ``watched`` within so long is still open."""
CODES_AT_MOST = 12
REASONS_AT_MOST = 6
LARGEST = 20.0
"""Of a logarithm of a ratio that is shown: a factor of 500 million."""


class LiveFile:
    """A display that keeps a run's live file.

    A run must not end for its page, whatever is wrong with that: a failure is told in the log, and to nobody else.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._head: dict[str, Any] = {}
        self._limits = Limits()
        self._written = 0.0
        self._look: tuple[Look | None, dict[str, Any]] = (None, {})

    def __call__(self, now: Snapshot | Preparing) -> None:
        try:
            if isinstance(now, Preparing):
                self._prepare(now)
            elif self._folder is not None and self._is_wanted():
                self._written = time.monotonic()
                self._write({"phase": "running", **self._running(now)})
        except Exception:
            log.debug("the live file could not be written", exc_info=True)

    def close(self) -> None:
        """The run has ended: its folder says how."""
        if self._folder is not None:
            for name in (LIVE, WATCHED):
                with suppress(OSError):
                    (self._folder / name).unlink(missing_ok=True)
            self._folder = None

    def _is_wanted(self) -> bool:
        assert self._folder is not None
        if time.monotonic() - self._written < EVERY_S:
            return False
        try:
            return time.time() - (self._folder / WATCHED).stat().st_mtime < LOOKED_WITHIN_S
        except FileNotFoundError:
            return False

    def _prepare(self, now: Preparing) -> None:
        if self._folder is None or str(self._folder) != now.folder:
            self.close()
            self._folder = Path(now.folder)
            self._look, self._limits, self._written = (None, {}), now.policy.limits, 0.0
            self._head = {
                "process": asdict(Identity.of(os.getpid())),
                "folder": now.folder,
                "run_id": self._folder.name,
                "scenario": now.scenario.name,
                "policy": now.policy.name,
                "arms": now.arms,
                "cohorts": now.scenario.expected,
                "seats": now.scenario.seats,
                "length_s": now.scenario.duration_s,
                "began": time.time(),
            }
        self._write({"phase": "preparing", "ready": now.ready})

    def _write(self, now: Mapping[str, Any]) -> None:
        assert self._folder is not None
        write_whole(self._folder / LIVE, json.dumps({**self._head, **now, "at": time.time()}, allow_nan=False))

    def _running(self, now: Snapshot) -> dict[str, Any]:
        if now.look is not None and now.look is not self._look[0]:
            self._look = (now.look, look_as_json(now.look, self._limits))
        return {
            "block": now.block,
            "blocks": now.blocks,
            "under_load": now.arms,
            "pairs": now.pairs_judged,
            "offered": now.offered,
            "achieved": now.achieved,
            "left_s": now.left_s,
            "elapsed_s": now.length_s - now.left_s,
            "pass_in_s": None if now.pass_from_s is None else max(0.0, now.pass_from_s - now.now / NS),
            "latencies": {arm: found and [words.seconds(s) for s in found] for arm, found in now.latencies.items()},
            "failed": now.failed,
            "failures": failures_as_json(now),
            "generators": {arm: generator_as_json(row) for arm, row in now.generators.items()},
            "wire": [words.printable(difference.sentence) for difference in now.differences],
            "logins": logins_as_json(now.recent),
            **self._look[1],
        }


@contextmanager
def also_live(display: Display) -> Iterator[Display]:
    """A display that keeps the live file besides; the file goes with the run."""
    live = LiveFile()

    def both(now: Snapshot | Preparing) -> None:
        live(now)
        display(now)

    try:
        yield both
    finally:
        live.close()


def look_as_json(look: Look, limits: Limits) -> dict[str, Any]:
    """The verdict so far and what it rests on."""
    verdict = look.verdict
    return {
        "verdict": {
            "kind": verdict.kind.name,
            "sentence": words.printable(verdict.sentence),
            "waits_for": [words.printable(reason) for reason in verdict.reasons[:REASONS_AT_MOST]],
            "more": max(0, len(verdict.reasons) - REASONS_AT_MOST),
            "final": verdict.final,
        },
        "findings": [finding_as_json(finding) for finding in verdict.findings],
        "lights": [light for arm in ARMS if arm in look.health for light in lights(arm, look.health[arm], limits)],
        "unsound": [words.printable(fault.reason) for fault in unsound(look.health, limits, tuple(look.health))],
        "pairs_of": [pairs_as_json(shift) for shift in look.comparison.shifts if shift.metric.step == LOGIN],
    }


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """A row of the table of findings: the texts of the report, and the numbers that its small figure is drawn by."""
    row = rows.row(finding)
    return {
        "metric": row.metric,
        "cohort": words.printable(finding.cohort),
        "step": words.printable(finding.step),
        "baseline": row.baseline,
        "candidate": row.candidate,
        "change": row.change,
        "bounds": row.bounds,
        "margin": row.margin,
        "decision": row.decision,
        "says": row.decision,
        "sign": row.sign,
        "note": row.note,
        "numbers": {name: _finite(getattr(finding, name)) for name in ("estimate", "low", "high", "margin")},
    }


def lights(arm: str, health: ArmHealth, limits: Limits) -> Iterator[dict[str, Any]]:
    """The generator's figures of an arm beside what is allowed of them."""
    share = 1 - limits.executed_share
    for name, value, limit, unit in (
        ("send_lag", health.send_lag_p99_ms, limits.send_lag_p99_ms, "ms"),
        ("pool_wait", health.pool_wait_p99_ms, limits.pool_wait_p99_ms, "ms"),
        ("hub_stall", health.hub_stall_p99_ms, limits.hub_stall_p99_ms, "ms"),
        ("cpu", None if health.generator_cpu is None else 100 * health.generator_cpu, 100 * limits.generator_cpu, "%"),
        ("seat_waits", 100 * health.seat_waits / max(health.planned, 1), 100 * share, "%"),
    ):
        if value is not None:
            yield {"arm": arm, "name": name, "value": value, "limit": limit, "unit": unit, "ok": bool(value <= limit)}


def pairs_as_json(shift: QuantileShift) -> dict[str, Any]:
    """One metric's difference of each pair with estimate, bounds and margin: relative, or of shares."""
    relative = math.expm1 if shift.metric.unit == "log_ratio" else float

    def plain(value: float) -> float | None:
        return _finite(relative(min(value, LARGEST))) if math.isfinite(value) else None

    return {
        "metric": words.printable(_label(shift)),
        "unit": shift.metric.unit,
        "differences": [plain(float(value)) for value in shift.differences],
        **{name: plain(float(getattr(shift, name))) for name in ("estimate", "low", "high", "margin")},
    }


def _finite(value: float | None) -> float | None:
    """A number as JSON has it, which knows no infinite ones."""
    return None if value is None or not math.isfinite(value) else round(float(value), 6)


def _label(shift: QuantileShift) -> str:
    return str(getattr(shift.metric, "label", shift.metric))


def failures_as_json(now: Snapshot) -> list[dict[str, Any]]:
    """Failed logins by step and code, a column an arm, the most frequent first."""
    by_cause: dict[tuple[str, str], dict[str, int]] = {}
    for (arm, step, code), count in now.failures.items():
        by_cause.setdefault((step, code), {})[arm] = count
    most = sorted(by_cause.items(), key=lambda item: -sum(item[1].values()))[:CODES_AT_MOST]
    return [{"step": words.printable(s), "code": words.printable(c), "counts": counts} for (s, c), counts in most]


def generator_as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """The last second of a worker's generator; None is what that second had nothing of."""
    named = ("started", "send_lag_p99_ms", "hub_stall_p99_ms", "cpu", "busy_seats", "rss_mb")
    return {name: _finite(row[name]) for name in named}


def in_language(live: Mapping[str, Any], say: Language) -> dict[str, Any]:
    """A live file as a page shows it to a reader of a language: what the judge says is translated, names are not."""
    if say is ENGLISH:
        return dict(live)
    told = dict(live)
    if (verdict := live.get("verdict")) is not None:
        waits = [say.sentence(reason) for reason in verdict["waits_for"]]
        told["verdict"] = {**verdict, "sentence": say.sentence(verdict["sentence"]), "waits_for": waits}
    told["unsound"] = [say.sentence(reason) for reason in live.get("unsound", ())]
    told["findings"] = [
        {**each, **{name: say.sentence(each[name]) for name in _TOLD}, "says": say(each["decision"])}
        for each in live.get("findings", ())
    ]
    return told


_TOLD = ("baseline", "candidate", "change", "bounds", "margin", "note")


def is_alive(live: Mapping[str, Any]) -> bool:
    """Whether the process of a live file still runs."""
    try:
        return Identity(int(live["process"]["pid"]), int(live["process"]["started"])).alive
    except (LookupError, TypeError, ValueError):
        return False
