"""``authgate locustfile``: where the locustfile is, for ``locust -f "$(authgate locustfile)"``."""

from __future__ import annotations

import click

from harness.config import shipped


@click.command("locustfile")
def command() -> int:
    """Print the path of the locustfile that comes with authgate: locust -f "$(authgate locustfile)"."""
    click.echo(shipped.LOCUSTFILE)
    return 0
