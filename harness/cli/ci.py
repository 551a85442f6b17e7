"""``authgate ci``: what a pipeline shows of a verdict."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import FILE_PATH
from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.ci.told import Told

Named = Literal["github", "gitlab", "azure", "none"]
SYSTEMS: tuple[Named, ...] = ("github", "gitlab", "azure", "none")
_SETS = {"GITHUB_ACTIONS": "github", "GITLAB_CI": "gitlab", "TF_BUILD": "azure"}
"""The variable by which a job knows its system."""


@click.command("ci")
@click.argument("run", type=FILE_PATH, default=Path("results"))
@click.option(
    "--system",
    type=click.Choice(("auto", *SYSTEMS)),
    default="auto",
    show_default=True,
    help="The CI system; auto: by what the environment says. Jenkins is none: it reads the files.",
)
@click.option("--name", help="Tells apart the comments of several gates. [default: the scenario's name]")
@click.option("--link", default="", help="Where the report can be read. [default: the job's page, where it is known]")
@click.option("--post", "posts", is_flag=True, help="Comment on the merge request, or update that comment.")
def command(run: Path, system: str, name: str | None, link: str, posts: bool) -> int:
    """Show a verdict in a pipeline: comment, job summary, annotations of blamed steps, variables.

    RUN is a run's folder, or a folder of runs of which the last that was judged is taken. The exit code is 0 whatever
    the verdict: that of authgate gate or compare decides.
    """
    from harness.ci.comment import comment, marker
    from harness.ci.post import post
    from harness.ci.told import read_told

    chosen = _system(system, os.environ)
    told = read_told(run)
    text = comment(told, name, link or _link(chosen, os.environ))
    try:
        (told.folder / "comment.md").write_text(text, encoding="utf-8")
        _tell(chosen, told, text, link)
    except OSError as error:
        raise ConfigError(f"{error.filename}: expected a file to write, got: {error.strerror}") from None
    if posts:
        if chosen == "none":
            raise click.UsageError("expected --system github, gitlab or azure with --post, got none")
        click.echo(post(chosen, os.environ, marker(name or told.verdict.title), text))
    return 0


def _tell(system: Named, told: Told, text: str, link: str) -> None:
    """The system's own files and lines."""
    from harness.ci.annotations import azure, github, gitlab

    environment = os.environ
    verdict, folder = told.verdict.verdict, told.folder
    if system == "github":
        _lines(github(told))
        _append(environment.get("GITHUB_STEP_SUMMARY"), text)
        _append(environment.get("GITHUB_OUTPUT"), f"verdict={verdict}\nrun={folder}\ncomment={folder / 'comment.md'}\n")
    elif system == "azure":
        _lines(azure(told))
        click.echo(f"##vso[task.uploadsummary]{(folder / 'comment.md').resolve()}")
        click.echo(f"##vso[task.setvariable variable=authgateVerdict;isOutput=true]{verdict}")
    elif system == "gitlab":
        links = gitlab(told, link or _link(system, environment))
        Path("authgate-annotations.json").write_text(json.dumps(links, indent=2), encoding="utf-8")
        Path("authgate.env").write_text(f"AUTHGATE_VERDICT={verdict}\nAUTHGATE_RUN={folder}\n", encoding="utf-8")
    else:
        click.echo(f"{verdict} {folder}")


def _system(asked: str, environment: Mapping[str, str]) -> Named:
    if asked != "auto":
        return next(one for one in SYSTEMS if one == asked)
    return next((one for one in SYSTEMS for name, of in _SETS.items() if of == one and environment.get(name)), "none")


def _link(system: Named, environment: Mapping[str, str]) -> str:
    """The job's own page, with its artefacts."""
    of = environment.get
    if system == "github" and of("GITHUB_RUN_ID"):
        return f"{of('GITHUB_SERVER_URL')}/{of('GITHUB_REPOSITORY')}/actions/runs/{of('GITHUB_RUN_ID')}"
    if system == "gitlab" and of("CI_JOB_URL"):
        return f"{of('CI_JOB_URL')}/artifacts/browse"
    if system == "azure" and of("BUILD_BUILDID"):
        return f"{of('SYSTEM_COLLECTIONURI')}{of('SYSTEM_TEAMPROJECT')}/_build/results?buildId={of('BUILD_BUILDID')}"
    return ""


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _append(path: str | None, text: str) -> None:
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
