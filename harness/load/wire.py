"""Locust's sockets between machines: encrypted and authenticated by CurveZMQ, with keys from one shared secret.

CurveZMQ is libzmq's own mechanism (ZeroMQ RFC 26, after CurveCP): each connection has keys of its own, so that what was
recorded can't be read later, and each side proves its long-term key in the handshake.

1. Master and workers hold the same file of 32 random bytes. Both key pairs, the master's and the workers', are derived
   from it (HMAC-SHA-256): who has the file may be either, and who has not is neither.
2. The master asks of each connection whether the key is the workers' (ZAP, ZeroMQ RFC 27). A plain ZeroMQ client, or
   one with another key, never gets a message through.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import CredentialError
from harness.login.secret_files import private_file

log = logging.getLogger(__name__)
KEY_VARIABLE = "AUTHGATE_KEY_FILE"
"""Environment variable of a master or worker: the key's file, where their connection is to be encrypted."""
KEY_BYTES = 32
TOLD_EVERY_S = 10.0
ZAP_ENDPOINT = "inproc://zeromq.zap.01"


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """Both key pairs (Z85, as libzmq takes them), of which each side holds both."""

    master_secret: bytes
    master_public: bytes
    worker_secret: bytes
    worker_public: bytes

    @classmethod
    def read(cls, path: Path) -> Keys:
        """The keys of a file that only its owner may read; raises CredentialError, which never quotes the content."""
        text = private_file(path).read_text(encoding="ascii", errors="replace").strip()
        try:
            shared = bytes.fromhex(text)
        except ValueError:
            shared = b""
        if len(shared) != KEY_BYTES:
            raise CredentialError(f"{path}: expected {2 * KEY_BYTES} hexadecimal digits (authgate worker --new-key)")
        return cls.of(shared)

    @classmethod
    def of(cls, shared: bytes) -> Keys:
        """The keys of a shared secret."""
        import zmq
        from zmq.utils import z85

        def pair(whose: bytes) -> tuple[bytes, bytes]:
            secret = z85.encode(hmac.new(shared, b"authgate 1 " + whose, hashlib.sha256).digest())
            return secret, zmq.curve_public(secret)

        return cls(*pair(b"master"), *pair(b"worker"))


def new_key(path: Path) -> None:
    """Write a new shared secret for its owner alone; raises CredentialError where there is a file already."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CredentialError(f"{path}: expected to write a new file, got: {error.strerror}") from None
    with os.fdopen(file, "w", encoding="ascii") as opened:
        opened.write(f"{secrets.token_hex(KEY_BYTES)}\n")


def encrypt_locust(path: Path) -> None:
    """Let every socket that Locust makes from now on in this process be encrypted; raises CredentialError."""
    from locust.rpc import rpc

    keys = Keys.read(path)
    plain = rpc.BaseSocket.__init__

    # Locust binds and connects within the constructors of its sockets, and options count for what is bound after them:
    # its base class, which makes the socket and nothing else, is where they are set.
    def secured(self: Any, sock_type: int, ipv4_only: bool) -> None:
        plain(self, sock_type, ipv4_only)
        socket = self.socket
        if isinstance(self, rpc.Server):
            _serve_zap(socket.context, keys.worker_public)
            socket.curve_secretkey, socket.curve_publickey = keys.master_secret, keys.master_public
            socket.curve_server = True
        else:
            socket.curve_secretkey, socket.curve_publickey = keys.worker_secret, keys.worker_public
            socket.curve_serverkey = keys.master_public
        _tell_of_failures(socket)

    rpc.BaseSocket.__init__ = secured


def _tell_of_failures(socket: Any) -> None:
    """Log where a connection of this socket can't be made since the other side has another key, or none."""
    import gevent
    import zmq
    from zmq.utils.monitor import parse_monitor_message

    failures = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    failures |= zmq.EVENT_HANDSHAKE_FAILED_AUTH
    monitor = socket.get_monitor_socket(failures)

    def tell() -> None:
        told = -math.inf
        while True:
            event = parse_monitor_message(monitor.recv_multipart())
            if event["event"] == zmq.EVENT_MONITOR_STOPPED:
                return
            if time.monotonic() - told > TOLD_EVERY_S:
                told = time.monotonic()
                where = event["endpoint"].decode("ascii", "replace")
                log.error("%s: no connection, since master and worker do not have the same key", where)

    gevent.spawn(tell)


def _serve_zap(context: Any, allowed: bytes) -> None:
    """Answer libzmq's questions who may connect (RFC 27), for as long as the context lives."""
    import gevent
    import zmq.green as zmq
    from zmq.utils import z85

    socket = context.socket(zmq.REP)
    socket.bind(ZAP_ENDPOINT)
    key = z85.decode(allowed)

    def serve() -> None:
        while True:
            version, request, _, address, _, mechanism, *given = socket.recv_multipart()
            good = mechanism == b"CURVE" and len(given) == 1 and hmac.compare_digest(given[0], key)
            if not good:
                who = address.decode("ascii", "replace")
                log.error("a connection from %s was refused: its key is not this run's", who)
            status = (b"200", b"OK") if good else (b"400", b"another key")
            socket.send_multipart([version, request, *status, b"worker" if good else b"", b""])

    gevent.spawn(serve)
