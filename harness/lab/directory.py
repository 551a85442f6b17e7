"""The embedded domain's directory: OpenLDAP slapd with SASL GSSAPI, simple binds and StartTLS."""

from __future__ import annotations

import base64
import hashlib
import secrets
from pathlib import Path

from harness.lab import hospital
from harness.lab.tools import Tools, run
from harness.process import environment

CERTIFICATE = "ldap-cert.pem"

_DATA = "ldap-data"
_KEY = "ldap-key.pem"
_SCHEMAS = ("core", "cosine", "inetorgperson")
_BACKENDS = ("back_mdb", "memberof")


def build(tools: Tools, folder: Path, password: str) -> None:
    """Create the certificate and the database in ``folder``; raises LabError."""
    names = f"subjectAltName=DNS:{hospital.DIRECTORY_HOST},DNS:localhost,IP:127.0.0.1"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(folder / _KEY)]
    certificate = ["-x509", "-days", "3650", "-subj", f"/CN={hospital.DIRECTORY_HOST}", "-addext", names]
    run([tools["openssl"], "req", *key, *certificate, "-out", str(folder / CERTIFICATE)], environment())
    (folder / _DATA).mkdir(0o700)
    conf = folder / "build-slapd.conf"
    conf.write_text(configuration(tools, folder))
    run([tools["slapadd"], "-q", "-f", str(conf)], environment(), typed=hospital.ldif(_ssha(password)))
    conf.unlink()


def configuration(tools: Tools, folder: Path) -> str:
    """The text of a slapd.conf(5) for the database in ``folder``."""
    loaded = "\n".join(f"moduleload {name}.la" for name in _BACKENDS if _is_loadable(tools, name))
    modules = f"modulepath {tools.modules}\n{loaded}" if loaded else ""
    schemas = "\n".join(f"include {tools.schema}/{name}.schema" for name in _SCHEMAS)
    return f"""{schemas}
{modules}
loglevel 0
TLSCertificateFile {folder}/{CERTIFICATE}
TLSCertificateKeyFile {folder}/{_KEY}
sasl-host {hospital.DIRECTORY_HOST}
sasl-realm {hospital.REALM}
# No minssf here: a client without security layers (ldap3) must be offered none.
sasl-secprops noanonymous,noplain
authz-regexp "^uid=([^,/]+)(,cn={hospital.REALM})?,cn=gssapi,cn=auth$" "{hospital.user_dn("$1")}"
database mdb
suffix "{hospital.SUFFIX}"
directory {folder}/{_DATA}
maxsize 268435456
dbnosync
index objectClass eq
index uid eq
index member eq
index memberOf eq
overlay memberof
memberof-group-oc groupOfNames
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
"""


def _is_loadable(tools: Tools, name: str) -> bool:
    return tools.modules is not None and (tools.modules / f"{name}.la").exists()


def _ssha(password: str) -> str:
    salt = secrets.token_bytes(8)
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()
