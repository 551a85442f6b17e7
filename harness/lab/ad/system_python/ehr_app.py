"""The health-record application behind the web front; run by Apache's mod_wsgi with the system's Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import psycopg2

_QUERY = """select (select principal from pg_stat_gssapi where pid = pg_backend_pid()), count(*)
from note where clinician = current_user"""
"""Whom the database has authenticated, by its own word, and how many notes are theirs."""


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """WSGI (PEP 3333): ``/`` names the user, ``/db`` asks the database, as the user, what it knows of them."""
    pages: dict[str, Callable[[dict[str, Any]], str]] = {"/": _front, "/db": _notes}
    page = pages.get(environ["PATH_INFO"])
    status, text = ("404 Not Found", "") if page is None else ("200 OK", page(environ))
    body = text.encode()
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


def _front(environ: dict[str, Any]) -> str:
    return f"{environ['REMOTE_USER']}\n"


def _notes(environ: dict[str, Any]) -> str:
    # libpq knows no other way to be told; a worker serves one request at a time, so nobody else sees it.
    os.environ["KRB5CCNAME"] = environ["KRB5CCNAME"]
    connection = psycopg2.connect(
        host=environ["EHR_DATABASE_HOST"], dbname="ehr", user=environ["REMOTE_USER"], connect_timeout=30
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(_QUERY)
            principal, count = cursor.fetchone()
    finally:
        connection.close()
    return f"{principal} {count}\n"
