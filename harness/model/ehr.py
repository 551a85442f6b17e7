"""Web servers that clinicians log in to, and the EHR's front among them: what they reach by HTTP Negotiate."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError, field_validator

from harness.model.base import Configured
from harness.model.endpoint import Endpoint, Host, endpoint_at, parse_endpoint


class WebServer(Configured):
    """A web server: the page that logins ask it for, and the name that it has."""

    url: Annotated[str, Field(pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")]
    """The page; https is verified against directory.ca_file, or else the system's certificates."""
    service_host: Host
    """The name that it is asked by; where it takes Kerberos, the host part of its principal, HTTP/HOST."""

    @property
    def tls(self) -> bool:
        """Whether the connection is TLS."""
        return self.url.startswith("https://")

    @property
    def endpoint(self) -> Endpoint:
        """The address that the URL names."""
        return endpoint_at(self._parts[0], 443 if self.tls else 80)

    @property
    def page(self) -> str:
        """The path of the page."""
        return f"/{self._parts[1]}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, name and port by which links to it and redirects lead there (RFC 6454 §4)."""
        return "https" if self.tls else "http", self.service_host, self.endpoint.port

    @property
    def _parts(self) -> tuple[str, str]:
        host, _, path = self.url.partition("://")[2].partition("/")
        return host, path

    @field_validator("url")
    @classmethod
    def _endpoint_parses(cls, url: str) -> str:
        try:
            Endpoint.model_validate(parse_endpoint(url.partition("://")[2].partition("/")[0], 80))
        except ValidationError:
            raise ValueError(f"expected a host and a port from 1 to 65535, got {url!r}") from None
        return url


class Ehr(WebServer):
    """An arm's electronic health record: a web front behind HTTP Negotiate, and its database behind that.

    Its URL is the page that answers at once.
    """

    database_path: Annotated[str, Field(pattern=r"^[^?#\s]+$")] | None = None
    """The page, relative to the URL, that asks the database on the clinician's behalf and shows their principal."""

    @property
    def database_page(self) -> str:
        """The path of the page that asks the database."""
        asked = self.database_path or ""
        return asked if asked.startswith("/") else f"{self.page.rpartition('/')[0]}/{asked}"
