"""``authgate notice``: a page for the people who watch the servers' logs, before the test."""

from __future__ import annotations

import socket
from datetime import datetime
from pathlib import Path

import click

from harness.cli.options import FILE_PATH, ScenarioName, policy_option, targets_option
from harness.errors import ConfigError
from harness.guards.consent import check_complete
from harness.login.credentials import read_accounts
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.notice.page import Named, Occasion, page
from harness.notice.traffic import sources, traffic_of
from harness.system.files import write_whole


class Instant(click.ParamType[datetime]):
    """A time in ISO 8601; without a zone it is this machine's."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return datetime.fromisoformat(str(value)).astimezone()
        except ValueError:
            self.fail(f"expected a time such as 2026-11-30T02:00, got {value!r}", param, ctx)


@click.command("notice")
@targets_option
@click.option("--scenario", type=ScenarioName(), required=True, help="Scenario that will be run.")
@policy_option
@click.option("--starts", type=Instant(), help="When the test begins, as 2026-11-30T02:00 or with a zone.")
@click.option("--contact", default="to be filled in", show_default=True, help="Who can be asked, and can end the test.")
@click.option("--honeytokens", type=FILE_PATH, help="Accounts that must not log in, one a line: are they on the list?")
@click.option("--accounts", "listed", type=FILE_PATH, help="Write every account's name to this file, one a line.")
@click.option("--out", type=FILE_PATH, help="File for the notice. [default: standard output]")
def command(
    targets: Targets,
    scenario: Scenario,
    policy: Policy,
    starts: datetime | None,
    contact: str,
    honeytokens: Path | None,
    listed: Path | None,
    out: Path | None,
) -> int:
    """Write a notice of a test for the security desk: hosts, accounts, window, rates, and which detections may fire.

    Nothing is sent. The page is Markdown and holds no secret; each detection stands there with its public source.
    """
    check_complete(targets, scenario, targets.arms)
    traps = None if honeytokens is None else _names(honeytokens)
    accounts = _accounts(targets, scenario, traps)
    occasion = Occasion(starts, sources(targets), socket.gethostname(), contact)
    text = page(targets, scenario, policy, traffic_of(targets, scenario), accounts, occasion)
    try:
        if listed is not None:
            everyone = dict.fromkeys(user for named in accounts for user in named.users)
            write_whole(listed, "".join(f"{user}\n" for user in everyone))
        if out is not None:
            write_whole(out, text)
    except OSError as error:
        raise ConfigError(f"{error.filename}: expected a file to write, got: {error.strerror}") from None
    if out is None:
        click.echo(text, nl=False)
    return 0


def _accounts(targets: Targets, scenario: Scenario, traps: frozenset[str] | None) -> list[Named]:
    """The accounts of each kind that log in, once where both arms have the same."""
    found: dict[Named, None] = {}
    for target in targets.arms.values():
        for kind in sorted(scenario.account_kinds):
            credentials = target.of(kind).credentials
            how = {cohort.authentication or "key" for cohort in scenario.mix.values() if cohort.accounts == kind}
            for authentication in sorted(how):
                known = read_accounts(credentials, target.realm, authentication, kind)
                source = credentials.key_source or "smart cards"
                # Of components there are few, and they take turns.
                count = scenario.population.users if kind == "clinicians" else len(known.users)
                users = known.first(min(count, scenario.population.users), source)
                trapped = tuple(user for user in users if traps and _bare(user) in traps)
                found[Named(source, users, None if traps is None else len(traps), trapped)] = None
    return list(found)


def _bare(name: str) -> str:
    """An account's name as lists of different tools have it: no domain, no suffix, in one case."""
    return name.strip().rpartition("\\")[2].partition("@")[0].casefold()


def _names(path: Path) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a text file of account names, got: {error}") from None
    return frozenset(_bare(line) for line in lines if line.strip())
