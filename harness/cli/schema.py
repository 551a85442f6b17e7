"""``authgate schema``: the JSON Schemas of what authgate reads and writes."""

from __future__ import annotations

import json
from typing import Any

import click

from harness.config.load import SCHEMAS

_WRITTEN = (
    "verdict", "protocol", "history", "capacity", "calibration", "doctor", "lab", "login", "plan", "scenarios", "trend",
    "updates",
)  # fmt: skip
"""Kinds that authgate writes or prints."""


@click.command("schema")
@click.argument("kind", type=click.Choice([*SCHEMAS, *_WRITTEN]))
def command(kind: str) -> int:
    """Print the JSON Schema of a kind of file, for editors and for readers of what authgate writes or prints."""
    click.echo(json.dumps(_schema(kind), indent=2))
    return 0


def _schema(kind: str) -> dict[str, Any]:
    """Those of what authgate writes are imported with what writes it."""
    if kind == "verdict":
        from harness.report.verdict_json import VERDICT_SCHEMA

        return VERDICT_SCHEMA
    if kind == "history":
        from harness.report.history_json import HISTORY_SCHEMA

        return HISTORY_SCHEMA
    if kind == "protocol":
        from harness.record.protocol import PROTOCOL_SCHEMA

        return PROTOCOL_SCHEMA
    if kind == "capacity":
        from harness.report.capacity_json import CAPACITY_SCHEMA

        return CAPACITY_SCHEMA
    if kind == "calibration":
        from harness.record.calibration import CALIBRATION_SCHEMA

        return CALIBRATION_SCHEMA
    if kind in _WRITTEN:
        from harness.report.listings import schema

        return schema(kind)
    return SCHEMAS[kind].model_json_schema()
