"""Hostile servers and the login's own clients, thousands of answers in one process, and what they make of them."""

from __future__ import annotations

import random
import resource
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from harness.login.net import der
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from tests.helpers.hostile_servers import EXPECTED, Ask, every_ask, other_id, spoilt
from tests.helpers.playing import End, Play, Player, player

MEMORY_B = 1 << 30
QUICK_S, SLOW_S, ENDLESS_S = 0.05, 1.5, 0.2
"""Deadlines of a step: for servers that answer at once, that drip a byte a second, and that never come to an end."""
PATIENCE_S = 20.0
"""Beyond the deadline: only what has lost sight of it takes so long."""
_ENDS: tuple[End, ...] = ("hangs up", "hangs up", "hangs up", "resets", "listens")


@dataclass
class Counts:
    """How many spoilt answers of each protocol were given, what came of them, and what went wrong."""

    answers: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Of each thing that was wrong, the first answer that led to it."""
    memory_b: int = 0
    _known: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, ask: Ask, what: str, outcome: str, wrong: str) -> None:
        """One answer more."""
        with self._lock:
            self.answers[ask.protocol] += 1
            self.outcomes[ask.protocol, outcome] += 1
            if wrong and (known := f"{ask.protocol} {wrong}") not in self._known:
                self._known.add(known)
                self.wrong.append(f"{ask.protocol}, {what}: {wrong}")


def asked(ask: Ask, server: Player, within_s: float) -> tuple[str, str]:
    """The outcome of asking, and what is wrong with it, if anything."""
    began = time.monotonic()
    wrong = ""
    try:
        ask.run(server.endpoint, StepClock(within_s))
        outcome = "ok"
    except StepFailedError as failure:
        outcome = failure.outcome.status
        code = failure.outcome.code
        if not code.isprintable() or len(code) > 100:
            wrong = f"a code that a report can't show: {code[:200]!r}"
    except EXPECTED:
        outcome = "no key"
    except Exception as error:
        outcome = "exception"
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        at = f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last is not None else ""
        wrong = f"{type(error).__name__}: {str(error)[:200]} at {at}"
    if time.monotonic() - began > within_s + PATIENCE_S:
        wrong = f"{time.monotonic() - began:.1f} s with a deadline of {within_s} s"
    return outcome, wrong


def _prepare(server: Player, ask: Ask, answers: tuple[bytes, ...], end: End = "hangs up", every_s: float = 0.0) -> None:
    """Have the server give the whole answers before, then these: each a datagram of its own, or one after the other."""
    server.plays.clear()
    if ask.datagrams:
        before = list(ask.before)
        same = ask.protocol == "dns"

        def reply(request: bytes) -> Iterable[bytes]:
            if before:
                return (before.pop(0),)
            return (request[:2] + answer[2:] if same and answer[:2] == ask.answer[:2] else answer for answer in answers)

        server.reply = reply
    elif ask.anew:
        server.plays.extend(Play((answer,)) for answer in ask.before)
        server.plays.extend([Play(answers, end, every_s)] * 20)
    else:
        server.plays.extend([Play((*ask.before, *answers), end, every_s)] * 20)


def quick(asks: list[Ask], seed: int, count: int, counts: Counts) -> None:
    """Hang-ups at each byte of each answer, then answers spoilt at random, ``count`` in all."""
    rng = random.Random(seed)
    with player(only="TCP") as by_tcp, player(only="UDP") as by_udp:
        for number, (ask, answers, end, what) in enumerate(_cases(rng, asks)):
            if number >= count:
                break
            server = by_udp if ask.datagrams else by_tcp
            _prepare(server, ask, answers, end)
            outcome, wrong = asked(ask, server, QUICK_S)
            counts.took(ask, f"--seed {seed} --answer {number} ({what})", outcome, wrong)


def _cases(rng: random.Random, asks: list[Ask]) -> Iterator[tuple[Ask, tuple[bytes, ...], End, str]]:
    for ask in asks:
        for length in range(0 if not ask.datagrams else 1, len(ask.answer)):
            yield ask, (ask.answer[:length],), "hangs up", f"{length} of {len(ask.answer)} bytes"
    while True:
        for ask in asks:
            if ask.datagrams and rng.random() < 0.2:
                wrong = other_id(rng, ask.answer, ask.protocol)
                yield ask, (wrong, spoilt(rng, ask), ask.answer), "hangs up", "three datagrams"
            else:
                yield ask, (spoilt(rng, ask),), rng.choice(_ENDS), "spoilt"


def slow(asks: list[Ask], counts: Counts) -> None:
    """Each answer a byte a second, never, without an end, and longer than anybody waits for."""

    def one(case: tuple[Ask, tuple[bytes, ...], End, float, str]) -> None:
        ask, answers, end, every_s, what = case
        with player(only="UDP" if ask.datagrams else "TCP") as server:
            _prepare(server, ask, answers, end, every_s)
            outcome, wrong = asked(ask, server, SLOW_S)
        if outcome == "ok" and every_s:
            wrong = "an answer of which a part alone can have come"
        counts.took(ask, what, outcome, wrong)

    cases: list[tuple[Ask, tuple[bytes, ...], End, float, str]] = []
    for ask in asks:
        cases.append((ask, () if ask.datagrams else (b"",), "is silent", 0.0, "silent"))
        if not ask.datagrams:
            cases.append((ask, (ask.answer,), "hangs up", 1.0, "a byte a second"))
    kerberos = [case for case in cases if case[0].protocol == "kdc"]  # whose clients are one, and serve one at a time
    with ThreadPoolExecutor(64) as pool:
        waiting = pool.map(one, [case for case in cases if case[0].protocol != "kdc"])
        for case in kerberos:
            one(case)
        list(waiting)


_TINY = b"\x04\x00"
_HUGE_ENTRY = der.encode(0x30, der.integer(1), der.encode(0x64, der.encode(4, b"cn=x"), der.encode(0x30, der.encode(
    0x30, der.encode(4, b"cn"), der.encode(0x31, _TINY * 400_000)
))))  # fmt: skip
_SMALL_ENTRY = der.encode(0x30, der.integer(1), der.encode(0x64, der.encode(4, b"cn=x"), der.encode(0x30)))
_HUGE_ERROR = der.encode(der.application(30), der.encode(der.SEQUENCE, *(
    der.encode(der.context(number), value) for number, value in (
        (0, der.integer(5)), (1, der.integer(30)), (6, der.integer(25)),
        (12, der.encode(4, der.encode(der.SEQUENCE, _TINY * 500_000))),
    )
)))  # fmt: skip
ENDLESS: dict[str, tuple[bytes, ...]] = {
    "kdc": (len(_HUGE_ERROR).to_bytes(4, "big") + _HUGE_ERROR, b"\x00\x0f\xff\xff" + bytes(1 << 16), bytes(1 << 16)),
    "ldap": (
        _HUGE_ENTRY,
        _SMALL_ENTRY * 100,
        _TINY * 30_000,
        b"\x30\x84\x00\xff\xff\xff" + bytes(1 << 16),
        b"\x04" * (1 << 16),
    ),
    "http": (
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 16),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * (1 << 16) + b"\r\n",
        b"1\r\nx\r\n" * 10_000,
    ),
    "postgres": (
        b"N\x00\x00\x00\x05\x00" * 10_000,
        b"S\x00\x00\x00\x05\x00" * 10_000,
        b"D\x00\x0f\xff\xff" + bytes((1 << 20) - 5),
        b"D\x00\x00\x00\x06\x00\x00" * 10_000,
    ),
}


def endless(asks: list[Ask], counts: Counts) -> None:
    """Answers without an end, one server after the other: what is measured is what they take."""
    with player(only="TCP") as server:
        for ask in asks:
            for answer in (ask.answer, *ENDLESS.get(ask.protocol, ())):
                if ask.datagrams:
                    continue
                _prepare(server, ask, (answer,), "repeats")
                outcome, wrong = asked(ask, server, ENDLESS_S)
                counts.took(ask, f"without an end: {answer[:20]!r}", outcome, wrong)


def run(seed: int, count: int) -> Counts:
    """All of them; ``count`` answers at full speed besides the slow and the endless ones."""
    counts = Counts()
    stages: tuple[Callable[[list[Ask]], None], ...] = (
        lambda asks: slow(asks, counts),
        lambda asks: endless(asks, counts),
        lambda asks: quick(asks, seed, count, counts),
    )
    with tempfile.TemporaryDirectory() as folder:
        asks = every_ask(Path(folder))
        for stage in stages:
            stage(asks)
    counts.memory_b = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if counts.memory_b > MEMORY_B:
        counts.wrong.append(f"{counts.memory_b / 1e9:.2f} GB of memory")
    return counts
