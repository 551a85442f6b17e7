"""Whether an identity provider's SAML 2.0 response refuses: its status (SAML Core §3.2.2), and nothing else of it.

A browser posts a response without reading it. Its status is read here, which stands before any assertion, since a
refusal is a denial of the account and no fault of the service provider's. Whether a signature is right, and for whom an
assertion is, that one says.

1. Nothing behind the status is parsed, and no document type is taken: a response has none.
2. A word that isn't SAML's own is not repeated.
"""

from __future__ import annotations

import base64
from xml.parsers import expat

from harness.model.attempt import Outcome

MALFORMED = Outcome("error", "SAML_MALFORMED")
_PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
_RESPONSE, _STATUS, _CODE = (f"{_PROTOCOL} {name}" for name in ("Response", "Status", "StatusCode"))
_PREFIX = "urn:oasis:names:tc:SAML:2.0:status:"
_SUCCESS = "Success"
_DENIED = frozenset({"AuthnFailed", "RequestDenied", "UnknownPrincipal"})
_WORDS = _DENIED | {
    _SUCCESS, "Requester", "Responder", "VersionMismatch", "InvalidAttrNameOrValue", "InvalidNameIDPolicy",
    "NoAuthnContext", "NoAvailableIDP", "NoPassive", "NoSupportedIDP", "PartialLogout", "ProxyCountExceeded",
    "RequestUnsupported", "RequestVersionDeprecated", "RequestVersionTooHigh", "RequestVersionTooLow",
    "ResourceNotRecognized", "TooManyResponses", "UnknownAttrProfile", "UnsupportedBinding",
}  # fmt: skip
"""SAML Core §3.2.2.2."""
_AT_ONCE = 1024


def refusal(response: str) -> Outcome | None:
    """What a response by HTTP POST (base64, Bindings §3.5.4) says in place of an assertion; None where it says Success.

    The lowest status code tells most: a denial where it says that the clinician was not authenticated or may not go on.
    """
    try:
        codes = _codes(base64.b64decode(response.encode("ascii", "replace")))
    except (expat.ExpatError, ValueError):
        return MALFORMED
    if not codes:
        return MALFORMED
    words = [code.removeprefix(_PREFIX) for code in codes]
    known = [word for code, word in zip(codes, words, strict=True) if code != word and word in _WORDS]
    if words[0] == _SUCCESS and known:
        return None
    word = known[-1] if known else "other status"
    return Outcome("denied" if word in _DENIED else "error", f"SAML {word}")


class _Reader:
    """The status codes of a response, from the top-level one down."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.over = False
        self._within: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._within.append(name)
        if self._within[0] != _RESPONSE:
            raise ValueError("expected a Response")
        depth = len(self._within) - 2
        if depth > 0 and not self.over and self._within[1:] == [_STATUS, *[_CODE] * depth]:
            self.codes.append(attributes.get("Value", ""))

    def end(self, _: str) -> None:
        self.over = self.over or self._within == [_RESPONSE, _STATUS]
        self._within.pop()


def _codes(document: bytes) -> list[str]:
    """The status codes; raises ExpatError and ValueError for what is no response."""
    reader = _Reader()
    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.StartDoctypeDeclHandler = _no_document_type
    for at in range(0, len(document), _AT_ONCE):
        parser.Parse(document[at : at + _AT_ONCE], False)
        if reader.over:
            return reader.codes
    raise ValueError("expected a Status")


def _no_document_type(*_: object) -> None:
    raise ValueError("expected no document type")
