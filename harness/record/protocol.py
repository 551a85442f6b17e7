"""protocol.json: what single logins showed on each arm of a run, before its load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from harness.errors import RunError
from harness.model.protocol import ArmProtocol
from harness.model.target import Arm
from harness.record.folder import RunFolder
from harness.system.files import write_whole

FILE = "protocol.json"
_ARM = TypeAdapter(ArmProtocol)


class ProtocolDocument(BaseModel):
    """What single logins showed on each arm of a run, before its load."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: Literal[1] = 1
    arms: dict[Arm, ArmProtocol]


PROTOCOL_SCHEMA: dict[str, Any] = ProtocolDocument.model_json_schema()


def as_json(found: ArmProtocol) -> dict[str, Any]:
    """One arm's part of the file, as values that ``json.dumps`` takes."""
    value: dict[str, Any] = _ARM.dump_python(found, mode="json")
    return value


def save(folder: RunFolder, arms: Mapping[str, Any]) -> None:
    """Write the file, whole or not at all; ``arms`` holds what ``as_json`` gave for each."""
    document = ProtocolDocument.model_validate({"arms": arms})
    write_whole(folder.path / FILE, f"{document.model_dump_json(indent=2)}\n")


def read(folder: RunFolder) -> Mapping[Arm, ArmProtocol]:
    """What single logins showed on the arms of a run; empty where nobody looked. Raises RunError."""
    path = folder.path / FILE
    try:
        return ProtocolDocument.model_validate_json(path.read_bytes()).arms
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunError(f"{path}: expected a readable file, got: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RunError(f"{path}: {where or 'its text'}: expected what a run writes there, got something else") from None


def unknown(shown: Mapping[Arm, ArmProtocol], arms: Sequence[Arm]) -> tuple[str, ...]:
    """Of which arms nothing was recorded of their single logins, in words: what differs there can't be told."""
    return tuple(f"{FILE}: nothing is recorded of the {arm}'s single logins" for arm in arms if arm not in shown)
