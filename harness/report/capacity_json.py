"""The JSON Schema of a capacity search's document, from the types that it is made of.

``capacity_document`` writes kinds of verdict by their names, and null for what is infinite or not known: the schema of
the types says so.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from harness.model.capacity import CapacityEvidence
from harness.model.verdict import Kind


def _as_written(found: Any) -> Any:
    """A part of the types' schema as the document is written."""
    if isinstance(found, list):
        return [_as_written(one) for one in found]
    if not isinstance(found, dict):
        return found
    if found.get("title") == "Kind":
        return {**found, "type": "string", "enum": [kind.name for kind in Kind]}
    if found.get("type") == "number":
        return {**found, "type": ["number", "null"]}
    return {key: _as_written(value) for key, value in found.items()}


def _schema() -> dict[str, Any]:
    of_types: dict[str, Any] = _as_written(TypeAdapter(CapacityEvidence).json_schema(mode="serialization"))
    own = {
        "schema_version": {"const": 2, "description": "Rises when a field changes its meaning or goes."},
        "exit_code": {"enum": [kind.exit_code for kind in Kind]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **of_types,
        "properties": {**own, **of_types["properties"]},
        "required": [*own, *of_types["required"]],
    }


CAPACITY_SCHEMA: dict[str, Any] = _schema()
"""JSON Schema (draft 2020-12) of ``capacity-….json``."""
