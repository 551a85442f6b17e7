"""Everything that a report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.comparison import Anatomy, Comparison, Design
from harness.model.failures import FailureAnatomy
from harness.model.health import ArmHealth
from harness.model.policy import Policy
from harness.model.protocol import Difference
from harness.model.retries import RetryAnatomy
from harness.model.servers import ServerTimes
from harness.model.shown import Shown
from harness.model.soak import Soak
from harness.model.target import ARMS, Arm
from harness.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """One run with its verdict, as far as a report needs it.

    ``started`` is an ISO 8601 time and ``partial`` says why the run is partial (empty where it is whole). Of
    ``manifest`` every key is shown; these also change what the report says: ``environment`` (``lab``),
    ``authentication`` (``key``) and ``scenario_digest``. ``comparison`` is None where no pair could be compared, and
    ``health`` holds only the arms that ran.
    """

    run_id: str
    title: str
    started: str
    manifest: Mapping[str, object]
    partial: str
    verdict: Verdict
    comparison: Comparison | None
    shown: Shown
    design: Design
    health: Mapping[Arm, ArmHealth]
    step_order: tuple[str, ...]
    anatomy: tuple[Anatomy, ...] = ()
    """Which steps make up the slowdown at each quantile; empty where there are too few pairs."""
    policy: Policy | None = None
    """The policy that judged."""
    failures: FailureAnatomy | None = None
    """Which causes make up the difference in failed logins; None where none failed, or there are too few pairs."""
    retries: RetryAnatomy | None = None
    """How often logins were tried again; None where none was, or there are too few pairs."""
    servers: tuple[ServerTimes, ...] = ()
    """Which server answered, for each step of which an arm had several."""
    differences: tuple[Difference, ...] | None = None
    """Between single logins on the arms; None where none were recorded on both."""
    soak: Soak | None = None
    """What a soak showed; then there is one arm, and no comparison."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms that the run is about."""
        measured = tuple(arm for arm in ARMS if arm in self.health)
        return measured if len(measured) == 1 and self.comparison is None else ARMS

    def manifest_text(self, key: str) -> str | None:
        """What the manifest says under ``key``, as text; None where it says nothing."""
        value = self.manifest.get(key)
        return None if value is None else str(value)
