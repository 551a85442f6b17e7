"""A scenario that a study makes of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from harness.errors import ConfigError, one_line
from harness.model.scenario import Scenario


def derived(whole: Scenario, changes: Mapping[str, Any], what: str) -> Scenario:
    """The scenario with some keys changed; raises ConfigError where ``what`` was asked for can't be a scenario."""
    try:
        return Scenario.model_validate({**whole.model_dump(mode="json"), **changes})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        said = one_line(problem["msg"].removeprefix("Value error, "))
        raise ConfigError(f"{what}: {where}: {said}" if where else f"{what}: {said}") from None
