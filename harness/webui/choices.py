"""What a form may choose from: shipped scenarios with their sizes, and files of targets that are there."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.config import shipped
from harness.errors import AuthgateError
from harness.model.scenario import Scenario

LAB_FOLDER = Path(".authgate-lab")
LOOKED_AT_MOST = 50
SIZE_AT_MOST = 100_000


@cache
def scenario_choices() -> tuple[dict[str, Any], ...]:
    """Each shipped scenario: its name, what it is, and how large a test of one arm is."""
    return tuple(scenario_facts(scenario) for scenario in shipped.scenarios())


def scenario_facts(scenario: Scenario) -> dict[str, Any]:
    """What a form says of a scenario beside its name; ``lasts_s`` is of one arm, ``both_s`` of a gate."""
    return {
        "name": scenario.name,
        "description": scenario.description,
        "rate": scenario.arrivals.peak,
        "seats": scenario.seats,
        "users": scenario.population.users,
        "lasts_s": scenario.blocks.pairs * scenario.blocks.arm_s,
        "both_s": scenario.duration_s,
    }


def target_choices(preferred: Iterable[str]) -> list[dict[str, Any]]:
    """Files of targets: the lab's where one is up, the preferred ones that exist, and others of this folder."""
    found: dict[str, dict[str, Any]] = {}
    if (lab := _lab_up()) is not None:
        found[lab["file"]] = lab
    here = sorted([*Path().glob("*.yaml"), *Path().glob("*.yml")])[:LOOKED_AT_MOST]
    for path in (*(Path(name) for name in preferred if name), *here):
        if str(path) not in found and (arms := _arms_in(path)):
            found[str(path)] = {"file": str(path), "arms": arms, "lab": ""}
    return list(found.values())


def _lab_up() -> dict[str, Any] | None:
    from harness.lab import supervisor  # of use only here, and it brings both labs with it

    try:
        status = supervisor.status(LAB_FOLDER)
    except AuthgateError:
        return None
    if status is None or not status.running:
        return None
    return {"file": str(status.targets), "arms": _arms_in(status.targets), "lab": status.kind}


def _arms_in(path: Path) -> list[str]:
    """The arms of a file that looks like targets; of any other, none. What it holds besides is not looked at."""
    try:
        if path.stat().st_size > SIZE_AT_MOST:
            return []
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [str(arm) for arm in data["arms"]]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError, ValueError, RecursionError):
        return []
