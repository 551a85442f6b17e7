"""Where telemetry goes and what is told there: the option's words, and OpenTelemetry's own environment variables.

The variables are those of https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
https://opentelemetry.io/docs/specs/otel/protocol/exporter/; headers, certificates, time-outs and compression of the
exporters are read by the SDK itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import urlsplit

from harness.errors import ConfigError, masked

FROM_ENVIRONMENT = "env"
"""In place of an address: where OTEL_EXPORTER_OTLP_ENDPOINT says, or at OTLP's own port of this machine."""
EXTRA = "opentelemetry"
TRACED_SHARE = 0.01
INTERVAL_S = 10.0
TIMEOUT_S = 5.0
"""Of one export. OTLP's own default is 10 s; whoever waits for a run's end waits for this."""


@dataclass(frozen=True, slots=True)
class Otlp:
    """What was asked for: the collector's base URL or ``env``, and whether traces name their accounts."""

    url: str
    accounts: bool = False

    def endpoint(self, path: str) -> str | None:
        """The URL of a signal; None where the SDK finds it in the environment."""
        return None if self.url == FROM_ENVIRONMENT else f"{self.url.rstrip('/')}/{path}"


def checked_url(text: str) -> str:
    """A collector's base URL, or ``env``; raises ValueError, without what may be a secret in it."""
    if text == FROM_ENVIRONMENT:
        return text
    parts = urlsplit(text)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError(
            "expected an address alone: what authenticates belongs into OTEL_EXPORTER_OTLP_HEADERS, "
            "which no list of processes shows"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected http://HOST:PORT, https://HOST:PORT or {FROM_ENVIRONMENT}, got {masked(text)}")
    return text


def check_extra() -> None:
    """Raise ConfigError where OpenTelemetry's packages are not installed."""
    try:
        there = find_spec(f"{EXTRA}.sdk") and find_spec(f"{EXTRA}.exporter.otlp.proto.http")
    except ModuleNotFoundError:
        there = None
    if not there:
        raise ConfigError("--otlp: expected OpenTelemetry's packages, got none: pip install 'authgate[otel]'")


def traced_share(environment: Mapping[str, str]) -> float:
    """Which share of all logins is traced, however fast (OTEL_TRACES_SAMPLER and its _ARG); raises ConfigError."""
    sampler = environment.get("OTEL_TRACES_SAMPLER", "traceidratio").removeprefix("parentbased_")
    if sampler in ("always_on", "always_off"):
        return float(sampler == "always_on")
    share = _number(environment, "OTEL_TRACES_SAMPLER_ARG", TRACED_SHARE)
    if share > 1:
        raise ConfigError(f"OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1, got {share:g}")
    return share


def interval_s(environment: Mapping[str, str]) -> float:
    """How often metrics and traces are sent (OTEL_METRIC_EXPORT_INTERVAL, in ms); raises ConfigError."""
    return max(_number(environment, "OTEL_METRIC_EXPORT_INTERVAL", INTERVAL_S * 1000) / 1000, 0.1)


def timeout_s(environment: Mapping[str, str]) -> float:
    """How long one export may take (OTEL_EXPORTER_OTLP_TIMEOUT, in s); raises ConfigError."""
    return _number(environment, "OTEL_EXPORTER_OTLP_TIMEOUT", TIMEOUT_S)


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise ConfigError for a variable that says nothing usable, before any load."""
    for read in (traced_share, interval_s, timeout_s):
        read(environment)


def _number(environment: Mapping[str, str], name: str, otherwise: float) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return otherwise
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ConfigError(f"{name}: expected a number of 0 or more, got {masked(text)}")
    return value
