"""``authgate init``: a first targets file and scenario, from what a domain says of itself."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import FILE_PATH, Finite

TARGETS, SCENARIO = "targets.yaml", "scenario.yaml"


@click.command("init")
@click.argument("domain")
@click.option(
    "--dns",
    "servers",
    multiple=True,
    metavar="ADDRESS",
    help="Name server to ask. [default: this machine's]",
)
@click.option("--out", type=FILE_PATH, default=Path(), help="Folder for the files. [default: the current one]")
@click.option("--from-traffic", "traffic", type=FILE_PATH, help="A capture's summary: the scenario is learned from it.")
@click.option("--rate", type=Finite(0, 10_000, min_open=True), default=5.0, show_default=True, help="Logins a second.")
@click.option(
    "--users", type=click.IntRange(1, 1_000_000), default=200, show_default=True, help="Accounts that log in."
)
def command(domain: str, servers: tuple[str, ...], out: Path, traffic: Path | None, rate: float, users: int) -> int:
    """Ask DOMAIN where its servers are, and write a first targets file and scenario, with comments.

    Asked are SRV records, netlogon ping and root entries; nobody logs in, and no secret is written. Nothing can be sent
    by these files until somebody has filled in the servers' consent and the accounts.
    """
    from pydantic import ValidationError

    from harness.errors import ConfigError
    from harness.model.target import Dns
    from harness.start.discover import discover, own_name_servers
    from harness.start.written import scenario_yaml, summary, targets_yaml
    from harness.system.files import write_whole

    places = {name: out / name for name in (TARGETS, SCENARIO)}
    if there := [str(path) for path in places.values() if path.exists()]:
        raise ConfigError(f"{there[0]}: expected no file there yet: it is not written over")
    asked = servers or own_name_servers()
    if not asked:
        raise ConfigError("--dns: expected a name server, as this machine has none, got none")
    try:
        names = Dns.model_validate({"servers": list(asked), "domain": domain})
    except ValidationError as error:
        raise ConfigError(f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}") from None
    found = discover(names.domain, names.servers)
    usable = [one for one in found.controllers if one.addresses]
    if not usable:
        raise ConfigError(f"{domain}: expected a directory server with an address, got none")
    candidate = usable[1] if len(usable) > 1 else None
    texts = {TARGETS: targets_yaml(found, usable[0], candidate)}
    texts[SCENARIO] = scenario_yaml(found, rate, users) if traffic is None else _learned(traffic)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_whole(places[name], text)
    except OSError as error:
        raise ConfigError(f"{out}: expected a folder to write to, got: {error.strerror}") from None
    for line in summary(found):
        click.echo(line)
    click.echo(f"Written: {places[TARGETS]}, {places[SCENARIO]}. Fill in what their comments ask for, then:")
    click.echo(f"  authgate doctor --targets {places[TARGETS]} --scenario {places[SCENARIO]}")
    return 0


def _learned(traffic: Path) -> str:
    from harness.cli.imports import APART_S
    from harness.importers.traffic.learn import learn
    from harness.importers.traffic.scenario import scenario_yaml
    from harness.importers.traffic.summary import read_summary

    return scenario_yaml(learn(read_summary(traffic), APART_S), "first", str(traffic), APART_S)
