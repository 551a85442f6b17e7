"""One login's cookies (RFC 6265): which are kept of an answer, and which go with a request.

What a browser does besides, it does of sites that a login never comes to: no list of public suffixes, and no SameSite,
since every request of a login is one of the page itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

COOKIES_AT_MOST = 50
COOKIE_BYTES_AT_MOST = 4096
"""Of one; RFC 6265 §6.1 has browsers keep as many, and as large ones."""


@dataclass(frozen=True, slots=True)
class _Cookie:
    value: str
    subdomains: bool
    """Whether it goes to hosts below its domain too."""
    secure: bool

    def goes_to(self, domain: str, host: str) -> bool:
        return host == domain or (self.subdomains and host.endswith(f".{domain}"))


class Cookies:
    """The cookies of one login."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], _Cookie] = {}
        """By domain, path and name (RFC 6265 §5.3, 11)."""

    def take(self, host: str, path: str, headers: Iterable[str]) -> None:
        """Keep, replace or forget what an answer's Set-Cookie headers say, but for other hosts' domains."""
        for header in headers:
            if len(header) <= COOKIE_BYTES_AT_MOST:
                self._take(host, path, header)

    def header(self, host: str, path: str, tls: bool) -> str:
        """The Cookie header of a request, those with the longest path first; empty where there is none."""
        found = [
            (kept_path, name, cookie.value)
            for (domain, kept_path, name), cookie in self._kept.items()
            if cookie.goes_to(domain, host) and _below(path, kept_path) and (tls or not cookie.secure)
        ]
        found.sort(key=lambda it: -len(it[0]))
        return "; ".join(f"{name}={value}" for _, name, value in found)

    def _take(self, host: str, path: str, header: str) -> None:
        pair, *attributes = header.split(";")
        name, given, value = (part.strip() for part in pair.partition("="))
        if not given or not name:
            return
        said = {key.strip().lower(): text.strip() for key, _, text in (one.partition("=") for one in attributes)}
        domain = said.get("domain", "").lower().removeprefix(".")
        kept_path = said.get("path", "")
        key = (domain or host, kept_path if kept_path.startswith("/") else _folder(path), name)
        cookie = _Cookie(value, bool(domain), "secure" in said)
        if domain and host != domain and not host.endswith(f".{domain}"):
            return
        self._kept.pop(key, None)
        if _lasts(said):
            self._kept[key] = cookie
            while len(self._kept) > COOKIES_AT_MOST:
                del self._kept[next(iter(self._kept))]


def _folder(path: str) -> str:
    """The default path of a cookie (RFC 6265 §5.1.4)."""
    return path.rpartition("/")[0] or "/"


def _below(path: str, kept: str) -> bool:
    """Whether a request's path is one of the cookie's (RFC 6265 §5.1.4)."""
    return path == kept or (path.startswith(kept) and (kept.endswith("/") or path[len(kept)] == "/"))


def _lasts(said: dict[str, str]) -> bool:
    """Whether the cookie is to be kept: Max-Age counts before Expires, and what can't be read doesn't count."""
    age = said.get("max-age", "")
    if age.removeprefix("-").isascii() and age.removeprefix("-").isdigit():
        return not age.startswith("-") and bool(age.strip("0"))
    try:
        return parsedate_to_datetime(said["expires"]).timestamp() > time.time()
    except (KeyError, ValueError, TypeError, OverflowError):
        return True
