"""A calibration on disk, and what a run's manifest keeps of it; both know a metric by its key."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from harness.errors import RunError
from harness.model.calibration import Calibration
from harness.model.cohort import EVERYONE
from harness.model.metric import Metric
from harness.model.site import UNCALIBRATED, Site, Spread
from harness.model.steps import LOGIN
from harness.record.completeness import document_digest
from harness.system.files import write_whole

FORMAT = 3
READ = (2, FORMAT)
"""Format 2, of authgate 0.1.0, had labels in place of keys."""
_LABEL = re.compile(r"(?:login (failure|slow) rate|([a-z][a-z0-9-]*) ([a-z_]+) (p50|p95|p99))( above the peak)?")
_CALIBRATION = TypeAdapter(Calibration)


def _schema() -> dict[str, Any]:
    """The schema of the file: that of its types, where a metric stands by its key, and null for what is infinite."""
    found: dict[str, Any] = _CALIBRATION.json_schema(mode="serialization")
    noise = found["$defs"]["Noise"]["properties"]
    noise["metric"] = {"type": "string", "description": "cohort/step/statistic/stage"}
    noise["detectable"] = {"type": ["number", "null"]}
    found["$defs"].pop("Metric", None)
    own = {"format": {"const": FORMAT}, "digest": {"type": "string"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **found,
        "properties": {**own, **found["properties"]},
        "required": [*own, *found["required"]],
    }


CALIBRATION_SCHEMA: dict[str, Any] = _schema()
"""JSON Schema (draft 2020-12) of ``calibration-….json``."""


def calibration_file(results: Path, scenario: str, policy: str) -> Path:
    """Where the calibration of a scenario under a policy is kept, both by name."""
    return results / f"calibration-{scenario}-{policy}.json"


def save(calibration: Calibration, path: Path) -> None:
    """Write the calibration's file as a whole."""
    rows = [
        {
            **asdict(noise),
            "metric": noise.metric.key,
            "detectable": noise.detectable if math.isfinite(noise.detectable) else None,
        }
        for noise in calibration.noise
    ]
    document = {"format": FORMAT, **asdict(calibration), "noise": rows}
    document["digest"] = document_digest(json.loads(json.dumps(document)))
    write_whole(path, f"{json.dumps(document, indent=2, allow_nan=False)}\n")


def read(path: Path) -> Calibration:
    """The calibration of a file; raises RunError where it holds none, or one of another form."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: expected a calibration's file, got: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise RunError(f"{path}: expected what authgate calibrate has written, got no JSON") from None
    if isinstance(found, dict) and "noise" in found and found.get("format") not in READ:
        raise RunError(
            f"{path}: expected a calibration of format {FORMAT}, got another version's: run authgate calibrate again"
        )
    try:
        rows = [
            {
                **row,
                "metric": _metric(row["metric"]),
                "detectable": math.inf if row["detectable"] is None else row["detectable"],
            }
            for row in found["noise"]
        ]
        for key in ("began", "measured"):
            if datetime.fromisoformat(found[key]).tzinfo is None:
                raise ValueError(key)
        calibration = _CALIBRATION.validate_python({**found, "noise": rows})
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{path}: expected what authgate calibrate has written, got something else") from None
    if found.get("format") == FORMAT and found.get("digest") != document_digest(found):
        raise RunError(f"{path}: expected the calibration that authgate has written, got one that was changed since")
    return calibration


def site_document(site: Site) -> dict[str, object] | None:
    """What a manifest keeps of the site that a run is judged at; None where it is not calibrated."""
    if site == UNCALIBRATED:
        return None
    return {
        "source": site.source,
        "measured": site.measured,
        "runs": site.runs,
        "deployments": {metric.key: list(asdict(spread).values()) for metric, spread in site.deployments.items()},
        "levels": {metric.key: list(asdict(spread).values()) for metric, spread in site.levels.items()},
        "warnings": list(site.warnings),
        "refusal": site.refusal,
    }


def site_of(manifest: Mapping[str, Any]) -> Site:
    """The site that a run of this manifest was judged at; raises RunError where it says so in no known way."""
    found = manifest.get("calibration")
    if found is None:
        return UNCALIBRATED
    try:
        spreads = {
            kind: {_metric(name): Spread(*values) for name, values in found[kind].items()}
            for kind in ("deployments", "levels")
        }
        return Site(**{**found, **spreads, "warnings": tuple(found["warnings"])})
    except (KeyError, TypeError, AttributeError, ValueError):
        raise RunError("manifest.json: calibration: expected what a run writes there, got something else") from None


def _metric(name: str) -> Metric:
    """The metric of a key, or of the label that authgate 0.1.0 wrote in its place; raises ValueError."""
    old = _LABEL.fullmatch(name)
    if old is None:
        return Metric.of_key(name)
    rate, cohort, step, quantile, above = old.groups()
    written = (EVERYONE, LOGIN, f"{rate}_rate") if rate else (cohort, step, quantile)
    return Metric.of_key("/".join((*written, "headroom" if above else "expected")))
