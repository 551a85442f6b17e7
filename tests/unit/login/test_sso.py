"""Single sign-on by OpenID Connect against web servers of the test's own, byte for byte; cookies and forms."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.login.cookies import COOKIES_AT_MOST, Cookies
from harness.login.forms import PAGE_AT_MOST, posted_form
from harness.login.runtime import StepFailedError
from harness.login.sso import REQUESTS_AT_MOST
from harness.login.sso_protocols import OIDC
from harness.model.sso import SingleSignOn
from tests.helpers.single_sign_on import (
    ASKS,
    EHR,
    ELSEWHERE,
    IDP,
    PROVEN,
    Answers,
    asked,
    fails_at_the_provider,
    fails_at_the_relying_party,
    negotiate,
    page,
    sent_cookies,
    servers,
    to,
)


def start(ehr: str, idp: str) -> bytes:
    return to(f"{idp}/authorize?state=s1", "Set-Cookie: state=s1; Path=/oidc/; HttpOnly")


def code(ehr: str, idp: str) -> bytes:
    return to(f"{ehr}/oidc/callback?code=secret&state=s1", "Set-Cookie: idp=i1", PROVEN)


def journal(ehr: str, idp: str) -> list[bytes]:
    session = to("/journal", "Set-Cookie: state=; Path=/oidc/; Max-Age=0", "Set-Cookie: session=x; Path=/")
    return [start(ehr, idp), session, page(b"for clin00007")]


def test_a_login_goes_by_the_provider_and_comes_to_the_page_by_a_session() -> None:
    with servers(journal, lambda ehr, idp: [ASKS, code(ehr, idp)]) as there:
        there.start()
        assert there.browser.authorize(negotiate)
        there.browser.callback()
        assert there.browser.page() == b"for clin00007"
    assert asked(there.relying) == ["GET /journal", "GET /oidc/callback?code=secret&state=s1", "GET /journal"]
    assert asked(there.provider) == ["GET /authorize?state=s1"] * 2
    assert sent_cookies(there.relying) == ["", "state=s1", "session=x"]
    tokens = ["Authorization: Negotiate" in request for request in there.provider.requests]
    assert tokens == [False, True]
    assert not any("Authorization" in request for request in there.relying.requests)
    assert (there.browser.round_trips, there.browser.statuses) == (5, [302, 401, 302, 302, 200])
    assert there.relying.connections == there.provider.connections == 1


def test_a_code_handed_on_by_a_form_is_posted_as_the_page_has_it() -> None:
    def by_form(ehr: str, idp: str) -> list[bytes]:
        form = (
            f'<form method="POST" action="{ehr}/oidc/callback"><input name=code value="a&amp;b"><input name=x></form>'
        )
        return [ASKS, page(form.encode(), PROVEN)]

    with servers(journal, by_form) as there:
        there.begin()
        there.browser.callback()
        there.browser.page()
    assert asked(there.relying) == ["GET /journal", "POST /oidc/callback", "GET /journal"]
    assert there.relying.requests[1].endswith("\r\n\r\ncode=a%26b&x=")


def test_a_kept_connection_that_the_server_has_closed_meanwhile_is_made_anew() -> None:
    def hangs_up(ehr: str, idp: str) -> list[bytes]:
        first, *others = journal(ehr, idp)
        return [first.replace(b"\r\n", b"\r\nX-Hangs-Up: 1\r\n", 1), *others]

    with servers(hangs_up, lambda ehr, idp: [ASKS, code(ehr, idp)]) as there:
        there.begin()
        there.browser.callback()
        assert there.browser.page() == b"for clin00007"
    assert there.relying.connections == 2


@pytest.mark.parametrize(
    ("relying", "outcome"),
    [
        (lambda ehr, idp: page(), "error LOGIN_NOT_ASKED"),
        (lambda ehr, idp: page(status="503 Unavailable"), "error HTTP 503"),
        (lambda ehr, idp: page(status="302 Found"), "error HTTP 302"),
        (lambda ehr, idp: to(ELSEWHERE), "error REDIRECT_ELSEWHERE"),
        (lambda ehr, idp: to("//elsewhere.test/"), "error REDIRECT_ELSEWHERE"),
        (lambda ehr, idp: to(idp.replace("http:", "https:")), "error REDIRECT_ELSEWHERE"),
        (lambda ehr, idp: to(idp.replace(IDP, f"{EHR}@{IDP}.evil.test")), "error REDIRECT_ELSEWHERE"),
        (lambda ehr, idp: to("file:///etc/passwd"), "error REDIRECT_ELSEWHERE"),
        (lambda ehr, idp: to("http://[/"), "error HTTP_MALFORMED"),
    ],
)
def test_a_relying_party_that_does_not_send_to_its_provider_fails_the_start(relying: Any, outcome: str) -> None:
    answers: list[Answers] = [lambda ehr, idp: [relying(ehr, idp)], lambda ehr, idp: []]
    with servers(*answers) as there, pytest.raises(StepFailedError, match=f"^{outcome}$"):
        there.start()
    assert there.provider.requests == []
    assert bool(there.notes) == (outcome == "error REDIRECT_ELSEWHERE")


def test_who_sends_a_login_elsewhere_is_told_without_what_the_link_carries() -> None:
    answers: list[Answers] = [lambda ehr, idp: [to("http://evil.test:81/x?code=secret")], lambda ehr, idp: []]
    with servers(*answers) as there, pytest.raises(StepFailedError):
        there.start()
    assert there.notes == [
        "was sent to http://evil.test:81, a server that neither sso.provider nor sso.oidc in the targets names"
    ]


@pytest.mark.parametrize(
    ("provider", "outcome"),
    [
        (lambda ehr, idp: [page(b"<form method=post><input name=password></form>")], "error PROVIDER_SHOWS_PAGE"),
        (lambda ehr, idp: [page(status="401 Unauthorized")], "error HTTP 401"),
        (lambda ehr, idp: [ASKS, ASKS], "error HTTP 401"),
        (lambda ehr, idp: [ASKS, page(status="500 Error")], "error HTTP 500"),
        (lambda ehr, idp: [ASKS, to(f"{ehr}/oidc/callback?error=access_denied")], "denied OIDC access_denied"),
        (lambda ehr, idp: [ASKS, to(f"{ehr}/oidc/callback?error=server_error")], "error OIDC server_error"),
        (lambda ehr, idp: [ASKS, to(f"{ehr}/oidc/callback?error=my+secret")], "error OIDC other error"),
        (lambda ehr, idp: [ASKS, to(f"{ehr}/oidc/callback?state=s1")], "error CODE_MISSING"),
        (lambda ehr, idp: [ASKS, to(ELSEWHERE)], "error REDIRECT_ELSEWHERE"),
        (lambda ehr, idp: [to("/again")] * (REQUESTS_AT_MOST + 1), "error REDIRECTS_TOO_MANY"),
        (lambda ehr, idp: [b""], "error CONNECTION_LOST"),
    ],
)
def test_a_provider_that_gives_no_code_fails_its_step_and_the_relying_party_is_not_asked(
    provider: Any, outcome: str
) -> None:
    fails_at_the_provider(start, provider, outcome, OIDC)


@pytest.mark.parametrize(
    ("relying", "outcome"),
    [
        (lambda ehr, idp: [page(b"Error: state mismatch")], "error CODE_REFUSED"),
        (lambda ehr, idp: [page(status="500 Error")], "error HTTP 500"),
        (lambda ehr, idp: [to(f"{idp}/authorize?state=s2")], "error SENT_BACK"),
        (lambda ehr, idp: [to(ELSEWHERE)], "error REDIRECT_ELSEWHERE"),
        (lambda ehr, idp: [to("/journal"), to(f"{idp}/authorize?state=s2")], "error SENT_BACK"),
        (lambda ehr, idp: [to("/journal"), page(status="403 Forbidden")], "error HTTP 403"),
    ],
)
def test_a_relying_party_that_takes_no_code_or_gives_no_page_fails_its_step(relying: Any, outcome: str) -> None:
    fails_at_the_relying_party(start, relying, code, outcome, OIDC)


@given(st.binary(max_size=60))
def test_whatever_a_provider_says_is_a_code_or_an_outcome(said: bytes) -> None:
    with servers(lambda ehr, idp: [start(ehr, idp)], lambda ehr, idp: [b"HTTP/1.1 " + said + b"\r\n\r\n"]) as there:
        there.start()
        with suppress(StepFailedError):
            there.browser.authorize(negotiate)


# Cookies (RFC 6265).


def jar(*headers: str, host: str = EHR, path: str = "/oidc/callback") -> Cookies:
    cookies = Cookies()
    cookies.take(host, path, headers)
    return cookies


@pytest.mark.parametrize(
    ("header", "host", "path", "tls", "goes"),
    [
        ("a=1", EHR, "/oidc/x", False, True),
        ("a=1", EHR, "/journal", False, False),
        ("a=1; Path=/", EHR, "/journal", False, True),
        ("a=1; Path=/oidc", EHR, "/oidcx", False, False),
        ("a=1; Path=/", IDP, "/", False, False),
        ("a=1; Path=/; Domain=.clinic.test", IDP, "/", False, True),
        ("a=1; Path=/; Domain=idp.clinic.test", IDP, "/", False, False),
        ("a=1; Path=/; Secure", EHR, "/", False, False),
        ("a=1; Path=/; Secure", EHR, "/", True, True),
        ("a=1; Path=/; Max-Age=0", EHR, "/", False, False),
        ("a=1; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", EHR, "/", False, True),
        ("a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", EHR, "/", False, False),
        ("a=1; Path=/; Expires=never", EHR, "/", False, True),
        ("no cookie", EHR, "/oidc/x", False, False),
    ],
)
def test_a_cookie_goes_where_its_server_said_and_nowhere_else(
    header: str, host: str, path: str, tls: bool, goes: bool
) -> None:
    assert (jar(header).header(host, path, tls) == "a=1") == goes


def test_a_cookie_is_replaced_by_its_like_and_the_longest_path_comes_first() -> None:
    cookies = jar("a=1; Path=/", "b=2; Path=/oidc", "a=3; Path=/")
    assert cookies.header(EHR, "/oidc/callback", tls=False) == "b=2; a=3"


def test_cookies_are_bounded_in_number_and_size() -> None:
    cookies = jar(*(f"c{number}=1; Path=/" for number in range(2 * COOKIES_AT_MOST)), f"large={'x' * 5000}; Path=/")
    sent = cookies.header(EHR, "/", tls=False).split("; ")
    assert len(sent) == COOKIES_AT_MOST and sent[-1] == f"c{2 * COOKIES_AT_MOST - 1}=1"


# Forms.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<form action=/x><input name=code value=1></form>",
        b"<form method=post action=/x><input name=password></form>",
        b"<form method=post action=/x></form><input name=code value=1>",
        b"<form method=post action=/x><input name=code value=1></form>" + b" " * PAGE_AT_MOST,
        b"<![x[ <form method=post><input name=code>",
        bytes(range(256)),
    ],
)
def test_a_page_without_a_form_that_hands_on_a_code_has_none(body: bytes) -> None:
    assert posted_form(body, "code") is None


def test_provider_and_relying_party_can_be_told_apart() -> None:
    same = {"url": "http://127.0.0.1:8080/", "service_host": EHR}
    with pytest.raises(ValidationError, match="expected another name or port"):
        SingleSignOn.model_validate({"provider": same, "oidc": same})
