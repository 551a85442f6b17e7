"""The embedded domain's KDC: MIT krb5kdc with one key shared by all clinicians."""

from __future__ import annotations

import secrets
from pathlib import Path

from harness.errors import LabError
from harness.lab import hospital, keytab, pki
from harness.lab.changes import Settings
from harness.lab.tools import Tools, run
from harness.system.process import environment

CLINICIANS_KEYTAB = "clinicians.keytab"
SERVICES_KEYTAB = "services.keytab"

DEFAULT = Settings()
_TEMPLATE = "template"
_ENCTYPES = ("aes256-cts", "aes128-cts")


def build(tools: Tools, folder: Path, password: str) -> None:
    """Create the database and the keytabs in ``folder``; raises LabError.

    kadmin takes 5 ms a principal. One is made with the salt type ``onlyrealm``, by which its key doesn't depend on its
    name, and its line in the dump is cloned: 2,000 principals in 0.1 s.
    """
    krb5_conf = folder / "build-krb5.conf"
    krb5_conf.write_text(f"[libdefaults]\n\tdefault_realm = {hospital.REALM}\n")
    kdc_conf = folder / "build-kdc.conf"
    kdc_conf.write_text(configuration(folder, port=0))
    env = environment(KRB5_CONFIG=str(krb5_conf), KRB5_KDC_PROFILE=str(kdc_conf))
    dump, template_keytab = folder / "dump", folder / "template.keytab"
    util = [tools["kdb5_util"], "-r", hospital.REALM]

    # Secrets are typed, never arguments: those are for every user of the machine to read.
    master = secrets.token_hex(16)
    run([*util, "create", "-s"], env, typed=f"{master}\n{master}\n")
    salted = ",".join(f"{enctype}:onlyrealm" for enctype in _ENCTYPES)
    typed = [f"addprinc -e {salted} -pw {password} {_TEMPLATE}"]
    typed += [f"addprinc -randkey {service}" for service in hospital.SERVICES]
    typed += [f"ktadd -norandkey -k {_word(template_keytab)} {_TEMPLATE}"]
    services = _word(folder / SERVICES_KEYTAB)
    typed += [f"ktadd -norandkey -k {services} {service}" for service in hospital.SERVICES]
    run([tools["kadmin.local"], "-r", hospital.REALM, "-p", "authgate/admin"], env, typed="\n".join(typed) + "\n")
    if not template_keytab.exists():  # kadmin.local's exit code tells nothing of a failed command.
        raise LabError(f"kadmin.local: expected the keys of {_TEMPLATE}, got none")
    run([*util, "dump", str(dump)], env)
    dump.write_text(_clone_principals(dump.read_text()))
    run([*util, "load", str(dump)], env)
    clinicians = folder / CLINICIANS_KEYTAB
    clinicians.touch(0o600)
    clinicians.write_bytes(_clone_keytab(template_keytab.read_bytes()))
    for path in (dump, dump.with_suffix(".dump_ok"), template_keytab, krb5_conf, kdc_conf):
        path.unlink(missing_ok=True)


def _word(path: Path) -> str:
    """A path as one word of a kadmin command, whatever is in it (libss: a quote within quotes is doubled)."""
    text = str(path).replace('"', '""')
    return f'"{text}"'


def configuration(folder: Path, port: int, settings: Settings = DEFAULT) -> str:
    """The text of a kdc.conf(5) for the database in ``folder`` and a KDC at 127.0.0.1:``port``."""
    # By default neither is written: it would be one write, with a flush, at every login.
    spared = "false" if settings.kdc_writes else "true"
    datagram = "" if settings.kdc_datagram is None else f"\tkdc_max_dgram_reply_size = {settings.kdc_datagram}\n"
    anchor = pki.CA_CERTIFICATE if settings.cards_trusted else pki.KDC_CERTIFICATE
    return f"""[kdcdefaults]
	kdc_listen = 127.0.0.1:{port}
	kdc_tcp_listen = 127.0.0.1:{port}
	# The default of 5 makes a burst of logins wait 1 s for a repeated SYN.
	kdc_tcp_listen_backlog = 64
{datagram}[realms]
	{hospital.REALM} = {{
		database_name = {folder}/principal
		key_stash_file = {folder}/stash
		max_life = 10h
		default_principal_flags = +preauth
		supported_enctypes = {" ".join(f"{enctype}:normal" for enctype in _ENCTYPES)}
		pkinit_identity = FILE:{folder}/{pki.KDC_CERTIFICATE},{folder}/{pki.KDC_KEY}
		pkinit_anchors = FILE:{folder}/{anchor}
		pkinit_revoke = FILE:{folder}/{pki.REVOCATIONS}
		pkinit_require_crl_checking = true
	}}
[dbmodules]
	{hospital.REALM} = {{
		db_library = db2
		database_name = {folder}/principal
		disable_last_success = {spared}
		disable_lockout = {spared}
	}}
[logging]
	kdc = FILE:{folder}/kdc.log
	default = FILE:{folder}/kdc.log
"""


def _clone_principals(dump: str) -> str:
    # Format of kdb5_util's dump: tab-separated, field 2 is the length of the name in field 6.
    lines = dump.splitlines()

    def clone(of: str, name: str) -> str:
        fields = next(line for line in lines if f"\t{of}@{hospital.REALM}\t" in line).split("\t")
        fields[6] = f"{name}@{hospital.REALM}"
        fields[2] = str(len(fields[6]))
        return "\t".join(fields)

    # A second name of the directory's account, as SPNs are in Active Directory: command-line tools take the service's
    # name from the address they connect to, and CLINIC.TEST is in nobody's DNS.
    alias = clone(f"ldap/{hospital.DIRECTORY_HOST}", "ldap/127.0.0.1")
    clones = [clone(_TEMPLATE, user) for user in hospital.CLINICIANS]
    kept = [line for line in lines if f"\t{_TEMPLATE}@{hospital.REALM}\t" not in line]
    return "\n".join([*kept, alias, *clones]) + "\n"


def _clone_keytab(template: bytes) -> bytes:
    entries = keytab.parse(template)
    strangers = {entry.principal for entry in entries} - {f"{_TEMPLATE}@{hospital.REALM}"}
    if strangers:
        raise LabError(f"kadmin.local: expected a keytab of {_TEMPLATE} alone, got {', '.join(sorted(strangers))}")
    return keytab.serialise(
        entry.renamed(f"{user}@{hospital.REALM}") for user in hospital.CLINICIANS for entry in entries
    )
