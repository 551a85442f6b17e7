"""Soft smart cards: a certificate and its key in a file each, for logins by PKINIT (RFC 4556).

libkrb5's pkinit plugin reads the file, signs by its key and agrees on a reply key; a real card would take its own time
for that signature on its chip.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import krb5

from harness.errors import CredentialError
from harness.login.secret_files import private_file
from harness.model.credentials import SmartCards

_IDENTITY = b"X509_user_identity"
"""kinit(1), -X."""
_SUFFIX = ".pem"
_CERTIFICATE = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
_KEY = "PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Card:
    """One clinician's card; ``certificate_bytes`` is the DER size of what the login sends of it."""

    path: Path
    certificate_bytes: int


@dataclass(frozen=True, slots=True)
class Cards:
    """The clinicians' cards by user, and the certificates that a KDC's own is verified by."""

    by_user: Mapping[str, Card]
    anchors: Path

    def settings(self, user: str) -> tuple[tuple[bytes, bytes], ...]:
        """Pre-authentication options of an AS exchange by the user's card."""
        return (
            (_IDENTITY, f"FILE:{self.by_user[user].path}".encode()),
            (b"X509_anchors", f"FILE:{self.anchors}".encode()),
        )


def read_cards(source: SmartCards) -> Cards:
    """The cards of a target; raises CredentialError, which never quotes a file's content."""
    check_plugin()
    anchors = Path(source.anchors)
    _certificate(_text(anchors), anchors)
    folder = Path(source.folder)
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)
    except OSError as error:
        raise CredentialError(f"{folder}: expected a readable folder of cards, got: {error.strerror}") from None
    if not files:
        raise CredentialError(f"{folder}: expected a file USER{_SUFFIX} for each card, got none")
    for path in (anchors, folder, *files):
        if "," in str(path):
            raise CredentialError(f"{path}: expected a path without a comma, which libkrb5 takes for a list")
    return Cards({path.stem: _card(path) for path in files}, anchors)


def check_plugin() -> None:
    """Raise CredentialError where libkrb5 has no pkinit plugin.

    libkrb5 ignores options that no plugin knows. The plugin itself refuses a second identity.
    """
    context = krb5.init_context()
    options = krb5.get_init_creds_opt_alloc(context)
    try:
        for _ in range(2):
            krb5.get_init_creds_opt_set_pa(context, options, _IDENTITY, b"FILE:none")
    except krb5.Krb5Error:
        return
    raise CredentialError(
        "authentication: smart-card needs libkrb5's pkinit plugin, which isn't there; "
        "run: apt-get install --no-install-recommends krb5-pkinit"
    )


def _card(path: Path) -> Card:
    text = _text(private_file(path))
    certificate = _certificate(text, path)
    if _KEY not in text:
        raise CredentialError(f"{path}: expected a certificate and its private key, got no key")
    if "BEGIN ENCRYPTED" in text or ",ENCRYPTED" in text:  # PKCS #8, and the older form (RFC 7468 §11, RFC 1421)
        raise CredentialError(f"{path}: expected a private key without a pass phrase")
    return Card(path, len(certificate))


def _certificate(text: str, path: Path) -> bytes:
    """The first certificate of a PEM file, as DER."""
    begin, end = (text.find(mark) for mark in _CERTIFICATE)
    try:
        if 0 <= begin < end:
            return ssl.PEM_cert_to_DER_cert(text[begin : end + len(_CERTIFICATE[1])])
    except ValueError:
        pass
    raise CredentialError(f"{path}: expected a certificate in PEM, got none")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise CredentialError(f"{path}: expected a readable file, got: {error.strerror}") from None
