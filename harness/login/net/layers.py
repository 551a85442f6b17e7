"""The security layer of a SASL bind: what is agreed on, what binds it to TLS, and the stream within it."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import gssapi.raw

from harness.login.net.certificate import signature_hash
from harness.login.net.streams import Incoming
from harness.login.net.tls import TlsStream

_FRAME_AT_MOST = 1 << 20
"""The largest sealed buffer that is accepted, 1 MiB; the server is told so."""
_UNAGREED_AT_MOST = 1 << 16
"""What is sent in one buffer where no size was agreed on; what a login sends is far below it."""
_OFFER_BYTES = 4
SEALS = 4
_SIGNS = 2
NO_LAYER = 1
LAYER_NAMES = {SEALS: "sign and seal", _SIGNS: "sign", NO_LAYER: "no security layer"}


def strongest_layer(offer: bytes, tls: bool) -> tuple[int, bytes]:
    """The security layer to take of a server's offer, and the answer that says so (RFC 4752 §3.1).

    The strongest, as real clients do, and none within TLS, where Active Directory permits none (MS-ADTS 5.1.2.1).
    ``offer`` is a bit mask and the server's largest buffer in 3 bytes. 0 where the server asks for what can't be.
    """
    if len(offer) != _OFFER_BYTES:
        return 0, b""
    for layer in (NO_LAYER,) if tls else (SEALS, _SIGNS, NO_LAYER):
        if offer[0] & layer:
            size = 0 if layer == NO_LAYER else _FRAME_AT_MOST
            return layer, bytes([layer]) + size.to_bytes(3, "big")
    return 0, b""


def secured(plain: Any, context: Any, layer: int, offer: bytes) -> Any:
    """The stream with the layer that was agreed on."""
    if layer == NO_LAYER:
        return plain
    return SealedStream(plain, context, layer == SEALS, int.from_bytes(offer[1:4], "big"))


def sealed(plain: Any, context: Any) -> Any:
    """The stream sealed by a mechanism that agrees on no largest buffer (MS-ADTS 5.1.1.1.2)."""
    return SealedStream(plain, context, True, _UNAGREED_AT_MOST)


class SealedStream(Incoming):
    """A stream whose data are wrapped by a GSS-API context, each buffer behind its length in 4 bytes (RFC 4422 §3.7).

    Wrapping is some µs of AES and needs no thread. Raises OSError for a buffer above what was agreed on.
    """

    __slots__ = ("_chunk", "_context", "_seals", "_stream")

    def __init__(self, plain: Any, context: Any, seals: bool, peer_at_most: int) -> None:
        super().__init__()
        self._stream = plain
        self._context = context
        self._seals = seals
        self._chunk = context.get_wrap_size_limit(peer_at_most, seals)

    @property
    def received(self) -> int:
        """Bytes so far, as they came."""
        return int(self._stream.received)

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        for start in range(0, len(data), self._chunk):
            token = self._context.wrap(data[start : start + self._chunk], self._seals).message
            self._stream.sendall(len(token).to_bytes(4, "big") + token)

    def more(self, size: int) -> bytes:
        """See Incoming: what the next buffers hold, whatever the size."""
        data = b""
        while not data:
            try:
                length = int.from_bytes(self._stream.exactly(4), "big")
                if length > _FRAME_AT_MOST:
                    raise OSError(f"a sealed buffer of {length} bytes")
                token = self._stream.exactly(length)
            except ConnectionResetError:
                return b""
            data = self._context.unwrap(token).message
        return data

    def close(self) -> None:
        """Hang up."""
        self._stream.close()


def channel_bindings(stream: Any) -> gssapi.raw.ChannelBindings | None:
    """What binds an authentication to the TLS connection under it (RFC 5929 §4); None where there is no TLS."""
    if not isinstance(stream, TlsStream):
        return None
    return gssapi.raw.ChannelBindings(application_data=_end_point(stream.certificate))


@functools.lru_cache(maxsize=16)
def _end_point(certificate: bytes) -> bytes:
    """RFC 5929 §4.1 puts SHA-256 in the place of MD5 and SHA-1, and of a signature's hash that there is none of."""
    name = signature_hash(certificate)
    digest = hashlib.new("sha256" if name in (None, "md5", "sha1") else str(name), certificate)
    return b"tls-server-end-point:" + digest.digest()
