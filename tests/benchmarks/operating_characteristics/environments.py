"""What slows both arms at one time: a shared host that drifts, a neighbour on it, a job that runs by the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from harness.model.attempt import Floats

GRID_S = 0.5


@dataclass(frozen=True, slots=True)
class Environment:
    """A shared host; the constants are set, not measured.

    Service times drift by an Ornstein–Uhlenbeck process with an sd of ``drift_sd`` (ln-units) and a time constant of
    ``drift_tau_s``; while a neighbour is there they are longer by ``neighbour``, in mean for ``stays_s`` after
    ``away_s``; each ``job_every_s`` (0: never) a job makes them longer by ``job`` for ``job_s``. A server of a pool
    that stalls does so ``stalls`` times as often as on a usual host. Each arm drifts by itself besides, likewise, with
    an sd of ``own_sd``: where the arms are machines of their own, no pair cancels that. After each switch of arms what
    is cold in a server fades with a time constant of ``warms_in_s``.
    """

    title: str = ""
    drift_sd: float = 0.045
    drift_tau_s: float = 60.0
    neighbour: float = 0.16
    stays_s: float = 10.0
    away_s: float = 60.0
    stalls: float = 1.0
    job_every_s: float = 0.0
    job_s: float = 4.0
    job: float = 0.4
    own_sd: float = 0.0
    own_tau_s: float = 60.0
    warms_in_s: float = 0.1


USUAL = Environment()
ROUGH = Environment("rough host", drift_sd=0.09, neighbour=0.32, away_s=30.0, stalls=2.0)
"""Twice the drift, and bursts twice as strong and twice as often."""
PERIODIC = Environment("a job every 30 s", job_every_s=30.0)
FAST = Environment("fast drift, τ = 20 s", drift_sd=0.135, drift_tau_s=20.0)
"""Within a few blocks, and three times as far as usual; at the usual sd a drift as fast changes nothing."""
SLOW_TO_WARM = Environment("servers that are cold for 1.5 s after each switch of arms", warms_in_s=1.5)
OWN = Environment("each arm on a host of its own that drifts", own_sd=0.045)


def drifting(minutes: float, rng: np.random.Generator, sd: float, tau_s: float) -> Floats:
    """An Ornstein–Uhlenbeck process on the grid of time, in ln-units."""
    points = int(minutes * 60 / GRID_S) + 1
    keeps = np.exp(-GRID_S / tau_s)
    shocks = rng.normal(0.0, sd * np.sqrt(1 - keeps**2), points)
    shocks[0] = rng.normal(0.0, sd)
    found: Floats = lfilter([1.0], [1.0, -keeps], shocks)
    return found


def surroundings(minutes: float, rng: np.random.Generator, at: Environment = USUAL) -> Floats:
    """What multiplies every service time at an instant, on a grid of time."""
    drift = drifting(minutes, rng, at.drift_sd, at.drift_tau_s)
    points = len(drift)
    stays = rng.exponential((at.away_s, at.stays_s), (points, 2))
    changes = np.cumsum(stays.ravel())
    seconds = np.arange(points) * GRID_S
    there = np.searchsorted(changes, seconds + rng.uniform(0, at.away_s)) % 2 == 1
    found = np.exp(drift) * np.where(there, 1.0 + at.neighbour, 1.0)
    if at.job_every_s:
        found *= np.where((seconds + rng.uniform(0, at.job_every_s)) % at.job_every_s < at.job_s, 1.0 + at.job, 1.0)
    return found
