"""Whether an arm of the AD lab is ready: a real transaction with each of its services, then the whole chain.

All of it by tools that others wrote: kinit, kvno, ldapsearch, dig, samba-tool, curl.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.errors import LabError
from harness.lab.ad import region
from harness.lab.ad.addresses import resolver_of
from harness.lab.ad.build import CLINICIANS_KEYTAB
from harness.lab.ad.programs import Programs
from harness.lab.ad.settings import PORTS, SMB_CONFS, SSO_PORTS
from harness.lab.tools import run
from harness.system.process import environment

READY_S = 30.0
"""How long an arm may take until each of its services has answered; only a server that can't start reaches it."""
_ANSWER_S = 5.0
_AGAIN_S = 0.05

_USER = region.TEMPLATE


def wait_until_ready(
    programs: Programs,
    folder: Path,
    addresses: Mapping[str, str],
    ca_file: str,
    running: Callable[[], bool],
    late_s: float = 0.0,
    single_sign_on: bool = False,
) -> None:
    """Return when every service of the arm has answered as it should, of each of its controllers.

    ``ca_file`` holds the certificate that the directory must have, ``late_s`` is how late names of clients come, for
    which each page waits. Raises LabError, with the last answer, for the first
    service that doesn't answer in time, or once ``running`` says no.
    """
    deadline = time.monotonic() + READY_S + 2 * late_s
    answer_s = _ANSWER_S + late_s
    whole = [_Checks(programs, folder, name, addresses, ca_file, answer_s, single_sign_on) for name in addresses]
    for check in [check for checks in reversed(whole) for check in checks.all()]:
        while True:
            try:
                check()
                break
            except LabError as error:
                if time.monotonic() > deadline or not running():
                    raise LabError(
                        f"AD lab: expected {addresses[region.DC_NAME]} to be ready, got: {error}; {_said(folder)}"
                    ) from None
                time.sleep(_AGAIN_S)


class _Checks:
    """The transactions; each raises LabError."""

    def __init__(
        self,
        programs: Programs,
        folder: Path,
        name: str,
        addresses: Mapping[str, str],
        ca_file: str,
        answer_s: float,
        single_sign_on: bool,
    ) -> None:
        self._single_sign_on = single_sign_on
        self._answer_s = answer_s
        self._ca_file = ca_file
        self._programs = programs
        self._folder = folder
        self._name = name
        self._host = f"{name}.{region.DOMAIN}"
        self._addresses = addresses
        self._address = addresses[name]
        self._ccache = folder / "ready.ccache"

    def all(self) -> tuple[Callable[[], None], ...]:
        controller = (self._dns, self._kdc, self._cldap, self._directory)
        rest = (self._web, self._chain) if self._name == region.DC_NAME else ()
        signed_on = (self._signed_on,) if rest and self._single_sign_on else ()
        return (*controller, *rest, *signed_on, self._end)

    def _dns(self) -> None:
        names = [f"_kerberos._tcp.dc._msdcs.{region.DOMAIN}", f"_ldap._tcp.dc._msdcs.{region.DOMAIN}"]
        for name in names:
            self._expect(self._host, self._dig("SRV", name))
        self._expect(self._address, self._dig("A", self._host))
        own = self._addresses[region.DC_NAME]
        for name in (region.EHR_HOST, region.DATABASE_HOST):
            self._expect(own, self._dig("A", name))
        self._expect(own, self._dig("A", region.EHR_HOST, resolver_of(own)))

    def _dig(self, kind: str, name: str, server: str | None = None) -> str:
        return self._tool("dig", "+short", "+tries=1", "+time=1", f"@{server or self._address}", kind, name)

    def _kdc(self) -> None:
        self._tool("kinit", "-k", "-t", str(self._folder / CLINICIANS_KEYTAB), _USER)
        services = (f"ldap/{self._host}", region.EHR_SERVICE, f"host/{region.WORKSTATIONS[0]}.{region.DOMAIN}")
        self._tool("kvno", *services)

    def _cldap(self) -> None:
        configuration = f"--configfile={self._folder / SMB_CONFS[self._name]}"
        self._expect(self._host, self._tool("samba-tool", "domain", "info", self._address, configuration))

    def _directory(self) -> None:
        query = ("-LLL", "-b", region.USER_BASE, f"(sAMAccountName={_USER})", "dn")
        for uri in (f"ldap://{self._address}", f"ldaps://{self._address}"):
            # Inside TLS a domain controller takes no second layer of encryption.
            layers = ("-O", "maxssf=0") if uri.startswith("ldaps") else ()
            self._expect(
                region.user_dn(_USER), self._tool("ldapsearch", "-Y", "GSSAPI", "-Q", "-N", *layers, "-H", uri, *query)
            )

    def _web(self) -> None:
        self._expect(_USER, self._page(""))

    def _chain(self) -> None:
        self._expect(_USER, self._page("db"))

    def _signed_on(self) -> None:
        self._expect(_USER, self._by_provider("oidc"))
        # As far as the provider's signed response: curl submits no form.
        self._expect('name="SAMLResponse"', self._by_provider("saml"))

    def _by_provider(self, relying: str) -> str:
        """The page to which curl is led that begins at what relies on the identity provider."""
        ports = {region.EHR_HOST: SSO_PORTS[relying], region.IDP_HOST: SSO_PORTS["idp"]}
        way = [word for host, port in ports.items() for word in _connect(host, port, self._address)]
        # curl sends a ticket to another host than the first one only where it is told to.
        there = ("--silent", "--fail", "--location-trusted", "--cookie", "", "--negotiate", "--user", ":")
        return self._tool("curl", *there, *way, "--noproxy", "*", f"http://{region.EHR_HOST}:{SSO_PORTS[relying]}/")

    def _end(self) -> None:
        self._ccache.unlink()

    def _page(self, path: str) -> str:
        port = PORTS["http"]
        url = f"http://{region.EHR_HOST}:{port}/{path}"
        connect = (*_connect(region.EHR_HOST, port, self._address), "--noproxy", "*")
        return self._tool("curl", "--silent", "--fail", "--negotiate", "--user", ":", *connect, url)

    def _tool(self, name: str, *arguments: str) -> str:
        env = environment(
            KRB5_CONFIG=str(self._folder / f"krb5-{self._name}.conf"),
            KRB5CCNAME=f"FILE:{self._ccache}",
            LDAPCONF="/dev/null",
            LDAPTLS_CACERT=self._ca_file,
        )
        return run([self._programs[name], *arguments], env, timeout_s=self._answer_s)

    @staticmethod
    def _expect(words: str, answer: str) -> None:
        if words.lower() not in answer.lower():
            raise LabError(f"expected {words} in the answer, got {answer.strip()!r}")


def _connect(host: str, port: int, address: str) -> tuple[str, str]:
    """Of curl: what is asked for by the name goes to the address."""
    return "--connect-to", f"{host}:{port}:{address}:{port}"


def _said(folder: Path) -> str:
    """The last lines of the servers' logs, for whoever has to find the cause."""
    logs = sorted((folder / "logs").iterdir())
    last = [f"{log.name}: {line}" for log in logs for line in log.read_text(errors="replace").splitlines()[-2:]]
    return f"its log ends with: {' | '.join(last) or 'none'}"
