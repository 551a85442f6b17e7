"""Runs with planted faults, judged by a rule simple enough to be right at sight, for the tests of the reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from harness.model.attempt import STATUSES, AttemptTable, StepColumns
from harness.model.cohort import EVERYONE
from harness.model.comparison import Comparison, Design, StepShare
from harness.model.evidence import Evidence
from harness.model.health import ArmHealth
from harness.model.metric import QUANTILES, Metric, Statistic
from harness.model.steps import CACHES, LOGIN, steps_of
from harness.model.target import ARMS, Arm
from harness.model.verdict import Decision, Finding, Kind, Verdict
from harness.stats.shown import shown

USUAL_MS = {
    "kdc_as": 0.66,
    "kdc_tgs_ldap": 0.9,
    "ldap_connect": 0.4,
    "ldap_bind": 1.1,
    "ldap_own_entry": 0.5,
    "ldap_groups": 1.9,
}
STEP_ORDER = tuple(USUAL_MS)
MARGINS: dict[Statistic, float] = {"p50": 0.10, "p95": 0.15, "p99": 0.25}
STEP_MARGINS: dict[Statistic, float] = {"p50": 0.25, "p95": 0.40}
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Planted:
    """What a synthetic run is like; ``factors`` slow a step of the candidate, ``dead`` never answers there."""

    pairs: int = 12
    rate: float = 20.0
    cold_share: float = 0.6
    noise: float = 0.02
    factors: Mapping[str, float] = field(default_factory=dict)
    dead: str | None = None
    stalled_share: float = 0.0
    arms: tuple[Arm, ...] = ARMS
    block_s: float = 15.0
    seed: int = 2016


def table_of(planted: Planted) -> AttemptTable:
    """The attempts of a planted run, block by block in a random order of the arms."""
    rng = np.random.default_rng(planted.seed)
    count = int(planted.rate * planted.block_s)
    blocks = [(pair, arm) for pair in range(planted.pairs) for arm in rng.permutation(planted.arms)]
    n = count * len(blocks)
    arm = np.repeat([ARMS.index(a) for _, a in blocks], count).astype(np.int8)
    pair = np.repeat([p for p, _ in blocks], count).astype(np.int64)
    block = np.repeat(np.arange(len(blocks)), count).astype(np.int64)
    offset = np.sort(rng.uniform(0, planted.block_s, (len(blocks), count)), axis=1).ravel()
    cohort = (rng.uniform(size=n) >= planted.cold_share).astype(np.int8)
    drift = np.exp(rng.normal(0, planted.noise, len(blocks)))[block]
    total, alive = np.zeros(n), np.ones(n, dtype=bool)
    steps = {}
    for step, usual in USUAL_MS.items():
        taken = alive & np.isin(cohort, [i for i, c in enumerate(CACHES) if step in steps_of(STEP_ORDER, c)])
        service = usual / 1e3 * drift * np.exp(rng.normal(0, 0.3, n))
        service[arm == 1] *= planted.factors.get(step, 1.0)
        stalled = (arm == 1) & (rng.uniform(size=n) < planted.stalled_share) & (step == "ldap_bind")
        service[stalled] += 2.0
        died = taken & (arm == 1) & (step == planted.dead)
        service[died] = TIMEOUT_S
        status = np.where(died, STATUSES.index("timeout"), 0).astype(np.int8)
        total += np.where(taken, service, 0.0)
        rows = np.flatnonzero(taken)
        steps[step] = StepColumns(rows, service[rows], status[rows])
        alive &= ~died
    return AttemptTable(
        arm=arm,
        block=block,
        pair=pair,
        offset_s=offset,
        intended_s=block * planted.block_s + offset,
        cohort=cohort,
        cohorts=CACHES,
        status=np.where(alive, 0, STATUSES.index("timeout")).astype(np.int8),
        response_s=total + 0.0004,
        service_s=total,
        steps=steps,
    )


def evidence_of(
    planted: Planted, kind: Kind, sentence: str, *, reasons: tuple[str, ...] = (), blamed: str | None = None
) -> Evidence:
    """A planted run with its findings and the verdict it is told."""
    table = table_of(planted)
    design = Design(planted.block_s, 4.0, 40, TIMEOUT_S)
    load_s = 2 * planted.pairs * planted.block_s
    both = len(planted.arms) == 2
    comparison = Comparison(
        design=design,
        pairs=planted.pairs,
        seen=planted.pairs,
        load_s=load_s,
        candidate_age_s=load_s,
        shifts=(),
        leak=None,
        attribution=_attribution(table),
        not_judged=(),
        outage_blocks=(),
        candidate_p95_s=0.0,
        candidate_p95_high_s=math.inf,
    )
    return Evidence(
        run_id="2016-11-08T0212-uppsala",
        title="November update on the morning shift",
        started="2016-11-08T02:12:00+01:00",
        manifest={
            "environment": "lab",
            "authentication": "key",
            "scenario_digest": "9f2c" * 16,
            "seed": planted.seed,
            "versions": {"authgate": "0.1.0", "locust": "2.47.0", "krb5": "1.20.1"},
            "host": {"cpu": "2 cores", "kernel": "6.1"},
        },
        partial="",
        verdict=Verdict(
            kind=kind,
            sentence=sentence,
            reasons=reasons,
            notices=(),
            findings=_findings(table) if both else (),
            blamed_step=blamed,
            pairs_used=planted.pairs,
            load_s=load_s,
            final=True,
        ),
        comparison=comparison if both else None,
        shown=shown(table, design),
        design=design,
        health={arm: _health(int(np.sum(table.arm == ARMS.index(arm)))) for arm in planted.arms},
        step_order=STEP_ORDER,
    )


def blocked() -> Evidence:
    """The incident: on the candidate the KDC answers nobody, and every cold login runs into its time-out."""
    return evidence_of(
        Planted(pairs=6, cold_share=1.0, dead="kdc_as"),
        Kind.BLOCK,
        "With this update nobody could log in: every login ran into the 10-second limit, where today it takes 6 ms.",
        reasons=(
            "login failure rate: +100 pp, where +0.2 pp is allowed.",
            "cold login p50: ×1,668, at least ×1,640, where +10 % is allowed.",
        ),
        blamed="kdc_as",
    )


def passed() -> Evidence:
    """Two equal arms, cold and warm."""
    return evidence_of(
        Planted(pairs=24),
        Kind.PASS,
        "This update does not slow logins by more than the policy allows.",
    )


def open_question() -> Evidence:
    """A step some way above its margin, in few and noisy pairs."""
    return evidence_of(
        Planted(pairs=8, noise=0.12, factors={"ldap_groups": 1.3}, stalled_share=0.0004),
        Kind.INCONCLUSIVE,
        "This run can't tell whether the update slows logins by more than the policy allows; it must not be deployed "
        "on this evidence.",
        reasons=("warm login p95 held it back; about 30 more pairs would decide it.",),
        blamed="ldap_groups",
    )


def invalid() -> Evidence:
    """A generator that was itself too late."""
    evidence = evidence_of(
        Planted(pairs=8),
        Kind.INVALID,
        "The measurement was not sound, so nothing is known of the update.",
        reasons=("candidate: send lag p99 of 180 ms, where 25 ms are allowed.",),
    )
    late = replace(evidence.health["candidate"], send_lag_p99_ms=180.0, generator_cpu=0.97)
    return replace(evidence, health={**evidence.health, "candidate": late})


def partial() -> Evidence:
    """A run that was interrupted before the candidate's first block: no comparison, no finding, one arm."""
    evidence = evidence_of(
        Planted(pairs=2, arms=("baseline",)), Kind.INVALID, "The run was interrupted before it could compare anything."
    )
    return replace(evidence, partial="interrupted by the operator (SIGINT) in block 3 of 80.")


def empty() -> Evidence:
    """A run that ended before its first login."""
    evidence = partial()
    return replace(evidence, shown=shown(table_of(Planted(pairs=0)), evidence.design), health={}, manifest={})


VERDICTS = {"block": blocked, "pass": passed, "inconclusive": open_question, "invalid": invalid,
            "partial": partial, "empty": empty}  # fmt: skip


def _health(logins: int) -> ArmHealth:
    return ArmHealth(
        planned=logins,
        started=logins,
        denied=0,
        failed=0,
        send_lag_p99_ms=2.4,
        pool_wait_p99_ms=0.3,
        hub_stall_p99_ms=3.9,
        generator_cpu=0.31,
        seat_waits=0,
    )


def _attribution(table: AttemptTable) -> tuple[StepShare, ...]:
    shares = []
    for code, cohort in enumerate(CACHES):
        for step in steps_of(STEP_ORDER, cohort):
            columns = table.steps[step]
            mine = table.cohort[columns.row] == code
            of = [columns.service_s[mine & (table.arm[columns.row] == arm)] for arm in (0, 1)]
            if mine.any():
                baseline, candidate = (float(v.mean()) if len(v) else 0.0 for v in of)
                shares.append(StepShare(cohort, step, candidate - baseline, baseline, candidate))
    return tuple(shares)


def _findings(table: AttemptTable) -> tuple[Finding, ...]:
    value = np.where(table.status == 0, table.response_s, TIMEOUT_S)
    everyone = np.arange(len(table))
    findings = [
        _rate(table, "failure_rate", table.status != 0),
        _rate(table, "slow_rate", value > 1.0),
    ]
    for cohort in CACHES:
        findings += [_latency(table, cohort, LOGIN, q, everyone, value, margin) for q, margin in MARGINS.items()]
        for step in steps_of(STEP_ORDER, cohort):
            columns = table.steps[step]
            for q, margin in STEP_MARGINS.items():
                findings.append(_latency(table, cohort, step, q, columns.row, columns.service_s, margin))
    severity = ["block", "likely slower", "inconclusive", "notice", "pass", "not judged"]
    return tuple(sorted(findings, key=lambda finding: severity.index(finding.decision)))


def _rate(table: AttemptTable, name: Statistic, hit: np.ndarray) -> Finding:
    levels = [np.array([hit[(table.pair == p) & (table.arm == arm)].mean() for p in np.unique(table.pair)])
              for arm in (0, 1)]  # fmt: skip
    floor = 0.5 / len(table)
    return _finding(Metric(EVERYONE, LOGIN, name), levels, levels[1] - levels[0], 0.002, floor)


def _latency(
    table: AttemptTable, cohort: str, step: str, q: Statistic, row: np.ndarray, value: np.ndarray, margin: float
) -> Finding:
    levels = []
    for arm in (0, 1):
        chosen = (table.cohort[row] == CACHES.index(cohort)) & (table.arm[row] == arm)
        pairs = [value[chosen & (table.pair[row] == pair)] for pair in np.unique(table.pair)]
        levels.append(np.array([np.quantile(v, QUANTILES[q]) if len(v) else np.nan for v in pairs]))
    return _finding(Metric(cohort, step, q), levels, np.log(levels[1] / levels[0]), margin, 0.0)


def _finding(metric: Metric, levels: list[np.ndarray], differences: np.ndarray, margin: float, floor: float) -> Finding:
    if not np.isfinite(differences).all():
        return Finding(metric, "not judged", margin=margin, note="one arm never reached it")
    half = 3 * max(float(differences.std(ddof=1)), floor) / math.sqrt(len(differences))
    said = math.expm1 if metric.unit == "log_ratio" else float
    mean = float(differences.mean())
    low, estimate, high = said(mean - half), said(mean), said(mean + half)
    decision: Decision = "inconclusive"
    if low > margin:
        decision = "block"
    elif high < margin:
        decision = "notice" if low > 0 else "pass"
    elif low > 0 and estimate > margin:
        decision = "likely slower"
    return Finding(
        subject=metric,
        baseline=float(np.median(levels[0])),
        candidate=float(np.median(levels[1])),
        estimate=estimate,
        low=low,
        high=high,
        margin=margin,
        detectable=said(margin + 1.2 * half),
        decision=decision,
    )
