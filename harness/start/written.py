"""A first targets file and a first scenario, with comments; no secret, and no consent that nobody has given."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence

from harness.start.discover import Controller, Domain

CREDENTIALS = "clinicians.csv"
_AD_STEPS = ("dns_srv_kerberos", "dns_srv_dc", "dns_a", "cldap_ping", "kdc_as", "kdc_tgs_ldap", "ldap_connect",
             "ldap_rootdse", "ldap_bind", "ldap_own_entry", "ldap_token_groups")  # fmt: skip
_STEPS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups")


def targets_yaml(domain: Domain, baseline: Controller, candidate: Controller | None) -> str:
    """The targets file: what was found is filled in, and what a person has to say stands there as a comment."""
    addresses = sorted({address for one in domain.controllers for address in one.addresses})
    outside = [address for address in addresses if not ipaddress.ip_address(address).is_loopback]
    lines = [
        f"# What {_plain(domain.name)} says of itself: {_said(domain)}.",
        "# Nothing is sent yet: say below that it may be, and put the accounts beside this file.",
    ]
    if outside:
        lines += [
            "environment: pre-production     # these are not production servers",
            f"allow: []                       # the networks that load may be sent to, as [{_network(outside[0])}]",
            "# max_rate: 80                  # the highest rate these servers may receive, logins/s: ask their owner",
        ]
    lines += ["", "arms:", "  baseline:                       # as in production today", *_arm(domain, baseline)]
    if candidate is None:
        lines += [
            "",
            "  # One directory server was found. The other one, with the update, goes here in the same form:",
            "  # candidate:",
        ]
        lines += [f"  #{line[1:]}" if line.strip() else line for line in _arm(domain, baseline)]
    else:
        lines += ["", "  candidate:                      # the one with the update: is it this one?"]
        lines += _arm(domain, candidate)
    others = [one for one in domain.controllers if one not in (baseline, candidate)]
    if others:
        lines += ["", "# Further controllers that were found:"]
        lines += [f"#   {_plain(one.host)} at {', '.join(one.addresses) or 'no address'}{_site(one)}" for one in others]
    return "\n".join(lines) + "\n"


def scenario_yaml(domain: Domain, rate: float, users: int) -> str:
    """A first scenario: the login of a workstation of such a domain."""
    steps = _AD_STEPS if domain.active_directory else _STEPS
    lines = [
        "# A first scenario: change the rate, the number of accounts and the steps to what your mornings are like.",
        "name: first",
        f"description: {json.dumps(f'Logins at {domain.name}.')}",
        "steps:",
        *(f"  - {step}" for step in steps),
        "population:",
        f"  users: {users}                    # of the accounts, as many log in",
        "  cold_share: 0.8               # the others have tickets already, as when a screen is unlocked",
        "arrivals:",
        "  curve: constant",
        f"  rate: {rate:g}                       # logins a second: count them in your domain controllers' logs (4768)",
        "blocks:                         # short ones of one arm each, in random order; 20 minutes in all",
        "  length_s: 3",
        "  trim_s: 0.5",
        "  per_pair: 5                   # of each arm: what slows both for some seconds falls on both alike",
        "  pairs: 40",
    ]
    return "\n".join(lines) + "\n"


def _arm(domain: Domain, one: Controller) -> list[str]:
    address = one.addresses[0] if one.addresses else one.host
    bracketed = f"[{address}]" if ":" in address else address
    kdc = next((record.port for record in domain.kdcs if record.host == one.host), 88)
    uri = f"ldaps://{bracketed}" if one.tls else f"ldap://{bracketed}{'' if one.port == 389 else f':{one.port}'}"
    ad = one.active_directory
    base = one.naming_context or "DC=FILL,DC=IN"
    lines = [
        f"    realm: {_quoted(domain.realm)}",
        f"    kdcs: [{_quoted(bracketed if kdc == 88 else f'{bracketed}:{kdc}')}]",
        *(["    kdc_transport: tcp            # as Windows clients in practice"] if ad else []),
        "    directory:",
        f"      uri: {_quoted(uri)}" + ("" if one.tls else "   # no TLS on port 636: signed and sealed by Kerberos"),
        f"      service_host: {_quoted(one.host)}",
        *(["      # ca_file: ca.pem             # the authority of its certificate, if this machine doesn't know it"]
          if one.tls else []),
        f"      user_base: {_quoted(base)}   # narrower where the clinicians are",
        f"      group_base: {_quoted(base)}",
        *(["      user_attribute: sAMAccountName", "      schema_kind: ad"] if ad else []),
        f"    dns: {{servers: [{', '.join(_quoted(str(server)) for server in domain.servers)}], "
        f"domain: {_quoted(domain.name)}}}",
        f"    credentials: {{csv: {CREDENTIALS}}}   # lines user,password, mode 0600; or keytab, env",
        "    # release: 2026.11             # what is deployed there, for the history",
    ]  # fmt: skip
    return lines


def _said(domain: Domain) -> str:
    kind = f"Active Directory, forest {_plain(domain.forest)}" if domain.active_directory else "no Active Directory"
    return f"{kind}; {len(domain.kdcs)} KDCs, {len(domain.controllers)} directory servers"


def _site(one: Controller) -> str:
    return f", site {_plain(one.netlogon.site)}" if one.netlogon and one.netlogon.site else ""


def _network(address: str) -> str:
    """The network that such a server is likely in, to be narrowed."""
    found = ipaddress.ip_address(address)
    return str(ipaddress.ip_network(f"{address}/{24 if found.version == 4 else 64}", strict=False))


def _quoted(text: str) -> str:
    """A YAML string of what a server has said."""
    return json.dumps(text)


def _plain(text: str) -> str:
    """What a server has said, as it may stand in a comment."""
    return "".join(c for c in text if c.isprintable())[:253]


def summary(domain: Domain) -> Iterable[str]:
    """What was found, a line a server."""
    yield f"{_plain(domain.name)}: {_said(domain)}"
    for one in domain.controllers:
        kind = " ".join(one.netlogon.roles) if one.netlogon else "no netlogon"
        where: Sequence[str] = one.addresses or ("no address",)
        secured = "LDAPS" if one.tls else "LDAP alone"
        yield f"  {_plain(one.host)} at {', '.join(where)}: {secured}, {kind}{_site(one)}"
