"""What an arm's load is to be: asked by options, by a form, or by a message of the master to its workers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.config import shipped
from harness.config.load import load_scenario, load_targets
from harness.errors import AuthgateError, ConfigError
from harness.guards.consent import check_safe
from harness.model.plan import preparations
from harness.model.scenario import Scenario
from harness.model.target import ARMS, Arm, Targets

T = TypeVar("T")
SEATS_AT_MOST = 5000
PREPARED_WITHIN_S = 120.0


class AskedError(ConfigError):
    """What was asked can't be done; ``fields`` has the message of each field that is wrong."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("\n".join(fields.values()))
        self.fields = dict(fields)


@dataclass(frozen=True, slots=True)
class Asked:
    """One arm's load: ``seats`` are of all its workers together, ``results`` the folder that its run's folder is in."""

    scenario: Scenario
    targets: Targets
    arm: Arm
    seats: int
    results: Path

    @property
    def title(self) -> str:
        """The test in a few words, for a page's header and Locust's report."""
        return f"{self.scenario.name} on {self.arm} of {Path(self.targets.source).name}"

    def message(self) -> dict[str, Any]:
        """What the master sends of it: targets hold the place of the credentials and never a secret."""
        return {
            "scenario": self.scenario.model_dump(mode="json"),
            "targets": self.targets.model_dump(mode="json"),
            "source": self.targets.source,
            "arm": self.arm,
            "seats": self.seats,
            "results": str(self.results),
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Asked:
        """The same, from the message."""
        return cls(
            Scenario.model_validate(data["scenario"]),
            Targets.model_validate(data["targets"]).read_from(data["source"]),
            data["arm"],
            int(data["seats"]),
            Path(data["results"]),
        )


def patience_s(scenario: Scenario, targets: Targets) -> float:
    """For how long workers may derive keys, log in first and fill caches: longer where targets.max_rate asks for it."""
    return PREPARED_WITHIN_S + (3 * preparations(scenario) / targets.max_rate if targets.max_rate else 0.0)


def targets_digest(targets: Targets) -> str:
    """SHA-256 of all that targets say, which is no secret."""
    return hashlib.sha256(targets.model_dump_json().encode()).hexdigest()


def asked_of(fields: Mapping[str, Any]) -> Asked:
    """What options or a form ask for, checked as far as it can be before anything is sent; raises AskedError.

    ``seats`` may be missing or empty: then they are the scenario's.
    """
    wrong: dict[str, str] = {}

    def got(field: str, read: Callable[[str], T]) -> T | None:
        try:
            text = str(fields.get(field) or "").strip()
            if not text and field in ("scenario", "targets"):
                raise ConfigError(f"{field}: expected a file, got none")
            return read(text)
        except AuthgateError as error:
            wrong[field] = str(error)
        return None

    scenario = got("scenario", lambda text: load_scenario(shipped.find(text, shipped.SCENARIOS)))
    targets = got("targets", lambda text: load_targets(Path(text)))
    arm = got("arm", lambda text: _arm(text, targets))
    seats = got("seats", lambda text: _seats(text, scenario))
    if scenario is not None and targets is not None and arm is not None:
        got("targets", lambda _: check_safe(targets, scenario, [arm]))
    if wrong or scenario is None or targets is None or arm is None or seats is None:
        raise AskedError(wrong)
    return Asked(scenario, targets, arm, seats, Path(str(fields.get("results") or "results")))


def _arm(text: str, targets: Targets | None) -> Arm:
    found = next((arm for arm in ARMS if arm == text), None)
    if found is None:
        raise ConfigError(f"arm: expected {' or '.join(ARMS)}, got {text or 'none'}")
    if targets is not None and found not in targets.arms:
        raise ConfigError(f"{targets.source}: arms: expected {found}, got {', '.join(targets.arms)}")
    return found


def _seats(text: str, scenario: Scenario | None) -> int:
    if not text:
        return 1 if scenario is None else scenario.seats
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (number.is_integer() and 1 <= number <= SEATS_AT_MOST):
        raise ConfigError(f"seats: expected a whole number from 1 to {SEATS_AT_MOST}, got {text}")
    return int(number)
