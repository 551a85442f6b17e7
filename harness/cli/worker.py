"""``authgate worker``: this machine's part of a run that another machine's master conducts."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from harness.cli.options import FILE_PATH
from harness.config.shipped import LOCUSTFILE
from harness.errors import ConfigError
from harness.load import messages
from harness.load.elsewhere import Listen, is_loopback
from harness.model.target import ARMS, Arm

PROCESSES_AT_MOST = 256
PAUSE_S = 1.0
"""Between runs, so that one whose master refuses it at once, or is not there, does not ask without end."""


@click.command("worker")
@click.option("--master", metavar="HOST:PORT", help="Where authgate gate --listen listens.")
@click.option("--key", type=FILE_PATH, help="The file of the secret that master and workers share (mode 0600).")
@click.option("--arm", type=click.Choice(ARMS), help="Take a share of this arm only. [default: of either]")
@click.option(
    "--accounts",
    type=FILE_PATH,
    help="YAML file: for each arm, where this machine has its credentials and service_accounts. [default: where the "
    "master's targets say, or what the master sends]",
)
@click.option(
    "--count",
    type=click.IntRange(1, PROCESSES_AT_MOST),
    default=1,
    show_default=True,
    help="How many workers to start here.",
)
@click.option("--stay", is_flag=True, help="Serve the next run too, and the one after it, until this is ended.")
@click.option("--new-key", type=FILE_PATH, help="Write a new secret to this file, and do nothing else.")
def command(
    master: str | None,
    key: Path | None,
    arm: Arm | None,
    accounts: Path | None,
    count: int,
    stay: bool,
    new_key: Path | None,
) -> int:
    """Serve as a worker of one run, and end with it; with --stay of one after the other.

    Scenario, targets and plan come from the master. What is measured is kept in a file here until the master has it.
    """
    if new_key is not None:
        from harness.load.wire import new_key as write_key

        write_key(new_key)
        click.echo(new_key)
        return 0
    if master is None:
        raise click.UsageError("expected --master HOST:PORT, got none")
    at = Listen.of(master, "--master")
    environment = {**os.environ, messages.ARM_VARIABLE: arm or ""}
    environment.pop(messages.RUN_VARIABLE, None)
    if key is not None:
        from harness.load.wire import KEY_VARIABLE, Keys

        Keys.read(key)
        environment[KEY_VARIABLE] = str(key.resolve())
    elif not is_loopback(at.host):
        raise ConfigError(f"--master: expected --key FILE too, since {at.host} is not loopback, got none")
    if accounts is not None:
        from harness.load.accounts import ACCOUNTS_VARIABLE, read_own

        read_own(accounts)
        environment[ACCOUNTS_VARIABLE] = str(accounts.resolve())
    worker = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker", "--headless", "--only-summary"]
    worker += ["--master-host", at.host, "--master-port", str(at.port), "--loglevel", "INFO", "--stop-timeout", "0"]
    from harness.system.process import Family

    family = Family()
    try:
        while True:
            started = [family.spawn(worker, environment, None) for _ in range(count)]
            code = max(abs(process.wait()) for process in started)
            if not stay:
                return code
            time.sleep(PAUSE_S)
    finally:
        family.close()
