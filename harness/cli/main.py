"""The command line: it finds a command's module, runs it, and turns errors into exit codes."""

from __future__ import annotations

import errno
import importlib
import io
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from harness.cli.examples import epilog
from harness.errors import AuthgateError, in_lines
from harness.model.exit_codes import INTERRUPTED, USAGE_ERROR
from harness.system.output import protect_output
from harness.system.packages import library_missing
from harness.system.secrets import no_core_dumps
from harness.version import version_text

COMMANDS = {
    "calibrate": ("calibrate", "Measure this site's noise, false BLOCKs and smallest detectable slowdown."),
    "capacity": (
        "capacity",
        "Find the highest rate that each arm serves, and judge whether the update costs capacity.",
    ),
    "ci": ("ci", "Show a verdict in a pipeline: comment, job summary, annotations."),
    "compare": ("compare", "Judge what has been measured, by authgate or by another tool."),
    "demo": ("demo", "Replay the incident of 2016 on the embedded domain."),
    "doctor": ("doctor", "Check the arms and this machine before a run."),
    "export": ("export", "Write a run's latencies in another tool's format."),
    "gate": ("gate", "Measure baseline and candidate, and judge the update."),
    "history": ("history", "List every run of the past, and show where levels changed."),
    "import": ("imports", "Make a scenario from what another tool has recorded."),
    "init": ("init", "Ask a domain, and write a first targets file and scenario."),
    "lab": ("lab", "Run real servers on loopback: the embedded domain, or Active Directory."),
    "locustfile": ("locustfile", "Print the path of the locustfile, for plain locust -f."),
    "login": ("login", "Log one user in, and show each step."),
    "man": ("man", "Write the manual pages."),
    "notice": ("notice", "Write a notice of a test for the people who watch the servers' logs."),
    "plan": ("plan", "Show how long a run must be at a site's noise."),
    "report": ("report", "Write a run's reports again."),
    "run": ("run", "Measure without judging."),
    "scenarios": ("scenarios", "List the scenarios that come with authgate."),
    "schema": ("schema", "Print the JSON Schema of a kind of file."),
    "trend": ("trend", "Show runs of one scenario side by side."),
    "updates": ("updates", "List and replay updates that slowed or broke logins."),
    "worker": ("worker", "Serve as a worker of a run on another machine."),
}
"""By name: the module of ``harness.cli`` that has the ``command``, and its line in ``--help``.

A command's module is imported when it is called: the statistics and figures that one needs take longer to import than
most of the others take to run.
"""


class _Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"harness.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        command.epilog = epilog(cmd_name)
        if isinstance(command, click.Group):
            for name, below in command.commands.items():
                below.epilog = epilog(f"{cmd_name} {name}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, says) in COMMANDS.items()])


def _say_version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"authgate {version_text()}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_say_version, help="Show the version."
)
def cli() -> None:
    """Does this update slow logins, and where? Answers PASS, BLOCK, INCONCLUSIVE or INVALID.

    Exit codes of gate and compare: 0 PASS, 10 BLOCK, 20 INCONCLUSIVE, 30 INVALID; of every command 2 for a usage or
    configuration error.
    """


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Whatever was to be written: what a user can mend is told as such, and no fault of the program."""


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    # A CI system that cancels a job, or a terminal that closes, ends a run as Ctrl-C does: with its partial report.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _as_interrupt)
    try:
        return cli.main(argv, prog_name="authgate", standalone_mode=False) or 0
    except AuthgateError as error:
        click.echo(in_lines(str(error)), err=True)
    except click.ClickException as error:
        said_usage = io.StringIO()
        error.show(said_usage)
        click.echo(in_lines(said_usage.getvalue().rstrip()), err=True)
    except ImportError as error:
        said = library_missing(error)
        if said is None:
            raise
        click.echo(said, err=True)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        where = f"{error.filename}: " if error.filename else ""
        click.echo(in_lines(f"{where}expected room to write to, got: {error.strerror}"), err=True)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    return USAGE_ERROR


def run_main() -> None:
    """The console script: output that can't be written costs nothing but the words, and no core holds a secret."""
    protect_output()
    no_core_dumps()
    sys.exit(main())
