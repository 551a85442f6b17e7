"""TLS for a login's connections: settings made once a process, and records carried by the login's own streams.

OpenSSL reads and writes memory alone, so that every byte passes the one socket whose times are the kernel's.
"""

from __future__ import annotations

import functools
import ssl

from harness.login.net.certificate import public_key
from harness.login.net.clock import StepClock
from harness.login.net.streams import Incoming, Stream
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


class TlsStream(Incoming):
    """A stream within TLS; raises as Stream does, and ssl.SSLError. The certificate is verified for ``name``."""

    __slots__ = ("_in", "_out", "_stream", "_tls", "received")

    def __init__(self, stream: Stream, context: ssl.SSLContext, name: str, clock: StepClock) -> None:
        super().__init__()
        self._stream = stream
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        self.received = 0
        """Bytes so far, within TLS."""
        try:
            while True:
                try:
                    self._tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    self._flush()
                    self._fill()
            self._flush()
            clock.needs_no_answer()
        except OSError:  # as ssl.SSLError is, and a connection that is lost
            stream.close()
            if clock.over:
                clock.left_s()
            raise StepFailedError(FAILED) from None

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._tls.write(data)
        self._flush()

    def more(self, size: int) -> bytes:
        """See Incoming."""
        while True:
            try:
                data = self._tls.read(size)
            except ssl.SSLWantReadError:
                self._flush()  # an answer to a key update
                self._fill()
                continue
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            self.received += len(data)
            return data

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    @property
    def certificate(self) -> bytes:
        """The server's certificate, as DER."""
        return self._tls.getpeercert(binary_form=True) or b""

    def facts(self) -> TlsFacts:
        """What the handshake agreed on."""
        cipher = self._tls.cipher()
        return TlsFacts(self._tls.version() or "", cipher[0] if cipher else "", _key_of(self.certificate))

    def _flush(self) -> None:
        if data := self._out.read():
            self._stream.sendall(data)

    def _fill(self) -> None:
        data = self._stream.recv()
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()


@functools.lru_cache(maxsize=16)
def _key_of(certificate: bytes) -> str:
    try:
        return public_key(certificate)
    except ValueError:  # OpenSSL has verified it, and may know what isn't known here
        return "unknown"
