"""What a worker does of itself: filling the caches of warm cohorts."""

from __future__ import annotations

import base64

from harness.load.worker import ArmWorker
from harness.login.path import LoginResult
from harness.login.saml import refusal
from harness.model.attempt import OK, Outcome, Status


class Warming:
    """A path whose warm-ups end as they are told to, one after the other."""

    def __init__(self, *statuses: Status) -> None:
        self.asked: list[tuple[str, str]] = []
        self._outcomes = iter([OK if status == "ok" else Outcome(status, "X") for status in statuses])

    def warm_up(self, user: str, cohort: str) -> LoginResult:
        self.asked.append((user, cohort))
        return LoginResult(next(self._outcomes), ())


class Heedless:
    """A guard that remembers nothing."""

    def note(self, user: str, outcome: Outcome) -> str:
        return ""


def filled(path: Warming, told: list[str]) -> set[str]:
    """What a worker withholds once it has filled the caches of two cohorts."""
    worker = ArmWorker.__new__(ArmWorker)
    vars(worker).update(
        _path=path, _denied=set(), _pause_s=0.0, _on_denied=lambda user, _: told.append(user), _caution=Heedless()
    )
    worker._fill("u0", ("a", "b"))
    return worker._denied


def test_an_account_that_is_denied_in_a_warm_up_is_withheld_and_asked_for_no_more() -> None:
    path, told = Warming("denied"), list[str]()
    assert (filled(path, told), path.asked, told) == ({"u0"}, [("u0", "a")], ["u0"])


def test_a_warm_up_that_failed_is_tried_once_more() -> None:
    path, told = Warming("timeout", "ok", "error", "error"), list[str]()
    assert filled(path, told) == set()
    assert path.asked == [("u0", "a"), ("u0", "a"), ("u0", "b"), ("u0", "b")]


def test_an_account_that_an_identity_provider_refuses_is_withheld_as_one_that_a_kdc_denies() -> None:
    names = 'xmlns="urn:oasis:names:tc:SAML:2.0:protocol"'
    codes = (f'<StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{word}">' for word in ("Responder", "AuthnFailed"))
    document = f"<Response {names}><Status>{''.join(codes)}</StatusCode></StatusCode></Status></Response>"
    refused = refusal(base64.b64encode(document.encode()).decode())
    assert refused is not None
    told = list[str]()
    assert filled(Warming(refused.status), told) == {"u0"}
    assert told == ["u0"]
