"""Web single sign-on: an identity provider that takes Kerberos, and what relies on it."""

from __future__ import annotations

from pydantic import model_validator

from harness.model.base import Configured
from harness.model.ehr import WebServer
from harness.model.endpoint import Endpoint


class SingleSignOn(Configured):
    """An arm's identity provider, and a page that is given to whom it has authenticated.

    A login follows redirects between these servers, by their names, and to no other.
    """

    provider: WebServer
    """It authenticates clinicians by HTTP Negotiate, as HTTP/HOST; which of its pages they come to, redirects say."""
    oidc: WebServer
    """The page of a relying party of OpenID Connect."""

    @property
    def servers(self) -> dict[str, WebServer]:
        """Each server by its key in the targets."""
        return {"provider": self.provider, "oidc": self.oidc}

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The addresses of all of them."""
        return tuple(server.endpoint for server in self.servers.values())

    @model_validator(mode="after")
    def _are_told_apart(self) -> SingleSignOn:
        if self.provider.origin == self.oidc.origin:
            scheme, host, port = self.provider.origin
            raise ValueError(f"oidc: expected another name or port than the provider's, got {scheme}://{host}:{port}")
        return self
