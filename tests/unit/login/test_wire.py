"""The SASL security layer over a pair of sockets, and what binds a login to its TLS connection."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from harness.login.net.clock import StepClock
from harness.login.net.layers import _end_point, channel_bindings, secured, strongest_layer
from harness.login.net.streams import Stream
from tests.helpers.certificates import certificate

NONE, SIGN, SEAL = 1, 2, 4
OFFER_SIZE = (0x01, 0x00, 0x00)
CHUNK = 7
"""The largest message that the other side takes in these tests, before it is wrapped."""


@dataclass
class Wrapped:
    message: bytes


class Context:
    """Wraps as a real context does in form: the token is longer than the message, and unlike it."""

    def get_wrap_size_limit(self, size: int, seals: bool) -> int:
        assert size == 0x010000
        return CHUNK

    def wrap(self, message: bytes, seals: bool) -> Wrapped:
        return Wrapped(bytes([seals]) + bytes(byte ^ 0x55 for byte in message) + b"mac")

    def unwrap(self, token: bytes) -> Wrapped:
        assert token[-3:] == b"mac"
        return Wrapped(bytes(byte ^ 0x55 for byte in token[1:-3]))


def over(plain: socket.socket, layer: int = SEAL) -> Any:
    return secured(Stream(plain, StepClock(20)), Context(), layer, bytes([7, *OFFER_SIZE]))


def framed(message: bytes) -> bytes:
    token = Context().wrap(message, True).message
    return len(token).to_bytes(4, "big") + token


@pytest.mark.parametrize(
    ("offered", "tls", "layer", "answer"),
    [
        (NONE | SIGN | SEAL, False, SEAL, b"\x04\x10\x00\x00"),
        (NONE | SIGN, False, SIGN, b"\x02\x10\x00\x00"),
        (NONE, False, NONE, b"\x01\x00\x00\x00"),
        (NONE | SIGN | SEAL, True, NONE, b"\x01\x00\x00\x00"),
        (SIGN | SEAL, True, 0, b""),
        (8, False, 0, b""),
    ],
)
def test_the_strongest_layer_is_taken_and_none_within_tls(offered: int, tls: bool, layer: int, answer: bytes) -> None:
    assert strongest_layer(bytes([offered, *OFFER_SIZE]), tls) == (layer, answer)


@given(st.binary(min_size=1, max_size=100))
def test_a_request_goes_out_in_wrapped_pieces_that_the_other_side_takes(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        over(ours).sendall(data)
        pieces = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
        assert theirs.recv(65536) == b"".join(map(framed, pieces))


@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4),
    st.integers(1, 50),
    st.lists(st.integers(1, 30), max_size=10),
)
def test_answers_are_read_whole_however_their_bytes_arrive(
    answers: list[bytes], asked_for: int, cuts: list[int]
) -> None:
    wire = b"".join(map(framed, answers))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        layered = over(ours)
        received = b""
        for cut in (*cuts, len(wire)):
            theirs.sendall(wire[:cut])
            wire = wire[cut:]
        theirs.shutdown(socket.SHUT_WR)
        while piece := layered.recv(asked_for):
            assert len(piece) <= asked_for
            received += piece
    assert received == b"".join(answers)


def test_a_connection_that_ends_within_a_buffer_has_ended() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(framed(b"whole") + framed(b"cut short")[:-1])
        layered = over(ours)
        assert layered.recv(100) == b"whole"
        assert layered.recv(100) == b""


def test_a_buffer_above_what_was_agreed_is_refused_unread() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\x7f\xff\xff\xff")
        with pytest.raises(OSError, match="2147483647"):
            over(ours).recv(10)


def test_without_a_layer_the_socket_is_as_it_was() -> None:
    plain = object()
    assert secured(plain, Context(), NONE, b"\x01\x00\x00\x00") is plain


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [(hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384"), (hashes.SHA512(), "sha512")],
)
def test_a_login_is_bound_to_the_certificate_by_its_signatures_hash(algorithm: hashes.HashAlgorithm, name: str) -> None:
    data = certificate(ec.generate_private_key(ec.SECP256R1()), algorithm)
    assert _end_point(data) == b"tls-server-end-point:" + hashlib.new(name, data).digest()


def test_a_signature_without_a_hash_of_its_own_is_bound_to_by_sha_256() -> None:
    data = certificate(ed25519.Ed25519PrivateKey.generate(), None)
    assert _end_point(data) == b"tls-server-end-point:" + hashlib.sha256(data).digest()


def test_without_tls_there_is_nothing_to_be_bound_to() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert channel_bindings(Stream(ours, StepClock(20))) is None


@given(st.binary(max_size=40))
def test_a_certificate_of_any_form_has_a_binding(peer: bytes) -> None:
    assert _end_point(peer).startswith(b"tls-server-end-point:")
