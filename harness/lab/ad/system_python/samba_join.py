# SPDX-License-Identifier: GPL-3.0-or-later
# It imports Samba's bindings, which are under the GPL; so it is too, unlike the rest of authgate (see LICENSE).
"""A second domain controller of a built domain, made beside the first without a network: run by /usr/bin/python3.

``samba_join.py SMB.CONF SECOND.CONF`` reads one JSON object from standard input: ``name``, ``address``, ``site`` and
``principals`` (service principals) of the second, and ``subnet``, which is mapped to the first's site.

The entries are those that ``samba-tool domain join`` makes, by the same code (as ``samba-tool domain backup restore``
uses it); what a join then replicates is copied. So both have the same objects, and each its own machine account,
secrets, identity (dsServiceName, invocationId) and RID pool. Neither has replicated, nor does the lab run that service.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
from typing import Any

import ldb
import samba.dsdb
from samba import Ldb, sites, subnets
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dcerpc import dnsp, misc
from samba.join import DCJoinContext
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.provision import secretsdb_self_join
from samba.provision.sambadns import ARecord, SRVRecord
from samba.samdb import SamDB

_RELAX = ["relax:0"]
_TTL_S = 900
_RID_POOL = 500
"""Relative identifiers in a controller's pool, as Windows and Samba give them."""
_OF_EVERY_CONTROLLER = ("@", "gc", "DomainDnsZones", "ForestDnsZones")
"""Names whose A records are those of all controllers; "@" is a zone's own."""
_OF_ZONE = dnsp.DNS_RANK_ZONE
"""Not root hints, which are foreign."""


def _database(settings: LoadParm) -> SamDB:
    credentials = Credentials()
    credentials.guess(settings)
    path = settings.private_path("sam.ldb")
    return SamDB(url=path, session_info=system_session(), credentials=credentials, lp=settings)


def join(first: str, second: str, request: dict[str, Any]) -> None:
    """Make the second controller's folders from the first's; each is named by its smb.conf."""
    settings = LoadParm()
    settings.load(first)
    sam = _database(settings)
    site, near = request["site"], sam.server_site_name()
    sam.transaction_start()
    sites.create_site(sam, sam.get_config_basedn(), site)
    subnets.create_subnet(sam, sam.get_config_basedn(), request["subnet"], near)
    context = DCJoinContext(
        logging.getLogger(),
        creds=Credentials(),
        lp=settings,
        site=site,
        netbios_name=request["name"],
        forced_local_samdb=sam,
    )
    context.nc_list = context.full_nc_list = [str(nc) for nc in sam.search("", ldb.SCOPE_BASE)[0]["namingContexts"]]
    context.userAccountControl = samba.dsdb.UF_SERVER_TRUST_ACCOUNT | samba.dsdb.UF_TRUSTED_FOR_DELEGATION
    context.SPNs += request["principals"]
    context.join_add_objects()
    _give_rids(sam, context.acct_dn)
    _register(sam, context.dc_dnsHostName, context.dnshostname, near, site, request["address"])
    sam.transaction_commit()
    source = settings.get("lock directory")
    settings.load(second)  # The settings are the process's: the first's are gone from here on.
    shutil.copytree(source, settings.get("lock directory"))
    _become(settings, context)


def _give_rids(sam: SamDB, account: str) -> None:
    """A pool of relative identifiers, as the RID master would give it (MS-ADTS 6.1.5.3)."""
    manager = sam.search(sam.domain_dn(), ldb.SCOPE_BASE, attrs=["rIDManagerReference"])[0]["rIDManagerReference"][0]
    manager_dn = ldb.Dn(sam, str(manager))
    available = int(sam.search(manager_dn, ldb.SCOPE_BASE, attrs=["rIDAvailablePool"])[0]["rIDAvailablePool"][0])
    low, high = available & 0xFFFFFFFF, available >> 32
    pool = str((low + _RID_POOL - 1) << 32 | low)
    message = ldb.Message(manager_dn)
    after = str(high << 32 | (low + _RID_POOL))
    message["rIDAvailablePool"] = ldb.MessageElement(after, ldb.FLAG_MOD_REPLACE, "rIDAvailablePool")
    sam.modify(message)
    rid_set = f"CN=RID Set,{account}"
    pools = dict.fromkeys(("rIDAllocationPool", "rIDPreviousAllocationPool"), pool)
    sam.add({"dn": rid_set, "objectClass": "rIDSet", **pools, "rIDUsedPool": "0", "rIDNextRID": str(low)}, _RELAX)
    message = ldb.Message(ldb.Dn(sam, account))
    message["rIDSetReferences"] = ldb.MessageElement(rid_set, ldb.FLAG_MOD_ADD, "rIDSetReferences")
    sam.modify(message, _RELAX)


def _register(sam: SamDB, first: str, second: str, near: str, far: str, address: str) -> None:
    """The second's records beside the first's, those of a site in its own (MS-ADTS 6.3.2)."""
    name = first.partition(".")[0]
    for partition in ("DomainDnsZones", "ForestDnsZones"):
        base = f"CN=MicrosoftDNS,DC={partition},{sam.domain_dn()}"
        for node in list(sam.search(base, expression="(objectClass=dnsNode)", attrs=["dnsRecord"])):
            dn, own = str(node.dn), str(node.dn.get_rdn_value())
            if own == name:
                _add_node(sam, dn.replace(name, second.partition(".")[0], 1), [ARecord(address, ttl=_TTL_S)])
                continue
            records = [ndr_unpack(dnsp.DnssrvRpcRecord, bytes(value)) for value in node.get("dnsRecord", ())]
            services = [r.data for r in records if r.wType == dnsp.DNS_TYPE_SRV and r.data.nameTarget == first]
            added = [SRVRecord(second, data.wPort, data.wPriority, data.wWeight, ttl=_TTL_S) for data in services]
            if own in _OF_EVERY_CONTROLLER and any(r.wType == dnsp.DNS_TYPE_A and r.rank == _OF_ZONE for r in records):
                added.append(ARecord(address, ttl=_TTL_S))
            if f".{near}._sites" in dn:
                _add_node(sam, dn.replace(f".{near}._sites", f".{far}._sites"), added)
            elif added:
                message = ldb.Message(node.dn)
                values = [ndr_pack(record) for record in (*records, *added)]
                message["dnsRecord"] = ldb.MessageElement(values, ldb.FLAG_MOD_REPLACE, "dnsRecord")
                sam.modify(message)


def _add_node(sam: SamDB, dn: str, records: list[Any]) -> None:
    sam.add({"dn": dn, "objectClass": "dnsNode", "dnsRecord": [ndr_pack(record) for record in records]})


def _become(second: LoadParm, context: DCJoinContext) -> None:
    """Make the copy another controller than the one that it was copied from."""
    sam = _database(second)
    message = ldb.Message(ldb.Dn(sam, "@ROOTDSE"))
    identity = f"<GUID={context.ntds_guid}>"
    message["dsServiceName"] = ldb.MessageElement(identity, ldb.FLAG_MOD_REPLACE, "dsServiceName")
    sam.modify(message)
    secrets = Ldb(second.private_path("secrets.ldb"), session_info=system_session(), lp=second)
    secretsdb_self_join(
        secrets,
        domain=context.domain_name,
        realm=context.realm,
        dnsdomain=context.dnsdomain,
        netbiosname=context.myname,
        domainsid=context.domsid,
        machinepass=context.acct_pass,
        key_version_number=context.key_version_number,
        secure_channel_type=misc.SEC_CHAN_BDC,
    )


if __name__ == "__main__":
    join(sys.argv[1], sys.argv[2], json.load(sys.stdin))
