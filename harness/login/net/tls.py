"""TLS for a login's connections: settings made once a process, and a handshake that ends at the step's deadline."""

from __future__ import annotations

import functools
import select
import socket
import ssl
from collections.abc import Callable

from harness.login.net.certificate import public_key
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome
from harness.model.protocol import TlsFacts

FAILED = Outcome("error", "TLS_FAILED")


@functools.cache
def client_context(ca_file: str | None) -> ssl.SSLContext:
    """What certificates are verified by: those of the file, or the system's; raises OSError where it can't be used.

    Made once: a system's bundle of certificates takes tens of milliseconds to parse.
    """
    return ssl.create_default_context(cafile=ca_file)


def handshake(
    connected: socket.socket, context: ssl.SSLContext, name: str, remaining_s: Callable[[], float]
) -> ssl.SSLSocket:
    """The socket in TLS, with the certificate verified for ``name``; it takes over ``connected``.

    ``remaining_s`` is asked before each wait, since a socket's own time-out would begin anew with each byte of a server
    that drips; what it raises ends the handshake. Raises StepFailedError.
    """
    encrypted = context.wrap_socket(connected, server_hostname=name, do_handshake_on_connect=False)
    try:
        encrypted.setblocking(False)
        while True:
            try:
                encrypted.do_handshake()
            except ssl.SSLWantReadError:
                _wait(encrypted, select.POLLIN, remaining_s())
            except ssl.SSLWantWriteError:
                _wait(encrypted, select.POLLOUT, remaining_s())
            else:
                return encrypted
    except BaseException as error:
        encrypted.close()
        if isinstance(error, OSError):  # as ssl.SSLError is
            raise StepFailedError(FAILED) from None
        raise


def tls_facts(encrypted: ssl.SSLSocket) -> TlsFacts:
    """What the handshake agreed on."""
    cipher = encrypted.cipher()
    key = _key_of(encrypted.getpeercert(binary_form=True) or b"")
    return TlsFacts(encrypted.version() or "", cipher[0] if cipher else "", key)


@functools.lru_cache(maxsize=16)
def _key_of(certificate: bytes) -> str:
    try:
        return public_key(certificate)
    except ValueError:  # OpenSSL has verified it, and may know what isn't known here
        return "unknown"


def _wait(waiting: ssl.SSLSocket, event: int, timeout_s: float) -> None:
    ready = select.poll()
    ready.register(waiting, event)
    ready.poll(timeout_s * 1000)
