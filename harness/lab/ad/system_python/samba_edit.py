# SPDX-License-Identifier: GPL-3.0-or-later
# It imports Samba's bindings, which are under the GPL; so it is too, unlike the rest of authgate (see LICENSE).
"""Edits of a stopped domain controller's database; run by /usr/bin/python3, the only one with Samba's bindings.

``samba_edit.py SMB.CONF`` reads one JSON object from standard input, where secrets may be. Its keys, all optional and
done in this order: ``modify`` and ``add`` (entries: attributes by name; ``password`` is hashed, ``like`` names the
entry whose hashes are copied, which takes a tenth of the time), ``hosts`` (DNS A records: name to address), ``moved``
(A records: address before to address after), ``ldif`` (changes, RFC 2849), ``keytab`` (a file, and the ``principals``
whose keys to write).
"""

from __future__ import annotations

import json
import sys
from typing import Any

import ldb
from samba import enable_net_export_keytab
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dcerpc import dnsp
from samba.ndr import ndr_pack, ndr_unpack
from samba.net import Net
from samba.param import LoadParm
from samba.provision.sambadns import ARecord
from samba.samdb import SamDB

_KEEP_HASHES = ["local_oid:1.3.6.1.4.1.7165.4.3.12:0"]
"""DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID: the hashes are given, not made."""
_HASHES = ("unicodePwd", "supplementalCredentials")
_TTL_S = 900


class Editor:
    """A domain controller's database, opened from its smb.conf."""

    def __init__(self, smb_conf: str) -> None:
        self._lp = LoadParm()
        self._lp.load(smb_conf)
        credentials = Credentials()
        credentials.guess(self._lp)
        path = self._lp.private_path("sam.ldb")
        self._sam = SamDB(url=path, session_info=system_session(), credentials=credentials, lp=self._lp)
        self._hashes: dict[str, dict[str, Any]] = {}

    def edit(self, request: dict[str, Any]) -> None:
        """Do what the request says, in one transaction."""
        self._sam.transaction_start()
        for entry in request.get("modify", ()):
            self._modify(**entry)
        for entry in request.get("add", ()):
            self._add(dict(entry))
        for host, address in request.get("hosts", {}).items():
            self._add_host(host, address)
        if "moved" in request:
            self._move(request["moved"])
        if request.get("ldif"):
            self._sam.modify_ldif(request["ldif"])
        self._sam.transaction_commit()
        enable_net_export_keytab()
        for principal in request.get("principals", ()):
            Net(None, self._lp).export_keytab(keytab=request["keytab"], principal=principal)

    def _modify(self, dn: str, **changes: dict[str, str | list[str]]) -> None:
        flags = {"replace": ldb.FLAG_MOD_REPLACE, "add": ldb.FLAG_MOD_ADD, "delete": ldb.FLAG_MOD_DELETE}
        message = ldb.Message(ldb.Dn(self._sam, dn))
        for how, attributes in changes.items():
            flag = flags[how]
            for name, values in attributes.items():
                message[name] = ldb.MessageElement(values, flag, name)
        self._sam.modify(message)

    def _add(self, entry: dict[str, Any]) -> None:
        password, like = entry.pop("password", None), entry.pop("like", None)
        if password is not None:
            entry["unicodePwd"] = f'"{password}"'.encode("utf-16-le")
        if like is None:
            self._sam.add(entry)
        else:
            self._sam.add({**entry, **self._hashes_of(like)}, controls=_KEEP_HASHES)

    def _hashes_of(self, dn: str) -> dict[str, Any]:
        if dn not in self._hashes:
            attributes = [*_HASHES, "pwdLastSet"]
            found = self._sam.search(dn, scope=ldb.SCOPE_BASE, attrs=attributes)[0]
            self._hashes[dn] = {name: bytes(found[name][0]) for name in attributes}
        return self._hashes[dn]

    def _add_host(self, host: str, address: str) -> None:
        domain = self._lp.get("realm").lower()
        name = host.removesuffix(f".{domain}")
        zone = f"DC={domain},CN=MicrosoftDNS,DC=DomainDnsZones,{self._sam.domain_dn()}"
        record = ndr_pack(ARecord(address, ttl=_TTL_S))
        self._sam.add({"dn": f"DC={name},{zone}", "objectClass": "dnsNode", "dnsRecord": record})

    def _move(self, addresses: dict[str, str]) -> None:
        for partition in ("DomainDnsZones", "ForestDnsZones"):
            base = f"CN=MicrosoftDNS,DC={partition},{self._sam.domain_dn()}"
            for node in self._sam.search(base, expression="(objectClass=dnsNode)", attrs=["dnsRecord"]):
                records = [ndr_unpack(dnsp.DnssrvRpcRecord, bytes(value)) for value in node.get("dnsRecord", ())]
                # Root hints are foreign: @ and *.root-servers.net stay as they are.
                moved = [r for r in records if r.wType == dnsp.DNS_TYPE_A and r.rank == dnsp.DNS_RANK_ZONE]
                if not moved:
                    continue
                for record in moved:
                    record.data = addresses[record.data]
                message = ldb.Message(node.dn)
                values = [ndr_pack(record) for record in records]
                message["dnsRecord"] = ldb.MessageElement(values, ldb.FLAG_MOD_REPLACE, "dnsRecord")
                self._sam.modify(message)


if __name__ == "__main__":
    Editor(sys.argv[1]).edit(json.load(sys.stdin))
