"""Where an arm's logins go, and what has to be true before load may be sent there."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Iterable
from typing import Annotated, Literal

from pydantic import Field, IPvAnyNetwork, ValidationError, field_validator, model_validator

from harness.model.base import Configured, Document, Positive
from harness.model.credentials import Armor, Credentials
from harness.model.database import Database
from harness.model.ehr import Ehr
from harness.model.endpoint import Addresses, Endpoint, Host, endpoint_at, endpoints_from_text, parse_endpoint
from harness.model.sso import SingleSignOn
from harness.model.steps import STEPS, Service

AccountKind = Literal["clinicians", "services"]
"""Whose logins they are: people's, or those of the components that log in to each other."""
KdcClient = Literal["mit", "windows"]
"""Whose order of KDCs a login follows, and whose waits."""
Arm = Literal["baseline", "candidate"]
ARMS: tuple[Arm, ...] = ("baseline", "candidate")


class Controller(Configured):
    """One LDAP server: where it is, and the name that it has in Kerberos."""

    uri: Annotated[str, Field(pattern=r"^ldaps?://[^/]+/?$")]
    service_host: Host
    """The host part of the service's principal, ldap/HOST."""

    @property
    def tls(self) -> bool:
        """Whether the connection is TLS from its first byte."""
        return self.uri.startswith("ldaps://")

    @property
    def endpoint(self) -> Endpoint:
        """The address that the URI names."""
        text = self.uri.split("://", 1)[1].rstrip("/")
        return endpoint_at(text, 636 if self.tls else 389)

    @field_validator("uri")
    @classmethod
    def _endpoint_parses(cls, uri: str) -> str:
        found = parse_endpoint(uri.split("://", 1)[1].rstrip("/"), 389)
        try:
            Endpoint.model_validate(found)
        except ValidationError:
            raise ValueError(f"expected a host and a port from 1 to 65535, got {uri!r}") from None
        return uri


class Directory(Controller):
    """An arm's LDAP service, at one server or several, and where people and groups are in it."""

    further_controllers: tuple[Controller, ...] = ()
    """Further servers of the same directory, in order of preference: a login fails over to them, and one whose
    scenario asks name servers for a controller goes to the one that they name."""
    starttls: bool = False
    ca_file: str | None = None
    """The certificates to verify TLS against; without it the system's are used."""
    user_base: str
    service_base: str | None = None
    """Where the service accounts' own entries are; without it below ``user_base`` as well."""
    group_base: str
    user_attribute: str = "uid"
    bind_dn: str | None = None
    """The DN for simple binds, with ``{user}`` in it; or, as Active Directory takes them, a name such as
    ``{user}@clinic.test``."""
    schema_kind: Literal["posix", "ad"] = "posix"
    answer_at_most_bytes: Annotated[int, Field(gt=0, le=1 << 30)] = 16 << 20
    """A longer answer to one request fails its step: no server may take the generator's memory."""
    entries_at_most: Annotated[int, Field(gt=0, le=1_000_000)] = 20_000
    """Of one answer, likewise."""
    """How groups are expanded: ``posix`` by a search a level of nesting, ``ad`` by the directory's tokenGroups."""

    @property
    def controllers(self) -> tuple[Controller, ...]:
        """Every server of the directory, in order of preference."""
        return (self, *self.further_controllers)

    @field_validator("bind_dn")
    @classmethod
    def _bind_dn_names_the_user(cls, bind_dn: str | None) -> str | None:
        if bind_dn is not None and "{user}" not in bind_dn:
            raise ValueError(f"expected {{user}} in it, got {bind_dn!r}")
        return bind_dn

    @model_validator(mode="after")
    def _one_kind_of_connection(self) -> Directory:
        if any(controller.tls != self.tls for controller in self.further_controllers):
            raise ValueError(f"further_controllers: expected URIs like {self.uri.partition(':')[0]}://… alone")
        return self


class Dns(Configured):
    """The name servers that an arm's clients ask, and the Active Directory domain that they ask for."""

    servers: Annotated[tuple[Endpoint, ...], Field(min_length=1)]
    """Addresses, not names; port 53 unless said."""
    domain: Host
    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    """The site whose domain controllers are asked for; without it the whole domain's are."""

    @field_validator("servers", mode="before")
    @classmethod
    def _servers_from_text(cls, servers: object) -> object:
        return endpoints_from_text(servers, 53)

    @field_validator("servers")
    @classmethod
    def _servers_are_addresses(cls, servers: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        for server in servers:
            try:
                ipaddress.ip_address(server.host)
            except ValueError:
                raise ValueError(f"expected the address of a name server, got {server.host!r}") from None
        return servers


class Services(Configured):
    """The host parts of further service principals that a login gets tickets for."""

    host: Host | None = None
    """The workstation: host/NAME."""
    cifs: Host | None = None
    """The file server of policy and logon script: cifs/NAME."""


class Target(Configured):
    """One arm: a Kerberos realm, its KDCs, and the services that a login uses."""

    realm: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$")]
    kdcs: Annotated[tuple[Endpoint, ...], Field(json_schema_extra={"minItems": 1})]
    kdc_transport: Literal["udp-first", "tcp"] = "udp-first"
    """``udp-first`` is libkrb5's own order; Windows clients use TCP alone."""
    kdc_client: KdcClient = "mit"
    """How long a silent KDC is waited for and which is asked next: as by libkrb5, or by a Windows workstation."""
    directory: Directory
    credentials: Credentials
    dns: Dns | None = None
    services: Services = Services()
    ehr: Ehr | None = None
    sso: SingleSignOn | None = None
    database: Database | None = None
    release: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")] | None = None
    """What is deployed there, as the site calls it (2026.11, or a build): by it runs are put in a row of updates."""
    armor: Armor | None = None
    """Whose ticket protects the AS exchanges, for a realm that demands FAST (RFC 6113); null: they go without."""
    service_accounts: Credentials | None = None
    """The accounts by which components log in to each other, as the front to the database: often a keytab."""

    @field_validator("realm")
    @classmethod
    def _realm_without_final_dot(cls, realm: str) -> str:
        return realm.removesuffix(".")  # of upper and lower case both may be meant: libkrb5 tells them apart

    @field_validator("kdcs", mode="before")
    @classmethod
    def _kdcs_from_text(cls, kdcs: object) -> object:
        if kdcs == []:
            raise ValueError("expected a KDC or more, got none")
        return endpoints_from_text(kdcs, 88)

    @model_validator(mode="after")
    def _windows_uses_tcp(self) -> Target:
        if self.kdc_client == "windows" and self.kdc_transport != "tcp":
            raise ValueError(f"kdc_transport: expected tcp, which kdc_client: windows uses, got {self.kdc_transport}")
        return self

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every address that a login on this arm may send to."""
        servers = () if self.dns is None else self.dns.servers
        front = () if self.ehr is None else (self.ehr.endpoint,)
        database = () if self.database is None else (self.database.endpoint,)
        directory = (controller.endpoint for controller in self.directory.controllers)
        single_sign_on = () if self.sso is None else self.sso.endpoints
        return (*self.kdcs, *directory, *servers, *front, *single_sign_on, *database)

    @property
    def secret_variables(self) -> frozenset[str]:
        """The environment variables that hold its accounts' secrets."""
        both = (self.credentials, self.service_accounts)
        return frozenset(source.env for source in both if source is not None and source.env is not None)

    def of(self, accounts: AccountKind) -> Target:
        """The target as these accounts log in to it: with their credentials, and where their own entries are."""
        if accounts == "clinicians":
            return self
        directory = self.directory
        if directory.service_base is not None:
            directory = directory.model_copy(update={"user_base": directory.service_base})
        return self.model_copy(update={"credentials": self.service_accounts, "directory": directory})

    def lacks(self, steps: Iterable[str], accounts: Collection[AccountKind] = ()) -> list[str]:
        """What these steps of a login, by such accounts, need that the target doesn't say, one line a key."""
        lines: dict[str, str] = {}
        if "services" in accounts and self.service_accounts is None:
            key = "service_accounts"
            lines[key] = f"{key}: expected a value, which a cohort with accounts: services needs, got none"
        for step in steps:
            for field in STEPS[step].fields:
                key, _, needed = field.partition("=")
                value = self._said(key)
                if value is None or (needed and value != needed):
                    expected = f"expected {needed or 'a value'}, which step {step} needs"
                    lines.setdefault(key, f"{key}: {expected}, got {value or 'none'}")
        return list(lines.values())

    def host_of(self, service: Service) -> str | None:
        """The host part of a service's principal; None where the target doesn't say it."""
        host = self._said(service.host)
        return None if host is None else str(host)

    def _said(self, key: str) -> object:
        """The value under a key path; None where there is none."""
        value: object = self
        for part in key.split("."):
            value = getattr(value, part, None)
        return value

    @property
    def digest(self) -> str:
        """SHA-256 of the realm and its endpoints, by which servers are recognised whoever logs in there."""
        return hashlib.sha256("\n".join((self.realm, *map(str, self.endpoints))).encode()).hexdigest()


class Targets(Document):
    """The arms of a comparison, and the load that the owner of the servers has agreed to."""

    environment: Literal["lab", "pre-production"] = "lab"
    """``lab`` may only name loopback addresses."""
    allow: tuple[IPvAnyNetwork, ...] = ()
    """The networks that load may be sent to outside loopback."""
    max_rate: Positive | None = None
    """The highest rate, in logins a second, that the servers may receive."""
    arms: Annotated[dict[Arm, Target], Field(min_length=1)]

    @property
    def source(self) -> str:
        """Where an error about these targets says that they are: the file that they were read from."""
        return self._read.file or "targets"

    @property
    def secret_variables(self) -> frozenset[str]:
        """The environment variables that hold any arm's secrets."""
        return frozenset().union(*(target.secret_variables for target in self.arms.values()))

    def refusals(self, addresses: Addresses, peak_rate: float, tries: int = 1) -> list[str]:
        """Why load must not be sent, one line a reason; empty where it may.

        ``addresses`` maps each endpoint's host to the addresses it resolves to; ``peak_rate`` is in logins a second,
        of which each may be sent ``tries`` times.
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
        if self.max_rate is not None and peak_rate * tries > self.max_rate:
            each = f" of up to {tries} tries each" if tries > 1 else ""
            found_rate = f"{peak_rate:g}{each}"
            reasons.append(f"max_rate: expected a scenario with at most {self.max_rate:g} logins/s, got {found_rate}")
        return reasons
