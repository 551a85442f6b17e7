"""Where a server is: a host and a port, and the addresses that were checked before anything is sent to it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field

from harness.model.base import Configured

Addresses = Mapping[str, tuple[str, ...]]
"""Host names with the addresses that they resolved to when they were checked."""
NO_NAMES: Addresses = {}
"""For targets whose every host is an address already."""


_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_V6 = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")


def _checked_host(host: str) -> str:
    """A name as DNS has it (RFC 1123 §2.1, and the underscore that Windows domains use) or an address.

    In lower case and without a final dot, as libkrb5 makes it before it names a service (src/lib/krb5/os/sn2princ.c):
    one host has one name, in tickets, in the directory's answers and in the name server's.
    """
    known = _NAME.fullmatch(host) is not None
    if ":" in host and _V6.fullmatch(host):
        with suppress(ValueError):
            known = bool(ipaddress.ip_address(host))
    if not known:
        raise ValueError(f'expected a host name or an address, got "{host}"')
    name, percent, zone = host.partition("%")  # of an interface's name (RFC 4007 §11.2) the case counts
    return f"{name.lower().removesuffix('.')}{percent}{zone}"


Host = Annotated[str, AfterValidator(_checked_host)]


class Endpoint(Configured):
    """A host (address or name) and a port."""

    host: Host
    port: Annotated[int, Field(gt=0, lt=65536)]

    def at(self, addresses: Addresses) -> tuple[Endpoint, ...]:
        """The endpoint by each of its checked addresses; raises ValueError for a name that was not checked."""
        found = addresses.get(self.host) or (str(ipaddress.ip_address(self.host)),)
        return tuple(Endpoint(host=address, port=self.port) for address in found)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(text: str, default_port: int) -> dict[str, object]:
    """Host and port of ``host``, ``host:port`` or ``[v6]:port``, as the fields of an Endpoint."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, port = text.split(":")
    else:
        host, port = text, ""
    if port and not (port.isascii() and port.isdigit()):
        raise ValueError(f"expected host:port, got {text!r}")
    return {"host": host, "port": int(port or default_port)}


@lru_cache(maxsize=256)
def endpoint_at(text: str, default_port: int) -> Endpoint:
    """The endpoint that the text of a URI names; a login asks for it at each of its steps."""
    return Endpoint.model_validate(parse_endpoint(text, default_port))


def endpoints_from_text(value: object, default_port: int) -> object:
    """A list of endpoints in which some may be written as text."""
    if not isinstance(value, list | tuple):
        return value
    return [parse_endpoint(one, default_port) if isinstance(one, str) else one for one in value]
