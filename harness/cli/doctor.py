"""``authgate doctor``: what would spoil a run, looked for before it."""

from __future__ import annotations

import click

from harness.cli.options import ScenarioName, TargetsFile, elsewhere_options, format_option
from harness.doctor.examine import examine
from harness.load.elsewhere import Elsewhere
from harness.model.exit_codes import USAGE_ERROR
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.report.console import for_tables
from harness.report.diagnosis import print_diagnosis
from harness.report.listings import doctor_document


@click.command("doctor")
@click.option("--targets", type=TargetsFile(), help="Targets file (YAML). [default: check this machine alone]")
@click.option(
    "--scenario",
    type=ScenarioName(),
    help="Scenario whose steps have to work. [default: every step that the targets allow]",
)
@elsewhere_options
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@format_option
def command(
    targets: Targets | None, scenario: Scenario | None, elsewhere: Elsewhere | None, as_json: bool, written: str
) -> int:
    """Check each arm and this machine for what would spoil a run, and say what to do about it.

    With --listen each generator that comes is looked at in place of this machine.

    Without targets and scenario it also tells which Debian packages are missing for the labs, and what installs them.
    A few dozen requests are sent to each arm, and no load. Exits 0 where there is no problem, 2 where there is one.
    """
    if elsewhere is None:
        found = examine(targets, scenario)
    else:
        from harness.studies.generators import examine_elsewhere

        if targets is None or scenario is None:
            raise click.UsageError("expected --targets and --scenario together with --listen, got none")
        found = examine_elsewhere(scenario, targets, elsewhere)
    if as_json or written == "json":
        click.echo(doctor_document(found).model_dump_json(indent=2))
    else:
        print_diagnosis(found, for_tables())
    return 0 if found.healthy else USAGE_ERROR
