"""TLS of the directory and of web servers: version, certificate, and whether a login would accept it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

from harness.doctor.probe import Probe, reason_of
from harness.login.ldap.session import MALFORMED, STARTTLS, check_ca_file, read_message
from harness.login.net import der
from harness.login.net.certificate import Certificate, read_certificate
from harness.login.net.clock import StepClock
from harness.login.net.streams import CHUNK, Stream
from harness.login.net.tls import client_context
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.diagnosis import Remark, not_applicable, ok, problem, warning
from harness.model.endpoint import Endpoint

RENEW_DAYS = 30
_ANSWER_WITHIN_S = 3.0
_ADVICE = {
    9: "set the clocks of server and load generator",  # X509_V_ERR_CERT_NOT_YET_VALID
    10: "renew it",  # X509_V_ERR_CERT_HAS_EXPIRED
    62: "issue one for the name in the targets, or connect by one of its names",  # X509_V_ERR_HOSTNAME_MISMATCH
    64: "issue one for the address, or connect by one of its names",  # X509_V_ERR_IP_ADDRESS_MISMATCH
    66: "issue one with a longer key",  # X509_V_ERR_EE_KEY_TOO_SMALL
    # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT to X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
    **dict.fromkeys(range(18, 22), "put the certificate of its issuer into directory.ca_file"),
}
_ADVICE_ELSE = "issue one that clients accept"


def directory(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """The directory's certificate is one that a login accepts, today and for a while."""
    wanted = probe.target.directory
    if not wanted.tls and not wanted.starttls:
        yield not_applicable("no TLS; Kerberos signs and seals, where the server offers it")
        return
    check_ca_file(probe.target)
    for checked in probe.at(wanted.endpoint):
        yield _examined(probe, "directory", checked, wanted.endpoint.host, wanted.starttls, deadline)


def ehr(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """The front's certificate, likewise; it is asked for by the name of the service."""
    wanted = probe.target.ehr
    assert wanted is not None
    if not wanted.tls:
        yield not_applicable("no TLS (http)")
        return
    check_ca_file(probe.target)
    for checked in probe.at(wanted.endpoint):
        yield _examined(probe, "EHR", checked, wanted.service_host, False, deadline)


def single_sign_on(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """Likewise those of the identity provider and of what relies on it."""
    wanted = probe.target.sso
    assert wanted is not None
    encrypted = {key: server for key, server in wanted.taken_by(probe.steps).items() if server.tls}
    if not encrypted:
        yield not_applicable("no TLS (http)")
        return
    check_ca_file(probe.target)
    for key, server in encrypted.items():
        for checked in probe.at(server.endpoint):
            yield _examined(probe, f"single sign-on, {key}", checked, server.service_host, False, deadline)


def _examined(probe: Probe, server: str, endpoint: Endpoint, name: str, starttls: bool, deadline: StepClock) -> Remark:
    context = client_context(probe.target.directory.ca_file)
    try:
        version, certificate, refused = _handshakes(context, endpoint, name, starttls, deadline)
    except (OSError, ValueError, StepFailedError) as error:
        return problem(f"{endpoint}: no TLS ({_why(error)})", "give the server a certificate and TLS 1.2 or newer")
    probe.traits[f"TLS of the {server}"] = f"{version}, {certificate.key}"
    days = (certificate.not_after - datetime.now(UTC)).total_seconds() / 86_400
    found = f"{endpoint}: {version}, {certificate.key}, {_days(days)}"
    if refused is not None:
        return problem(f"{found}: {refused.verify_message}", _ADVICE.get(refused.verify_code, _ADVICE_ELSE))
    if days < RENEW_DAYS:
        return warning(f"{found}, verified for {name}", "renew the certificate before it ends")
    return ok(f"{found}, verified for {name}")


def _why(error: Exception) -> object:
    if isinstance(error, TimeoutError):
        error = StepFailedError(TIMED_OUT)
    if isinstance(error, StepFailedError):
        return reason_of(error)
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or error


def _days(days: float) -> str:
    return f"{days:.0f} days left" if days >= 0 else f"expired {-days:.0f} days ago"


def _handshakes(
    context: ssl.SSLContext, endpoint: Endpoint, name: str, starttls: bool, deadline: StepClock
) -> tuple[str, Certificate, ssl.SSLCertVerificationError | None]:
    """Version and certificate; where a login refuses that, why, and the certificate by a second handshake without."""
    try:
        return *_handshake(context, endpoint, name, starttls, deadline), None
    except ssl.SSLCertVerificationError as error:
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        return *_handshake(unverified, endpoint, name, starttls, deadline), error


def _handshake(
    context: ssl.SSLContext, endpoint: Endpoint, name: str, starttls: bool, deadline: StepClock
) -> tuple[str, Certificate]:
    timeout_s = min(_ANSWER_WITHIN_S, deadline.left_s())
    clock = StepClock(timeout_s)
    with socket.create_connection((endpoint.host, endpoint.port), timeout_s) as plain:
        if starttls:
            _start_tls(Stream(plain, clock))
        plain.settimeout(clock.left_s())
        with context.wrap_socket(plain, server_hostname=name) as encrypted:
            peer = encrypted.getpeercert(binary_form=True)
            return encrypted.version() or "TLS", read_certificate(peer or b"")


def _start_tls(plain: Stream) -> None:
    """Ask an LDAP server for TLS (RFC 4511 §4.14); raises ConnectionRefusedError where it declines."""
    asked = der.encode(der.application(23), der.encode(der.context_simple(0), STARTTLS.encode()))
    plain.sendall(der.encode(der.SEQUENCE, der.integer(1), asked))
    message = read_message(plain, CHUNK)
    try:
        _, answer, *_ = der.decode(message).parts()
        result, *_ = answer.parts()
    except ValueError:
        raise StepFailedError(MALFORMED) from None
    if result.content != b"\0":
        raise ConnectionRefusedError(f"StartTLS: LDAP {result.number()}")
