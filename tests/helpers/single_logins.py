"""Single logins as they look on the wire, and a candidate for each kind of difference from the baseline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.gate.protocol import between
from harness.model.protocol import (
    ArmProtocol,
    Change,
    Difference,
    DnsQuery,
    ExplainedLogin,
    ExplainedStep,
    KdcExchange,
    StepFacts,
    TicketFacts,
    TlsFacts,
)

AES256, AES128, RC4 = "aes256-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96", "arcfour-hmac"
AES128_SHA2 = "aes128-cts-hmac-sha256-128"
TGT = TicketFacts("krbtgt/REGION.TEST@REGION.TEST", AES256, 1174, AES256)
ASKED = KdcExchange("127.0.0.2:88", "TCP", 309, error="KDC_ERR_PREAUTH_REQUIRED", key_enctype=AES256)
ANSWERED = KdcExchange("127.0.0.2:88", "TCP", 1600, key_enctype=AES256)
TOO_BIG = KdcExchange("127.0.0.2:88", "UDP", 219, error="KRB_ERR_RESPONSE_TOO_BIG")
SILENT = KdcExchange("127.0.0.9:88", "TCP", None)
TLS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", "EC P-256")
FACTS = {
    "dns_srv_dc": StepFacts(1, records=1, queries=(DnsQuery("_ldap._tcp.dc._msdcs.region.test", "SRV", "UDP", 1),)),
    "dns_a": StepFacts(1, records=1, queries=(DnsQuery("dc1.region.test", "A", "UDP", 1),)),
    "kdc_as": StepFacts(tickets=(TGT,), exchanges=(ASKED, ANSWERED)),
    "kdc_tgs_ldap": StepFacts(
        tickets=(TicketFacts("ldap/dc1.region.test@REGION.TEST", AES256, 1187, AES256),), exchanges=(ANSWERED,)
    ),
    "ldap_connect": StepFacts(tls=TLS),
    "ldap_bind": StepFacts(3, answer_bytes=238, agreed=("no security layer",)),
    "ldap_own_entry": StepFacts(1, entries=1, answer_bytes=400),
    "http_negotiate": StepFacts(2, answer_bytes=700, statuses=(401, 200), agreed=("mutual",)),
}
USER = "clin00000"
NAMES = {"dc1.region.test": "HOST", "region.test": "DOMAIN"}


def login(cohort: str = "cold", **facts: StepFacts) -> ExplainedLogin:
    shown = {**FACTS, **facts}
    return ExplainedLogin(cohort, USER, tuple(ExplainedStep(name, "ok", "", shown[name]) for name in shown))


def arm(*logins: ExplainedLogin, names: dict[str, str] = NAMES) -> ArmProtocol:
    return ArmProtocol(names, logins or (login(),))


def changed(step: str, **fields: Any) -> ArmProtocol:
    """An arm one of whose steps shows other facts."""
    return arm(login(**{step: replace(FACTS[step], **fields)}))


def found(candidate: ArmProtocol, baseline: ArmProtocol | None = None) -> tuple[Difference, ...]:
    told = between(baseline or arm(), candidate)
    assert told is not None
    return told


def ticket(**fields: Any) -> ArmProtocol:
    (usual,) = FACTS["kdc_tgs_ldap"].tickets
    return changed("kdc_tgs_ldap", tickets=(replace(usual, **fields),))


CASES: dict[Change, tuple[ArmProtocol, str]] = {
    "exchange-added": (
        changed("kdc_as", exchanges=(ASKED, ANSWERED, ANSWERED)),
        "kdc_as: exchanges: 2 → 3",
    ),
    "exchange-removed": (changed("ldap_bind", round_trips=2), "ldap_bind: round trips: 3 → 2"),
    "no-answer": (
        changed("kdc_as", exchanges=(SILENT, ASKED, ANSWERED)),
        "kdc_as: requests without an answer: 0 → 1",
    ),
    "error-removed": (
        changed("kdc_as", exchanges=(replace(ASKED, error=""), ANSWERED)),
        "kdc_as: KDC_ERR_PREAUTH_REQUIRED: 1 → 0",
    ),
    "transport-changed": (
        changed("kdc_tgs_ldap", exchanges=(replace(ANSWERED, transport="UDP"),)),
        "kdc_tgs_ldap: transport: TCP → UDP",
    ),
    "ticket-grown": (ticket(ticket_bytes=2480), "kdc_tgs_ldap: ticket for ldap/: 1,187 B → 2,480 B (×2.1)"),
    "ticket-shrunk": (ticket(ticket_bytes=1107), "kdc_tgs_ldap: ticket for ldap/: 1,187 B → 1,107 B (-80 B)"),
    "enctype-weaker": (ticket(enctype=RC4), f"kdc_tgs_ldap: ticket for ldap/: {AES256} → {RC4}"),
    "enctype-changed": (ticket(enctype=AES128_SHA2), f"kdc_tgs_ldap: ticket for ldap/: {AES256} → {AES128_SHA2}"),
    "ticket-added": (
        changed("kdc_as", tickets=(TGT, replace(TGT, service="krbtgt/OTHER.TEST@REGION.TEST"))),
        "kdc_as: ticket for krbtgt/: none → krbtgt/OTHER.TEST@REGION.TEST",
    ),
    "tls-weaker": (
        changed("ldap_connect", tls=replace(TLS, version="TLSv1.2", cipher="ECDHE-RSA-AES256-GCM-SHA384")),
        "ldap_connect: TLS: TLSv1.3 → TLSv1.2",
    ),
    "cipher-changed": (
        changed("ldap_connect", tls=replace(TLS, cipher="TLS_AES_128_GCM_SHA256")),
        "ldap_connect: cipher suite: TLS_AES_256_GCM_SHA384 → TLS_AES_128_GCM_SHA256",
    ),
    "certificate-changed": (
        changed("ldap_connect", tls=replace(TLS, key="RSA 4096")),
        "ldap_connect: certificate's key: EC P-256 → RSA 4096",
    ),
    "security-layer-changed": (
        changed("ldap_bind", agreed=("sign and seal",)),
        "ldap_bind: negotiated security: no security layer → sign and seal",
    ),
    "entries-changed": (changed("ldap_own_entry", entries=2), "ldap_own_entry: entries: 1 → 2"),
    "answer-grown": (changed("ldap_own_entry", answer_bytes=4000), "ldap_own_entry: answers: 400 B → 4,000 B (×10)"),
    "http-status-changed": (
        changed("http_negotiate", statuses=(302, 401, 200)),
        "http_negotiate: HTTP status: 401, 200 → 302, 401, 200",
    ),
    "names-changed": (
        changed("dns_a", queries=(DnsQuery("dc1.other.test", "A", "UDP", 1),)),
        "dns_a: names asked: HOST A → dc1.other.test A",
    ),
}
