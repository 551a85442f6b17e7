"""What every configured type shares: frozen, no unknown keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Configured(BaseModel):
    """A frozen value read from a user's YAML, where an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
"""A time of up to a day."""
Rate = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
"""Logins a second, as far as one machine could ever send them."""
Share = Annotated[float, Field(ge=0, le=1)]


NAME = r"^[a-z0-9][a-z0-9-]*$"
Name = Annotated[str, Field(pattern=NAME)]
"""What something is called that a command line and a file's name can hold."""
