"""How quantities are written in verdicts: times to three significant digits, changes to two decimals, with units."""

from __future__ import annotations

import math

from harness.model.steps import CACHES, STEPS

ABSENT = "–"
FACTOR_FROM = 4.0
"""Relative changes from +400 % on read as factors: ×1,668 says more than +166,700 %."""
SUFFIXES = {"relative": "%", "share": "pp", "per_minute": "% a minute", "share_per_hour": "pp an hour"}


def seconds(value: float | None) -> str:
    """A time in µs, ms or s, whichever reads best."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return _sign(value) + "∞"
    size = abs(value)
    if 0 < size < 1e-4:
        return f"{_digits(value * 1e6)} µs"
    if size < 0.9995:
        return f"{_digits(value * 1e3)} ms"
    return f"{_digits(value)} s"


def share(value: float | None) -> str:
    """A probability in percent."""
    if value is None or math.isnan(value):
        return ABSENT
    return f"{_coarse(value * 100)} %"


def level(value: float | None, unit: str) -> str:
    """What one arm measured, in a finding's unit: a share for shares and their growth, a time for every other."""
    return share(value) if unit in ("share", "share_per_hour") else seconds(value)


def change(value: float | None, unit: str) -> str:
    """A difference of the arms in a finding's unit, signed: +10 %, ×1,668, +0.2 pp, +1 % a minute; 3 s for a time."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return _sign(value) + "∞"
    if unit == "seconds":
        return seconds(value)
    if unit == "relative" and value >= FACTOR_FROM:
        return f"×{_coarse(1 + value)}"
    return f"{_signed(value * 100)} {SUFFIXES[unit]}"


def instead(candidate_s: float, baseline_s: float) -> tuple[str, str]:
    """Both times in one unit, so that they can be compared at a glance: 10.0 s and 0.006 s, 6.6 ms and 6.0 ms."""
    unit, factor, coarse = ("s", 1.0, 1.0) if max(candidate_s, baseline_s) >= 1 else ("ms", 1e3, 10.0)
    apart = abs(candidate_s - baseline_s) * factor
    to_tell_apart = math.ceil(-math.log10(apart)) if apart else 0

    def text(value_s: float) -> str:
        value = value_s * factor
        places = 3 if value < 0.1 else 2 if value < 1 else 1 if value < coarse or unit == "s" else 0
        return f"{value:,.{min(max(places, to_tell_apart), 6)}f} {unit}"

    return text(candidate_s), text(baseline_s)


def longer(relative: float) -> str:
    """A relative change of a time in words: 12 % longer, 1,668 times as long, 3 % shorter."""
    if relative >= FACTOR_FROM:
        return f"{_coarse(1 + relative)} times as long"
    return f"{_coarse(abs(relative) * 100)} % {'longer' if relative >= 0 else 'shorter'}"


def lasting(minutes: float) -> str:
    """A length of time in words: 40 s, 45 min, 2.9 h, 12 days."""
    for unit, size, upto in (("s", 1 / 60, 2), ("min", 1.0, 120), ("h", 60.0, 48 * 60), ("days", 1440.0, math.inf)):
        if minutes < upto:
            return f"{_coarse(minutes / size)} {unit}"
    return "for ever"


def of_cohort(cohort: str) -> str:
    """A cohort's logins in words: cold logins, warm logins, logins of tap-and-go."""
    return f"{cohort} logins" if cohort in CACHES else f"logins of {cohort}"


def step_title(step: str) -> str:
    """A step's name with its title: kdc_as (Kerberos AS exchange)."""
    known = STEPS.get(step)
    return f"{step} ({known.title.split(' (')[0]})" if known else step


def _sign(value: float) -> str:
    return "+" if value > 0 else "−"


def _signed(value: float) -> str:
    digits = _coarse(abs(value))
    return digits if digits == "0" else _sign(value) + digits


def _coarse(value: float) -> str:
    """Two decimals below 1, one below 100, so that a bound near its margin can be told from it."""
    size = abs(value)
    return _plain(value, 2 if size < 1 else 1 if size < 100 else 0)


def _digits(value: float) -> str:
    """Three significant digits, never in powers of ten."""
    return _plain(value, min(6, max(0, 2 - math.floor(math.log10(abs(value))))) if value else 0)


def _plain(value: float, places: int) -> str:
    text = f"{value:,.{places}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "−")
