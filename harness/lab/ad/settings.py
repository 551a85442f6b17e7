"""What an arm's servers are configured with, and the files that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.lab import pki
from harness.lab.ad import region

HOME = "/mnt"
"""Where an arm's servers see its clone. Each has a mount namespace of its own, so both arms use the same path."""

FOLDERS: Mapping[str, str] = {region.DC_NAME: "dc", region.SECOND_DC_NAME: "dc2"}
"""Where in a clone each controller keeps its state."""
SMB_CONFS: Mapping[str, str] = {region.DC_NAME: "smb.conf", region.SECOND_DC_NAME: "smb-dc2.conf"}
"""Each controller's configuration in a clone."""

PORTS: Mapping[str, int] = {"dns": 53, "kdc": 88, "ldap": 389, "ldaps": 636, "http": 8080, "postgres": 5432}
"""Samba can't be told other ports for LDAP, hence an address an arm."""

SSO_PORTS: Mapping[str, int] = {"oidc": 8081, "idp": 8082, "saml": 8083}
"""Those of the relying parties and of the identity provider, where there is single sign-on."""

PROVIDER = f"http://{region.IDP_HOST}:{SSO_PORTS['idp']}"
"""The identity provider, as browsers and what relies on it know it."""

OTHER_PORTS = (464, 3268, 3269)
"""What else a domain controller listens on: kpasswd, the global catalogue and that by TLS."""

Certificate = Literal["ec-p256", "rsa-4096"]

RESOLVER_PATIENCE_S = 30
"""As long as glibc's resolver can wait for an answer (RES_MAXRETRANS)."""

_DIRECTIVES = "\n\t".join


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one arm's servers; what isn't named here is the lab's or the server's default."""

    samba: Mapping[str, str] = field(default_factory=dict)
    """smb.conf(5) parameters of [global] beside or instead of the lab's own."""
    process_model: Literal["prefork", "standard", "single"] = "prefork"
    """samba(8) --model: how the domain controller shares out connections."""
    certificate: Certificate = "ec-p256"
    """The key of the directory's TLS certificate."""
    ehr_workers: int = 8
    """The web front's processes; each serves one request at a time."""
    reverse_dns_delay_s: float = 0.0
    """How late the web front's resolver gets the name of a client's address, or the word that it has none."""
    database: Mapping[str, str] = field(default_factory=dict)
    """postgresql.conf parameters beside or instead of the lab's own."""
    ldif: str = ""
    """Changes to the directory's entries (RFC 2849)."""
    single_sign_on: bool = False
    """Whether there are an identity provider and what relies on it, by either protocol."""
    open_sessions: int = 0
    """How many sessions the identity provider's store holds from the start, of people who have logged on before."""
    portal: Mapping[str, object] = field(default_factory=dict)
    """Settings of the identity provider's portal (LemonLDAP::NG) beside or instead of the lab's own."""
    saml_key_bits: int = 2048
    """How long the RSA keys are by which both sides of SAML sign."""
    saml_key_renewed: bool = False
    """Whether the identity provider signs by a key that the service provider has not heard of."""
    kdc_transport: Literal["udp-first", "tcp"] = "tcp"
    """How clients ask the KDC first. As Windows does by TCP: a ticket with a PAC doesn't fit a datagram."""


def smb_conf(settings: Settings, address: str, name: str = region.DC_NAME) -> str:
    """The text of an smb.conf(5) of the controller of this name."""
    home = f"{HOME}/{FOLDERS[name]}"
    parameters = {
        "netbios name": name.upper(),
        "realm": region.REALM,
        "workgroup": region.WORKGROUP,
        "server role": "active directory domain controller",
        "server services": "ldap, cldap, kdc, dns",
        # A mask of 32 bits is not taken for an interface.
        "interfaces": f"{address}/8",
        "bind interfaces only": "yes",
        "disable netbios": "yes",
        "dns forwarder": "",
        # As Windows does; Samba's own default refuses GSSAPI inside TLS.
        "ldap server require strong auth": "allow_sasl_over_tls",
        "tls certfile": f"{HOME}/tls/{settings.certificate}-cert.pem",
        "tls keyfile": f"{HOME}/tls/{settings.certificate}-key.pem",
        "tls cafile": "",
        "private dir": f"{home}/private",
        "lock directory": home,
        "state directory": f"{home}/state",
        "cache directory": f"{home}/cache",
        "binddns dir": f"{home}/bind-dns",
        "pid directory": f"{home}/run",
        "ncalrpc dir": f"{home}/run/ncalrpc",
        "winbindd socket directory": f"{home}/run/winbindd",
        "ntp signd socket directory": f"{home}/run/ntp_signd",
        "log file": f"{HOME}/logs/{FOLDERS[name]}.log",
        "logging": "file",
        "log level": "0",
        "max log size": "0",
        # Each AS-REQ writes to the account's entry; a flush takes 0.1 to 80 ms and would be the disk's latency.
        "ldb:nosync": "yes",
        # ACLs in a file: extended attributes of the security namespace are not to be had in every container.
        "vfs objects": "dfs_samba4 acl_xattr xattr_tdb",
        "xattr_tdb:file": f"{home}/state/xattr.tdb",
        **settings.samba,
    }
    lines = _DIRECTIVES(f"{name} = {value}" for name, value in parameters.items())
    sysvol = f"{home}/state/sysvol"
    return f"""[global]
	{lines}
[sysvol]
	path = {sysvol}
	read only = no
[netlogon]
	path = {sysvol}/{region.DOMAIN}/scripts
	read only = no
"""


def kdc_section() -> str:
    """The part of a krb5.conf(5) that Samba's KDC reads, and libkrb5 doesn't: logins by smart card."""
    return f"""[kdc]
	enable-pkinit = yes
	pkinit_identity = FILE:{HOME}/{pki.KDC_CERTIFICATE},{HOME}/{pki.KDC_KEY}
	pkinit_anchors = FILE:{HOME}/{pki.CA_CERTIFICATE}
"""


def httpd_conf(settings: Settings, address: str) -> str:
    """The text of the web front's configuration.

    A worker is a process that serves one request at a time (prefork), from the acceptance of its connection to the
    database's answer, so ``ehr_workers`` bounds all that the front does at once. It looks up the name of each
    connection's client, for its log and its application, and the worker waits for the answer.
    """
    modules = ("mpm_prefork", "authn_core", "authz_core", "authz_user", "auth_gssapi", "env", "wsgi")
    load = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules)
    count = settings.ehr_workers
    relying = ("oidc", "saml") if settings.single_sign_on else ()
    include = "\n".join(f"Include {HOME}/web/{name}.conf" for name in relying)
    authenticated = """AuthType GSSAPI
	AuthName EHR
	GssapiAllowedMech krb5
	GssapiLocalName On
	Require valid-user"""
    return f"""ServerRoot {HOME}/web
ServerName {region.EHR_HOST}
Listen {address}:{PORTS["http"]}
PidFile {HOME}/web/run/httpd.pid
DefaultRuntimeDir {HOME}/web/run
Mutex file:{HOME}/web/run default
ErrorLog {HOME}/logs/web-errors.log
LogLevel warn
HostnameLookups On
LogFormat "%h %u %>s %D" named
CustomLog {HOME}/logs/web-access.log named
User www-data
Group www-data
{load}
StartServers {count}
MinSpareServers {count}
MaxSpareServers {count}
ServerLimit {count}
MaxRequestWorkers {count}
MaxConnectionsPerChild 0
# An idle connection holds a worker.
KeepAliveTimeout 1
DocumentRoot {HOME}/web
WSGIScriptAlias / {HOME}/web/ehr_app.py
WSGIApplicationGroup %{{GLOBAL}}
WSGIImportScript {HOME}/web/ehr_app.py process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}
SetEnv EHR_DATABASE_HOST {region.DATABASE_HOST}
<Location />
	{authenticated}
	GssapiCredStore keytab:{HOME}/web/http.keytab
</Location>
<Location /db>
	{authenticated}
	GssapiCredStore keytab:{HOME}/web/http.keytab
	GssapiCredStore client_keytab:{HOME}/web/http.keytab
	GssapiCredStore ccache:FILE:{HOME}/web/delegated/front.ccache
	GssapiUseS4U2Proxy On
	GssapiDelegCcacheDir {HOME}/web/delegated
	GssapiDelegCcacheUnique On
</Location>
{include}
"""


def resolv_conf(resolver: str) -> str:
    """The text of a resolv.conf(5) that waits for a late answer instead of asking again."""
    return f"nameserver {resolver}\nsearch {region.DOMAIN}\noptions timeout:{RESOLVER_PATIENCE_S} attempts:1\n"


def hosts(address: str) -> str:
    """The text of a hosts(5) that says nothing of the clients' address, 127.0.0.1, as of no workstation's.

    Not ::1 either, which glibc takes for 127.0.0.1.
    """
    return f"{address} localhost\n"


def postgresql_conf(settings: Settings, address: str) -> str:
    """The text of the database's configuration."""
    parameters = {
        "listen_addresses": f"'{address}'",
        "port": str(PORTS["postgres"]),
        "unix_socket_directories": "''",
        "krb_server_keyfile": f"'{HOME}/db/postgres.keytab'",
        "max_connections": "100",
        "shared_buffers": "32MB",
        # The clone is thrown away: what a flush protects from is no concern, and its time would be the disk's.
        "fsync": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        # Killed hard, it would leave shared memory behind.
        "dynamic_shared_memory_type": "mmap",
        **settings.database,
    }
    return "".join(f"{name} = {value}\n" for name, value in parameters.items())


def pg_hba_conf() -> str:
    """The text of a pg_hba.conf: Kerberos and nothing else, each clinician by the role of that name."""
    return f"host all all 127.0.0.0/8 gss include_realm=0 krb_realm={region.REALM}\n"
