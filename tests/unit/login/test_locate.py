"""The name-server steps against a name server of the test's own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.login.controllers import Controllers, Order
from harness.login.dns import locate
from harness.login.dns.locate import Resolver, ServiceRecord, in_order
from harness.login.net.clock import StepClock
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.attempt import Outcome
from harness.model.endpoint import NO_NAMES
from harness.model.target import Dns, Target

PATIENCE_S = 20.0
"""An upper bound on things that take milliseconds; only a hang reaches it."""
HOST = "127.0.0.1"
CONTROLLERS = "_ldap._tcp.dc._msdcs.clinic.test."
Reply = Callable[[dns.message.Message], dns.message.Message | bytes | None]


def answering(*records: tuple[str, str, str], rcode: dns.rcode.Rcode = dns.rcode.NOERROR, cut: bool = False) -> Reply:
    """Answer a question with those of these records (name, type, data) that it asks for."""

    def reply(query: dns.message.Message) -> dns.message.Message:
        (question,) = query.question
        answer = dns.message.make_response(query)
        answer.set_rcode(rcode)
        for name, kind, data in records:
            rrset = dns.rrset.from_text(name, 60, "IN", kind, data)
            if (rrset.name, rrset.rdtype) == (question.name, question.rdtype):
                answer.answer.append(rrset)
        if cut:
            answer.answer.clear()
            answer.flags |= dns.flags.TC
        return answer

    return reply


@contextmanager
def name_server(by_udp: Reply, by_tcp: Reply | None = None) -> Iterator[str]:
    """A name server until the end of the block; its address and port."""
    with socket.create_server((HOST, 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(tcp.getsockname())

        def serve_datagrams() -> None:
            while True:
                wire, client = udp.recvfrom(4096)
                if not wire:
                    return
                if (answer := by_udp(dns.message.from_wire(wire))) is not None:
                    udp.sendto(answer if isinstance(answer, bytes) else answer.to_wire(), client)

        def serve_connection() -> None:
            connection, _ = tcp.accept()
            with connection:
                wire = connection.recv(4096)[2:]
                if wire and by_tcp is not None:
                    answer = by_tcp(dns.message.from_wire(wire))
                    assert isinstance(answer, dns.message.Message)
                    connection.sendall(answer.to_wire(prepend_length=True))

        threads = [threading.Thread(target=serve) for serve in (serve_datagrams, serve_connection)]
        for thread in threads:
            thread.start()
        try:
            yield f"{HOST}:{udp.getsockname()[1]}"
        finally:
            udp.sendto(b"", udp.getsockname())
            socket.create_connection(tcp.getsockname(), PATIENCE_S).close()
            for thread in threads:
                thread.join(PATIENCE_S)


def resolver(*servers: str, site: str | None = None, timeout_s: float = PATIENCE_S) -> Resolver:
    return Resolver(
        Dns.model_validate({"servers": list(servers), "domain": "clinic.test", "site": site}), StepClock(timeout_s)
    )


def silent(query: dns.message.Message) -> None:
    """Say nothing."""


def outcome(ask: Callable[[], object]) -> Outcome:
    with pytest.raises(StepFailedError) as raised:
        ask()
    return raised.value.outcome


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows' patience, twenty times as short."""
    monkeypatch.setattr(locate, "WAITS_S", tuple(wait_s / 20 for wait_s in locate.WAITS_S))


def test_the_domains_controllers_are_asked_for_by_the_names_that_clients_use() -> None:
    asked: list[str] = []

    def note(query: dns.message.Message) -> dns.message.Message:
        asked.append(query.question[0].to_text())
        return answering((query.question[0].name.to_text(), "SRV", "0 100 389 DC1.clinic.test."))(query)

    with name_server(note) as server:
        records, answer = resolver(server).domain_controllers()
        resolver(server).kerberos_servers()
        resolver(server, site="Ward-Site").domain_controllers()
        resolver(server, site="Ward-Site").kerberos_servers()
    assert records == (ServiceRecord(0, 100, 389, "dc1.clinic.test"),)
    assert (str(answer.server), answer.tries, answer.tcp) == (server, 1, False)
    assert asked == [
        "_ldap._tcp.dc._msdcs.clinic.test. IN SRV",
        "_kerberos._tcp.clinic.test. IN SRV",
        "_ldap._tcp.Ward-Site._sites.dc._msdcs.clinic.test. IN SRV",
        "_kerberos._tcp.Ward-Site._sites.clinic.test. IN SRV",
    ]


def test_a_name_that_stands_for_another_gives_the_others_addresses() -> None:
    chain = answering(("dc1.clinic.test.", "A", "127.0.0.9"))
    with name_server(chain) as server:
        addresses, _ = resolver(server).addresses("dc1.clinic.test")
    assert addresses == ("127.0.0.9",)


@pytest.mark.parametrize(
    ("records", "found", "asked"),
    [
        ([("dc1.clinic.test.", "AAAA", "2001:db8::a")], ("2001:db8::a",), ["A", "AAAA"]),
        ([("dc1.clinic.test.", "A", HOST), ("dc1.clinic.test.", "AAAA", "2001:db8::a")], (HOST,), ["A"]),
    ],
)
def test_a_controller_without_an_address_of_ipv4_is_found_at_that_of_ipv6(
    records: list[tuple[str, str, str]], found: tuple[str, ...], asked: list[str]
) -> None:
    with name_server(answering(*records)) as server:
        addresses, answers = resolver(server).addresses("dc1.clinic.test")
    assert addresses == found
    assert [answer.query.kind for answer in answers] == asked


def test_a_controller_without_any_address_is_told_as_such() -> None:
    with name_server(answering()) as server:
        found = outcome(lambda: resolver(server).addresses("dc1.clinic.test"))
    assert found == Outcome("error", "DNS_NO_RECORDS")


def test_after_a_silent_server_the_next_one_is_asked(soon: None) -> None:
    right = answering((CONTROLLERS, "SRV", "0 100 389 dc1.clinic.test."))
    with name_server(silent) as first, name_server(right) as second:
        _, answer = resolver(first, second).domain_controllers()
    assert str(answer.server) == second
    assert answer.tries > 1


def test_a_server_that_is_not_there_costs_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "WAITS_S", (10 * PATIENCE_S,) * 2)
    right = answering((CONTROLLERS, "SRV", "0 100 389 dc1.clinic.test."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind((HOST, 0))
        first = f"{HOST}:{gone.getsockname()[1]}"
    with name_server(right) as second:
        _, answer = resolver(first, second).domain_controllers()
    assert (str(answer.server), answer.tries) == (second, 2)


def test_a_client_that_gives_up_is_an_error_and_one_that_its_deadline_ends_a_time_out(soon: None) -> None:
    with name_server(silent) as server:
        assert outcome(lambda: resolver(server).domain_controllers()) == Outcome("error", "DNS_NO_ANSWER")
        assert outcome(lambda: resolver(server, timeout_s=0.03).domain_controllers()) == TIMED_OUT


def test_a_lone_server_is_asked_as_often_as_windows_client_asks(soon: None) -> None:
    asked: list[dns.message.Message] = []
    with name_server(asked.append) as server:  # type: ignore[arg-type]
        outcome(lambda: resolver(server).domain_controllers())
    assert len(asked) == len(locate.WAITS_S)


def test_an_answer_that_was_cut_is_asked_for_again_by_tcp() -> None:
    records = [(CONTROLLERS, "SRV", f"0 100 389 dc{number}.clinic.test.") for number in range(40)]
    with name_server(answering(cut=True), answering(*records)) as server:
        found, answer = resolver(server).domain_controllers()
    assert len(found) == 40
    assert answer.tcp


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answering(rcode=dns.rcode.NXDOMAIN), "DNS 3 NXDOMAIN"),
        (answering(rcode=dns.rcode.SERVFAIL), "DNS 2 SERVFAIL"),
        (answering(rcode=dns.rcode.REFUSED), "DNS 5 REFUSED"),
        (answering(), "DNS_NO_RECORDS"),
        (answering((CONTROLLERS, "TXT", "none")), "DNS_NO_RECORDS"),
        (lambda query: query.to_wire()[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\xff", "DNS_MALFORMED"),
    ],
)
def test_what_a_name_server_refuses_or_garbles_is_named(reply: Reply, code: str) -> None:
    with name_server(reply) as server:
        assert outcome(lambda: resolver(server).domain_controllers()) == Outcome("error", code)


@pytest.mark.parametrize(
    "stray",
    [
        lambda query: b"\x00" * 5,
        lambda query: bytes([query.to_wire()[0] ^ 1]) + dns.message.make_response(query).to_wire()[1:],
        lambda query: query.to_wire()[:2] + dns.message.make_response(dns.message.make_query("x.", "A")).to_wire()[2:],
    ],
)
def test_a_datagram_that_answers_another_question_is_ignored_as_by_every_resolver(
    stray: Callable[[dns.message.Message], bytes],
) -> None:
    """Whoever guesses the port could end a step with one packet otherwise."""
    with name_server(stray) as server:
        assert outcome(lambda: resolver(server, timeout_s=0.1).domain_controllers()) == TIMED_OUT
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))

        def serve() -> None:
            wire, client = udp.recvfrom(4096)
            query = dns.message.from_wire(wire)
            udp.sendto(stray(query), client)
            answer = dns.message.make_response(query)
            answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "127.0.0.9"))
            udp.sendto(answer.to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        found, _ = resolver(f"127.0.0.1:{udp.getsockname()[1]}").addresses("dc1.clinic.test")
        thread.join(PATIENCE_S)
    assert found == ("127.0.0.9",)


NAMES = [f"dc{number}.clinic.test" for number in range(5)]
RECORDS = st.lists(
    st.builds(ServiceRecord, st.integers(0, 3), st.integers(0, 100), st.just(389), st.sampled_from(NAMES)), max_size=8
)


def target_of(hosts: list[str]) -> Target:
    """A target whose directory is served by these controllers, each at an address of its own."""
    each = [{"uri": f"ldap://127.0.0.{n}", "service_host": host} for n, host in enumerate(hosts, start=2)]
    directory = {**each[0], "further_controllers": each[1:], "user_base": "", "group_base": ""}
    fields = {"realm": "CLINIC.TEST", "kdcs": ["127.0.0.1"], "credentials": {"env": "X"}, "directory": directory}
    return Target.model_validate(fields)


def names(order: Order) -> list[str]:
    return [checked.controller.service_host for checked in order]


@given(RECORDS, st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
def test_a_login_goes_to_its_targets_own_controllers_alone_by_priority(
    records: list[ServiceRecord], own: list[str]
) -> None:
    controllers = Controllers(target_of(own), NO_NAMES)
    ours = [record for record in records if record.host in own]
    if not ours:
        assert outcome(lambda: controllers.named_by(records)) == Outcome("error", "DC_NOT_IN_TARGETS")
        return
    first, order = controllers.named_by(records)
    assert first in ours
    assert names(order)[0] == first.host
    assert sorted(names(order)) == sorted(own)  # those that no record names come last, and none is lost
    best = {
        host: min(r.priority for r in ours if r.host == host) for host in names(order) if host in {r.host for r in ours}
    }
    assert list(best) == names(order)[: len(best)]
    assert list(best.values()) == sorted(best.values())


def test_controllers_are_chosen_by_their_weight() -> None:
    records = [ServiceRecord(0, weight, 389, host) for weight, host in zip((10, 30, 60), NAMES, strict=False)]
    chosen = Counter(in_order(records)[0].host for _ in range(5000))
    for record in records:
        # 5 standard deviations of a binomial count are below 0.04 of it.
        assert abs(chosen[record.host] / 5000 - record.weight / 100) < 0.04


def test_the_address_that_a_name_server_gives_decides_between_controllers_of_one_name() -> None:
    controllers = Controllers(target_of(["dc.clinic.test", "dc2.clinic.test"]), NO_NAMES)
    address, order = controllers.at(["192.0.2.1", "127.0.0.3"], controllers.listed)
    assert (address, names(order)) == ("127.0.0.3", ["dc2.clinic.test", "dc.clinic.test"])
    assert outcome(lambda: controllers.at(["192.0.2.1"], controllers.listed)) == Outcome("error", "DC_NOT_IN_TARGETS")


OVERLAP = """
from gevent import monkey; monkey.patch_all()
import gevent, dns.message
from gevent.server import DatagramServer
from harness.login.dns.locate import Resolver
from harness.login.net.clock import StepClock
from harness.model.target import Dns

waiting = []
def serve(wire, client):
    waiting.append((wire, client))
    if len(waiting) == 20:  # nobody is answered before all have asked
        for wire, client in waiting:
            answer = dns.message.make_response(dns.message.from_wire(wire))
            answer.answer.append(dns.rrset.from_text(answer.question[0].name, 60, "IN", "A", "127.0.0.9"))
            server.sendto(answer.to_wire(), client)

server = DatagramServer("127.0.0.1:0", serve)
server.start()
names = Dns.model_validate({"servers": [f"127.0.0.1:{server.server_port}"], "domain": "clinic.test"})
asking = [gevent.spawn(Resolver(names, StepClock(0.9)).addresses, "dc1.clinic.test") for _ in range(20)]
print([job.get()[0] for job in asking] == [("127.0.0.9",)] * 20)
"""


def test_queries_under_gevent_wait_side_by_side() -> None:
    """Were one of them to hold the hub, the server would never have heard all twenty."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OVERLAP], capture_output=True, text=True, timeout=4 * PATIENCE_S
    )
    assert (done.stdout.strip(), done.returncode) == ("True", 0), done.stderr
