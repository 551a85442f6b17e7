"""``authgate schema``: the JSON Schemas of what authgate reads and writes."""

from __future__ import annotations

import json

import click

from harness.config.load import SCHEMAS
from harness.record.protocol import PROTOCOL_SCHEMA
from harness.report.verdict_json import VERDICT_SCHEMA


@click.command("schema")
@click.argument("kind", type=click.Choice([*SCHEMAS, "verdict", "protocol"]))
def command(kind: str) -> int:
    """Print the JSON Schema of a kind of file, for editors and for readers of verdict.json and protocol.json."""
    made = {"verdict": VERDICT_SCHEMA, "protocol": PROTOCOL_SCHEMA}
    found = made[kind] if kind in made else SCHEMAS[kind].model_json_schema()
    click.echo(json.dumps(found, indent=2))
    return 0
