"""``authgate locustfile``: where the locustfile is, for ``locust -f "$(authgate locustfile)"``."""

from __future__ import annotations

import click

from harness.config import shipped


@click.command("locustfile")
@click.option("--gate", is_flag=True, help="The one whose web UI opens with the gate's page.")
def command(gate: bool) -> int:
    """Print the path of the locustfile that comes with authgate: locust -f "$(authgate locustfile)"."""
    click.echo(shipped.GATE_LOCUSTFILE if gate else shipped.LOCUSTFILE)
    return 0
