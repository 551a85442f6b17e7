"""Workers on other machines are let in by a key or not at all, and are enough for every arm alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.load.elsewhere import Elsewhere, Listen, is_loopback

KEY = Path("key")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:5557", Listen("127.0.0.1", 5557)),
        ("[::1]:1", Listen("::1", 1)),
        ("gate.example:65535", Listen("gate.example", 65535)),
    ],
)
def test_a_host_and_a_port_are_read(text: str, found: Listen) -> None:
    assert Listen.of(text, "--listen") == found


@pytest.mark.parametrize("text", ["5557", ":5557", "host", "host:", "host:0", "host:65536", "host:-1", "host:http", ""])
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--listen: expected HOST:PORT, got"):
        Listen.of(text, "--listen")


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::", "gate.example", "127.0.0.1.example", "*"])
def test_nothing_beyond_loopback_is_listened_on_without_a_key(host: str) -> None:
    """A name may lead anywhere, whatever it says."""
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="expected --key FILE too"):
        Elsewhere(Listen(host, 5557), 2).check(2)
    Elsewhere(Listen(host, 5557), 2, KEY).check(2)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_no_key_is_needed_but_credentials_are_not_sent_without_one(host: str) -> None:
    Elsewhere(Listen(host, 5557), 2).check(2)
    with pytest.raises(ConfigError, match="credentials go encrypted or not at all"):
        Elsewhere(Listen(host, 5557), 2, send_accounts=True).check(2)


@pytest.mark.parametrize(("workers", "arms"), [(1, 2), (3, 2), (5, 2)])
def test_each_arm_has_as_many_workers(workers: int, arms: int) -> None:
    with pytest.raises(ConfigError, match="expected as many for each of 2 arms"):
        Elsewhere(Listen("127.0.0.1", 5557), workers).check(arms)
