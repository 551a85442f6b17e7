"""Web single sign-on of an arm: LemonLDAP::NG as the identity provider, and what relies on it before the journal.

The provider is a web server of its own, which authenticates by Kerberos (mod_auth_gssapi) and passes whom it has
authenticated on to LemonLDAP::NG's portal by FastCGI. What relies on it is a virtual host of the web front each: by
OpenID Connect mod_auth_openidc, by SAML mod_auth_mellon (``saml.py``). All are there only where an arm's settings ask
for them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from harness.lab import pki
from harness.lab.ad import region, saml
from harness.lab.ad.settings import HOME, PROVIDER, SSO_PORTS, Settings
from harness.system.files import write_whole

FOLDER = "idp"
KEYTAB = f"{FOLDER}/http.keytab"
PORTAL = "/usr/share/lemonldap-ng/portal/htdocs/index.psgi"
SOCKET = f"{HOME}/{FOLDER}/run/portal.sock"
PORTAL_INI = f"{HOME}/{FOLDER}/lemonldap-ng.ini"
HTTPD_CONF, RELYING_CONF = f"{FOLDER}/httpd.conf", "web/oidc.conf"
RELYING_PARTY = f"http://{region.EHR_HOST}:{SSO_PORTS['oidc']}"
CALLBACK = f"{RELYING_PARTY}/oidc/callback"

_CLIENT = "ehr"
_HTTPD_WORKERS = 8
PORTAL_WORKERS = 4
"""Perl processes, each of which serves one request at a time."""
_MODULES = ("mpm_prefork", "authn_core", "authz_core", "authz_user", "auth_gssapi", "env", "proxy", "proxy_fcgi")


def configure(folder: Path, chosen: Settings, address: str) -> None:
    """Write into a clone all that the provider and what relies on it need, with secrets of their own."""
    secret = secrets.token_hex(16)
    provider = folder / FOLDER
    for name in ("conf", "run", "cache", "sessions/lock", "persistent/lock"):
        (provider / name).mkdir(parents=True)
    of_saml = saml.configure(folder, chosen, address)
    write_whole(provider / "conf" / "lmConf-1.json", _portal_conf(chosen, secret, of_saml), private=True)
    (folder / FOLDER / "lemonldap-ng.ini").write_text(_portal_ini())
    (folder / HTTPD_CONF).write_text(_httpd_conf(address))
    write_whole(folder / RELYING_CONF, _relying_conf(address, secret), private=True)
    for session in _sessions(chosen.open_sessions):
        (provider / "sessions" / str(session["_session_id"])).write_text(json.dumps(session))
    for path in (provider, *provider.rglob("*")):
        shutil.chown(path, "www-data", "www-data")


def target(address: str) -> dict[str, object]:
    """The fields of a target's SingleSignOn."""
    return {
        "provider": {"url": f"http://{address}:{SSO_PORTS['idp']}/", "service_host": region.IDP_HOST},
        **{
            key: {"url": f"http://{address}:{SSO_PORTS[key]}/", "service_host": region.EHR_HOST}
            for key in ("oidc", "saml")
        },
    }


def _portal_conf(chosen: Settings, secret: str, of_saml: Mapping[str, object]) -> str:
    """LemonLDAP::NG's configuration; what isn't named here is its own default."""
    key = pki.new_key()
    private = pki.key_pem(key, serialization.PrivateFormat.TraditionalOpenSSL)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    relying = {
        "ClientID": _CLIENT,
        "ClientSecret": secret,
        "RedirectUris": CALLBACK,
        "BypassConsent": 1,
        "RequirePKCE": 1,
        "IDTokenSignAlg": "RS256",
        "UserIDAttr": "_user",
    }
    settings = {
        "cfgNum": 1,
        "cfgAuthor": "authgate",
        "cfgDate": "1",  # without one, nothing is taken for a configuration
        "key": secrets.token_hex(16),
        "portal": f"{PROVIDER}/",
        "domain": region.DOMAIN,
        "securedCookie": 0,
        # Whom the web server has authenticated; nothing is known of them but the name.
        "authentication": "Apache",
        "userDB": "Null",
        "whatToTrace": "_whatToTrace",
        "macros": {"_whatToTrace": "$_user"},
        **{name: {} for name in ("locationRules", "exportedHeaders", "exportedVars", "groups")},
        **{f"{name}Storage": "Apache::Session::File" for name in ("global", "persistent")},
        "globalStorageOptions": {**_store("sessions"), "generateModule": _SESSION_IDS},
        "persistentStorageOptions": _store("persistent"),
        "localSessionStorage": "Cache::FileCache",
        "localSessionStorageOptions": _cache("sessions"),
        # A page that tells of it would take the place of the way back.
        "notifyDeleted": 0,
        # Nobody sees a form: a module that does nothing spares the libraries that draw captchas.
        "captcha": "::Auth::Null",
        **dict.fromkeys(("portalDisplayRegister", "portalDisplayResetPassword"), 0),
        "issuerDBOpenIDConnectActivation": 1,
        "oidcServiceMetaDataIssuer": PROVIDER,
        "oidcServicePrivateKeySig": private.decode(),
        "oidcServicePublicKeySig": public.decode(),
        "oidcServiceKeyIdSig": "lab",
        "oidcRPMetaDataOptions": {_CLIENT: {f"oidcRPMetaDataOptions{name}": value for name, value in relying.items()}},
        "oidcRPMetaDataExportedVars": {_CLIENT: {"preferred_username": "_user"}},
        **of_saml,
        **chosen.portal,
    }
    return json.dumps(settings, indent=1)


_SESSION_IDS = "Lemonldap::NG::Common::Apache::Session::Generate::SHA256"


def _store(name: str) -> dict[str, str]:
    folder = f"{HOME}/{FOLDER}/{name}"
    return {"Directory": folder, "LockDirectory": f"{folder}/lock"}


def _sessions(count: int) -> Iterator[dict[str, object]]:
    """Open sessions as the portal itself writes them, each of another person."""
    now = int(time.time())
    for number in range(count):
        name = f"other{number:06d}"
        yield {
            "_session_id": hashlib.sha256(name.encode()).hexdigest(),
            "_session_kind": "SSO",
            "_whatToTrace": name,
            "_user": name,
            "_auth": "Apache",
            "_userDB": "Null",
            "_utime": now,
            "_lastAuthnUTime": now,
            "authenticationLevel": 3,
            "groups": "",
            "hGroups": {},
            "ipAddr": "127.0.0.1",
            "_url": f"{PROVIDER}/oauth2",
            "_oidcConnectedRP": f"{_CLIENT},",
        }


def _cache(namespace: str) -> dict[str, object]:
    """Of Cache::FileCache; an entry is good for longer than a lab runs."""
    root = f"{HOME}/{FOLDER}/cache"
    return {"namespace": namespace, "default_expires_in": 36_000, "cache_root": root, "cache_depth": 3}


def _portal_ini() -> str:
    options = ", ".join(f"'{name}' => '{value}'" for name, value in _cache("configuration").items())
    return f"""[all]
logLevel = warn
checkTime = 36000
[configuration]
type = File
dirName = {HOME}/{FOLDER}/conf
localStorage = Cache::FileCache
localStorageOptions = {{ {options} }}
[portal]
staticPrefix = /static
templateDir = /usr/share/lemonldap-ng/portal/templates
languages = en
"""


def _httpd_conf(address: str) -> str:
    """The provider's web server: Kerberos for all that a browser asks for, none for what relying parties do.

    Its token endpoint is told the name of each client, as the web front's application is.
    """
    load = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in _MODULES)
    return f"""ServerRoot {HOME}/{FOLDER}
ServerName {region.IDP_HOST}
Listen {address}:{SSO_PORTS["idp"]}
PidFile {HOME}/{FOLDER}/run/httpd.pid
DefaultRuntimeDir {HOME}/{FOLDER}/run
Mutex file:{HOME}/{FOLDER}/run default
ErrorLog {HOME}/logs/idp-errors.log
LogLevel warn
User www-data
Group www-data
{load}
StartServers {_HTTPD_WORKERS}
MinSpareServers {_HTTPD_WORKERS}
MaxSpareServers {_HTTPD_WORKERS}
ServerLimit {_HTTPD_WORKERS}
MaxRequestWorkers {_HTTPD_WORKERS}
MaxConnectionsPerChild 0
KeepAliveTimeout 1
ProxyPass / unix:{SOCKET}|fcgi://localhost/
ProxyFCGISetEnvIf "true" SCRIPT_NAME ""
ProxyFCGISetEnvIf "true" PATH_INFO "%{{reqenv:DOCUMENT_URI}}"
<Location />
	AuthType GSSAPI
	AuthName IdP
	GssapiAllowedMech krb5
	GssapiCredStore keytab:{HOME}/{KEYTAB}
	GssapiLocalName On
	Require valid-user
</Location>
<LocationMatch "^/(oauth2/(token|userinfo|jwks)$|\\.well-known/)">
	AuthType None
	Require all granted
	CGIPassAuth On
</LocationMatch>
<Location /oauth2/token>
	HostnameLookups On
</Location>
"""


def _relying_conf(address: str, secret: str) -> str:
    """The relying party: one more virtual host of the web front, which the front's configuration includes."""
    return f"""LoadModule auth_openidc_module /usr/lib/apache2/modules/mod_auth_openidc.so
Listen {address}:{SSO_PORTS["oidc"]}
<VirtualHost {address}:{SSO_PORTS["oidc"]}>
	ServerName {region.EHR_HOST}
	HostnameLookups Off
	OIDCProviderMetadataURL {PROVIDER}/.well-known/openid-configuration
	OIDCClientID {_CLIENT}
	OIDCClientSecret {secret}
	OIDCRedirectURI {CALLBACK}
	OIDCCryptoPassphrase {secrets.token_hex(16)}
	OIDCScope "openid profile"
	OIDCPKCEMethod S256
	OIDCRemoteUserClaim preferred_username
	<Location />
		AuthType openid-connect
		Require valid-user
	</Location>
</VirtualHost>
"""
