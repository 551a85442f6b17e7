"""``authgate export``: a run for other tools, in a file or sent to a collector."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FILE_PATH
from harness.cli.otlp import otlp_options
from harness.errors import ConfigError, RunError

if TYPE_CHECKING:
    from harness.model.attempt import Ints
    from harness.record.folder import RunFolder
    from harness.telemetry.settings import Otlp


@click.command("export")
@click.argument("run", type=FILE_PATH)
@click.option("--format", "written", type=click.Choice(("hdr",)), default="hdr", show_default=True)
@click.option("--out", type=FILE_PATH, help="The file to write.")
@otlp_options
def command(run: Path, written: str, out: Path | None, otlp: Otlp | None) -> int:
    """Write RUN's response times as an HdrHistogram log (hdr), or send its metrics and traces to a collector.

    Of a log: a line for each block, arm and cohort. Logins count as they ended, failed ones too; those that were never
    sent don't. The tag is ARM/COHORT/login, and ARM/COHORT/STEP for each step.
    """
    from harness.record.folder import RunFolder

    if out is None and otlp is None:
        raise click.UsageError("expected --out FILE or --otlp URL, got neither")
    folder = RunFolder.open(run)
    if out is not None:
        _log(folder, out)
    if otlp is not None:
        _send(folder, otlp)
    return 0


def _log(folder: RunFolder, out: Path) -> None:
    from harness.report.hdr import log_lines
    from harness.system.files import write_whole

    began = folder.manifest().get("origin_wall")
    start = float(began) if isinstance(began, int | float) else folder.created().timestamp()
    lines = list(log_lines(start, _intervals(folder)))
    try:
        write_whole(out, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise ConfigError(f"{out}: expected a file to write, got: {error.strerror}") from None
    click.echo(f"{out}: {len(lines) - 4} histograms")


def _send(folder: RunFolder, otlp: Otlp) -> None:
    from harness.telemetry.export import export_stored

    sent = export_stored(folder, otlp, os.environ)
    if not sent.whole:
        raise RunError(f"--otlp: expected a collector that takes all of {folder.path.name}, got: {sent.told}")
    click.echo(f"otlp: {sent.told}")


def _intervals(folder: RunFolder) -> Iterator[tuple[str, float, float, Ints]]:
    """Each block's times, in order of time."""
    import pyarrow.compute as pc

    from harness.model.plan import NS, make_plan

    attempts = folder.attempts()
    sent = attempts.filter(pc.not_equal(attempts["status"], "withheld"))
    for block in make_plan(folder.scenario(), folder.arms()).blocks:
        mine = sent.filter(pc.and_(pc.equal(sent["block"], block.index), pc.equal(sent["arm"], block.arm)))
        for cohort in sorted(set(mine["cohort"].to_pylist())):
            rows = mine.filter(pc.equal(mine["cohort"], cohort))
            where = block.start / NS, block.length / NS
            times = rows["ended"].to_numpy() - rows["intended"].to_numpy() - rows["own"].to_numpy()
            yield f"{block.arm}/{cohort}/login", *where, times
            steps = pc.list_flatten(rows["steps"])
            names = pc.struct_field(steps, "step").to_numpy(zero_copy_only=False)
            took = sum(
                sign * pc.struct_field(steps, name).to_numpy()
                for name, sign in (("ended", 1), ("started", -1), ("own", -1))
            )
            for step in dict.fromkeys(names.tolist()):
                yield f"{block.arm}/{cohort}/{step}", *where, took[names == step]
