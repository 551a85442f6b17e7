"""Exchanges with KDCs, read from libkrb5's trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.login.kerberos.trace import KdcTrace, parse_trace
from harness.model.protocol import KdcExchange


def traced(*texts: str) -> list[str]:
    """Lines as libkrb5 1.20 writes them."""
    return [f"[4711] 1478592000.{100000 + i}: {text}" for i, text in enumerate(texts)]


def test_an_answer_that_is_too_big_for_udp_is_seen_as_two_exchanges() -> None:
    lines = traced(
        "Getting initial credentials for u000001@CLINIC.TEST",
        "Sending unauthenticated request",
        "Sending request (188 bytes) to CLINIC.TEST",
        "Sending initial UDP request to dgram 192.0.2.10:88",
        "Received answer (93 bytes) from dgram 192.0.2.10:88",
        "Response was from primary KDC",
        "Received error from KDC: -1765328332/Response too big for UDP, retry with TCP",
        "Request or response is too big for UDP; retrying with TCP",
        "Sending request (188 bytes) to CLINIC.TEST (tcp only)",
        "Initiating TCP connection to stream 192.0.2.10:88",
        "Sending TCP request to stream 192.0.2.10:88",
        "Received answer (1701 bytes) from stream 192.0.2.10:88",
        "Terminating TCP connection to stream 192.0.2.10:88",
        "AS key obtained for encrypted timestamp: aes256-cts/8A2F",
    )
    assert parse_trace(lines) == (
        KdcExchange("192.0.2.10:88", "UDP", 93, "answer too big for UDP", error="KRB_ERR_RESPONSE_TOO_BIG"),
        KdcExchange("192.0.2.10:88", "TCP", 1701),
    )


def test_a_kdc_that_does_not_answer_is_seen_beside_the_one_that_does() -> None:
    lines = traced(
        "Sending request (188 bytes) to CLINIC.TEST",
        "Sending initial UDP request to dgram 192.0.2.10:88",
        "Sending initial UDP request to dgram 192.0.2.11:88",
        "Received answer (726 bytes) from dgram 192.0.2.11:88",
    )
    assert parse_trace(lines) == (
        KdcExchange("192.0.2.10:88", "UDP", None),
        KdcExchange("192.0.2.11:88", "UDP", 726),
    )


def test_a_retry_that_is_answered_leaves_the_first_request_unanswered() -> None:
    lines = traced(
        "Sending initial UDP request to dgram 192.0.2.10:88",
        "Sending retry UDP request to dgram 192.0.2.10:88",
        "Received answer (726 bytes) from dgram 192.0.2.10:88",
    )
    assert [exchange.answer_bytes for exchange in parse_trace(lines)] == [None, 726]


def test_exchanges_by_tcp_alone_are_of_tcp_alone() -> None:
    lines = traced(
        "Sending request (188 bytes) to CLINIC.TEST (tcp only)",
        "Initiating TCP connection to stream [2001:db8::10]:88",
        "Sending TCP request to stream [2001:db8::10]:88",
        "Received answer (1701 bytes) from stream [2001:db8::10]:88",
        "Terminating TCP connection to stream [2001:db8::10]:88",
    )
    assert parse_trace(lines) == (KdcExchange("[2001:db8::10]:88", "TCP", 1701),)


def test_an_error_is_noted_at_the_server_that_gave_it() -> None:
    lines = traced(
        "Sending initial UDP request to dgram 192.0.2.10:88",
        "Sending initial UDP request to dgram 192.0.2.11:88",
        "UDP error receiving from dgram 192.0.2.10:88: 111/Connection refused",
        "Received answer (726 bytes) from dgram 192.0.2.11:88",
    )
    assert parse_trace(lines) == (
        KdcExchange("192.0.2.10:88", "UDP", None, "Connection refused"),
        KdcExchange("192.0.2.11:88", "UDP", 726),
    )


def test_a_trace_of_anything_else_has_no_exchanges() -> None:
    assert parse_trace([]) == ()
    assert parse_trace(traced("Received answer (9 bytes) from dgram 192.0.2.10:88", "Request is too big for UDP")) == ()
    assert parse_trace(traced("TCP error connecting to stream 192.0.2.10:88: 111/Connection refused")) == ()


def test_a_trace_is_followed_and_no_exchange_told_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRB5_TRACE", "")
    trace = KdcTrace(tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    sent = traced("Sending initial UDP request to dgram 192.0.2.10:88")[0] + "\n"
    for _ in range(2):
        with file.open("a", encoding="utf-8") as writer:
            writer.write(sent)
        assert trace.new_exchanges() == (KdcExchange("192.0.2.10:88", "UDP", None),)
    assert trace.new_exchanges() == ()
