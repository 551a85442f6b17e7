"""How quantities are written in verdicts: times to three significant digits, changes to two decimals, with units."""

from __future__ import annotations

import math

from harness.model.comparison import QuantileShift
from harness.model.steps import CACHES, STEPS
from harness.stats.bursts import holding

ABSENT = "–"
FACTOR_FROM = 4.0
"""Relative changes from +400 % on read as factors: ×1,668 says more than +166,700 %."""
FACTOR_TO = 10_000.0
"""A factor beyond this one is no figure any more: 10 s against 1 ms are ×10,000."""
SHORT_S = 0.1
"""Changes of a time shorter than this are told as times: +10 % of 6 ms frightens, and +0.6 ms doesn't."""
ENDLESS_S = 3600.0
"""A bound on a login's time beyond this one bounds nothing."""
HELD, FEW = 0.9, 0.1
"""A rate of which so few of the pairs hold so much comes in bursts."""
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


def change(value: float | None, unit: str, baseline: float | None = None) -> str:
    """A difference of the arms in a finding's unit, signed: +10 %, ×1,668, +0.2 pp, +1 % a minute; 3 s for a time.

    A relative difference from a ``baseline`` (s) of less than 0.1 s is told as a time: +0.6 ms.
    """
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return _sign(value) + "∞"
    if unit == "seconds":
        return seconds(value)
    if unit == "relative" and is_short(baseline):
        return added(value * (baseline or 0.0))
    if unit == "relative" and value >= FACTOR_FROM:
        return f"×{_coarse(1 + value)}" if value < FACTOR_TO else f"over ×{FACTOR_TO:,.0f}"
    return f"{_signed(value * 100)} {SUFFIXES[unit]}"


def is_short(baseline_s: float | None) -> bool:
    """Whether changes of a time are told as times."""
    return baseline_s is not None and 0 < baseline_s < SHORT_S


def added(value_s: float) -> str:
    """A time that is added or taken, signed, in ms below 1 s: +1.7 ms, −0.03 ms, +9.99 s."""
    size = abs(value_s)
    if size > ENDLESS_S:
        return _sign(value_s) + "∞"
    in_ms = size < 0.9995
    amount = size * 1e3 if in_ms else size
    digits = _plain(amount, 2 if amount < 10 else 1 if amount < 100 else 0)
    return f"{digits if digits == '0' else _sign(value_s) + digits} {'ms' if in_ms else 's'}"


def part_of(value: float, low: float, high: float) -> str:
    """A part of a whole with its interval, which is left out where it says nothing more: 60 % (40 to 80 %)."""
    said, least, most = (f"{_plain(100 * share, 0)}" for share in (value, low, high))
    return f"{said} %" if said == least == most else f"{said} % ({least} to {most} %)"


def points(value: float) -> str:
    """A size in percentage points: 0.25 percentage points, 100 percentage points."""
    return f"{_coarse(abs(value) * 100)} percentage points"


def longer(relative: float) -> str:
    """A relative change of a time in words: 12 % longer, 1,668 times as long, 3 % shorter."""
    if relative >= FACTOR_FROM:
        return f"{_coarse(1 + relative)} times as long"
    size = _coarse(abs(relative) * 100)
    return "just as long" if size == "0" else f"{size} % {'longer' if relative >= 0 else 'shorter'}"


def longer_than(relative: float, baseline_s: float | None) -> str:
    """As ``longer``; a change of a time of less than 0.1 s is told as a time: 1.7 ms longer."""
    if not is_short(baseline_s):
        return longer(relative)
    size = added(relative * (baseline_s or 0.0)).lstrip("+−")
    return "just as long" if size == "0 ms" else f"{size} {'longer' if relative >= 0 else 'shorter'}"


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


def in_bursts(shift: QuantileShift) -> str:
    """Which pairs hold nearly all that a rate differs in, where they are few; empty where it is spread over many."""
    few, baseline = holding(shift.differences, HELD)
    if shift.metric.unit != "share" or not 0 < few <= FEW * shift.pairs:
        return ""
    return f"{few} of {shift.pairs} pairs hold {100 * HELD:.0f} % of what differs, {baseline} of them on the baseline"
