"""NTLM (MS-NLMP) by pyspnego, for what falls back to it: old clients, names that Kerberos has no ticket for.

ldap3's own NTLM is refused by domain controllers that require signing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import spnego
from spnego import ContextReq, NegotiateOptions
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from harness.login.credentials import Secret
from harness.login.names import is_upn
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome

_KEY_EXCHANGE = 0x40000000
"""NTLMSSP_NEGOTIATE_KEY_EXCH (MS-NLMP 2.2.2.5)."""
_SIGNATURE_BYTES = 16
"""What wrapping adds (MS-NLMP 2.2.2.9)."""
_MALFORMED = (SpnegoError, ValueError, LookupError, struct.error)
"""What pyspnego raises of a token that isn't one."""
_SEALING = ContextReq.confidentiality | ContextReq.integrity | ContextReq.sequence_detect | ContextReq.replay_detect


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A wrapped or an unwrapped message, under the name that GSS-API's contexts give it."""

    message: bytes


class NtlmContext:
    """One NTLM authentication: two tokens out, one in; then signing and sealing, as GSS-API's contexts do it.

    Within TLS (``bindings``: what names its connection, RFC 5929 §4.1) it asks for neither: domain controllers permit
    neither there (MS-ADTS 5.1.2.1). Methods raise StepFailedError.
    """

    def __init__(self, domain: str, user: str, password: Secret, host: str, bindings: bytes | None) -> None:
        self._context: Any = spnego.client(
            user if is_upn(user) else f"{domain}\\{user}",
            password.reveal(),
            hostname=host,
            service="ldap",
            protocol="ntlm",
            options=NegotiateOptions.use_ntlm,
            channel_bindings=None if bindings is None else GssChannelBindings(application_data=bindings),
            context_req=_SEALING if bindings is None else ContextReq.none,
        )
        if bindings is not None:
            # pyspnego 0.12 offers a key exchange, and then has a key of 1 byte where nothing is signed; Samba answers
            # "invalid parameter". Without the offer there is no key to send.
            self._context._context_req &= ~_KEY_EXCHANGE

    def step(self, token: bytes | None) -> bytes:
        """The next token to send; None begins."""
        try:
            return self._context.step(token) or b""
        except _MALFORMED:
            raise StepFailedError(Outcome("error", "NTLM_BAD_CHALLENGE")) from None

    def wrap(self, data: bytes, seals: bool) -> Wrapped:
        """The data behind their signature, sealed."""
        assert seals
        return Wrapped(self._context.wrap(data, encrypt=True).data)

    def unwrap(self, token: bytes) -> Wrapped:
        """What the peer wrapped."""
        try:
            return Wrapped(self._context.unwrap(token).data)
        except _MALFORMED:
            raise StepFailedError(Outcome("error", "NTLM_BAD_SIGNATURE")) from None

    def get_wrap_size_limit(self, size: int, seals: bool) -> int:
        """How many bytes may be wrapped into ``size``."""
        return size - _SIGNATURE_BYTES
