"""What ends TLS in front of a server by a certificate of its own, as a load balancer does."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.helpers.certificates import signed_by_itself

PATIENCE_S = 20.0


@contextmanager
def tls_ended(folder: Path, port: int) -> Iterator[tuple[int, Path]]:
    """A port that hands on to the TLS server at ``port``, and the certificate that clients see there."""
    file = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    onward = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    onward.check_hostname, onward.verify_mode = False, ssl.CERT_NONE
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context, onward, port), daemon=True)
        thread.start()
        yield listener.getsockname()[1], file
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE_S)


def _serve(listener: socket.socket, context: ssl.SSLContext, onward: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            client.settimeout(PATIENCE_S)
            with suppress(OSError), context.wrap_socket(client, server_side=True) as near:
                plain = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
                with onward.wrap_socket(plain) as far:
                    # A client asks and waits: one message each way at a time.
                    while asked := near.recv(1 << 16):
                        far.sendall(asked)
                        near.sendall(far.recv(1 << 16))


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = signed_by_itself(key, hashes.SHA256(), "balancer.clinic.test", alternative)
    file = folder / "balancer.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + pem)
    return file
