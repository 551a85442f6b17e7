"""Writes harness/stats/bounds_table.py: how sharp each look may be, so that all looks together err with alpha.

Run as ``python tests/benchmarks/calibrate_bounds.py`` (some minutes on one core; seeded, so it repeats itself).

A path is a run of i.i.d. standard normal pair differences with a true difference of zero. At look n its one-sided
p-value is p_n (Student's t, n−1 degrees of freedom), and the bound is wrong there when p_n < a·n/N. It is wrong at
some look when min(p_n·N/n) < a, so a(alpha) is the alpha-quantile of that minimum, and one set of paths gives
every alpha and, by its running minimum, every horizon N.

Monte Carlo error: of M paths about k = alpha·M fall below a(alpha), with a standard deviation of √k. The table holds
the order statistic of rank k − 2√k, a lower confidence limit (97.5 %) of the quantile: with 16 million paths that
is conservative by 0.3 % at alpha = 0.025, by 1.6 % at 0.001 and by 16 % at 0.00001. It is never below what Bonferroni
over the looks gives, and never above what a single look gives, which is exact knowledge:
alpha·N / sum of n <= a <= alpha.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

FIRST_LOOKS = (3, 6, 12, 24, 48)
HORIZONS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 19, 24, 29, 39, 59, 79, 119, 239)
ALPHAS = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 1.5e-3, 2e-3, 3e-3,
          5e-3, 7e-3, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05)  # fmt: skip
PATHS = 16_000_000
CHUNK = 40_000
KEPT_SHARE = 0.08
"""Of each chunk only the lowest minima are kept: every quantile up to 0.05 lies among them."""
SEED = 39
TABLE = Path(__file__).parents[2] / "harness" / "stats" / "bounds_table.py"

Floats32 = npt.NDArray[np.float32]


def running_minima(rng: np.random.Generator, paths: int) -> dict[tuple[int, int], Floats32]:
    """The lowest min(p_n/n) of ``paths`` paths, ascending, by first look and horizon."""
    total, squares = np.zeros(paths), np.zeros(paths)
    lowest = {first: np.full(paths, np.inf, dtype=np.float32) for first in FIRST_LOOKS}
    kept = round(KEPT_SHARE * paths)
    found = {}
    for n in range(1, max(HORIZONS) + 1):
        x = rng.standard_normal(paths)
        total += x
        squares += x * x
        if n < min(FIRST_LOOKS):
            continue
        t = total / np.sqrt(n * (squares - total * total / n) / (n - 1))
        # A p-value above 0.1 can't make a minimum that the table asks for.
        (sharp,) = np.nonzero(t > stdtrit(n - 1, 0.9))
        p_by_n = (stdtr(n - 1, -t[sharp]) / n).astype(np.float32)
        for first, minimum in lowest.items():
            if n >= first:
                minimum[sharp] = np.minimum(minimum[sharp], p_by_n)
                if n in HORIZONS:
                    found[first, n] = np.sort(np.partition(minimum, kept)[:kept])
    return found


def table(paths: int = PATHS) -> dict[int, dict[int, tuple[float, ...]]]:
    """``a`` by first look and horizon, one for each of ALPHAS."""
    chunks = [
        running_minima(np.random.default_rng(s), CHUNK) for s in np.random.SeedSequence(SEED).spawn(paths // CHUNK)
    ]
    ranks = [max(int(k - 2 * np.sqrt(k)), 0) for k in (alpha * len(chunks) * CHUNK for alpha in ALPHAS)]
    found: dict[int, dict[int, tuple[float, ...]]] = {first: {} for first in FIRST_LOOKS}
    for first, horizon in chunks[0]:
        minima = np.sort(np.concatenate([chunk[first, horizon] for chunk in chunks]))
        bonferroni = horizon / sum(range(first, horizon + 1))
        found[first][horizon] = tuple(
            min(max(float(minima[rank]) * horizon, alpha * bonferroni), alpha)
            for rank, alpha in zip(ranks, ALPHAS, strict=True)
        )
    return found


def down(value: float, digits: int = 4) -> str:
    """The value in text, rounded down: a smaller ``a`` gives a wider bound."""
    exponent = int(np.floor(np.log10(value)))
    return f"{np.floor(value / 10.0**exponent * 10 ** (digits - 1)) / 10 ** (digits - 1):.{digits - 1}f}e{exponent}"


def main() -> int:
    """Writes the table."""
    began = time.perf_counter()
    found = table()
    lines = [
        '"""Written by tests/benchmarks/calibrate_bounds.py, which says what the numbers mean; not to be edited."""',
        "",
        "# fmt: off",
        "ALPHAS: tuple[float, ...] = (",
        *(f"    {alpha:g}," for alpha in ALPHAS),
        ")",
        '"""One-sided error over all looks, ascending."""',
        "",
        "A: dict[int, dict[int, tuple[float, ...]]] = {",
    ]
    for first, horizons in found.items():
        lines.append(f"    {first}: {{")
        for horizon, row in horizons.items():
            numbers = [down(a) for a in row]
            lines += [
                f"        {horizon}: (",
                *(f"           {', '.join(numbers[i : i + 11])}," for i in range(0, len(numbers), 11)),
                "        ),",
            ]
        lines.append("    },")
    lines += ["}", '"""``a`` by first look, by horizon in pairs, one for each of ALPHAS."""', ""]
    TABLE.write_text("\n".join(lines), encoding="utf-8")
    print(f"{TABLE.name}: {PATHS:,} paths in {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
