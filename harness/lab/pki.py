"""The certificates of a lab: one authority, the KDC's certificate, and a soft smart card for each clinician.

Built once and cached with the domain. The cards share one key pair, as making 2,000 would take minutes; what a KDC does
with a card (verify its chain and a signature, map its name, agree on a key, sign) is the same.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.system.files import write_whole

CARDS = "cards"
"""The folder of the cards, USER.pem each: a certificate and its key."""
CA_CERTIFICATE, KDC_CERTIFICATE, KDC_KEY, REVOCATIONS = "card-ca.pem", "kdc-cert.pem", "kdc-key.pem", "card-ca.crl"
LOST_CARD = "lost-card.pem"
"""A card of the first clinician's that the authority has revoked. Samba's KDC (4.17) took it all the same, with the
list in its ``pkinit_revoke`` as PEM and as DER."""

_EXPONENT = 65537
_LIFE = datetime.timedelta(days=3650)
_KPKDC, _CLIENT_AUTH = x509.ObjectIdentifier("1.3.6.1.5.2.3.5"), x509.ObjectIdentifier("1.3.6.1.5.2.3.4")
"""id-pkinit-KPKdc, id-pkinit-KPClientAuth (RFC 4556 §3.2.4, 3.2.2)."""
_PRINCIPAL = x509.ObjectIdentifier("1.3.6.1.5.2.2")
"""id-pkinit-san (RFC 4556 §3.2.2)."""
_UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
"""The user principal name by which Active Directory maps a card (MS-PKCA 3.1.5.2.1.1)."""


Names = Literal["rfc4556", "ad"]
"""What certificates are told by: the realm's principals, or as Active Directory has it, cards by the user principal
name and domain controllers by their host."""


class Authority:
    """A certificate authority whose key lives in this process only."""

    def __init__(self, name: str, naming: Names) -> None:
        self._key = new_key()
        self._naming = naming
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._began = _began()
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        root = self._unsigned(name, self._key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        self.certificate = root.add_extension(usage, True).sign(self._key, hashes.SHA256())

    def kdc(self, key: RSAPrivateKey, realm: str, host: str) -> x509.Certificate:
        """The certificate of a realm's KDC."""
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if self._naming == "rfc4556":
            names.append(_principal_name(realm, ["krbtgt", realm]))
        return self._issue(host, key, names, [_KPKDC, ExtendedKeyUsageOID.SERVER_AUTH])

    def card(self, key: RSAPrivateKey, realm: str, user: str) -> x509.Certificate:
        """A clinician's certificate."""
        upn = x509.OtherName(_UPN, _der(0x0C, f"{user}@{realm.lower()}".encode()))
        name = upn if self._naming == "ad" else _principal_name(realm, [user])
        return self._issue(user, key, [name], [_CLIENT_AUTH, ExtendedKeyUsageOID.SMARTCARD_LOGON])

    def revocations(self, *revoked: x509.Certificate) -> x509.CertificateRevocationList:
        """The list that revokes these certificates (RFC 5280 §5)."""
        listed = x509.CertificateRevocationListBuilder(self._name, self._began, self._began + _LIFE)
        for certificate in revoked:
            one = x509.RevokedCertificateBuilder(certificate.serial_number, self._began).build()
            listed = listed.add_revoked_certificate(one)
        return listed.sign(self._key, hashes.SHA256())

    def _issue(
        self, name: str, key: RSAPrivateKey, names: list[x509.GeneralName], purposes: list[x509.ObjectIdentifier]
    ) -> x509.Certificate:
        usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
        builder = self._unsigned(name, key).add_extension(x509.SubjectAlternativeName(names), False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), False).add_extension(usage, True)
        return builder.sign(self._key, hashes.SHA256())

    def _unsigned(self, name: str, key: RSAPrivateKey) -> x509.CertificateBuilder:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return x509.CertificateBuilder(
            self._name, subject, key.public_key(), x509.random_serial_number(), self._began, self._began + _LIFE
        )


def build(folder: Path, realm: str, kdc_host: str, users: Sequence[str], naming: Names = "rfc4556") -> None:
    """Write the authority's, the KDC's and every user's certificates into ``folder``."""
    authority, kdc_key, key = Authority(f"Cards of {kdc_host}", naming), new_key(), new_key()
    (folder / CA_CERTIFICATE).write_bytes(pem(authority.certificate))
    (folder / KDC_CERTIFICATE).write_bytes(pem(authority.kdc(kdc_key, realm, kdc_host)))
    write_whole(folder / KDC_KEY, key_pem(kdc_key), private=True)
    card_key = key_pem(key)
    cards = folder / CARDS
    cards.mkdir(0o700)
    for user in users:
        write_whole(cards / f"{user}.pem", pem(authority.card(key, realm, user)) + card_key, private=True)
    lost = authority.card(key, realm, users[0])
    write_whole(folder / LOST_CARD, pem(lost) + card_key, private=True)
    (folder / REVOCATIONS).write_bytes(pem(authority.revocations(lost)))


def smart_cards(folder: Path) -> dict[str, object]:
    """The fields of a target's SmartCards, for what was built into ``folder``."""
    return {"folder": str(folder / CARDS), "anchors": str(folder / CA_CERTIFICATE)}


def new_key(bits: int = 2048) -> RSAPrivateKey:
    """A key of RSA."""
    return generate_private_key(_EXPONENT, bits)


def self_signed(name: str, key: RSAPrivateKey) -> x509.Certificate:
    """A certificate of a name that its own key signs."""
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    began = _began()
    unsigned = x509.CertificateBuilder(
        named, named, key.public_key(), x509.random_serial_number(), began, began + _LIFE
    )
    return unsigned.sign(key, hashes.SHA256())


def pem(signed: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """What is signed, as PEM."""
    return signed.public_bytes(serialization.Encoding.PEM)


def key_pem(key: RSAPrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    """The key as PEM, not encrypted."""
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _began() -> datetime.datetime:
    """Since when certificates hold: a day ago, whatever the clocks of the lab's servers."""
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


def _principal_name(realm: str, components: list[str]) -> x509.OtherName:
    """KRB5PrincipalName of a name of type NT-PRINCIPAL, or NT-SRV-INST where it has two parts (RFC 4556 §3.2.2)."""
    parts = b"".join(_der(0x1B, component.encode()) for component in components)
    name = _der(0xA0, _der(0x02, bytes([len(components)]))) + _der(0xA1, _der(0x30, parts))
    value = _der(0xA0, _der(0x1B, realm.encode())) + _der(0xA1, _der(0x30, name))
    return x509.OtherName(_PRINCIPAL, _der(0x30, value))


def _der(tag: int, content: bytes) -> bytes:
    """One DER value (X.690 §8.1) of at most 127 bytes."""
    if len(content) > 0x7F:
        raise ValueError(f"expected a name of at most 127 bytes, got {len(content)}")
    return bytes([tag, len(content)]) + content
