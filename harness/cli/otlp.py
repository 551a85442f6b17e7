"""``--otlp``: a run's metrics and traces for an OpenTelemetry collector, from a process that nothing waits for."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any

import click

from harness.model.progress import Display, Preparing, Snapshot
from harness.system.process import Family, module_command
from harness.telemetry.sent import Sent
from harness.telemetry.settings import Otlp, check_environment, check_extra, checked_url

END_WITHIN_S = 15.0
"""How long a run that has been told of waits for the last of its telemetry to be taken."""
MODULE = "harness.telemetry.export"
_PASSED_ON = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


class OtlpUrl(click.ParamType[str]):
    """The base URL of a collector, or ``env``."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return checked_url(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_OPTIONS = (
    click.option(
        "--otlp", "url", type=OtlpUrl(), metavar="URL",
        help="Send metrics, and traces of slow, failed and sampled logins, to the OpenTelemetry collector there "
        "(OTLP over HTTP, as http://127.0.0.1:4318; env: where OTEL_EXPORTER_OTLP_ENDPOINT says).",
    ),
    click.option("--otlp-accounts", "accounts", is_flag=True, help="With --otlp: name the account in each trace."),
)  # fmt: skip


def otlp_options(command: Callable[..., int]) -> Callable[..., int]:
    """Both options, handed to the command as one ``otlp``; None where none is asked for. Raises ConfigError."""

    @wraps(command)
    def with_otlp(url: str | None, accounts: bool, **others: Any) -> int:
        if url is None:
            if accounts:
                raise click.UsageError("expected --otlp URL together with --otlp-accounts, got none")
            return command(otlp=None, **others)
        check_extra()
        check_environment(os.environ)
        return command(otlp=Otlp(url, accounts), **others)

    for option in reversed(_OPTIONS):
        with_otlp = option(with_otlp)
    return with_otlp


class Exporter:
    """The process beside a run: begun when the run has a folder; it ends when the run has an end."""

    def __init__(self, otlp: Otlp) -> None:
        self._otlp = otlp
        self._family = Family()
        self._child: subprocess.Popen[bytes] | None = None

    def watch(self, shown: Snapshot | Preparing) -> None:
        """Begin with the run that is shown; a process that can't be started costs the telemetry alone."""
        if self._child is not None or not isinstance(shown, Preparing):
            return
        command, environment = module_command(MODULE)
        command += [shown.folder, self._otlp.url, *(["accounts"] if self._otlp.accounts else [])]
        log = Path(os.devnull)  # what it has to say comes at the end, and not into the progress that is shown
        with suppress(OSError):
            self._child = self._family.spawn(command, environment | passed_on(os.environ), log, subprocess.PIPE)

    def end(self) -> str:
        """Wait for the last of it, and not for long; in words what is missing, empty if nothing is."""
        child = self._child
        if child is None:
            return ""
        try:
            said, _ = child.communicate(timeout=END_WITHIN_S)
            sent = Sent(**json.loads(said))
        except subprocess.TimeoutExpired:
            return f"the last of it was not taken within {END_WITHIN_S:.0f} s"
        except (ValueError, TypeError):
            return f"the exporter ended by itself, with exit code {child.returncode}"
        finally:
            self._family.close()
        return "" if sent.whole and not sent.why else sent.told


@contextmanager
def also_otlp(otlp: Otlp | None) -> Iterator[Callable[[Display], Display]]:
    """What makes a display one that telemetry begins with; at the end, what was not sent is said and changes nothing.

    To be left when the run has been told of: a collector that is slow must not keep a verdict waiting.
    """
    if otlp is None:
        yield lambda display: display
        return
    exporter = Exporter(otlp)

    def beside(display: Display) -> Display:
        def both(shown: Snapshot | Preparing) -> None:
            exporter.watch(shown)
            display(shown)

        return both

    try:
        yield beside
    finally:
        if missing := exporter.end():
            click.echo(f"otlp: {missing}", err=True)


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What the exporters read of this process's environment, and nothing else of it."""
    return {
        name: value for name, value in environment.items() if name.startswith("OTEL_") or name.upper() in _PASSED_ON
    }
