"""The database by PostgreSQL's own protocol, version 3.0 (its manual, chapters 55.2 and 55.7), by Kerberos alone.

Drivers don't serve here: psycopg's libpq finds its tickets by an environment variable of the whole process and asks the
KDC within the connection, on the caller's thread; asyncpg waits on asyncio's loop; pg8000 knows no GSSAPI. What a login
needs of the protocol is five kinds of messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import gssapi

from harness.login.codes import kerberos_outcome, sql_outcome
from harness.login.net.clock import StepClock
from harness.login.net.streams import Stream, first_connected
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.attempt import Outcome
from harness.model.database import Database
from harness.model.endpoint import Endpoint

MESSAGE_AT_MOST = 1 << 20
"""A message above 1 MiB is no answer of a login."""
WHOSE = "select principal from pg_stat_gssapi where pid = pg_backend_pid()"
"""What the database itself holds the session for; a read that every role may make (since PostgreSQL 12)."""

ROWS_AT_MOST = 1 << 20
"""Of one answer, likewise."""
_ROW_COSTS = 64
"""What a row takes besides its content, about."""
_VERSION = 3 << 16

_MALFORMED = Outcome("error", "DB_MALFORMED")
_TOO_LARGE = Outcome("error", "DB_ANSWER_TOO_LARGE")
_NOT_KERBEROS = Outcome("error", "DB_NOT_KERBEROS")
_PASSWORD_ASKED = Outcome("error", "DB_PASSWORD_ASKED")


class _Asked(IntEnum):
    """What an authentication request asks for."""

    NOTHING_MORE = 0
    PASSWORD = 3
    MD5 = 5
    GSS = 7
    GSS_CONTINUE = 8
    SSPI = 9
    SASL = 10
    ANOTHER = -1

    @classmethod
    def _missing_(cls, value: object) -> _Asked:
        return cls.ANOTHER


Negotiation = Callable[[], tuple[Any, bytes]]
"""To a Kerberos context for the database and its first token."""


class DatabaseSession:
    """One login's connection to the database; every method raises StepFailedError.

    ``endpoints`` are its checked addresses: the first that accepts a connection serves the login.
    """

    def __init__(self, database: Database, endpoints: Sequence[Endpoint], clock: StepClock) -> None:
        self._database = database
        self._endpoints = endpoints
        self._clock = clock
        self._stream: Stream | None = None
        self.round_trips = 0

    def connect(self, user: str, negotiate: Negotiation) -> None:
        """Connect as the role ``user`` and authenticate by Kerberos, both ways; no password is ever sent."""
        with self._errors():
            self._stream = first_connected(self._endpoints, self._clock)
            named = {"user": user, "database": self._database.name, "application_name": "authgate"}
            texts = b"".join(_text(word) for pair in named.items() for word in pair)
            self._send(b"", _VERSION.to_bytes(4, "big") + texts + b"\0")
            self._authenticate(negotiate)
            self._rows()

    def principal(self) -> str:
        """Whom the database has authenticated, by its own word; empty where nobody."""
        with self._errors():
            self._send(b"Q", _text(WHOSE))
            return "".join(_first_column(row) for row in self._rows())

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _authenticate(self, negotiate: Negotiation) -> None:
        context: Any = None
        while True:
            kind, body = self._message()
            if kind != b"R" or len(body) < 4:
                raise StepFailedError(_MALFORMED)
            match _Asked(int.from_bytes(body[:4], "big")):
                case _Asked.NOTHING_MORE if context is not None and context.complete:
                    return
                case _Asked.GSS if context is None:
                    context, token = negotiate()
                case _Asked.GSS_CONTINUE if context is not None:
                    token = context.step(body[4:]) or b""
                case _Asked.PASSWORD | _Asked.MD5 | _Asked.SASL:
                    raise StepFailedError(_PASSWORD_ASKED)
                case _:  # a session that is trusted as it is, too: that is no login
                    raise StepFailedError(_NOT_KERBEROS)
            if token:
                self._send(b"p", token)

    def _rows(self) -> list[bytes]:
        """The rows that come until the server is ready for a query."""
        rows: list[bytes] = []
        left = ROWS_AT_MOST
        while True:
            kind, body = self._message()
            if kind == b"Z":
                return rows
            if kind == b"D":
                rows.append(body)
                left -= len(body) + _ROW_COSTS
                if left < 0:
                    raise StepFailedError(_TOO_LARGE)
            elif kind not in b"TCSK":
                raise StepFailedError(_MALFORMED)

    def _send(self, kind: bytes, body: bytes) -> None:
        assert self._stream is not None
        self.round_trips += 1
        self._stream.sendall(kind + (len(body) + 4).to_bytes(4, "big") + body)

    def _message(self) -> tuple[bytes, bytes]:
        """The next message but notices; an error is raised as the outcome that its SQLSTATE means."""
        assert self._stream is not None
        while True:
            head = self._stream.exactly(5)
            kind, size = head[:1], int.from_bytes(head[1:], "big") - 4
            if not 0 <= size <= MESSAGE_AT_MOST:
                raise StepFailedError(_MALFORMED)
            body = self._stream.exactly(size)
            if kind == b"E":
                state = re.search(rb"(?:^|\0)C([0-9A-Z]{5})\0", body)
                raise StepFailedError(sql_outcome(state[1].decode()) if state else _MALFORMED)
            if kind != b"N":
                return kind, body

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What GSS-API and the connection raise, as the step's outcome."""
        try:
            yield
        except gssapi.exceptions.GSSError as error:
            raise StepFailedError(kerberos_outcome(error.min_code)) from None
        except OSError as error:
            if self._clock.over:
                raise StepFailedError(TIMED_OUT) from None
            refused = isinstance(error, ConnectionRefusedError)
            raise StepFailedError(Outcome("error", "CONNECT_FAILED" if refused else "CONNECTION_LOST")) from None


def _text(word: str) -> bytes:
    return word.encode() + b"\0"


def _first_column(row: bytes) -> str:
    """The first column of a DataRow; empty for null."""
    count, size = int.from_bytes(row[:2], "big"), int.from_bytes(row[2:6], "big", signed=True)
    if not count or len(row) < 6 + max(size, 0):
        raise StepFailedError(_MALFORMED)
    return row[6 : 6 + max(size, 0)].decode(errors="replace")
