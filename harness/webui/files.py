"""The files of these pages: HTML, style and scripts, which load nothing but each other."""

from __future__ import annotations

from pathlib import Path

from flask import Response, send_from_directory

from harness.webui.safety import OWN_PAGES_POLICY

STATIC = Path(__file__).parent / "static"


def own_page(name: str) -> Response:
    """A page of this package, which may load nothing but from here."""
    answer = send_from_directory(STATIC, name)
    answer.headers["Content-Security-Policy"] = OWN_PAGES_POLICY
    answer.headers["Cache-Control"] = "no-store"
    return answer
