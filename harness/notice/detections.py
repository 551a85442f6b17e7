"""Which published detections a test of logins may set off, and why; each with the page that describes it.

A detection is listed where its publisher's own text describes what the test sends, not where it has been seen to fire:
authgate has not been tried beside these products.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.notice.traffic import Traffic

_MDI = "Defender for Identity"
_MDI_ALERTS = "https://learn.microsoft.com/en-us/defender-for-identity/alerts-mdi-classic"
_SEARCHES = ("ldap_own_entry", "ldap_groups", "ldap_token_groups", "ldap_in_chain")


@dataclass(frozen=True, slots=True)
class Detection:
    """One detection: whose it is, what it is called, why the test may set it off, and its source.

    ``applies`` says of which tests. ``rejected`` marks those that need logons that fail: a test has few or none, as a
    password that was denied is not tried again.
    """

    product: str
    name: str
    why: str
    source: str
    applies: Callable[[Traffic], bool]
    rejected: bool = False


DETECTIONS: tuple[Detection, ...] = (
    Detection(
        "Elastic",
        "Spike in Successful Logon Events from a Source IP",
        "every logon of the test comes from one machine",
        "https://github.com/elastic/detection-rules/blob/main/rules/ml/"
        "credential_access_ml_auth_spike_in_logon_events_from_a_source_ip.toml",
        lambda traffic: True,
    ),
    Detection(
        _MDI,
        "Honeytoken authentication activity (2014)",
        "only if an account of the list is tagged as a honeytoken: it logs in",
        f"{_MDI_ALERTS}#honeytoken-authentication-activity",
        lambda traffic: traffic.active_directory,
    ),
    Detection(
        _MDI,
        "Honeytoken was queried via LDAP (2429)",
        "only if an account of the list is tagged as a honeytoken: its entry is read",
        f"{_MDI_ALERTS}#honeytoken-was-queried-via-ldap",
        lambda traffic: traffic.active_directory and traffic.takes(*_SEARCHES),
    ),
    Detection(
        _MDI,
        "Suspected Brute Force attack (LDAP) (2004)",
        "it looks for a massive number of simple binds, which the test sends",
        "https://learn.microsoft.com/en-us/defender-for-identity/credential-access-alerts"
        "#suspected-brute-force-attack-ldap-external-id-2004",
        lambda traffic: traffic.active_directory and traffic.takes("ldap_simple_bind"),
    ),
    Detection(
        _MDI,
        "Security principal reconnaissance (LDAP) (2038)",
        "a computer that has not done so before searches the directory for people and groups",
        f"{_MDI_ALERTS}#security-principal-reconnaissance-ldap",
        lambda traffic: traffic.active_directory and traffic.takes(*_SEARCHES),
    ),
    Detection(
        _MDI,
        "Active Directory attributes reconnaissance (LDAP) (2210)",
        "each login reads attributes of its own account's entry",
        f"{_MDI_ALERTS}#active-directory-attributes-reconnaissance-ldap",
        lambda traffic: traffic.active_directory and traffic.takes(*_SEARCHES),
    ),
    Detection(
        _MDI,
        "Network-mapping reconnaissance (DNS) (2007)",
        "it looks for an excessive number of queries from one machine",
        f"{_MDI_ALERTS}#network-mapping-reconnaissance-dns",
        lambda traffic: traffic.active_directory and traffic.takes("dns_srv_kerberos", "dns_srv_dc", "dns_a"),
    ),
    Detection(
        _MDI,
        "Suspicious certificate usage over Kerberos protocol (PKINIT) (2425)",
        "logons by certificate from a client that is not Windows",
        "https://learn.microsoft.com/en-us/defender-for-identity/lateral-movement-alerts"
        "#suspicious-certificate-usage-over-kerberos-protocol-pkinit-external-id-2425",
        lambda traffic: traffic.active_directory and traffic.smart_cards,
    ),
    Detection(
        _MDI,
        "Entities exposing credentials in clear text (assessment)",
        "simple binds without TLS",
        "https://learn.microsoft.com/en-us/defender-for-identity/security-assessment-clear-text",
        lambda traffic: traffic.active_directory and traffic.clear_text and traffic.takes("ldap_simple_bind"),
    ),
    Detection(
        "Windows",
        "Event 2889, unsigned or clear-text LDAP bind",
        "simple binds without TLS; logged where LDAP interface events are",
        "https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-server-2008-r2-and-2008/"
        "ee410989(v=ws.10)",
        lambda traffic: traffic.active_directory and traffic.clear_text and traffic.takes("ldap_simple_bind"),
    ),
    Detection(
        "Windows",
        "Event 1644, expensive or slow LDAP search",
        "nested groups are expanded in each login; logged where field engineering is on",
        "https://learn.microsoft.com/en-us/troubleshoot/windows-server/identity/"
        "event1644reader-analyze-ldap-query-performance",
        lambda traffic: traffic.active_directory and traffic.takes("ldap_groups", "ldap_in_chain"),
    ),
    Detection(
        _MDI,
        "Suspected Brute Force attack (Kerberos, NTLM) (2023)",
        "many failed logons, or a password spray",
        f"{_MDI_ALERTS}#suspected-brute-force-attack-kerberos-ntlm",
        lambda traffic: traffic.active_directory,
        rejected=True,
    ),
    Detection(
        _MDI,
        "Account Enumeration reconnaissance (2003)",
        "too many names that the domain doesn't know",
        f"{_MDI_ALERTS}#account-enumeration-reconnaissance",
        lambda traffic: traffic.active_directory,
        rejected=True,
    ),
    Detection(
        "Splunk",
        "Windows Unusual Count Of Users Failed To Auth Using Kerberos",
        "wrong passwords of several accounts from one machine (event 4771)",
        "https://research.splunk.com/endpoint/bc9cb715-08ba-40c3-9758-6e2b26e455cb/",
        lambda traffic: traffic.active_directory,
        rejected=True,
    ),
)


def may_fire(traffic: Traffic, rejected: bool) -> list[Detection]:
    """The detections that this test may set off: by its logons that succeed, or by those that are ``rejected``."""
    return [one for one in DETECTIONS if one.rejected == rejected and one.applies(traffic)]
