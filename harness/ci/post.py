"""A comment on a merge request, posted once and afterwards updated in place; found by its marker.

Each system's environment says where its API is and of which request the job is. The token is read from the environment,
sent to that API alone and shown nowhere; redirects are not followed.

GitHub: issue comments (https://docs.github.com/rest/issues/comments). GitLab: merge request notes
(https://docs.gitlab.com/api/notes/#merge-requests). Azure DevOps: pull request threads
(https://learn.microsoft.com/rest/api/azure/devops/git/pull-request-threads, api-version 7.1).
"""

from __future__ import annotations

import base64
import ipaddress
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any, Literal, NoReturn
from urllib.parse import quote, urlsplit

from harness.errors import ConfigError

System = Literal["github", "gitlab", "azure"]
DEADLINE_S = 30.0
PAGE = 100
PAGES_AT_MOST = 50
AZURE_API = "api-version=7.1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where comments are listed and made, and the header that authorises it; ``one`` is one comment's, by ``{id}``."""

    system: System
    listed: str
    one: str
    authorisation: tuple[str, str]


def post(system: System, environment: Mapping[str, str], marker: str, text: str) -> str:
    """Post the comment, or update the one that has the marker; what was done, in words. Raises ConfigError."""
    place = place_of(system, environment)
    for where, body in _comments(place):
        if body.startswith(marker):
            _ask(place, "PUT" if system == "gitlab" else "PATCH", place.one.format(id=where), _body(system, text))
            return f"comment {where} updated"
    made: dict[str, Any] = _body(system, text)
    if system == "azure":
        made = {"comments": [{"parentCommentId": 0, "commentType": 1, **made}], "status": "closed"}
    _ask(place, "POST", place.listed, made)
    return "comment posted"


def place_of(system: System, environment: Mapping[str, str]) -> Place:
    """Where the comment belongs, from the job's environment; raises ConfigError with the variable that is missing."""

    def of(name: str, says: str) -> str:
        value = environment.get(name, "")
        if not value:
            raise ConfigError(f"{name}: expected {says}, which {system} sets in a job, got nothing")
        return value

    if system == "github":
        api, repository = of("GITHUB_API_URL", "the API's address"), of("GITHUB_REPOSITORY", "owner/name")
        issues = f"{api.rstrip('/')}/repos/{quote(repository)}/issues"
        token = of("GITHUB_TOKEN", "a token that may write pull requests")
        number = _github_number(environment)
        place = Place(
            system, f"{issues}/{number}/comments", f"{issues}/comments/{{id}}", ("Authorization", f"Bearer {token}")
        )
    elif system == "gitlab":
        api, project = of("CI_API_V4_URL", "the API's address"), of("CI_PROJECT_ID", "the project")
        number = of("CI_MERGE_REQUEST_IID", "a merge request")
        notes = f"{api.rstrip('/')}/projects/{quote(project, safe='')}/merge_requests/{quote(number)}/notes"
        token = of("AUTHGATE_GITLAB_TOKEN", "a project access token with scope api (a job's own may not write notes)")
        place = Place(system, notes, f"{notes}/{{id}}", ("PRIVATE-TOKEN", token))
    else:
        collection = of("SYSTEM_COLLECTIONURI", "the organisation's address")
        project, repository = of("SYSTEM_TEAMPROJECT", "the project"), of("BUILD_REPOSITORY_ID", "the repository")
        number = of("SYSTEM_PULLREQUEST_PULLREQUESTID", "a pull request")
        git = f"{collection.rstrip('/')}/{quote(project)}/_apis/git/repositories/{quote(repository)}"
        threads = f"{git}/pullRequests/{quote(number)}/threads"
        token = of("SYSTEM_ACCESSTOKEN", "the job's token (env: SYSTEM_ACCESSTOKEN: $(System.AccessToken))")
        basic = base64.b64encode(f":{token}".encode()).decode()
        place = Place(
            system, f"{threads}?{AZURE_API}", f"{threads}/{{id}}?{AZURE_API}", ("Authorization", f"Basic {basic}")
        )
    _check_private(place.listed)
    return place


def _github_number(environment: Mapping[str, str]) -> str:
    """The pull request's number: of the ref refs/pull/N/merge, or in the event's payload."""
    parts = environment.get("GITHUB_REF", "").split("/")
    if parts[:2] == ["refs", "pull"] and len(parts) > 2 and parts[2].isdigit():
        return parts[2]
    try:
        event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        return str(int((event.get("pull_request") or event["issue"])["number"]))
    except (KeyError, OSError, ValueError, TypeError, AttributeError):
        raise ConfigError("GITHUB_REF: expected refs/pull/NUMBER/merge, or an event with a pull request") from None


def _check_private(address: str) -> None:
    """Raise ConfigError where the token would be sent in clear text to another machine."""
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    try:
        local = ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        local = parts.hostname == "localhost"
    if parts.scheme != "http" or not local:
        raise ConfigError(f"the API's address: expected https://…, got {parts.scheme or 'no scheme'}")


def _comments(place: Place) -> Iterator[tuple[str, str]]:
    """The place and the text of each comment; of Azure's threads, of the first comment of each."""
    if place.system == "azure":
        for thread in _list(_ask(place, "GET", place.listed).get("value")):
            first = next(iter(_list(thread.get("comments"))), {})
            if "id" in thread and "id" in first:
                yield f"{thread['id']}/comments/{first['id']}", str(first.get("content") or "")
        return
    for number in range(1, PAGES_AT_MOST + 1):
        page = _list(_ask(place, "GET", f"{place.listed}?per_page={PAGE}&page={number}"))
        for one in page:
            yield str(one.get("id")), str(one.get("body") or "")
        if len(page) < PAGE:
            return


def _list(found: object) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _body(system: System, text: str) -> dict[str, Any]:
    return {"content" if system == "azure" else "body": text}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token elsewhere."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def _ask(place: Place, method: str, address: str, body: Mapping[str, Any] | None = None) -> Any:
    request = urllib.request.Request(
        address,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            place.authorisation[0]: place.authorisation[1],
            "Content-Type": "application/json",
            "Accept": "application/vnd.github+json" if place.system == "github" else "application/json",
            "User-Agent": "authgate",
        },
    )
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=DEADLINE_S) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        _refused(place, method, f"{error.code} {error.reason}")
    except (OSError, ValueError) as error:
        _refused(place, method, getattr(error, "reason", None) or type(error).__name__)


def _refused(place: Place, method: str, why: object) -> NoReturn:
    host = urlsplit(place.listed).hostname
    raise ConfigError(f"{place.system}: expected {host} to take {method} of a comment, got: {why}") from None
