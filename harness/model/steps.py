"""The steps of a clinician's login, in the order in which a workstation takes them.

A cold login starts with an empty ticket cache and takes them all; a warm one leaves out those whose answer a
cache still holds. They are different populations and different metrics (CONTRIBUTING, rule 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cache = Literal["cold", "warm"]
CACHES: tuple[Cache, ...] = ("cold", "warm")
LOGIN = "login"
"""The name of the whole login, which is judged like its steps."""
EARLIER_TRIES = "earlier_tries"
"""The name under which the time that a login lost in tries that were given up stands among its steps; it is never
judged."""


StepKind = Literal["dns", "cldap", "kdc", "ldap", "http", "ehr", "idp", "rp", "db"]
"""The kind of server that a step speaks to; ``ehr`` is the database behind the front that ``http`` logs in to, ``rp``
what relies on the identity provider ``idp``, by either protocol."""


@dataclass(frozen=True, slots=True)
class Service:
    """A Kerberos service: the first part of its principal, and the key path under which a target says the other."""

    name: str
    host: str


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange of the login: ``needs`` names steps that come before it, ``cached`` says a warm login skips it.

    ``fields`` names what a target must say for it: a key path, with ``=value`` where only one value will do.
    """

    name: str
    kind: StepKind
    title: str
    needs: tuple[str, ...] = ()
    cached: bool = False
    fields: tuple[str, ...] = ()
    password: bool = False
    """Whether it is taken by the clinician's password, however they logged in before."""
    ticket: Service | None = None
    """The service whose ticket it asks a KDC for, and nothing else."""


def _ticket(name: str, service: str, host: str, *fields: str) -> Step:
    title = f"Kerberos TGS exchange for {service}/ (RFC 4120 §3.3)"
    return Step(name, "kdc", title, ("kdc_as",), cached=True, fields=fields, ticket=Service(service, host))


_DNS = ("dns",)
_AD = ("directory.schema_kind=ad",)

STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step("dns_srv_kerberos", "dns", "DNS SRV of the domain's KDCs (RFC 4120 §7.2.3.2)", cached=True, fields=_DNS),
        Step("dns_srv_dc", "dns", "DNS SRV of the domain's controllers (MS-ADTS 6.3.2.3)", cached=True, fields=_DNS),
        Step("dns_a", "dns", "DNS A of the domain controller chosen", ("dns_srv_dc",), cached=True, fields=_DNS),
        Step("cldap_ping", "cldap", "CLDAP netlogon ping of the controller (MS-ADTS 6.3.3)", cached=True, fields=_DNS),
        Step("kdc_as", "kdc", "Kerberos AS exchange (RFC 4120 §3.1)", cached=True),
        _ticket("kdc_tgs_host", "host", "services.host", "services.host"),
        _ticket("kdc_tgs_ldap", "ldap", "directory.service_host"),
        _ticket("kdc_tgs_cifs", "cifs", "services.cifs", "services.cifs"),
        _ticket("kdc_tgs_http", "HTTP", "ehr.service_host", "ehr"),
        _ticket("kdc_tgs_idp", "HTTP", "sso.provider.service_host", "sso"),
        _ticket("kdc_tgs_postgres", "postgres", "database.service_host", "database"),
        Step("ldap_connect", "ldap", "LDAP connection, with TLS where configured (RFC 4511, 4513)"),
        Step("ldap_rootdse", "ldap", "LDAP read of the server's root entry (RFC 4512 §5.1)", ("ldap_connect",)),
        Step("ldap_bind", "ldap", "LDAP SASL GSSAPI bind (RFC 4752)", ("kdc_tgs_ldap", "ldap_connect")),
        Step("ldap_simple_bind", "ldap", "LDAP simple bind (RFC 4513 §5.1)", ("ldap_connect",), password=True),
        Step(
            "ldap_ntlm_bind",
            "ldap",
            "LDAP SASL GSS-SPNEGO bind by NTLM (MS-NLMP)",
            ("ldap_connect",),
            fields=_AD,
            password=True,
        ),
        Step("ldap_own_entry", "ldap", "LDAP search for the clinician's own entry", ("ldap_connect",)),
        Step("ldap_groups", "ldap", "LDAP expansion of nested groups", ("ldap_own_entry",)),
        Step(
            "ldap_token_groups",
            "ldap",
            "LDAP read of tokenGroups (MS-ADTS 3.1.1.4.5.19)",
            ("ldap_own_entry",),
            fields=_AD,
        ),
        Step(
            "ldap_in_chain",
            "ldap",
            "LDAP in-chain rule (MS-ADTS 3.1.1.3.4.4.3)",
            ("ldap_token_groups",),
            fields=_AD,
        ),
        Step(
            "http_negotiate",
            "http",
            "HTTP Negotiate to the EHR's front (RFC 4559)",
            ("kdc_tgs_http",),
            fields=("ehr",),
        ),
        Step(
            "ehr_query",
            "ehr",
            "the EHR's database asked on the clinician's behalf (MS-SFU)",
            ("http_negotiate",),
            fields=("ehr.database_path",),
        ),
        Step(
            "oidc_start",
            "rp",
            "OpenID Connect: the relying party sends the browser to its provider (OIDC Core 1.0 §3.1.2.1)",
            fields=("sso.oidc",),
        ),
        Step(
            "oidc_authorize",
            "idp",
            "OpenID Connect: HTTP Negotiate at the provider, which gives a code (OIDC Core 1.0 §3.1.2.5)",
            ("kdc_tgs_idp", "oidc_start"),
            fields=("sso.oidc",),
        ),
        Step(
            "oidc_callback",
            "rp",
            "OpenID Connect: the code at the relying party, which gets the tokens for it (OIDC Core 1.0 §3.1.3)",
            ("oidc_authorize",),
            fields=("sso.oidc",),
        ),
        Step(
            "oidc_page",
            "rp",
            "OpenID Connect: the relying party's page, by the session's cookie",
            ("oidc_callback",),
            fields=("sso.oidc",),
        ),
        Step(
            "saml_start",
            "rp",
            "SAML 2.0: the service provider sends the browser to its identity provider (Profiles §4.1.4.1)",
            fields=("sso.saml",),
        ),
        Step(
            "saml_authenticate",
            "idp",
            "SAML 2.0: HTTP Negotiate at the identity provider, which gives a signed response (Profiles §4.1.4.2)",
            ("kdc_tgs_idp", "saml_start"),
            fields=("sso.saml",),
        ),
        Step(
            "saml_consume",
            "rp",
            "SAML 2.0: the response, posted to the assertion consumer service (Profiles §4.1.4.5, Bindings §3.5)",
            ("saml_authenticate",),
            fields=("sso.saml",),
        ),
        Step(
            "saml_page",
            "rp",
            "SAML 2.0: the service provider's page, by the session's cookie",
            ("saml_consume",),
            fields=("sso.saml",),
        ),
        Step(
            "db_connect",
            "db",
            "connection to the database by Kerberos (PostgreSQL protocol 3.0)",
            ("kdc_tgs_postgres",),
            fields=("database",),
        ),
        Step("db_query", "db", "read of whom the database has authenticated", ("db_connect",), fields=("database",)),
    )
}


def steps_of(steps: tuple[str, ...], cache: Cache) -> tuple[str, ...]:
    """The steps that a login with this cache takes, in order."""
    return steps if cache == "cold" else tuple(name for name in steps if not STEPS[name].cached)
