"""What was measured: one login and its steps, and many logins as columns.

Instants are monotonic nanoseconds from the run's origin. Response time = ended − intended − own, service time =
ended − started − own, send lag = started − intended; ``own`` is what the generator itself took after the start. A late
send is charged to the login, since a clinician would have waited; a late read is the generator's alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from harness.model.steps import CACHES, EARLIER_TRIES
from harness.model.target import Arm

Status = Literal["ok", "denied", "timeout", "error", "withheld"]
STATUSES: tuple[Status, ...] = ("ok", "denied", "timeout", "error", "withheld")
"""``withheld``: the login was not sent, since this account was denied earlier in the run."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
Places = npt.NDArray[np.int16]
"""Indices into a list of a few hundred entries at most."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a login or a step ended; ``code`` is the protocol's own (KDC_ERR_…, an LDAP result code), empty for ok."""

    status: Status
    code: str = ""


OK = Outcome("ok")


@dataclass(frozen=True, slots=True)
class StepTiming:
    """One step of one login, from its start to its end on the generator's clock (ns).

    ``own`` (ns) is what the generator itself took of it: late wake-ups, encoding and decoding, and ``pool_wait``, which
    passed before a thread took up what computes for long. ``server`` is the address that the step spoke to, ``way`` how
    it went on the wire: transports, encryption types, error codes on the way, what a bind or a handshake agreed on.
    """

    step: str
    started: int
    ended: int
    outcome: Outcome
    pool_wait: int = 0
    server: str = ""
    own: int = 0
    way: str = ""

    def __post_init__(self) -> None:
        if self.ended < self.started:
            raise ValueError(f"{self.step}: ended {self.ended} before it started {self.started}")
        if not 0 <= self.own <= self.ended - self.started:
            raise ValueError(f"{self.step}: expected 0 <= own <= ended - started")

    @property
    def service(self) -> int:
        """How long (ns) the step waited for its servers."""
        return self.ended - self.started - self.own

    def since(self, origin: int) -> StepTiming:
        """The same step with its instants counted from ``origin`` (ns)."""
        return replace(self, started=self.started - origin, ended=self.ended - origin)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login as it was planned and as it happened."""

    seq: int
    arm: Arm
    block: int
    pair: int
    user: str
    cohort: str
    intended: int
    started: int
    ended: int
    outcome: Outcome
    steps: tuple[StepTiming, ...]
    seat_wait: int = 0
    """How long (ns) the login waited past its intended start since every seat was taken; part of its send lag."""
    own: int = 0
    """How long (ns) between start and end the generator itself was busy or late: in no response or service time."""

    @property
    def tries(self) -> int:
        """How often the login was sent; each try but the last was given up, and is an EARLIER_TRIES among its steps."""
        return 1 + sum(step.step == EARLIER_TRIES for step in self.steps)

    def __post_init__(self) -> None:
        if not self.intended <= self.started <= self.ended:
            raise ValueError(f"attempt {self.seq}: expected intended <= started <= ended")
        if not 0 <= self.own <= self.ended - self.started:
            raise ValueError(f"attempt {self.seq}: expected 0 <= own <= ended - started")


@dataclass(frozen=True, slots=True)
class StepColumns:
    """One step of many logins: ``row`` indexes the table's logins, ``service_s`` in seconds, ``status`` as there.

    ``server`` is the place in ``servers`` of the one that answered, ``way`` that in ``ways`` of how it went on the
    wire; None where none was kept.
    """

    row: Ints
    service_s: Floats
    status: Codes
    server: Places | None = None
    servers: tuple[str, ...] = ()
    way: Places | None = None
    ways: tuple[str, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[tuple[StepColumns, int]]) -> StepColumns:
        """The same step of several tables as one; each part with the number of logins in the tables before its own."""
        columns = [part for part, _ in parts]
        servers, server = _places_joined([(part.servers, part.server) for part in columns])
        ways, way = _places_joined([(part.ways, part.way) for part in columns])
        return cls(
            np.concatenate([part.row + shift for part, shift in parts]),
            np.concatenate([part.service_s for part in columns]),
            np.concatenate([part.status for part in columns]),
            server,
            servers,
            way,
            ways,
        )


@dataclass(frozen=True, slots=True)
class GeneratorColumns:
    """What the load generator itself did, by login in ns: see Attempt. ``worker`` is which of its arm's (from 0) sent a
    login; ``pool_wait`` has each step's wait for a thread, of steps that had one, and ``pool_row`` the login that it
    was of."""

    lag: Ints
    seat_wait: Ints
    own: Ints
    worker: Places
    pool_wait: Ints
    pool_row: Ints

    @classmethod
    def joined(cls, parts: Sequence[tuple[GeneratorColumns, int]]) -> GeneratorColumns:
        """Those of several tables as one; each part with the number of logins in the tables before its own."""
        columns = {
            name: np.concatenate([getattr(part, name) for part, _ in parts])
            for name in ("lag", "seat_wait", "own", "worker", "pool_wait")
        }
        return cls(**columns, pool_row=np.concatenate([part.pool_row + shift for part, shift in parts]))


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Every try that was given up: the login's ``row``, and the place in ``steps`` of what was under way by then.

    ``steps`` has the empty name where that was no step.
    """

    row: Ints
    step: Places
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttemptTable:
    """Many logins as read-only columns of one length; row i is one login.

    ``arm`` codes ARMS, ``cohort`` codes ``cohorts``, ``status`` codes STATUSES. ``offset_s`` is the intended start from
    the start of the login's block, ``intended_s`` from the run's origin; response and service times are in seconds.
    ``code`` is the place in ``codes`` of the protocol's own word for the outcome; None where none was kept.
    """

    arm: Codes
    block: Ints
    pair: Ints
    offset_s: Floats
    intended_s: Floats
    cohort: Codes
    status: Codes
    response_s: Floats
    service_s: Floats
    steps: Mapping[str, StepColumns]
    code: Places | None = None
    codes: tuple[str, ...] = ("",)
    cohorts: tuple[str, ...] = CACHES[:1]
    """The cohorts that the logins may be of, in the scenario's order."""
    given_up: GivenUp | None = None
    """None where every login was tried once."""
    generator: GeneratorColumns | None = None
    """None where another tool measured, which tells nothing of itself."""

    def __post_init__(self) -> None:
        columns = (self.block, self.pair, self.offset_s, self.intended_s, self.cohort, self.status,
                   self.response_s, self.service_s)  # fmt: skip
        if any(len(column) != len(self.arm) for column in columns):
            raise ValueError("expected columns of one length")
        if int(self.cohort.max(initial=0)) >= max(len(self.cohorts), 1):
            raise ValueError(f"expected codes of {', '.join(self.cohorts)}")
        for column in (self.arm, *columns):
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.arm)

    @classmethod
    def joined(cls, parts: Sequence[AttemptTable]) -> AttemptTable:
        """Tables of one run, in order of time, as one."""
        if len(parts) == 1:
            return parts[0]
        before = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        placed = list(zip(parts, before, strict=False))

        def column(name: str) -> npt.NDArray[Any]:
            return np.concatenate([getattr(part, name) for part in parts])

        codes, code = _places_joined([(part.codes, part.code) for part in parts])
        tried = [(part.given_up, shift) for part, shift in placed if part.given_up is not None]
        under_way, step = _places_joined([(given_up.steps, given_up.step) for given_up, _ in tried])
        generators = [(part.generator, shift) for part, shift in placed if part.generator is not None]
        return cls(
            **{name: column(name) for name in _COLUMNS},
            steps={
                name: StepColumns.joined([(part.steps[name], shift) for part, shift in placed if name in part.steps])
                for name in dict.fromkeys(name for part in parts for name in part.steps)
            },
            code=code,
            codes=codes,
            cohorts=parts[0].cohorts,
            given_up=GivenUp(np.concatenate([found.row + shift for found, shift in tried]), step, under_way)
            if tried and step is not None
            else None,
            generator=GeneratorColumns.joined(generators) if len(generators) == len(parts) else None,
        )


_COLUMNS = ("arm", "block", "pair", "offset_s", "intended_s", "cohort", "status", "response_s", "service_s")


def _places_joined(
    parts: Sequence[tuple[tuple[str, ...], Places | None]],
) -> tuple[tuple[str, ...], Places | None]:
    """Lists of words with places in each, as one of both; no places where a part has none."""
    words = tuple(dict.fromkeys(word for held, _ in parts for word in held))
    known = [
        np.array([words.index(word) for word in held], dtype=np.int16)[places]
        for held, places in parts
        if places is not None
    ]
    return words, np.concatenate(known) if known and len(known) == len(parts) else None
