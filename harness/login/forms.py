"""The form by which a page hands something on to another server (OAuth 2.0 Form Post Response Mode).

A browser runs the page's script, which submits the form; here the form is read, and posted as it stands.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

PAGE_AT_MOST = 1 << 18
"""A page above 256 KiB is not looked through: one that only hands on a form has some kilobytes."""


@dataclass(slots=True)
class Form:
    """A form: where it goes, and its fields by name as the page fills them in."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def encoded(self) -> bytes:
        """As a browser posts it."""
        return urlencode(self.fields).encode()


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(said.get("action", "")) if said.get("method", "").lower() == "post" else None
            self.found += [self._open] if self._open is not None else []
        elif tag == "input" and self._open is not None and "name" in said:
            self._open.fields[said["name"]] = said.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


def posted_form(page: bytes, *names: str) -> Form | None:
    """The first form of the page that is posted with a field of one of the names; None where there is none.

    A form without such a field is a question to the clinician, for a password or for consent.
    """
    parser = _Forms()
    if len(page) <= PAGE_AT_MOST:
        with suppress(AssertionError):  # what html.parser raises for some declarations that it can't make out
            parser.feed(page.decode("utf-8", "replace"))
            parser.close()
    return next((form for form in parser.found if not form.fields.keys().isdisjoint(names)), None)
