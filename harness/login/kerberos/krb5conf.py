"""The libkrb5 configuration of one arm, written from its target.

libkrb5 reads KRB5_CONFIG for the whole process, hence one arm a process.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.model.target import Target


def krb5_conf(target: Target, with_kdcs: bool = True) -> str:
    """The text of a krb5.conf(5) that looks nothing up; with the target's KDCs, or none that libkrb5 could ask itself.

    Host names are never canonicalised: a lookup inside libkrb5 would hide a name server's delay in another step.
    """
    kdcs = "\n".join(f"\t\tkdc = {kdc}" for kdc in target.kdcs) if with_kdcs else ""
    # 1 byte: every request is "too big" for UDP; 1465 is libkrb5's own default.
    udp_limit = 1 if target.kdc_transport == "tcp" else 1465
    services = [
        *(controller.service_host for controller in target.directory.controllers),
        target.services.host,
        target.services.cifs,
    ]
    services += [target.ehr.service_host] if target.ehr is not None else []
    services += [target.database.service_host] if target.database is not None else []
    domain = target.directory.service_host.partition(".")[2] or target.realm.lower()
    hosts = "\n".join(f"\t{host} = {target.realm}" for host in dict.fromkeys(services) if host)
    return f"""[libdefaults]
	default_realm = {target.realm}
	dns_lookup_kdc = false
	dns_lookup_realm = false
	dns_canonicalize_hostname = false
	rdns = false
	forwardable = true
	udp_preference_limit = {udp_limit}
[realms]
	{target.realm} = {{
{kdcs}{_kdc_certificates(target)}
	}}
[domain_realm]
	.{domain} = {target.realm}
{hosts}
"""


def _kdc_certificates(target: Target) -> str:
    """What a KDC's certificate may say instead of what RFC 4556 §3.2.4 asks for, where the target names hosts."""
    cards = target.credentials.smart_cards
    if cards is None or not cards.kdc_hosts:
        return ""
    names = "".join(f"\n\t\tpkinit_kdc_hostname = {host}" for host in cards.kdc_hosts)
    return f"{names}\n\t\tpkinit_eku_checking = kpServerAuth"


def use_krb5_conf(target: Target, folder: Path) -> Path:
    """Make libkrb5 of this process one of the target's realm; returns the file written into ``folder``.

    It names no KDC: a login's own code carries every message, and what would ask behind its back fails at once.
    """
    path = folder / f"krb5-{os.getpid()}.conf"
    path.write_text(krb5_conf(target, with_kdcs=False))
    os.environ["KRB5_CONFIG"] = str(path)
    # The caches are named by the code; a default that somebody's shell exports must not be touched.
    os.environ["KRB5CCNAME"] = "MEMORY:authgate-unused"
    return path
