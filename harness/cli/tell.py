"""What several commands do: measure and judge with progress shown, and report a verdict."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import click
from rich.console import Console

from harness.cli.metrics import also_metrics
from harness.cli.otlp import also_otlp
from harness.model.endpoint import Endpoint
from harness.model.evidence import Evidence
from harness.report.console import for_tables, print_verdict
from harness.report.language import LANGUAGES
from harness.report.progress import progress
from harness.report.verdict_json import verdict_document
from harness.report.write import keep_reports
from harness.run.evidence import evidence_of
from harness.run.execute import execute
from harness.run.request import RunRequest
from harness.telemetry.settings import Otlp
from harness.webui.live import also_live


def judged(
    request: RunRequest,
    quiet: bool,
    lang: str = "en",
    metrics: Endpoint | None = None,
    otlp: Otlp | None = None,
    written: str = "table",
) -> Evidence:
    """Make the run, and report its verdict, on the page in a language; ``written`` is the way of ``reported``.

    Prometheus may ask at ``metrics`` meanwhile, and a collector gets what ``otlp`` says.
    """
    with also_otlp(otlp) as told:
        shown_on = Console(stderr=written == "json")
        with progress(shown_on, quiet) as shown, also_live(shown) as live, also_metrics(live, metrics) as display:
            folder = execute(request, told(display))
        return tell(evidence_of(folder), folder.path, lang, written)


def tell(evidence: Evidence, folder: Path | None, lang: str = "en", written: str = "table") -> Evidence:
    """Write the reports, then print the verdict and where they are."""
    reported(evidence, folder, lang, written)
    return evidence


def reported(evidence: Evidence, folder: Path | None, lang: str = "en", written: str = "table") -> Path | None:
    """The same; the page's path, None where there is none. ``written``: ``json`` prints what verdict.json holds.

    A full disk must not cost the verdict, nor a closed terminal the reports.
    """
    report = None
    try:
        if folder is not None:
            report = keep_reports(evidence, folder, LANGUAGES[lang])
    finally:
        with contextlib.suppress(OSError):
            if written == "json":
                click.echo(json.dumps(verdict_document(evidence), indent=2, allow_nan=False))
            else:
                print_verdict(evidence, for_tables(), report)
    return report
