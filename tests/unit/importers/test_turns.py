"""Two arms paired by when they were loaded."""

from __future__ import annotations

import numpy as np
import pytest

from harness.importers.turns import Cut, cut
from tests.helpers.foreign_files import (
    stretches,
)


def pair_of_blocks(found: Cut) -> list[list[int]]:
    """The pair of each arm's blocks in order of time."""
    return [
        [int(pair[block == b][0]) for b in np.unique(block)]
        for block, pair in zip(found.block, found.pair, strict=True)
    ]


@pytest.mark.parametrize(
    ("order", "how", "pairs"),
    [
        ("AB" * 6, "in turns", 6),
        ("ABBAABBABAAB", "in turns", 6),
        ("BA" * 4 + "B", "in turns", 4),
        ("A-B-" * 4, "in turns", 4),
        ("DDDDDD", "at once", 6),
        ("ADDDDB", "at once", 4),
        ("AAAABBBB", "one after the other", 4),
        ("BBBBBAAAA", "one after the other", 4),
        ("AAAA--------BBBB", "one after the other", 4),
        ("AA--AABB--BB", "one after the other", 4),
        ("AAADBBB", "one after the other", 4),
    ],
)
def test_pairs_follow_from_when_the_arms_were_loaded(order: str, how: str, pairs: int) -> None:
    found = cut(*stretches(order), 15.0)
    assert (found.how, found.pairs) == (how, pairs)
    for mine in pair_of_blocks(found):
        assert [pair for pair in mine if pair >= 0] == list(range(pairs))
    for arm in range(2):
        assert found.offset_s[arm].min() >= 0
        held = found.pair[arm] >= 0
        assert found.offset_s[arm][held].max() < 15.0 * 1.5


def test_blocks_of_a_pair_lie_side_by_side_in_turns_and_at_one_time_at_once() -> None:
    for order, apart_s in (("ABBAABBABAAB", 15.5), ("DDDDDD", 0.0)):
        found = cut(*stretches(order), 15.0)
        begins = [
            np.array([(s - o)[p == k][0] for k in range(found.pairs)])
            for s, o, p in zip(found.start_s, found.offset_s, found.pair, strict=True)
        ]
        assert np.abs(begins[0] - begins[1]).max() <= apart_s


def test_turns_of_many_blocks_are_blocks_themselves_since_only_neighbours_are_pairs() -> None:
    found = cut(*stretches("ABABABAB", length_s=60.0), 15.0)
    assert (found.how, found.pairs) == ("in turns", 4)
    assert found.block_s == pytest.approx(60, abs=2)


def test_a_stall_of_one_arm_is_no_turn_nor_is_a_pause_of_both() -> None:
    assert cut(*stretches("DDD--DDD"), 15.0).how == "at once"
    before, after = stretches("D" * 8)
    stalled = after[(after < 40) | (after > 60)]
    assert cut(before, stalled, 15.0).how == "at once"


def test_days_between_stored_files_are_not_the_candidates_age() -> None:
    before, after = stretches("AAAABBBB")
    found = cut(before, after + 86_400, 15.0)
    assert found.how == "one after the other"
    assert found.start_s[1].max() < 130
