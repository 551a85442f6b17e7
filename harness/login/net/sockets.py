"""What a protocol's bytes pass through on their way to a socket: a step's deadline, and the SASL security layer."""

from __future__ import annotations

import functools
import hashlib
import io
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import gssapi.raw

from harness.login.net.certificate import signature_algorithm
from harness.model.endpoint import Endpoint

_FRAME_AT_MOST = 1 << 20
"""The largest sealed buffer that is accepted, 1 MiB; the server is told so."""
_UNAGREED_AT_MOST = 1 << 16
"""What is sent in one buffer where no size was agreed on; what a login sends is far below it."""
SEALS = 4
_SIGNS = 2
NO_LAYER = 1
LAYER_NAMES = {SEALS: "sign and seal", _SIGNS: "sign", NO_LAYER: "no security layer"}


class BoundedSocket:
    """A socket whose every wait ends at the step's deadline.

    A time-out a read would begin anew with each byte of a server that drips. ``remaining`` gives the seconds left, and
    raises once there are none.
    """

    def __init__(self, bounded: Any, remaining: Callable[[], float]) -> None:
        self._socket = bounded
        self._remaining = remaining
        self.received = 0
        """Bytes so far."""

    def recv(self, size: int) -> bytes:
        self._socket.settimeout(self._remaining())
        received: bytes = self._socket.recv(size)
        self.received += len(received)
        return received

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(self._remaining())
        self._socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What ``http.client`` reads an answer from; closing it leaves the socket open."""
        assert mode == "rb"
        return io.BufferedReader(_Reader(self.recv))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class _Reader(io.RawIOBase):
    def __init__(self, recv: Callable[[int], bytes]) -> None:
        self._recv = recv

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def strongest_layer(offer: bytes, tls: bool) -> tuple[int, bytes]:
    """The security layer to take of a server's offer, and the answer that says so (RFC 4752 §3.1).

    The strongest, as real clients do, and none within TLS, where Active Directory permits none (MS-ADTS 5.1.2.1).
    ``offer`` is a bit mask and the server's largest buffer in 3 bytes. 0 where the server asks for what can't be.
    """
    for layer in (NO_LAYER,) if tls else (SEALS, _SIGNS, NO_LAYER):
        if offer[0] & layer:
            size = 0 if layer == NO_LAYER else _FRAME_AT_MOST
            return layer, bytes([layer]) + size.to_bytes(3, "big")
    return 0, b""


def secured(plain: Any, context: Any, layer: int, offer: bytes) -> Any:
    """The socket with the layer that was agreed on."""
    if layer == NO_LAYER:
        return plain
    return _SealedSocket(plain, context, layer == SEALS, int.from_bytes(offer[1:4], "big"))


def sealed(plain: Any, context: Any) -> Any:
    """The socket sealed by a mechanism that agrees on no largest buffer (MS-ADTS 5.1.1.1.2)."""
    return _SealedSocket(plain, context, True, _UNAGREED_AT_MOST)


class _SealedSocket:
    """A socket whose data are wrapped by a GSS-API context, each buffer behind its length in 4 bytes (RFC 4422 §3.7).

    Wrapping is some µs of AES and needs no thread.
    """

    def __init__(self, plain: Any, context: Any, seals: bool, peer_at_most: int) -> None:
        self._socket = plain
        self._context = context
        self._seals = seals
        self._chunk = context.get_wrap_size_limit(peer_at_most, seals)
        self._received = bytearray()
        self._opened = b""

    def sendall(self, data: bytes) -> None:
        for start in range(0, len(data), self._chunk):
            token = self._context.wrap(data[start : start + self._chunk], self._seals).message
            self._socket.sendall(len(token).to_bytes(4, "big") + token)

    def recv(self, size: int) -> bytes:
        while not self._opened:
            length = int.from_bytes(self._exactly(4), "big")
            if length > _FRAME_AT_MOST:
                raise OSError(f"a sealed buffer of {length} bytes")
            token = self._exactly(length)
            if not token:
                return b""
            self._opened = self._context.unwrap(token).message
        given, self._opened = self._opened[:size], self._opened[size:]
        return given

    def _exactly(self, size: int) -> bytes:
        """So many bytes, or none where the peer has closed the connection."""
        while len(self._received) < size:
            received = self._socket.recv(max(4096, size - len(self._received)))
            if not received:
                return b""
            self._received += received
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def first_connected(endpoints: Sequence[Endpoint], remaining: Callable[[], float]) -> socket.socket:
    """A connection to the first of the endpoints that accepts one; raises the last one's OSError where none does."""
    *others, last = [(endpoint.host, endpoint.port) for endpoint in endpoints]
    for address in others:
        with suppress(OSError):
            return socket.create_connection(address, remaining())
    return socket.create_connection(last, remaining())


def no_delay(connected: Any) -> None:
    """Nagle's algorithm would hold the first request after a TLS handshake for the peer's delayed ACK, 40 ms."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def channel_bindings(connected: Any) -> gssapi.raw.ChannelBindings | None:
    """What binds an authentication to the TLS connection under it (RFC 5929 §4); None where there is no TLS."""
    certificate = connected.getpeercert(binary_form=True) if hasattr(connected, "getpeercert") else None
    return None if certificate is None else gssapi.raw.ChannelBindings(application_data=_end_point(certificate))


@functools.lru_cache(maxsize=16)
def _end_point(certificate: bytes) -> bytes:
    digest = hashlib.new(_SIGNATURE_HASHES.get(signature_algorithm(certificate), "sha256"), certificate)
    return b"tls-server-end-point:" + digest.digest()


_SIGNATURE_HASHES = {
    "2a864886f70d01010c": "sha384",  # RSA, RFC 8017
    "2a864886f70d01010d": "sha512",
    "2a8648ce3d040303": "sha384",  # ECDSA, RFC 5758
    "2a8648ce3d040304": "sha512",
}
"""Signature algorithms (encoded OID) whose hash isn't SHA-256; RFC 5929 puts that in the place of MD5 and SHA-1."""
