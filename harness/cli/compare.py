"""``authgate compare``: judge what has been measured, by authgate or by another tool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from harness.cli.options import (
    FILE_PATH,
    Finite,
    PolicyName,
    calibration_option,
    lang_option,
    verdict_format_option,
)
from harness.cli.tell import tell
from harness.errors import RunError
from harness.importers.evidence import foreign_evidence, imported_evidence
from harness.importers.tools import FORMATS
from harness.importers.two_files import Importing
from harness.model.policy import Policy
from harness.record.folder import RunFolder
from harness.run.evidence import evidence_of
from harness.run.site import site_of_run
from harness.run.two_runs import evidence_of_two


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another tool measured: a CSV of attempts, or two files of which each is an arm, and how to read them."""

    attempts: Path | None
    files: tuple[Path, Path] | None
    how: Importing


_DAY_S = 86_400.0
_TIMEOUT = Finite(min=0, max=_DAY_S, min_open=True)
_BLOCK = Finite(min=1, max=_DAY_S)
_ELSEWHERE = (
    click.option(
        "--attempts", type=FILE_PATH, help="CSV file of attempts: arm,block,t_intended_s,step,latency_s,ok[,login]."
    ),
    click.option("--before", type=FILE_PATH, help="The baseline's results file by JMeter, k6 or Locust; with --after."),
    click.option("--after", type=FILE_PATH, help="The candidate's results file, by the same tool."),
    click.option(
        "--read-as", type=click.Choice(FORMATS), default="auto", show_default=True,
        help="Format of the files of --before and --after.",
    ),
    click.option(
        "--login-label", metavar="NAME",
        help="What the files call a whole login. [default: login, or their only label]",
    ),
    click.option(
        "--block-s", type=_BLOCK, default=15.0, show_default=True,
        help="Seconds in each of the blocks that --before and --after are cut into.",
    ),
    click.option(
        "--trim-s", type=Finite(min=0, max=_DAY_S), default=0.0, show_default=True,
        help="Seconds to discard at the start of each block of --attempts, or --before and --after.",
    ),
    click.option(
        "--timeout-s", type=_TIMEOUT, default=10.0, show_default=True,
        help="Seconds that a failed login of theirs counts as, at least.",
    ),
)  # fmt: skip


def _elsewhere_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of what another tool measured, handed to the command as one ``elsewhere``."""

    @wraps(command)
    def with_elsewhere(
        attempts: Path | None, before: Path | None, after: Path | None, read_as: str, login_label: str | None,
        block_s: float, trim_s: float, timeout_s: float, **others: Any,
    ) -> int:  # fmt: skip
        if (before is None) != (after is None):
            raise click.UsageError("expected --before FILE and --after FILE, got one of them")
        files = None if before is None or after is None else (before, after)
        how = Importing(read_as, block_s, login_label, trim_s, timeout_s)
        return command(elsewhere=Elsewhere(attempts, files, how), **others)

    for option in reversed(_ELSEWHERE):
        with_elsewhere = option(with_elsewhere)
    return with_elsewhere


@click.command("compare")
@click.argument("runs", type=FILE_PATH, nargs=-1)
@_elsewhere_options
@click.option(
    "--policy", type=PolicyName(), help="Name of a shipped policy, or a YAML file. [default: the run's own, or default]"
)
@click.option(
    "--out",
    type=FILE_PATH,
    help="Folder for the reports. [default: the run's own, if judged by its own policy and calibration]",
)
@calibration_option
@lang_option
@verdict_format_option
def command(
    runs: tuple[Path, ...],
    elsewhere: Elsewhere,
    policy: Policy | None,
    out: Path | None,
    calibration: Path | None,
    lang: str,
    written: str,
) -> int:
    """Judge what has been measured: a run of both arms, a run of each arm, or another tool's attempts or files."""
    attempts, files, how = elsewhere.attempts, elsewhere.files, elsewhere.how
    if sum(map(bool, (runs, attempts, files))) != 1 or len(runs) > 2:
        raise click.UsageError("expected one run, two runs, or --attempts FILE, or --before FILE and --after FILE")
    if attempts is not None:
        evidence = foreign_evidence(attempts, policy or Policy(), how.trim_s, how.timeout_s, calibration)
    elif files is not None:
        evidence = imported_evidence(*files, how, policy or Policy(), calibration)
    elif len(runs) == 2:
        evidence = evidence_of_two(RunFolder.open(runs[0]), RunFolder.open(runs[1]), policy, calibration)
    else:
        folder = RunFolder.open(runs[0])
        if len(arms := folder.arms()) == 1 and "soak" not in folder.manifest():
            raise RunError(
                f"{runs[0]}: expected a run of both arms, got one of the {arms[0]} alone: name the other arm's run "
                "besides (authgate report shows this one)"
            )
        site = None if calibration is None else site_of_run(folder, calibration, policy)
        evidence = evidence_of(folder, policy, site)
        out = out or (runs[0] if policy is None and site is None else None)  # the gate's own report stays the gate's
    return tell(evidence, out, lang, written).verdict.exit_code
