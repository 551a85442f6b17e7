"""Web single sign-on: an identity provider that takes Kerberos, and what relies on it."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import model_validator

from harness.model.base import Configured
from harness.model.ehr import WebServer
from harness.model.endpoint import Endpoint
from harness.model.steps import STEPS


class SingleSignOn(Configured):
    """An arm's identity provider, and pages that are given to whom it has authenticated: one at least.

    A login follows redirects between the provider and the page that it is for, by their names, and to nobody else.
    """

    provider: WebServer
    """It authenticates clinicians by HTTP Negotiate, as HTTP/HOST; which of its pages they come to, redirects say."""
    oidc: WebServer | None = None
    """The page of a relying party of OpenID Connect."""
    saml: WebServer | None = None
    """The page of a service provider of SAML 2.0."""

    @property
    def servers(self) -> dict[str, WebServer]:
        """Each server by its key in the targets."""
        named = {"provider": self.provider, "oidc": self.oidc, "saml": self.saml}
        return {key: server for key, server in named.items() if server is not None}

    def taken_by(self, steps: Iterable[str]) -> dict[str, WebServer]:
        """Those of the servers that logins by these steps come to, by key: the provider, and what they sign on to."""
        fields = {field for step in steps for field in STEPS[step].fields}
        return {key: server for key, server in self.servers.items() if key == "provider" or f"sso.{key}" in fields}

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The addresses of all of them."""
        return tuple(server.endpoint for server in self.servers.values())

    @model_validator(mode="after")
    def _are_told_apart(self) -> SingleSignOn:
        relying = {key: server for key, server in self.servers.items() if key != "provider"}
        if not relying:
            raise ValueError("expected oidc, saml or both, got neither")
        for key, server in relying.items():
            if server.origin == self.provider.origin:
                scheme, host, port = server.origin
                raise ValueError(
                    f"{key}: expected another name or port than the provider's, got {scheme}://{host}:{port}"
                )
        return self
