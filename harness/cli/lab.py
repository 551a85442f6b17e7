"""``authgate lab``: a lab of either kind from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import FILE_PATH, format_option
from harness.lab import changes, supervisor
from harness.lab.ad import changes as ad_changes
from harness.lab.hospital import CLINICIANS

LAB_FOLDER = Path(".authgate-lab")

_PORT_OF = {
    "slapd": "ldap",
    "dc": "ldap",
    "dc1": "ldap",
    "dc2": "ldap",
    "web": "http",
    "database": "postgres",
    "idp": "idp",
}
"""The port that is shown for a server whose name is not that of its port."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Run real servers on loopback, a set for each arm: the embedded domain, or Active Directory by Samba."""


_lab_folder = click.option(
    "--dir", "folder", type=FILE_PATH, default=LAB_FOLDER, show_default=True, help="The lab's folder."
)


@command.command()
@_lab_folder
@click.option(
    "--kind",
    type=click.Choice(supervisor.LAB_KINDS),
    default="embedded",
    show_default=True,
    help="embedded: MIT KDC and OpenLDAP, as any user. ad: Samba AD, web front and database, as root.",
)
@click.option(
    "--change",
    help=f"A change to the candidate. embedded: {', '.join(changes.SPELLINGS)}. ad: {', '.join(ad_changes.SPELLINGS)}.",
)
@click.option(
    "--controllers",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="Domain controllers per arm (kind ad); the second is in a site of its own.",
)
@click.option(
    "--single-sign-on",
    is_flag=True,
    help="With an identity provider (LemonLDAP::NG) and a page that relies on it, on both arms (kind ad).",
)
def up(folder: Path, kind: str, change: str | None, controllers: int, single_sign_on: bool) -> int:
    """Start a lab; it runs until `authgate lab down`."""
    status = supervisor.up(folder, kind, change=change, controllers=controllers, single_sign_on=single_sign_on)
    click.echo(f"ready; targets: {status.targets}")
    if change is not None:
        click.echo(f"candidate: {supervisor.says(kind, change)}")
    click.echo(f"try: authgate login {CLINICIANS[7]} --targets {status.targets}")
    return 0


@command.command()
@_lab_folder
def down(folder: Path) -> int:
    """Stop what `lab up` started in this folder, and nothing else."""
    click.echo("ended" if supervisor.down(folder) else "no lab runs here")
    return 0


@command.command()
@_lab_folder
@format_option
def status(folder: Path, written: str) -> int:
    """Show which of the lab's processes run, and where they listen."""
    found = supervisor.status(folder)
    if written == "json":
        from harness.report.listings import LabRow, lab_document

        rows = []
        for name, process in () if found is None else found.processes.items():
            assert found is not None
            arm, _, server = name.partition(".")
            port = found.ports.get(f"{arm}.{_PORT_OF.get(server, server)}")
            runs, address = found.alive[name], found.addresses.get(name, "")
            rows.append(LabRow(name=name, pid=process.pid, runs=runs, address=address, port=port))
        click.echo(lab_document(rows).model_dump_json(indent=2))
        return 0
    if found is None:
        click.echo("no lab runs here")
        return 0
    for name, process in found.processes.items():
        arm, _, server = name.partition(".")
        port = found.ports.get(f"{arm}.{_PORT_OF.get(server, server)}")
        click.echo(
            f"{name:<18} pid {process.pid:<8} {'runs' if found.alive[name] else 'ended':<6}"
            + (f" {found.addresses[name]}:{port}" if port else "")
        )
    return 0
