"""How the load generator's own delays are counted, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from harness.model.attempt import GeneratorColumns
from harness.model.health import NS_PER_MS
from harness.model.metric import QUANTILES
from harness.run.delays import DelayedPairs


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order of pairs", "in any order"])
def test_delays_are_to_the_last_bit_what_numpy_gives_of_the_times_in_ms(shuffled: bool) -> None:
    rng = np.random.default_rng(11)
    pair = np.repeat([3, 4, 5, 6], [1, 2, 997, 4000])
    if shuffled:
        rng.shuffle(pair)
    own = rng.integers(0, 10**9, len(pair))
    none = np.zeros(len(pair), dtype=np.int64)
    generator = GeneratorColumns(own[::-1].copy(), none, own, none.astype(np.int16), none[:0], none[:0])
    found = DelayedPairs.of(generator, np.arange(len(pair)), pair, range(3, 7))
    assert found.counts.tolist() == [1, 2, 997, 4000]
    for by_pair, times in ((found.own_ms, generator.own), (found.late_ms, generator.lag)):
        expected = [np.quantile(times[pair == one] / NS_PER_MS, list(QUANTILES.values())) for one in range(3, 7)]
        assert by_pair is not None
        assert by_pair.tolist() == np.array(expected).tolist()
