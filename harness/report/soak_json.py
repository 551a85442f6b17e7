"""A soak in verdict.json."""

from __future__ import annotations

import math
from dataclasses import asdict

from harness.model.soak import Soak
from harness.report.document import Document


class FadeDocument(Document):
    """A cold start that fades: ``added`` ln-units above the later course, of which 37 % are left after ``minutes``."""

    added: float
    minutes: float
    p_value: float


class SoakBlockDocument(Document):
    """One block of a soak: its middle, quantiles in seconds (null without a login), shares, and its logins."""

    minute: float
    p50_s: float | None
    p95_s: float | None
    failure_rate: float | None
    slow_rate: float | None
    logins: int


class StepGrowthDocument(Document):
    """A step's mean time at both ends of a soak, in seconds."""

    step: str
    start_s: float
    end_s: float


class SoakDocument(Document):
    """One arm over its age; the growths that were judged are among the findings."""

    arm: str
    minutes: float
    doubles_min: float | None
    """In how many minutes the median login doubles if it continues; null where it does not grow."""
    fade: FadeDocument | None
    """Null where no cold start is shown."""
    steps: tuple[StepGrowthDocument, ...]
    blocks: tuple[SoakBlockDocument, ...]


def soak_document(soak: Soak) -> SoakDocument:
    """A soak with its blocks."""
    blocks = soak.blocks
    return SoakDocument(
        arm=soak.arm,
        minutes=soak.minutes,
        doubles_min=_finite(soak.doubles_min),
        fade=None if soak.fade is None else FadeDocument.model_validate(asdict(soak.fade)),
        steps=tuple(StepGrowthDocument.model_validate(asdict(step)) for step in soak.steps),
        blocks=tuple(
            SoakBlockDocument(
                minute=float(blocks.minute[i]),
                p50_s=_finite(float(blocks.p50[i])),
                p95_s=_finite(float(blocks.p95[i])),
                failure_rate=_finite(float(blocks.failure_rate[i])),
                slow_rate=_finite(float(blocks.slow_rate[i])),
                logins=int(blocks.logins[i]),
            )
            for i in range(len(blocks.minute))
        ),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
