"""The libkrb5 configuration of one arm, written from its target.

libkrb5 reads KRB5_CONFIG for the whole process, hence one arm a process.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.model.endpoint import NO_NAMES, Addresses
from harness.model.target import Target


def krb5_conf(target: Target, addresses: Addresses = NO_NAMES, first: str = "") -> str:
    """The text of a krb5.conf(5) that names the target's KDCs by their checked addresses and looks nothing up.

    libkrb5 asks them in this order: those at the address ``first``, then as the target lists them.
    Host names are never canonicalised: a lookup inside libkrb5 would hide a name server's delay in another step.
    """
    checked = sorted((at for kdc in target.kdcs for at in kdc.at(addresses)), key=lambda at: at.host != first)
    kdcs = "\n".join(f"\t\tkdc = {address}" for address in checked)
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


def use_krb5_conf(target: Target, folder: Path, addresses: Addresses = NO_NAMES) -> Path:
    """Make libkrb5 of this process speak to the target; returns the file written into ``folder``."""
    path = folder / f"krb5-{os.getpid()}.conf"
    path.write_text(krb5_conf(target, addresses))
    os.environ["KRB5_CONFIG"] = str(path)
    # The caches are named by the code; a default that somebody's shell exports must not be touched.
    os.environ["KRB5CCNAME"] = "MEMORY:authgate-unused"
    return path
