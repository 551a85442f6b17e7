"""SAML 2.0 on an arm: LemonLDAP::NG as the identity provider, mod_auth_mellon before the journal's page.

Each side signs by a key of its own and knows the other by its metadata (SAML Metadata 2.0), which were exchanged once,
as between most providers and what relies on them. The request goes by HTTP-Redirect and is signed, the response by
HTTP-POST with a signed assertion (Bindings §3.4, 3.5).
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from cryptography.hazmat.primitives.serialization import PrivateFormat

from harness.lab import pki
from harness.lab.ad import region
from harness.lab.ad.settings import HOME, PROVIDER, SSO_PORTS, Settings
from harness.system.files import write_whole

SERVICE = f"http://{region.EHR_HOST}:{SSO_PORTS['saml']}"
CONF = "web/saml.conf"
_FOLDER = "web/saml"
_KEY, _CERTIFICATE, _METADATA, _PROVIDER_METADATA = (
    f"{_FOLDER}/{name}" for name in ("key.pem", "cert.pem", "metadata.xml", "provider.xml")
)
_PARTNER = "ehr"
_SESSIONS = 500
_METADATA_OF, _SIGNATURE = "urn:oasis:names:tc:SAML:2.0:metadata", "http://www.w3.org/2000/09/xmldsig#"
_BINDING, _SPOKEN = "urn:oasis:names:tc:SAML:2.0:bindings:", "urn:oasis:names:tc:SAML:2.0:protocol"


@dataclass(frozen=True, slots=True)
class _Pair:
    """A key and its self-signed certificate, as PEM."""

    key: str
    certificate: str

    @property
    def content(self) -> str:
        """The certificate as metadata have it: base64 without its frame."""
        return "".join(line for line in self.certificate.splitlines() if not line.startswith("-"))


def configure(folder: Path, chosen: Settings, address: str) -> dict[str, object]:
    """Write into a clone what the service provider needs; the settings that the identity provider's portal needs."""
    service, signing = _pair(region.EHR_HOST, chosen.saml_key_bits), _pair(region.IDP_HOST, chosen.saml_key_bits)
    (folder / _FOLDER).mkdir()
    metadata = _service_metadata(service)
    write_whole(folder / _KEY, service.key, private=True)
    (folder / _CERTIFICATE).write_text(service.certificate)
    (folder / _METADATA).write_text(metadata)
    (folder / _PROVIDER_METADATA).write_text(_provider_metadata(signing))
    (folder / CONF).write_text(_conf(address))
    if chosen.saml_key_renewed:
        signing = _pair(region.IDP_HOST, chosen.saml_key_bits)
    options = {"CheckSSOMessageSignature": 1, "SignSSOMessage": -1, "EncryptionMode": "none"}
    return {
        "issuerDBSAMLActivation": 1,
        "samlServicePrivateKeySig": signing.key,
        "samlServicePublicKeySig": signing.certificate,
        "samlSPMetaDataXML": {_PARTNER: {"samlSPMetaDataXML": metadata}},
        "samlSPMetaDataOptions": {_PARTNER: {f"samlSPMetaDataOptions{name}": it for name, it in options.items()}},
        # Mandatory, by this name.
        "samlSPMetaDataExportedAttributes": {_PARTNER: {"_user": "1;uid"}},
    }


def _pair(host: str, bits: int) -> _Pair:
    key = pki.new_key(bits)
    return _Pair(
        pki.key_pem(key, PrivateFormat.TraditionalOpenSSL).decode(), pki.pem(pki.self_signed(host, key)).decode()
    )


def _service_metadata(pair: _Pair) -> str:
    where = f'index="0" isDefault="true" {_at("HTTP-POST", f"{SERVICE}/saml/postResponse")}'
    return _metadata(
        f"{SERVICE}/saml/metadata",
        f"""<SPSSODescriptor AuthnRequestsSigned="true" WantAssertionsSigned="true" {_spoken()}>
{_key("signing", pair)}{_key("encryption", pair)}
<NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:transient</NameIDFormat>
<AssertionConsumerService {where}/>
</SPSSODescriptor>""",
    )


def _provider_metadata(pair: _Pair) -> str:
    return _metadata(
        f"{PROVIDER}/saml/metadata",
        f"""<IDPSSODescriptor WantAuthnRequestsSigned="true" {_spoken()}>
{_key("signing", pair)}
<SingleSignOnService {_at("HTTP-Redirect", f"{PROVIDER}/saml/singleSignOn")}/>
</IDPSSODescriptor>""",
    )


def _metadata(entity: str, role: str) -> str:
    return f"""<?xml version="1.0"?>
<EntityDescriptor xmlns="{_METADATA_OF}" entityID={quoteattr(entity)}>
{role}
</EntityDescriptor>
"""


def _key(use: str, pair: _Pair) -> str:
    certificate = "\n".join(textwrap.wrap(pair.content, 64))
    return f"""<KeyDescriptor use="{use}"><KeyInfo xmlns="{_SIGNATURE}"><X509Data><X509Certificate>
{certificate}
</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"""


def _at(binding: str, location: str) -> str:
    return f'Binding="{_BINDING}{binding}" Location={quoteattr(location)}'


def _spoken() -> str:
    return f'protocolSupportEnumeration="{_SPOKEN}"'


def _conf(address: str) -> str:
    """The service provider: one more virtual host of the web front, which the front's configuration includes.

    Its lock is its own: the default one would be both arms'.
    """
    return f"""LoadModule auth_mellon_module /usr/lib/apache2/modules/mod_auth_mellon.so
MellonCacheSize {_SESSIONS}
MellonLockFile {HOME}/web/run/mellon.lock
Listen {address}:{SSO_PORTS["saml"]}
<VirtualHost {address}:{SSO_PORTS["saml"]}>
	ServerName {region.EHR_HOST}
	HostnameLookups Off
	<Location />
		AuthType Mellon
		Require valid-user
		MellonEnable auth
		MellonEndpointPath /saml
		MellonUser uid
		MellonSPPrivateKeyFile {HOME}/{_KEY}
		MellonSPCertFile {HOME}/{_CERTIFICATE}
		MellonSPMetadataFile {HOME}/{_METADATA}
		MellonIdPMetadataFile {HOME}/{_PROVIDER_METADATA}
	</Location>
</VirtualHost>
"""
