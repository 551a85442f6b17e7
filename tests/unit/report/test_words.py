"""How quantities read."""

import math

import pytest

from harness.report import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 ms"),
        (42e-6, "42 µs"),
        (99.96e-6, "100 µs"),
        (0.00066, "0.66 ms"),
        (0.006123, "6.12 ms"),
        (0.9996, "1 s"),
        (10.0, "10 s"),
        (1234.5, "1,234 s"),
        (math.inf, "+∞"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_a_time_has_the_unit_that_reads_best(value: float | None, text: str) -> None:
    assert words.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1, "relative", "+10 %"),
        (0.104, "relative", "+10.4 %"),
        (-0.0262, "relative", "−2.6 %"),
        (-0.000001, "relative", "0 %"),
        (3.99, "relative", "+399 %"),
        (1666.5, "relative", "×1,668"),
        (0.002, "share", "+0.2 pp"),
        (0.01, "per_minute", "+1 % a minute"),
        (3.0, "seconds", "3 s"),
        (math.inf, "relative", "+∞"),
        (-math.inf, "share", "−∞"),
        (None, "relative", "–"),
    ],
)
def test_a_change_has_its_sign_and_its_unit(value: float | None, unit: str, text: str) -> None:
    assert words.change(value, unit) == text


def test_bounds_say_a_common_unit_once_and_a_missing_bound_is_infinite() -> None:
    assert words.bounds(-0.034, 0.03, "relative") == "−3.4…+3 %"
    assert words.bounds(0.5, 9.0, "relative") == "+50 %…×10"
    assert words.bounds(None, 0.03, "relative") == "−∞…+3 %"
    assert words.bounds(0.03, None, "relative") == "+3 %…+∞"


def test_a_level_is_a_share_for_rates_and_a_time_for_latencies() -> None:
    assert words.level(0.002, "share") == "0.2 %"
    assert words.level(0.002, "relative") == "2 ms"


def test_what_could_forge_a_terminal_is_made_visible() -> None:
    assert words.printable("a\x1b[2Jb\u202ec\ud800\x00d\ne") == "a\ufffd[2Jb\ufffdc\ufffd\ufffdd\ne"
    assert words.printable("Läkare Åsa, 6 ms → 10 s") == "Läkare Åsa, 6 ms → 10 s"
