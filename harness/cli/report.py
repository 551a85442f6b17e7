"""``authgate report``: a run's reports, written again."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import FILE_PATH, lang_option, verdict_format_option
from harness.cli.tell import reported
from harness.model.exit_codes import USAGE_ERROR
from harness.record.folder import RunFolder
from harness.run.evidence import evidence_of


@click.command("report")
@click.argument("run", type=FILE_PATH)
@lang_option
@verdict_format_option
def command(run: Path, lang: str, written: str) -> int:
    """Write a run's reports again from its folder; for a run that was killed they are partial."""
    return USAGE_ERROR if reported(evidence_of(RunFolder.open(run)), run, lang, written) is None else 0
