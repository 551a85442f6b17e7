"""What every configured type shares: frozen, no unknown keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr


class Configured(BaseModel):
    """A frozen value read from a user's YAML, where an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where a document was read from: its file, and the line of each key path in it.

    Any two are equal: where something was read from is no part of what it is.
    """

    file: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source)

    def __hash__(self) -> int:
        return 0

    def line(self, key: str) -> int | None:
        """The line of a key path, or of the nearest key that holds it; None where none is known."""
        while key and key not in self.lines:
            key = key.rpartition(".")[0]
        return self.lines.get(key)


class Document(Configured):
    """What is read from a file of its own, and knows where each of its values stands there."""

    _read: Source = PrivateAttr(default_factory=Source)

    def read_from(self, file: str, lines: Mapping[str, int] | None = None) -> Self:
        """The same, known to be from this file, with its keys on these lines."""
        known = self.model_copy()
        known._read = Source(file, lines or {})
        return known

    def place(self, key: str) -> str:
        """How an error names a key path of this document: by file and line where they are known."""
        line = self._read.line(key)
        where = self._read.file or type(self).__name__.lower()
        return f"{where}: {key}" if line is None else f"{where}:{line}: {key}"


MOST = 1_000_000
"""No margin, limit or time that somebody means is larger, in whatever unit."""
Positive = Annotated[float, Field(gt=0, le=MOST, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
"""A time of up to a day."""
Rate = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
"""Logins a second, as far as one machine could ever send them."""
Share = Annotated[float, Field(ge=0, le=1)]


NAME = r"^[a-z0-9][a-z0-9-]*$"
NAME_AT_MOST = 100
"""Characters: two names and a time have to go into one file's name, which may have 255 bytes."""
Name = Annotated[str, Field(pattern=NAME, max_length=NAME_AT_MOST)]
"""What something is called that a command line and a file's name can hold."""
