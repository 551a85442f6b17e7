"""Who may ask Locust's web server for what: it starts logins, so no other page in the operator's browser may.

1. Beyond loopback there is a login (password from the environment or from a file that only its owner may read).
2. A request from another origin is refused, whatever it asks, and so is one to a name that isn't this server's.
3. What changes anything needs a token besides, which only a page of this very server has (a cookie that no request of
   another site carries, or a header).
4. No other origin may read an answer, though Locust allows them all (flask-cors).

Sources: Fetch standard (Origin, Sec-Fetch-Site), RFC 6265bis (SameSite), OWASP's cheat sheet on request forgery.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, redirect, request, session
from flask_login import LoginManager, UserMixin, login_user

from harness.errors import CredentialError
from harness.login.secret_files import private_file

log = logging.getLogger(__name__)

PASSWORD_VARIABLE = "AUTHGATE_WEB_PASSWORD"
TOKEN_HEADER = "X-Authgate-Token"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
CHANGING = frozenset({"locust.swarm", "locust.stop", "locust.reset_stats", "locust.update_user"})
"""Endpoints of Locust that change something, whatever the method by which a version of it lets them be asked."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WRONG_PASSWORD_COSTS_S = 1.0
HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
OWN_PAGES_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-src 'self'; frame-ancestors 'self'"
)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is this machine's own; empty and ``*`` are all of its addresses."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)} if host not in ("", "*") else {"0.0.0.0"}
        return all(ipaddress.ip_address(str(address)).is_loopback for address in found)
    except (OSError, ValueError):
        return False


def password_of(file: str) -> str | None:
    """The web UI's password; None where none is given. Raises CredentialError, which never quotes it."""
    if given := os.environ.get(PASSWORD_VARIABLE):
        return given
    if not file:
        return None
    try:
        found = private_file(Path(file)).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise CredentialError(f"{file}: expected a readable file of text in UTF-8") from None
    if not found:
        raise CredentialError(f"{file}: expected a password, got nothing")
    return found


def protect(web_ui: Any, host: str, wants_login: bool, password_file: str, tls: bool) -> None:
    """Put the guards before every route of the server; raises CredentialError where a needed password is missing."""
    loopback = is_loopback(host)
    password = password_of(password_file)
    if password is None and (wants_login or not loopback):
        where = "--web-login" if wants_login else f"a web UI that listens on {host or 'all addresses'}"
        raise CredentialError(
            f"web UI: expected a password for {where}, in {PASSWORD_VARIABLE} or a file (mode 0600) named by "
            "--web-password-file; got none"
        )
    app: Flask = web_ui.app
    if password is not None:
        _require_login(web_ui, app, password, tls)
        if not loopback and not tls:
            log.warning("the web UI's password crosses the network in clear; --tls-cert and --tls-key encrypt it")
    _refuse_others(app, LOOPBACK_NAMES | {host} if loopback else None, tls)


def _refuse_others(app: Flask, names: frozenset[str] | None, tls: bool) -> None:
    token = secrets.token_urlsafe(32)
    cookie = f"authgate-{secrets.token_hex(4)}"  # a browser has one jar for all ports of a host

    @app.before_request
    def refuse() -> None:
        asked = urlsplit(f"//{request.host}")
        if names is not None and asked.hostname not in names:
            abort(403, f"expected one of this server's names ({', '.join(sorted(names))}), got {asked.hostname}")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            abort(403, "a page of another origin may ask for nothing here")
        if request.method in SAFE_METHODS and request.endpoint not in CHANGING:
            return
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            abort(403, "a page of another site may change nothing here")
        given = request.headers.get(TOKEN_HEADER) or request.cookies.get(cookie) or ""
        if not hmac.compare_digest(given.encode(), token.encode()):
            abort(403, "expected the token that this server's pages have (a cookie), got none or another")

    def answer(response: Response) -> Response:
        for name in [name for name in dict(response.headers) if name.lower().startswith("access-control-")]:
            del response.headers[name]
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", "frame-ancestors 'self'; base-uri 'self'")
        if response.mimetype == "text/html" and request.cookies.get(cookie) != token:
            response.set_cookie(cookie, token, httponly=True, samesite="Strict", secure=tls)
        return response

    # The first to be registered is the last to see an answer: this is behind what Locust's own CORS has added.
    app.after_request_funcs.setdefault(None, []).insert(0, answer)


class _Operator(UserMixin):  # type: ignore[misc]
    """Whoever knows the password."""

    id = "operator"


def _require_login(web_ui: Any, app: Flask, password: str, tls: bool) -> None:
    app.secret_key = secrets.token_bytes(32)
    app.config.update(SESSION_COOKIE_SAMESITE="Strict", SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SECURE=tls)
    manager = LoginManager()
    manager.init_app(app)
    manager.login_view = "authgate_login"
    manager.user_loader(lambda name: _Operator() if name == _Operator.id else None)
    web_ui.web_login, web_ui.login_manager = True, manager
    one_at_a_time = threading.Lock()
    prefix = web_ui.environment.parsed_options.web_base_path or ""

    @app.route(f"{prefix}/authgate/login", methods=["GET", "POST"], endpoint="authgate_login")
    def login() -> Any:
        wrong = False
        if request.method == "POST":
            with one_at_a_time:  # guesses come one after the other, and each takes its time
                given = request.form.get("password", "")
                if hmac.compare_digest(given.encode(), password.encode()):
                    session.clear()
                    login_user(_Operator())
                    return redirect(f"{prefix}/")
                time.sleep(WRONG_PASSWORD_COSTS_S)
            wrong = True
        page = (Path(__file__).parent / "static" / "login.html").read_text(encoding="utf-8")
        answer = Response(page.replace("{{ wrong }}", "wrong" if wrong else ""), 401 if wrong else 200)
        answer.headers["Content-Security-Policy"] = OWN_PAGES_POLICY
        return answer
