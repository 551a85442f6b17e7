"""Workers on other machines: where the master listens for them, how many it waits for, and how they are let in."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Listen:
    """A host and a port, of a master."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str, option: str) -> Listen:
        """From HOST:PORT, an IPv6 address in brackets; raises ConfigError."""
        host, colon, port = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ConfigError(f"{option}: expected HOST:PORT, got {text}")
        return cls(host, int(port))


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Workers that come from elsewhere: ``workers`` of all arms together, and the ``key`` file that lets them in."""

    listen: Listen
    workers: int
    key: Path | None = None
    send_accounts: bool = False
    """Send the credentials to them, over the encrypted connection."""

    def check(self, arms: int) -> None:
        """Raise ConfigError where they can't be shared out among the arms, or would speak in the clear."""
        if self.workers < arms or self.workers % arms:
            raise ConfigError(f"--expect-workers: expected as many for each of {arms} arms, got {self.workers}")
        if self.key is None and not is_loopback(self.listen.host):
            raise ConfigError(
                f"--listen: expected --key FILE too, since {self.listen.host} is not loopback, got none (authgate "
                "worker --new-key FILE makes one, which master and workers share)"
            )
        if self.key is None and self.send_accounts:
            raise ConfigError(
                "--send-accounts: expected --key FILE too, got none: credentials go encrypted or not at all"
            )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, whatever its resolver says: an address of it, or localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
