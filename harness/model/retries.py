"""How often logins were given up and tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contrast:
    """A figure of each arm, the mean over its blocks, and their difference with a 95 % interval over pairs."""

    baseline: float
    candidate: float
    added: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RetryAnatomy:
    """Logins that were tried again; it is shown and never judged.

    ``again`` is the share of such logins, ``tries`` how often a login was sent on average: by so much clients that
    come back amplify the load. ``given_up`` says for each step how many tries a login were given up in it: they add up
    to ``tries`` − 1. The empty step stands for none.
    """

    again: Contrast
    tries: Contrast
    given_up: Mapping[str, Contrast]
