"""Where an arm's accounts have their passwords, keys or cards; never the secrets themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from harness.model.base import Configured
from harness.model.endpoint import Host


class SmartCards(Configured):
    """Soft smart cards for logins by PKINIT (RFC 4556)."""

    folder: str
    """A folder with a file USER.pem for each user: a certificate and its private key (mode 0600)."""
    anchors: str
    """A PEM file of the authorities that the cards and the KDCs' certificates are verified by."""
    kdc_hosts: tuple[Host, ...] = ()
    """Names of which a KDC's certificate may carry one where it doesn't name the realm's krbtgt, as those of Active
    Directory's domain controllers."""


class Armor(Configured):
    """The workstation's own account, under whose ticket the clinicians' AS exchanges are armoured (FAST, RFC 6113)."""

    keytab: str
    """A keytab with the account's keys (mode 0600), as the workstation has them."""
    principal: Annotated[str, Field(pattern=r"^[^@\s]+$")]
    """The account's principal without its realm, as host/ws001.clinic.example, or WS001$ in Active Directory."""


class Credentials(Configured):
    """Where the clinicians' credentials come from; never the secret itself.

    Passwords or keys have exactly one source. Smart cards may replace it or be there as well: a scenario says which of
    the two its logins use.
    """

    csv: str | None = None
    """A file of ``user,password`` lines that only its owner may read (mode 0600), in UTF-8, or UTF-16 with its mark.

    A header ``user,password`` may come first, and shows another separator (``;`` or a tab). A user is an account's name
    or a user principal name; a field with a quote or the separator in it is in quotes, and ends in its line."""
    keytab: str | None = None
    """A keytab with one entry or more for each user (mode 0600); every key of a user's newest version is used."""
    env: str | None = None
    """The name of an environment variable that holds ``user,password`` lines."""
    smart_cards: SmartCards | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Credentials:
        given = sum(source is not None for source in (self.csv, self.keytab, self.env))
        if given > 1 or (given == 0 and self.smart_cards is None):
            raise ValueError("expected exactly one of csv, keytab, env, or smart_cards in its place")
        return self

    @property
    def key_source(self) -> str | None:
        """Where passwords or keys come from, as an error names it; None where there are only cards."""
        return self.csv or self.keytab or (None if self.env is None else f"environment variable {self.env}")
