"""The one built state that both arms are cloned from: domain, population, keytabs, certificates, database."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from harness.lab import hospital, keytab, pki, store
from harness.lab.ad import addresses, region, settings
from harness.lab.ad.namespace import run_inside
from harness.lab.ad.programs import SYSTEM_PYTHON, Programs
from harness.lab.ad.settings import HOME, Settings
from harness.lab.tools import run
from harness.system.files import write_whole
from harness.system.process import environment

CLINICIANS_KEYTAB, SERVICES_KEYTAB = "clinicians.keytab", "services.keytab"
COMPONENTS_KEYTAB = "components.keytab"
"""The keys of ``region.COMPONENTS``, by the names of their accounts."""

# Run by the system's Python, with modules that this one hasn't.
_SAMBA_EDIT, _SAMBA_JOIN, _EHR_APP, _FORWARDER = (
    Path(__file__).with_name("system_python") / f"{name}.py"
    for name in ("samba_edit", "samba_join", "ehr_app", "forwarder")
)

BUILD_ADDRESSES = {region.DC_NAME: "192.0.2.1", region.SECOND_DC_NAME: "192.0.2.2"}
"""What the built domain's DNS records say until a clone replaces it (RFC 5737; provisioning leaves out 127.0.0.1)."""
_BUILD_ADDRESS = BUILD_ADDRESSES[region.DC_NAME]
_AES = (17, 18)
"""Encryption types aes128- and aes256-cts-hmac-sha1-96 (RFC 3962)."""
_NOTES_A_CLINICIAN = 20


def built(programs: Programs) -> Path:
    """The folder of the built domain, built now if it wasn't; raises LabError."""
    names = (region.__file__, hospital.__file__, settings.__file__, addresses.__file__)
    sources = (__file__, *names, keytab.__file__, pki.__file__, *map(str, (_SAMBA_EDIT, _EHR_APP, _FORWARDER)))
    return store.built_once(store.recipe_digest(sources, programs.digest), lambda folder: _build(programs, folder))


def built_with_two(programs: Programs) -> Path:
    """The folder of the built domain with a second controller beside the first; raises LabError."""
    one = built(programs)
    digest = store.recipe_digest((__file__, str(_SAMBA_JOIN)), one.name)
    return store.built_once(digest, lambda folder: _join(programs, one, folder))


def _join(programs: Programs, one: Path, folder: Path) -> None:
    run(["cp", "-a", f"{one}/.", str(folder)], environment())
    script = folder / _SAMBA_JOIN.name
    shutil.copyfile(_SAMBA_JOIN, script)
    name, address = region.SECOND_DC_NAME, BUILD_ADDRESSES[region.SECOND_DC_NAME]
    second = settings.SMB_CONFS[name]
    (folder / second).write_text(settings.smb_conf(Settings(), address, name))
    request = {
        "name": name.upper(),
        "address": address,
        "site": region.SECOND_SITE,
        "subnet": region.SUBNET,
        "principals": [f"ldap/{region.SECOND_DC_HOST}", f"ldap/{name}", f"cifs/{region.SECOND_DC_HOST}"],
    }
    command = [SYSTEM_PYTHON, "-I", f"{HOME}/{script.name}", f"{HOME}/smb.conf", f"{HOME}/{second}"]
    run_inside(programs, folder, command, json.dumps(request))


def edit(programs: Programs, folder: Path, request: dict[str, object], controller: str = region.DC_NAME) -> None:
    """Change a domain controller's database in ``folder``, as samba_edit says; raises LabError."""
    command = [SYSTEM_PYTHON, "-I", f"{HOME}/samba_edit.py", f"{HOME}/{settings.SMB_CONFS[controller]}"]
    run_inside(programs, folder, command, json.dumps(request))


def _build(programs: Programs, folder: Path) -> None:
    folder.chmod(0o711)  # Apache and PostgreSQL run as users of their own; the folder above is closed to others.
    for name in ("dc/private", "dc/state", "dc/cache", "dc/run", "logs", "tls", "web/run", "idp", "db"):
        (folder / name).mkdir(parents=True)
    # Copies, since the checkout may be where the servers see something else.
    copies = {_SAMBA_EDIT: "samba_edit.py", _EHR_APP: "web/ehr_app.py", _FORWARDER: "forwarder.py"}
    for source, copy in ((source, folder / name) for source, name in copies.items()):
        shutil.copyfile(source, copy)
        copy.chmod(0o644)
    (folder / "smb.conf").write_text(settings.smb_conf(Settings(), _BUILD_ADDRESS))
    _provision(programs, folder)
    _populate(programs, folder)
    _certificates(programs, folder / "tls")
    pki.build(folder, region.REALM, region.DC_HOST, region.USERS, naming="ad")
    _database(programs, folder)
    _owners(folder)


def _provision(programs: Programs, folder: Path) -> None:
    names = [f"--realm={region.REALM}", f"--domain={region.WORKGROUP}", f"--host-name={region.DC_NAME}"]
    where = [f"--configfile={HOME}/smb.conf", f"--host-ip={_BUILD_ADDRESS}"]
    # Without --adminpass it makes one up and prints it, which nobody reads: an argument would be there for all to see.
    role = ["--server-role=dc", "--dns-backend=SAMBA_INTERNAL"]
    run_inside(programs, folder, [programs["samba-tool"], "domain", "provision", *where, *names, *role])


def _populate(programs: Programs, folder: Path) -> None:
    passwords = {account: secrets.token_hex(16) for account in region.accounts_with_password()}
    services = [attributes["servicePrincipalName"] for attributes in region.SERVICE_ACCOUNTS.values()]
    principals = [region.TEMPLATE, *services]
    every_key = "every.keytab"
    hosts = (
        region.EHR_HOST,
        region.IDP_HOST,
        region.DATABASE_HOST,
        *(f"{name}.{region.DOMAIN}" for name in region.WORKSTATIONS),
    )
    request = {
        "modify": [_password_policy(), _principals_of_dc()],
        "add": list(region.entries(passwords)),
        "hosts": dict.fromkeys(hosts, _BUILD_ADDRESS),
        "keytab": f"{HOME}/{every_key}",
        "principals": principals,
    }
    edit(programs, folder, request)
    exported = [entry for entry in keytab.parse((folder / every_key).read_bytes()) if entry.enctype in _AES]
    (folder / every_key).unlink()
    keys = {name: [e for e in exported if e.principal == f"{name}@{region.REALM}"] for name in principals}
    users = (e.renamed(f"{user}@{region.REALM}") for user in region.USERS for e in keys[region.TEMPLATE])
    _write_keytab(folder / CLINICIANS_KEYTAB, users)
    _write_keytab(folder / SERVICES_KEYTAB, (entry for service in services for entry in keys[service]))
    components = {name: region.SERVICE_ACCOUNTS[name]["servicePrincipalName"] for name in region.COMPONENTS}
    accounts = (e.renamed(f"{name}@{region.REALM}") for name, service in components.items() for e in keys[service])
    _write_keytab(folder / COMPONENTS_KEYTAB, accounts)
    _write_keytab(folder / "web" / "http.keytab", keys[region.EHR_SERVICE])
    _write_keytab(folder / "idp" / "http.keytab", keys[region.IDP_SERVICE])
    _write_keytab(folder / "db" / "postgres.keytab", keys[region.DATABASE_SERVICE])
    lines = (f"{user},{passwords[region.TEMPLATE]}\n" for user in region.USERS)
    write_whole(folder / store.CLINICIANS_CSV, "".join(lines), private=True)


def _password_policy() -> dict[str, object]:
    # No lock-out, no complexity, no age: what a load test types is none of the policy's business.
    off = {"pwdProperties": "0", "minPwdLength": "0", "pwdHistoryLength": "0", "minPwdAge": "0"}
    never = {"maxPwdAge": "-9223372036854775808", "lockoutThreshold": "0"}
    return {"dn": region.SUFFIX, "replace": {**off, **never}, "add": {}}


def _principals_of_dc() -> dict[str, object]:
    # What Samba's dnsupdate service would add at run time (samba_spnupdate), and each address: command-line tools take
    # the service's name from what they connect to, and REGION.TEST is in nobody's DNS.
    hosts = (region.DC_HOST, region.DC_NAME, f"{region.DC_HOST}/{region.DOMAIN}", *addresses.POOL)
    names = [f"ldap/{host}" for host in hosts]
    names += [f"cifs/{region.DC_HOST}"]
    return {"dn": region.controller_dn(region.DC_NAME), "replace": {}, "add": {"servicePrincipalName": names}}


def _write_keytab(path: Path, entries: Iterable[keytab.Entry]) -> None:
    path.touch(0o600)
    path.write_bytes(keytab.serialise(entries))


def _certificates(programs: Programs, folder: Path) -> None:
    keys: dict[settings.Certificate, list[str]] = {
        "ec-p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "rsa-4096": ["rsa:4096"],
    }
    names = ",".join(
        (
            *(f"DNS:{host}" for host in (region.DC_HOST, region.SECOND_DC_HOST, region.DOMAIN)),
            *(f"IP:{address}" for address in addresses.POOL),
        )
    )
    subject = ["-days", "3650", "-subj", f"/CN={region.DC_HOST}", "-addext", f"subjectAltName={names}"]
    for name, key in keys.items():
        files = ["-keyout", str(folder / f"{name}-key.pem"), "-out", str(folder / f"{name}-cert.pem")]
        run([programs["openssl"], "req", "-x509", "-newkey", *key, "-nodes", *subject, *files], environment())


def _database(programs: Programs, folder: Path) -> None:
    shutil.chown(folder / "db", "postgres", "postgres")
    as_postgres = [programs["setpriv"], "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = f"{HOME}/db/data"
    initdb = [str(programs.postgresql / "initdb"), "-D", data, "--auth=reject", "--no-sync", "--wal-segsize=1"]
    run_inside(programs, folder, [*as_postgres, *initdb, "--username=postgres", "--encoding=UTF8", "--locale=C"])
    single = [*as_postgres, str(programs.postgresql / "postgres"), "--single", "-F", "-j", "-D", data]
    roles = "".join(f'create role "{name}" login;\n\n' for name in (*region.USERS, *region.COMPONENTS))
    run_inside(programs, folder, [*single, "postgres"], f"{roles}create database ehr;\n\n")
    run_inside(programs, folder, [*single, "ehr"], _journal())


def _journal() -> str:
    clinicians = ",".join(f"('{user}')" for user in region.USERS)
    statements = (
        "create table note (id serial primary key, clinician name not null, written timestamptz not null)",
        f"insert into note (clinician, written) select clinician, timestamptz '2026-01-01' + day * interval '1 day' "
        f"from (values {clinicians}) as everyone (clinician), generate_series(1, {_NOTES_A_CLINICIAN}) as day",
        "create index on note (clinician)",
        "grant select on note to public",
        "vacuum analyze note",
    )
    return "".join(f"{statement};\n\n" for statement in statements)


def _owners(folder: Path) -> None:
    for name in ("web/run", "web/http.keytab", "idp/http.keytab"):
        shutil.chown(folder / name, "www-data", "www-data")
    shutil.chown(folder / "db/postgres.keytab", "postgres", "postgres")
    delegated = folder / "web" / "delegated"
    delegated.mkdir(0o700)
    shutil.chown(delegated, "www-data", "www-data")
