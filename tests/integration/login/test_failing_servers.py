"""Servers that are silent, dead or drip: the step, the code and the deadline that end a login."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import KdcUnavailableError
from harness.lab.domain import LabArm
from harness.login.kerberos.answers import PREAUTH_REQUIRED, error_code
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath
from tests.helpers.logins import (
    DEADLINE_S,
    PATIENCE_S,
    USER,
    Way,
    by_ldaps,
    by_starttls,
    changed,
    client,
    csv_file,
    ended,
    in_clear,
    kill,
    memory_caches,
    took_s,
    unprepared,
)
from tests.helpers.running import stopped, until

pytestmark = pytest.mark.integration

LOGIN_DEADLINE_S = 3.0
"""Leaves room for the steps before the one that waits."""


def logs_in_again(path: LoginPath) -> None:
    """A server that has just been let go on is as slow as its machine: the steps' short deadline may be too short."""
    until(lambda: path.login(USER, "cold").outcome.status == "ok", PATIENCE_S, "it logs in no more")


# Servers that fail.


def test_a_silent_kdc_is_a_time_out_at_its_step_and_leaves_nothing_behind(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path, step_timeout_s=DEADLINE_S)
    before, threads = memory_caches(), threading.active_count()
    with stopped(arm.kdc_pid):
        result = path.login(USER, "cold")
        assert ended(result) == ("timeout", "DEADLINE", "kdc_as")
        assert took_s(result) >= DEADLINE_S
        assert threading.active_count() <= threads
    logs_in_again(path)
    assert memory_caches() == before


def test_a_denial_that_comes_after_the_deadline_is_heard_of_before_the_account_is_tried_again(
    arm: LabArm, tmp_path: Path
) -> None:
    """The wrong key is sent, and the KDC answers once nobody waits any more."""
    wrong = csv_file(tmp_path, f"{USER},wrong")
    path = client(changed(arm, credentials=wrong), tmp_path, step_timeout_s=DEADLINE_S)
    with late_answers(arm.ports["kdc"]) as port:
        slow = client(changed(arm, credentials=wrong, kdcs=[f"127.0.0.1:{port}"]), tmp_path, step_timeout_s=DEADLINE_S)
        assert ended(slow.login(USER, "cold")) == ("timeout", "DEADLINE", "kdc_as")
        deadline = time.monotonic() + PATIENCE_S
        denied: list[str] = []
        while not denied and time.monotonic() < deadline:
            denied += slow.denied_late()
            time.sleep(0.02)
    assert denied == [USER]
    assert list(slow.denied_late()) == [], "told once"
    assert list(path.denied_late()) == []


def test_the_deadline_of_the_login_stands_above_that_of_a_step(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path, step_timeout_s=PATIENCE_S, timeout_s=LOGIN_DEADLINE_S)
    with stopped(arm.slapd_pid):
        result = path.login(USER, "cold")
    assert ended(result) == ("timeout", "DEADLINE", "ldap_bind")
    assert (result.steps[-1].ended - result.steps[0].started) / 1e9 >= 0.9 * LOGIN_DEADLINE_S


def test_a_kdc_that_is_silent_while_keys_are_derived_is_named_with_the_user(arm: LabArm, tmp_path: Path) -> None:
    with stopped(arm.kdc_pid), pytest.raises(KdcUnavailableError, match=f"no key for {USER}: timeout DEADLINE"):
        client(changed(arm), tmp_path, step_timeout_s=0.3)


def test_a_key_that_no_kdc_would_give_is_derived_by_the_login_once_it_answers(arm: LabArm, tmp_path: Path) -> None:
    use_krb5_conf(changed(arm), tmp_path)
    path = unprepared(changed(arm), step_timeout_s=DEADLINE_S)
    with stopped(arm.kdc_pid):
        with pytest.raises(KdcUnavailableError):
            path.prepare([USER])
        assert ended(path.login(USER, "cold")) == ("timeout", "DEADLINE", "kdc_as")
    logs_in_again(path)
    kill(arm, "kdc")
    path = unprepared(changed(arm))
    with pytest.raises(KdcUnavailableError, match=f"no key for {USER}: KRB5_KDC_UNREACH"):
        path.prepare([USER])
    assert ended(path.login(USER, "cold")) == ("error", "KRB5_KDC_UNREACH", "kdc_as")


def test_a_dead_kdc_is_an_error_with_its_name(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path)
    kill(arm, "kdc")
    assert ended(path.login(USER, "cold")) == ("error", "KRB5_KDC_UNREACH", "kdc_as")


@pytest.mark.parametrize(
    ("way", "step"), [(in_clear, "ldap_bind"), (by_starttls, "ldap_connect"), (by_ldaps, "ldap_connect")]
)
def test_a_silent_directory_is_a_time_out_at_the_step_that_waits(
    arm: LabArm, tmp_path: Path, way: Way, step: str
) -> None:
    path = client(changed(arm, way(arm)), tmp_path, step_timeout_s=DEADLINE_S)
    with stopped(arm.slapd_pid):  # The kernel goes on accepting connections for it.
        result = path.login(USER, "cold")
    assert ended(result) == ("timeout", "DEADLINE", step)
    assert took_s(result) >= DEADLINE_S
    logs_in_again(path)


def test_a_dead_directory_is_an_error_at_the_connection(arm: LabArm, tmp_path: Path) -> None:
    path = client(changed(arm), tmp_path)
    kill(arm, "slapd")
    assert ended(path.login(USER, "cold")) == ("error", "CONNECT_FAILED", "ldap_connect")


@contextmanager
def late_answers(kdc: int) -> Iterator[int]:
    """The port of a relay before a KDC (UDP) that answers late, but for what asks for pre-authentication."""
    done = threading.Event()

    def serve() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.connect(("127.0.0.1", kdc))
            while not done.is_set():
                try:
                    request, client_at = front.recvfrom(65535)
                except TimeoutError:
                    continue
                server.send(request)
                answer = server.recv(65535)
                if error_code(answer) != PREAUTH_REQUIRED:
                    done.wait(2 * DEADLINE_S)
                front.sendto(answer, client_at)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front:
        front.bind(("127.0.0.1", 0))
        front.settimeout(0.05)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield front.getsockname()[1]
        finally:
            done.set()
            thread.join()


LDAP_MESSAGE = b"\x30\x82\x02\x54"
TLS_RECORD = b"\x16\x03\x03\x02\x54"


@contextmanager
def dripping(header: bytes = LDAP_MESSAGE) -> Iterator[int]:
    """The port of a server that answers anything with one byte of a message a second, for ten minutes."""
    done = threading.Event()

    def drip(peer: socket.socket) -> None:
        with peer:
            peer.recv(1)
            for byte in header + b"\x02" * 596:
                if done.wait(1.0):
                    return
                try:
                    peer.send(bytes([byte]))
                except OSError:
                    return

    def serve() -> None:
        while not done.is_set():
            try:
                peer, _ = server.accept()
            except TimeoutError:
                continue
            drip(peer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    ("scheme", "starttls", "step"),
    [("ldap", False, "ldap_bind"), ("ldap", True, "ldap_connect"), ("ldaps", False, "ldap_connect")],
)
def test_a_directory_that_drips_a_byte_a_second_is_ended_by_the_deadline(
    arm: LabArm, tmp_path: Path, scheme: str, starttls: bool, step: str
) -> None:
    with dripping() as port:
        directory = {"uri": f"{scheme}://127.0.0.1:{port}", "starttls": starttls}
        # Longer than from byte to byte: a time-out that began anew with each of them would not end it.
        path = client(changed(arm, directory), tmp_path, step_timeout_s=1.7)
        result = path.login(USER, "cold")
    assert ended(result) == ("timeout", "DEADLINE", step)
    assert took_s(result) >= 1.7


def test_a_handshake_that_drips_under_load_is_ended_by_the_deadline() -> None:
    """gevent's own handshake waits anew for each byte."""
    code = (
        "import gevent.monkey; gevent.monkey.patch_all()\n"
        "import sys\n"
        "from harness.login.ldap.session import DirectorySession\n"
        "from harness.login.net.clock import StepClock\n"
        "from harness.model.target import Directory\n"
        "fields = {'uri': sys.argv[1], 'service_host': 'ldap', 'user_base': '', 'group_base': ''}\n"
        "directory = Directory.model_validate(fields)\n"
        "DirectorySession(directory, StepClock(1.7)).connect([(directory, directory.endpoint)])\n"
    )
    with dripping(TLS_RECORD) as port:
        command = [sys.executable, "-c", code, f"ldaps://127.0.0.1:{port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.stderr.endswith("StepFailedError: timeout DEADLINE\n"), done.stderr
