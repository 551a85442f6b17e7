"""What each protocol of web single sign-on has of its own; the way from server to server is the same (``sso.py``).

OpenID Connect Core 1.0 §3.1, the authorization code flow: the provider sends the browser back with a code, for which
the relying party gets the tokens from the provider itself. SAML 2.0 Profiles §4.1, Web Browser SSO with the response by
HTTP POST (Bindings §3.5): the provider gives the browser a page whose form holds the signed response, and the browser
posts it to the service provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.login.saml import refusal as refusal_of_response
from harness.model.attempt import Outcome

Told = Mapping[str, Sequence[str]]
"""The values of a query's or a form's fields, by name."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol: the steps of it, and what travels by the browser."""

    relying: str
    """The key in the targets of what relies on the provider."""
    steps: tuple[str, str, str, str]
    """Sent to the provider; authenticated there; what that gave at the relying party; its page."""
    asks: tuple[str, ...]
    """A form of the relying party's with one of these fields is posted to the provider; a redirect does the same."""
    gives: tuple[str, ...]
    """A form of the provider's with one of these fields is posted to the relying party; a redirect does the same."""
    proof: str
    """The field that shows who has been authenticated."""
    missing: str
    """The code of a login that is sent back without it."""
    refused: str
    """The code of a login that the relying party takes none of it from."""
    refusal: Callable[[Told], Outcome | None]
    """What the provider says in place of whom it has authenticated; None where it doesn't refuse."""

    @property
    def relying_steps(self) -> tuple[str, ...]:
        """Those that are taken at the relying party."""
        start, _, proven, page = self.steps
        return start, proven, page


_DENIED = "access_denied"
_ERRORS = frozenset(
    {_DENIED, "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "server_error",
     "temporarily_unavailable", "interaction_required", "login_required", "account_selection_required",
     "consent_required"}
)  # fmt: skip
"""RFC 6749 §4.1.2.1 and OpenID Connect Core 1.0 §3.1.2.6; any other word of a server's is not repeated."""


def _oidc_refusal(told: Told) -> Outcome | None:
    for error in told.get("error", ()):
        code = error if error in _ERRORS else "other error"
        return Outcome("denied" if error == _DENIED else "error", f"OIDC {code}")
    return None


def _saml_refusal(told: Told) -> Outcome | None:
    return next((found for response in told.get("SAMLResponse", ()) if (found := refusal_of_response(response))), None)


OIDC = Protocol(
    relying="oidc",
    steps=("oidc_start", "oidc_authorize", "oidc_callback", "oidc_page"),
    asks=(),
    gives=("code", "error"),
    proof="code",
    missing="CODE_MISSING",
    refused="CODE_REFUSED",
    refusal=_oidc_refusal,
)
SAML = Protocol(
    relying="saml",
    steps=("saml_start", "saml_authenticate", "saml_consume", "saml_page"),
    asks=("SAMLRequest",),
    gives=("SAMLResponse",),
    proof="SAMLResponse",
    missing="ASSERTION_MISSING",
    refused="ASSERTION_REFUSED",
    refusal=_saml_refusal,
)
PROTOCOLS = (OIDC, SAML)
