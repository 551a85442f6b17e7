"""A journal that is copied over a line that loses, repeats and reorders: byte for byte the same in the end."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load import stream
from harness.load.stream import Copy, Sender


class Line:
    """Between a sender and a copy: what is sent lies on it until it is delivered, in any order, or lost."""

    def __init__(self, seed: int, loss: float, twice: float) -> None:
        self._random = random.Random(seed)
        self._loss, self._twice = loss, twice
        self.pieces: list[dict[str, Any]] = []

    def tell(self, name: str, **said: Any) -> None:
        if self._random.random() >= self._loss:
            self.pieces += [said] * (2 if self._random.random() < self._twice else 1)

    def deliver(self, copy: Copy, sender: Sender) -> None:
        pieces, self.pieces = self.pieces, []
        if self._random.random() < 0.3:
            self._random.shuffle(pieces)
        for said in pieces:
            size = copy.take(said)
            if self._random.random() >= self._loss:
                sender.acknowledged(said["kind"], size)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32), loss=st.floats(0, 0.6), twice=st.floats(0, 0.5),
    writes=st.lists(st.binary(min_size=1, max_size=4000), min_size=1, max_size=12),
)  # fmt: skip
def test_the_copy_is_always_the_file_s_beginning_and_in_the_end_the_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, loss: float, twice: float, writes: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("line")
    now = [0.0]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stream, "PIECE_BYTES", 1000)
        patched.setattr(stream, "UNDER_WAY_AT_MOST", 3000)
        line, here, there = Line(seed, loss, twice), folder / "here", folder / "there"
        sender, copy = Sender({"attempts": here}, line.tell, lambda: now[0]), Copy({"attempts": there})
        for data in [*writes, *[b""] * 400]:
            with here.open("ab") as file:
                file.write(data)
            sender.send()
            line.deliver(copy, sender)
            if there.exists():
                assert here.read_bytes().startswith(there.read_bytes())
            now[0] += 0.4
            if not data and sender.whole:
                break
    assert sender.whole and there.read_bytes() == here.read_bytes()


def test_a_piece_beyond_a_gap_is_not_taken(tmp_path: Path) -> None:
    copy = Copy({"health": tmp_path / "h"})
    assert copy.take({"kind": "health", "place": 5, "data": b"later"}) == 0
    assert copy.take({"kind": "health", "place": 0, "data": b"first"}) == 5
    assert copy.take({"kind": "health", "place": 3, "data": b"stlater"}) == 10
    assert (tmp_path / "h").read_bytes() == b"firstlater"
