"""Single sign-on by SAML 2.0 against web servers of the test's own, byte for byte."""

from __future__ import annotations

import base64
from contextlib import suppress
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.login.runtime import StepFailedError
from harness.login.saml import MALFORMED, refusal
from harness.login.sso import REQUESTS_AT_MOST
from harness.login.sso_protocols import SAML
from harness.model.attempt import Outcome
from harness.model.sso import SingleSignOn
from tests.helpers.single_sign_on import (
    ASKS,
    EHR,
    ELSEWHERE,
    IDP,
    PROVEN,
    Servers,
    asked,
    fails_at_the_provider,
    fails_at_the_relying_party,
    negotiate,
    page,
    sent_cookies,
    servers,
    to,
)

STATUS = "urn:oasis:names:tc:SAML:2.0:status:"


def status(*codes: str) -> str:
    """Nested status codes, the top-level one first."""
    opened = "".join(f'<samlp:StatusCode Value="{code}">' for code in codes)
    return f"<samlp:Status>{opened}{'</samlp:StatusCode>' * len(codes)}</samlp:Status>"


def response(*codes: str, behind: str = "<saml:Assertion>secret</saml:Assertion>", before: str = "") -> str:
    """A response with these codes, as a form has it."""
    within = f"<saml:Issuer>http://{IDP}/</saml:Issuer>{status(*(f'{STATUS}{code}' for code in codes))}{behind}"
    names = 'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"'
    return encoded(f'<?xml version="1.0"?>{before}<samlp:Response {names} ID="_1">{within}</samlp:Response>')


def encoded(document: str) -> str:
    return base64.encodebytes(document.encode()).decode()  # in lines of 76, as some providers write them


# The status of a response.


@pytest.mark.parametrize(
    ("codes", "outcome"),
    [
        (("Success",), None),
        (("Responder", "AuthnFailed"), Outcome("denied", "SAML AuthnFailed")),
        (("Responder", "RequestDenied"), Outcome("denied", "SAML RequestDenied")),
        (("Requester", "UnknownPrincipal"), Outcome("denied", "SAML UnknownPrincipal")),
        (("Responder", "NoPassive"), Outcome("error", "SAML NoPassive")),
        (("Responder",), Outcome("error", "SAML Responder")),
        (("Responder", "my secret"), Outcome("error", "SAML Responder")),
        (("my secret",), Outcome("error", "SAML other status")),
        (("Responder", "Success"), Outcome("error", "SAML Success")),
        ((), MALFORMED),
    ],
)
def test_a_response_that_says_who_was_not_authenticated_is_a_denial_and_any_other_refusal_an_error(
    codes: tuple[str, ...], outcome: Outcome | None
) -> None:
    assert refusal(response(*codes)) == outcome


def test_nothing_behind_the_status_is_parsed() -> None:
    assert refusal(response("Success", behind="x" * 2048 + "<&")) is None


def test_a_status_within_an_assertion_is_not_the_responses() -> None:
    within = f"<saml:Assertion>{status(f'{STATUS}Success')}</saml:Assertion>"
    assert refusal(response("Responder", behind=within)) == Outcome("error", "SAML Responder")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "a",
        encoded("Success"),
        encoded("<html/>"),
        encoded(f"<Response>{status(f'{STATUS}Success')}</Response>"),
        response("Success", before="<!DOCTYPE x [<!ENTITY a 'aaaa'>]>"),
        encoded('<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"/>'),
    ],
)
def test_what_is_no_response_is_told_as_malformed(wrong: str) -> None:
    assert refusal(wrong) == MALFORMED


@given(st.text(max_size=80), st.binary(max_size=80))
def test_whatever_a_form_holds_is_a_response_or_an_outcome(text: str, document: bytes) -> None:
    for held in (text, base64.b64encode(document).decode()):
        found = refusal(held)
        assert found is None or found.status != "ok"


# The way.


def form(action: str, **fields: str) -> bytes:
    inputs = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}"/>' for name, value in fields.items())
    return f'<html><body><form id="form" action="{action}" method="post">{inputs}</form></body></html>'.encode()


def start(ehr: str, idp: str) -> bytes:
    return to(f"{idp}/saml/singleSignOn?SAMLRequest=r1&Signature=x", "Set-Cookie: mellon=cookietest; Path=/")


def given_assertion(ehr: str, idp: str) -> bytes:
    body = form(f"{ehr}/saml/postResponse", SAMLResponse=response("Success"), RelayState=f"{ehr}/journal")
    return page(body, "Set-Cookie: idp=i1", PROVEN)


def journal(ehr: str, idp: str) -> list[bytes]:
    session = to(f"{ehr}/journal", "Set-Cookie: mellon=s1; Path=/", status="303 See Other")
    return [to("/saml/login?ReturnTo=x", status="303 See Other"), start(ehr, idp), session, page(b"for clin00007")]


def test_a_login_posts_the_assertion_as_the_form_has_it_and_comes_to_the_page_by_a_session() -> None:
    with servers(journal, lambda ehr, idp: [ASKS, given_assertion(ehr, idp)], SAML) as there:
        there.start()
        assert there.browser.authorize(negotiate)
        there.browser.callback()
        assert there.browser.page() == b"for clin00007"
    assert asked(there.relying) == [
        "GET /journal", "GET /saml/login?ReturnTo=x", "POST /saml/postResponse", "GET /journal",
    ]  # fmt: skip
    assert asked(there.provider) == ["GET /saml/singleSignOn?SAMLRequest=r1&Signature=x"] * 2
    assert sent_cookies(there.relying) == ["", "", "mellon=cookietest", "mellon=s1"]
    posted = there.relying.requests[2].partition("\r\n\r\n")[2]
    assert posted.startswith(f"SAMLResponse={quote(response('Success'), safe='')}&RelayState=http%3A%2F%2F{EHR}%3A")
    assert not any("Authorization" in request for request in there.relying.requests)
    assert (there.browser.round_trips, there.browser.statuses) == (6, [303, 302, 401, 200, 303, 200])
    assert there.relying.connections == there.provider.connections == 1


def test_a_request_that_travels_by_a_form_is_posted_to_the_provider_with_the_ticket_too() -> None:
    def by_form(ehr: str, idp: str) -> list[bytes]:
        return [page(form(f"{idp}/saml/singleSignOn", SAMLRequest="r+1")), *journal(ehr, idp)[2:]]

    with servers(by_form, lambda ehr, idp: [ASKS, given_assertion(ehr, idp)], SAML) as there:
        there.begin()
        there.browser.callback()
        there.browser.page()
    assert asked(there.provider) == ["POST /saml/singleSignOn"] * 2
    assert all(request.endswith("\r\n\r\nSAMLRequest=r%2B1") for request in there.provider.requests)


@pytest.mark.parametrize(
    ("provider", "outcome"),
    [
        (lambda ehr, idp: [page(b"<form method=post><input name=password></form>")], "error PROVIDER_SHOWS_PAGE"),
        (lambda ehr, idp: [ASKS, ASKS], "error HTTP 401"),
        (lambda ehr, idp: [ASKS, page(status="500 Error")], "error HTTP 500"),
        (lambda ehr, idp: [ASKS, to(f"{ehr}/saml/postResponse?x=1")], "error ASSERTION_MISSING"),
        (lambda ehr, idp: [ASKS, page(form(ELSEWHERE, SAMLResponse=response("Success")))], "error REDIRECT_ELSEWHERE"),
        (lambda ehr, idp: [ASKS, page(form(f"{ehr}/x", SAMLResponse="<x/>"))], "error SAML_MALFORMED"),
        (
            lambda ehr, idp: [ASKS, page(form(f"{ehr}/x", SAMLResponse=response("Responder", "RequestDenied")))],
            "denied SAML RequestDenied",
        ),
        (
            lambda ehr, idp: [page(form(f"{ehr}/x", SAMLResponse=response("Requester", "NoPassive")))],
            "error SAML NoPassive",
        ),
        (lambda ehr, idp: [to("/again")] * (REQUESTS_AT_MOST + 1), "error REDIRECTS_TOO_MANY"),
        (
            lambda ehr, idp: [page(form("/again", SAMLResponse=response("Success")))] * (REQUESTS_AT_MOST + 1),
            "error REDIRECTS_TOO_MANY",
        ),
        (lambda ehr, idp: [b""], "error CONNECTION_LOST"),
    ],
)
def test_a_provider_that_gives_no_assertion_fails_its_step_and_the_service_provider_is_not_asked(
    provider: Any, outcome: str
) -> None:
    fails_at_the_provider(start, provider, outcome, SAML)


@pytest.mark.parametrize(
    ("relying", "outcome"),
    [
        (lambda ehr, idp: [page(b"Error: signature")], "error ASSERTION_REFUSED"),
        (lambda ehr, idp: [page(status="400 Bad Request")], "error HTTP 400"),
        (lambda ehr, idp: [to(f"{idp}/saml/singleSignOn?SAMLRequest=r2")], "error SENT_BACK"),
        (lambda ehr, idp: [to(ELSEWHERE)], "error REDIRECT_ELSEWHERE"),
        (lambda ehr, idp: [to("/journal"), start(ehr, idp)], "error SENT_BACK"),
        (lambda ehr, idp: [to("/journal"), page(form(f"{idp}/x", SAMLRequest="r2"))], "error SENT_BACK"),
        (lambda ehr, idp: [to("/journal")] * (REQUESTS_AT_MOST + 2), "error REDIRECTS_TOO_MANY"),
        (lambda ehr, idp: [to("/journal"), page(status="403 Forbidden")], "error HTTP 403"),
    ],
)
def test_a_service_provider_that_takes_no_assertion_or_gives_no_page_fails_its_step(relying: Any, outcome: str) -> None:
    fails_at_the_relying_party(start, relying, given_assertion, outcome, SAML)


def test_a_service_provider_that_endlessly_sends_to_itself_is_left_and_the_provider_never_asked() -> None:
    ends = pytest.raises(StepFailedError, match="REDIRECTS_TOO_MANY")
    with servers(lambda ehr, idp: [to("/login")] * (REQUESTS_AT_MOST + 1), lambda ehr, idp: [], SAML) as there, ends:
        there.start()
    assert len(there.relying.requests) == REQUESTS_AT_MOST
    assert there.provider.requests == []


def test_the_page_of_another_protocol_has_no_part_in_a_login() -> None:
    """The targets name it, but nobody who signs on by SAML is to come there."""

    def to_oidc(ehr: str, idp: str) -> list[bytes]:
        return [to("http://other.clinic.test/")]

    with servers(to_oidc, lambda ehr, idp: [], SAML) as there, pytest.raises(StepFailedError, match="ELSEWHERE"):
        add_oidc(there)
        there.start()
    assert there.notes == [
        "was sent to http://other.clinic.test:80, a server that neither sso.provider nor sso.saml in the targets names"
    ]


def add_oidc(there: Servers) -> None:
    """Name a page of OpenID Connect beside."""
    there.browser._origins["oidc"] = ("http", "other.clinic.test", 80)


def test_both_protocols_may_be_spoken_at_one_server() -> None:
    same = {"url": "http://127.0.0.1:8080/", "service_host": EHR}
    sso = SingleSignOn.model_validate(
        {"provider": {"url": "http://127.0.0.1/", "service_host": IDP}, "oidc": same, "saml": same}
    )
    assert sso.taken_by(["kdc_tgs_idp", "saml_start"]).keys() == {"provider", "saml"}
    assert sso.taken_by(["oidc_start", "saml_start"]).keys() == {"provider", "oidc", "saml"}


@given(st.binary(max_size=60))
def test_whatever_a_provider_says_is_an_assertion_or_an_outcome(said: bytes) -> None:
    with servers(
        lambda ehr, idp: [start(ehr, idp)], lambda ehr, idp: [b"HTTP/1.1 200 OK\r\n\r\n" + said], SAML
    ) as there:
        there.start()
        with suppress(StepFailedError):
            there.browser.authorize(negotiate)
