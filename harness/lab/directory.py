"""The embedded domain's directory: OpenLDAP slapd with SASL GSSAPI, simple binds and StartTLS."""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.lab import hospital
from harness.lab.changes import Certificate, Scheme, Settings, Storage
from harness.lab.tools import Tools, missing_error, run
from harness.system.files import write_whole
from harness.system.packages import needs
from harness.system.process import environment

CERTIFICATE = "ldap-cert.pem"
DEFAULT = Settings()

_DATA = "ldap-data"
KEY = "ldap-key.pem"
_SCHEMAS = ("core", "cosine", "inetorgperson")
_BACKENDS = ("back_mdb", "memberof")
_MODULES: Mapping[Scheme, str] = {"pbkdf2": "pw-pbkdf2", "argon2": "argon2"}
"""What slapd loads to read a hash; bcrypt is crypt(3)'s."""
_ARGON2_PASSES = 2
_KEYS: Mapping[Certificate, tuple[str, ...]] = {
    "ec-p256": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "rsa-4096": ("rsa:4096",),
}


def build(tools: Tools, folder: Path, password: str) -> None:
    """Create the certificate and the database in ``folder``; raises LabError."""
    _make_certificate(tools, folder, "ec-p256")
    _fill(tools, folder, _ssha(password))


def change(tools: Tools, folder: Path, settings: Settings, password: str) -> None:
    """Give the clone in ``folder`` what the settings ask of certificate and entries; raises LabError."""
    if settings.certificate != DEFAULT.certificate:
        _make_certificate(tools, folder, settings.certificate)
    if settings.passwords is None and not settings.others:
        return
    password_hash = (
        _ssha(password) if settings.passwords is None else _hash(tools, folder, settings.passwords, password)
    )
    shutil.rmtree(folder / _DATA)
    _fill(tools, folder, password_hash, settings.others)


def _make_certificate(tools: Tools, folder: Path, kind: Certificate) -> None:
    names = f"subjectAltName=DNS:{hospital.DIRECTORY_HOST},DNS:localhost,IP:127.0.0.1"
    key = ["-newkey", *_KEYS[kind], "-nodes", "-keyout", str(folder / KEY)]
    certificate = ["-x509", "-days", "3650", "-subj", f"/CN={hospital.DIRECTORY_HOST}", "-addext", names]
    run([tools["openssl"], "req", *key, *certificate, "-out", str(folder / CERTIFICATE)], environment())


def _fill(tools: Tools, folder: Path, password_hash: str, others: int = 0) -> None:
    (folder / _DATA).mkdir(0o700)
    conf = folder / "build-slapd.conf"
    conf.write_text(configuration(tools, folder))
    run([tools["slapadd"], "-q", "-f", str(conf)], environment(), typed=hospital.ldif(password_hash, others))
    conf.unlink()


def configuration(tools: Tools, folder: Path, settings: Settings = DEFAULT) -> str:
    """The text of a slapd.conf(5) for the database in ``folder``."""
    scheme = "" if settings.passwords is None else settings.passwords.scheme
    wanted = (*_BACKENDS, *(module for name, module in _MODULES.items() if name == scheme))
    loaded = "\n".join(f"moduleload {name}.la" for name in wanted if _is_loadable(tools, name))
    indexes = "\n".join(f"index {attribute} eq" for attribute in settings.indexes)
    other = "".join(f"{line}\n" for line in settings.other)
    modules = f"modulepath {tools.modules}\n{loaded}" if loaded else ""
    schemas = "\n".join(f"include {tools.schema}/{name}.schema" for name in _SCHEMAS)
    return f"""{schemas}
{modules}
loglevel 0
{other}TLSCertificateFile {_word(folder / CERTIFICATE)}
TLSCertificateKeyFile {_word(folder / KEY)}
sasl-host {hospital.DIRECTORY_HOST}
sasl-realm {hospital.REALM}
# No minssf here: a client without security layers (ldap3) must be offered none.
sasl-secprops noanonymous,noplain
authz-regexp "^uid=([^,/]+)(,cn={hospital.REALM})?,cn=gssapi,cn=auth$" "{hospital.user_dn("$1")}"
database mdb
suffix "{hospital.SUFFIX}"
directory {_word(folder / _DATA)}
maxsize 268435456
dbnosync
{indexes}
overlay memberof
memberof-group-oc groupOfNames
# As many as there are may be read, if by pages (slapd's own limit is 500 either way).
sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
"""


def _word(path: Path) -> str:
    """A path as one word of slapd.conf(5), whatever is in it."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _is_loadable(tools: Tools, name: str) -> bool:
    return tools.modules is not None and (tools.modules / f"{name}.la").exists()


def _hash(tools: Tools, folder: Path, storage: Storage, password: str) -> str:
    """The password hashed as slapd is to store it; raises LabError."""
    module = _MODULES.get(storage.scheme)
    if module is not None and not _is_loadable(tools, module):
        raise missing_error(storage.scheme, (need for need in needs() if need.group == storage.scheme))
    if storage.scheme == "pbkdf2":
        return _pbkdf2(password, storage.cost)
    how = {
        "argon2": ["-o", f"module-path={tools.modules}", "-o",
                   f"module-load=argon2.la m={storage.cost} t={_ARGON2_PASSES} p=1", "-h", "{ARGON2}"],
        "bcrypt": ["-h", "{CRYPT}", "-c", f"$2b${storage.cost:02d}$%.22s"],
    }  # fmt: skip
    secret = folder / "to-be-hashed"
    write_whole(secret, password, private=True)
    try:
        return run([tools["slappasswd"], *how[storage.scheme], "-T", str(secret)], environment()).strip()
    finally:
        secret.unlink()


def _ssha(password: str) -> str:
    salt = secrets.token_bytes(8)
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


def _pbkdf2(password: str, iterations: int) -> str:
    """A hash as slapd's pw-pbkdf2 reads it: base64 with "." for "+" and without padding."""
    salt = secrets.token_bytes(16)
    derived = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    text = (base64.b64encode(part).decode().rstrip("=").replace("+", ".") for part in (salt, derived))
    return "{PBKDF2-SHA256}" + f"{iterations}${'$'.join(text)}"
