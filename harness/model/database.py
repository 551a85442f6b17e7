"""A database that components and clinicians log in to directly, by Kerberos."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, ValidationError, field_validator

from harness.model.base import Configured
from harness.model.endpoint import Endpoint, Host, endpoint_at

_URI = re.compile(r"postgres(?:ql)?://([^/?#@\s]+)/([^/?#@\s]+)")


class Database(Configured):
    """An arm's PostgreSQL, 12 or later, that authenticates by GSSAPI (``gss`` in its pg_hba.conf)."""

    uri: Annotated[str, Field(json_schema_extra={"pattern": f"^{_URI.pattern}$"})]
    """``postgres://HOST[:PORT]/DATABASE``; port 5432 unless said. Who logs in is the scenario's to say."""
    service_host: Host
    """The host part of the service's principal, postgres/HOST."""

    @property
    def endpoint(self) -> Endpoint:
        """The address that the URI names."""
        return endpoint_at(self._parts[0], 5432)

    @property
    def name(self) -> str:
        """The database that the URI names."""
        return self._parts[1]

    @property
    def _parts(self) -> tuple[str, str]:
        found = _URI.fullmatch(self.uri)
        assert found is not None
        return found[1], found[2]

    @field_validator("uri")
    @classmethod
    def _is_an_address_and_a_name(cls, uri: str) -> str:
        found = _URI.fullmatch(uri)
        if found is None:  # what was found is not said: such a URI may hold a password
            raise ValueError("expected postgres://HOST[:PORT]/DATABASE, without a user or a password")
        try:
            Endpoint.model_validate(endpoint_at(found[1], 5432))
        except ValidationError:
            raise ValueError(f"expected a host and a port from 1 to 65535, got {found[1]!r}") from None
        return uri
