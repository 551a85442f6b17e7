"""``authgate lab``: the embedded domain from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from harness.arguments import FILE_PATH
from harness.lab import supervisor

LAB_FOLDER = Path(".authgate-lab")


@click.group()
def lab() -> None:
    """The embedded domain: real KDCs and directories on loopback, one of each an arm."""


_lab_folder = click.option(
    "--dir", "folder", type=FILE_PATH, default=LAB_FOLDER, show_default=True, help="The lab's folder."
)


@lab.command()
@_lab_folder
def up(folder: Path) -> int:
    """Start it; it runs until `authgate lab down`."""
    status = supervisor.up(folder)
    click.echo(f"ready; targets: {status.targets}")
    return 0


@lab.command()
@_lab_folder
def down(folder: Path) -> int:
    """End what `lab up` started in this folder, and nothing else."""
    click.echo("ended" if supervisor.down(folder) else "no lab runs here")
    return 0


@lab.command()
@_lab_folder
def status(folder: Path) -> int:
    """Say which of its processes run."""
    found = supervisor.status(folder)
    if found is None:
        click.echo("no lab runs here")
        return 0
    for name, process in found.processes.items():
        port = found.ports.get(name.replace("slapd", "ldap"))
        click.echo(
            f"{name:<18} pid {process.pid:<8} {'runs' if found.alive[name] else 'ended':<6}"
            + (f" 127.0.0.1:{port}" if port else "")
        )
    return 0
