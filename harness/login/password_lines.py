"""Lines of user and password, read strictly: what could be read in two ways is refused with its line.

RFC 4180, except that no field goes on in the next line: there a stray quote would make one password of all the accounts
behind it, and it would be sent. No error quotes what was read.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from harness.errors import CredentialError

USER_HEADERS = ("user", "username", "samaccountname", "userprincipalname")
"""What a header may call the first column, in any case."""
_PASSWORD_HEADER = "password"
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
_SEPARATORS = tuple(_NAMES)
"""A comma, unless a header shows that it is another one."""
LONGEST = 1024
"""Characters of a field: four times what Active Directory takes of a password (256)."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_NO_TEXT = re.compile("[\0-\x08\x0a-\x1f\x7f\ufffd\ud800-\udfff]")
"""Control characters, and what conversions leave of characters that they have lost."""
_EXCEL = re.compile(r'"?sep=', re.IGNORECASE)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class _RefusedError(Exception):
    """What is wrong with a line; it says nothing of the content."""


def decoded(data: bytes, source: str) -> str:
    """The text of a file in UTF-8, or in UTF-16 that says so by its first bytes; raises CredentialError."""
    if data.startswith(_UTF16):
        encoding, wrong = "utf-16", -1
    else:
        encoding, wrong = "utf-8-sig", data.find(b"\0")
    got = "NUL characters, as of UTF-16 without its mark"
    if wrong < 0:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            wrong, got = error.start, "another encoding, as of a file saved as ANSI"
    line = len(_LINE_END.findall(data[:wrong].decode(encoding, errors="ignore"))) + 1
    raise CredentialError(f"{source}:{line}: expected text in UTF-8, got {got}; save it as CSV UTF-8")


def accounts_in(text: str, source: str) -> Iterator[tuple[int, str, str]]:
    """Line, user and password of each account; raises CredentialError with the first line that is none."""
    separator, begun = ",", False
    for number, line in enumerate(_LINE_END.split(text), start=1):
        try:
            if not line.strip():
                continue
            _check_line(line)
            if not begun:
                begun = True
                if (found := _header(line)) is not None:
                    separator = found
                    continue
            yield number, *_account(line, separator)
        except _RefusedError as refused:
            raise CredentialError(f"{source}:{number}: expected {refused}") from None


def _check_line(line: str) -> None:
    if _NO_TEXT.search(line):
        raise _RefusedError("printable text in UTF-8, got a control character or one that a conversion has lost")
    if line.startswith("#TYPE"):
        raise _RefusedError(
            "user,password, got a line for PowerShell alone (#TYPE); delete it, or export with -NoTypeInformation"
        )
    if line.startswith("#"):
        raise _RefusedError("user,password, got a line that begins with #; delete it, or quote the user")
    if _EXCEL.match(line):
        raise _RefusedError("user,password, got a line for Excel alone (sep=); delete it")


def _header(line: str) -> str | None:
    """The separator that a header shows; None where the line is an account."""
    for separator in _SEPARATORS:
        fields = [field.strip().strip('"').strip().lower() for field in line.split(separator)]
        if len(fields) == 2 and fields[0] in USER_HEADERS and fields[1] == _PASSWORD_HEADER:
            return separator
        if len(fields) > 1 and (_PASSWORD_HEADER in fields or fields[0] in USER_HEADERS):
            raise _RefusedError(
                "the header user,password or username,password, got another; "
                "if this line is an account, put that header before it"
            )
    return None


def _account(line: str, separator: str) -> tuple[str, str]:
    fields = list(_fields(line, separator))
    if len(fields) != 2 or not all(text for text, _ in fields):
        other = separator not in line and any(one in line for one in _SEPARATORS)
        hint = f"; a file with another separator than {_NAMES[separator]} begins with its header" if other else ""
        raise _RefusedError(f"user,password, got {len(fields)} fields or an empty one{hint}")
    (user, user_quoted), (password, password_quoted) = fields
    if any(len(text) > LONGEST for text, _ in fields):
        raise _RefusedError(f"fields of at most {LONGEST:,} characters, got more")
    if user != user.strip():
        raise _RefusedError("a user without spaces around it")
    if not user_quoted and any(other in user for other in _SEPARATORS):
        raise _RefusedError("user,password, got another separator in the user; begin the file with its header")
    if not password_quoted and password != password.strip():
        raise _RefusedError("a password without spaces around it, or in quotes if they are part of it")
    return user, password


def _fields(line: str, separator: str) -> Iterator[tuple[str, bool]]:
    """Each field, and whether it was in quotes."""
    rest: str | None = line
    while rest is not None:
        if rest.startswith('"'):
            found = re.match(r'"((?:[^"]|"")*)"', rest)
            behind = "" if found is None else rest[found.end() :]
            if found is None or (behind and not behind.startswith(separator)):
                raise _RefusedError(_QUOTES)
            yield found[1].replace('""', '"'), True
            rest = behind[1:] if behind else None
        else:
            text, cut, behind = rest.partition(separator)
            if '"' in text:
                raise _RefusedError(_QUOTES)
            yield text, False
            rest = behind if cut else None


_QUOTES = 'a field with a quote in it to be in quotes that end in its line, and each quote in it doubled: "a""b"'
