"""The steps that find a domain controller: DNS, and the netlogon ping."""

from __future__ import annotations

from harness.login.controllers import Controllers, Order
from harness.login.dns.locate import Answer, Resolver
from harness.login.ldap.netlogon import CLDAP_PORT, DomainController, first_answer, ping_request
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.login.state import LoginState
from harness.model.endpoint import Endpoint
from harness.model.target import Dns


class Locating:
    """What a workstation does to find its controller; the login's order of controllers follows."""

    def __init__(self, names: Dns, controllers: Controllers) -> None:
        self._names = names
        self._ping = ping_request(names.domain)
        self._controllers = controllers

    def dns_srv_kerberos(self, login: LoginState) -> None:
        """Ask for the domain's KDCs; libkrb5 is told of the target's own alone."""
        records, answer = self._resolver(login).kerberos_servers()
        _note_answer(login, answer)
        login.notes.append(", ".join(f"{record.host}:{record.port}" for record in records))

    def dns_srv_dc(self, login: LoginState) -> None:
        """Ask for the domain's controllers, or the site's."""
        records, answer = self._resolver(login).domain_controllers()
        _note_answer(login, answer)
        login.controller, login.order = self._controllers.named_by(records)
        login.notes.append(f"{login.controller.host} of {len(records)}")

    def dns_a(self, login: LoginState) -> None:
        """Ask for the address of the controller to go to first; of IPv6 where it has none of IPv4."""
        assert login.controller is not None
        addresses, answers = self._resolver(login).addresses(login.controller.host)
        for answer in answers:
            _note_answer(login, answer)
        login.notes.append(", ".join(addresses))
        login.controller_address, login.order = self._controllers.at(addresses, login.order)

    def cldap_ping(self, login: LoginState) -> None:
        """Ask the controllers whether they serve the domain; the first to answer is the login's.

        If it says that the client belongs to another site than its own, that site's controllers are looked up and
        asked, as DC locators do (Windows 2000 DNS white paper, p. 35), unless the target names a site itself.
        """
        found = self._answering(login, login.order, login.controller_address)
        site = found.client_site
        if site and site != found.site and self._names.site is None:
            try:
                records, answer = self._resolver(login).domain_controllers(site)
                _count(login, answer)
                _, nearer = self._controllers.named_by(records)
                self._answering(login, nearer)
            except StepFailedError as failure:
                if failure.outcome is TIMED_OUT:
                    raise
                login.notes.append(f"no controller of site {site}")

    def _resolver(self, login: LoginState) -> Resolver:
        return Resolver(self._names, login.clock)

    def _answering(self, login: LoginState, order: Order, first: str | None = None) -> DomainController:
        hosts = [first or order[0].address, *(checked.address for checked in order[1:])]
        ports = [CLDAP_PORT if it.controller.tls else it.controller.endpoint.port for it in order]
        at = {Endpoint(host=host, port=port): it for host, port, it in zip(hosts, ports, order, strict=True)}
        login.server = str(next(iter(at)))
        server, found = first_answer(tuple(at), self._ping, login.clock)
        login.server = str(server)
        login.locating_round_trips += 1
        login.order = (at[server], *(checked for checked in order if checked is not at[server]))
        login.notes.append(f"{found.host}, site {found.site or '(none)'}, client's {found.client_site or '(none)'}")
        login.notes.append(" ".join(found.roles))
        return found


def _note_answer(login: LoginState, answer: Answer) -> None:
    login.server = str(answer.server)
    _count(login, answer)
    if answer.tries > 1:
        login.notes.append(f"{answer.tries} tries")
    if answer.tcp:
        login.notes.append("answer cut, by TCP")


def _count(login: LoginState, answer: Answer) -> None:
    login.locating_round_trips += 1 + answer.tcp
    login.dns_records += sum(len(records) for records in answer.message.answer)
    login.queries.append(answer.query)
