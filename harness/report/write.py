"""Every report of a run, into its folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from harness.model.evidence import Evidence
from harness.report.html import page
from harness.report.junit import junit
from harness.report.language import ENGLISH, Language
from harness.report.markdown import summary
from harness.report.poster import poster
from harness.report.style import png
from harness.report.verdict_json import verdict_document
from harness.system.files import write_whole


def keep_reports(evidence: Evidence, folder: Path, say: Language = ENGLISH) -> Path | None:
    """Write all reports, the page in a language; its path. None, and a line on standard error, where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return write_all(evidence, folder, say)[-1]
    except OSError as error:
        with suppress(OSError):
            sys.stderr.write(f"{folder}: expected a folder to write reports to, got: {error.strerror}\n")
        return None


def write_all(evidence: Evidence, folder: Path, say: Language = ENGLISH) -> list[Path]:
    """Write verdict.json, junit.xml, summary.md, report.png and report.html; return their paths in this order.

    The page is in the language; what machines, chats and CI read is English.

    Each file appears whole or not at all. What machines read comes first, so that it is there even where a figure
    fails. Raises OSError where the folder can't be written to.
    """
    makers: dict[str, Callable[[Evidence], bytes]] = {
        "verdict.json": lambda e: f"{json.dumps(verdict_document(e), indent=2, allow_nan=False)}\n".encode(),
        "junit.xml": junit,
        "summary.md": lambda e: summary(e).encode(),
        "report.png": lambda e: png(poster(e)),
        "report.html": lambda e: page(e, say).encode(),
    }
    return [write_whole(folder / name, make(evidence)) for name, make in makers.items()]
