"""Where an arm's logins go, and what has to be true before load may be sent there."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, IPvAnyNetwork, ValidationError, field_validator, model_validator

from harness.model.base import Configured, Positive

Arm = Literal["baseline", "candidate"]
ARMS: tuple[Arm, ...] = ("baseline", "candidate")
Addresses = Mapping[str, tuple[str, ...]]
"""Host names with the addresses that they resolved to when they were checked."""
NO_NAMES: Addresses = {}
"""For targets whose every host is an address already."""


_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_V6 = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")


def _checked_host(host: str) -> str:
    """A name as DNS has it (RFC 1123 §2.1, and the underscore that Windows domains use) or an address."""
    known = _NAME.fullmatch(host) is not None
    if ":" in host and _V6.fullmatch(host):
        with suppress(ValueError):
            known = bool(ipaddress.ip_address(host))
    if not known:
        raise ValueError(f'expected a host name or an address, got "{host}"')
    return host


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


class Credentials(Configured):
    """Where the clinicians' credentials come from; exactly one source, never the secret itself."""

    csv: str | None = None
    """A file of ``user,password`` lines that only its owner may read (mode 0600)."""
    keytab: str | None = None
    """A keytab with one entry or more for each user (mode 0600)."""
    env: str | None = None
    """The name of an environment variable that holds ``user,password`` lines."""

    @model_validator(mode="after")
    def _one_source(self) -> Credentials:
        if sum(source is not None for source in (self.csv, self.keytab, self.env)) != 1:
            raise ValueError("expected exactly one of csv, keytab, env")
        return self


class Directory(Configured):
    """An arm's LDAP service and where people and groups are in it."""

    uri: Annotated[str, Field(pattern=r"^ldaps?://[^/]+/?$")]
    service_host: Host
    """The host part of the service's principal, ldap/HOST."""
    starttls: bool = False
    ca_file: str | None = None
    """The certificates to verify TLS against; without it the system's are used."""
    user_base: str
    group_base: str
    user_attribute: str = "uid"
    bind_dn: str | None = None
    """The DN for simple binds, with ``{user}`` in it; or, as Active Directory takes them, a name such as
    ``{user}@clinic.test``."""

    @property
    def tls(self) -> bool:
        """Whether the connection is TLS from its first byte."""
        return self.uri.startswith("ldaps://")

    @property
    def endpoint(self) -> Endpoint:
        """The address that the URI names."""
        text = self.uri.split("://", 1)[1].rstrip("/")
        return Endpoint.model_validate(parse_endpoint(text, 636 if self.tls else 389))

    @field_validator("bind_dn")
    @classmethod
    def _bind_dn_names_the_user(cls, bind_dn: str | None) -> str | None:
        if bind_dn is not None and "{user}" not in bind_dn:
            raise ValueError(f"expected {{user}} in it, got {bind_dn!r}")
        return bind_dn

    @field_validator("uri")
    @classmethod
    def _endpoint_parses(cls, uri: str) -> str:
        found = parse_endpoint(uri.split("://", 1)[1].rstrip("/"), 389)
        try:
            Endpoint.model_validate(found)
        except ValidationError:
            raise ValueError(f"expected a host and a port from 1 to 65535, got {uri!r}") from None
        return uri


class Target(Configured):
    """One arm: a Kerberos realm, its KDCs, and the services that a login uses."""

    realm: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$")]
    kdcs: Annotated[tuple[Endpoint, ...], Field(json_schema_extra={"minItems": 1})]
    kdc_transport: Literal["udp-first", "tcp"] = "udp-first"
    """``udp-first`` is libkrb5's own order; Windows clients use TCP in practice, as tickets carry a PAC."""
    directory: Directory
    credentials: Credentials

    @field_validator("kdcs", mode="before")
    @classmethod
    def _kdcs_from_text(cls, kdcs: object) -> object:
        if not isinstance(kdcs, list | tuple):
            return kdcs
        if not kdcs:
            raise ValueError("expected a KDC or more, got none")
        return [parse_endpoint(kdc, 88) if isinstance(kdc, str) else kdc for kdc in kdcs]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every address that a login on this arm may connect to."""
        return (*self.kdcs, self.directory.endpoint)

    @property
    def digest(self) -> str:
        """SHA-256 of the realm and its endpoints: another one is another server, whoever logs in there."""
        return hashlib.sha256("\n".join((self.realm, *map(str, self.endpoints))).encode()).hexdigest()


class Targets(Configured):
    """The arms of a comparison, and what the owner of the servers has agreed to."""

    environment: Literal["lab", "pre-production"] = "lab"
    """``lab`` may only name loopback addresses."""
    allow: tuple[IPvAnyNetwork, ...] = ()
    """The networks that load may be sent to outside loopback."""
    max_rate: Positive | None = None
    """The highest rate, in logins a second, that the servers may receive."""
    arms: Annotated[dict[Arm, Target], Field(min_length=1)]

    def refusals(self, addresses: Addresses, peak_rate: float) -> list[str]:
        """Why load must not be sent, one line a reason; empty where it may.

        ``addresses`` maps each endpoint's host to the addresses it resolves to; ``peak_rate`` is in logins a second.
        """
        reasons = []
        for host, found in addresses.items():
            for text in found:
                address = ipaddress.ip_address(text)
                if address.is_loopback:
                    continue
                where = f"{host} ({text})" if host != text else host
                if self.environment != "pre-production":
                    reasons.append(
                        f"environment: expected pre-production for {where}, which is not loopback, "
                        f"got {self.environment}"
                    )
                elif not any(address in network for network in self.allow):
                    reasons.append(f"allow: expected a network that holds {where}, got none")
        outside = any(not ipaddress.ip_address(a).is_loopback for found in addresses.values() for a in found)
        if outside and self.max_rate is None:
            reasons.append("max_rate: expected the highest rate these servers may receive, got none")
        if self.max_rate is not None and peak_rate > self.max_rate:
            reasons.append(f"max_rate: expected a scenario with at most {self.max_rate:g} logins/s, got {peak_rate:g}")
        return reasons
