"""The errors that a user can fix; each says where, what was expected, and what was found."""

import re

_SHOWN_AT_MOST = 60
_SHOWN_BITS_AT_MOST = 190
_LINE_AT_MOST = 2000
_LINES_AT_MOST = 100
_LOOKED_AT_AT_MOST = 1000


def one_line(text: str) -> str:
    """The text with whatever would break a line, or speak to a terminal, written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def in_lines(text: str) -> str:
    """An error's text as it may be printed: line by line, each and all of them cut to what somebody can read."""
    lines = text.splitlines() or [""]
    said = [one_line(line[:_LINE_AT_MOST]) + ("…" if len(line) > _LINE_AT_MOST else "") for line in lines]
    more = len(said) - _LINES_AT_MOST
    return "\n".join([*said[:_LINES_AT_MOST], *([f"and {more:,} lines more"] if more > 0 else [])])


_SECRETS = (
    (re.compile(r"(?<=://)[^/?#\s\"']*@"), "…@"),
    (re.compile(r"[^\s/\"'@,=]+:(?!//)[^\s\"'@]*@"), "…@"),
    (re.compile(r"(?<=[\w.\]]):(?=[^\s\"'/:]*[^\d\s\"'/:])[^\s\"'/:]{6,}"), ":…"),
    (re.compile(r"[?#][^\s\"']*[=&][^\s\"']*"), "?…"),
    (re.compile(r"(?i)\b((?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key)\s*[=:]\s*)[^\s\"']+"), r"\1…"),
)
"""What may be a secret by its look: before an ``@`` in a URI or alone, too long in a port's place to be a misspelt one,
in a query, behind a word that says so."""


def masked(text: str) -> str:
    """The text without what looks like a secret in it, whatever key it stood under; the end of a long one is cut."""
    text = text[:_LOOKED_AT_AT_MOST]
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def shown(value: object) -> str:
    """A value as the user may have written it, cut so that an error stays a line."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f'"{masked(value)[:_SHOWN_AT_MOST]}"'
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS_AT_MOST:
        return "a number too large to show"
    return str(value)[:_SHOWN_AT_MOST]


class AuthgateError(Exception):
    """Something that the user can fix; the command line prints its message and exits with 2."""


class ConfigError(AuthgateError):
    """A scenario, targets or policy file that can't be used; one line for each problem found."""


class UnsafeTargetError(AuthgateError):
    """A target that load must not be sent to as configured."""


class CredentialError(AuthgateError):
    """Credentials that are missing, unreadable, or readable by others."""


class KdcUnavailableError(CredentialError):
    """A KDC that gave no answer to derive a key from: the server's fault, where the credentials may be right."""


class LabError(AuthgateError):
    """A server of the embedded domain that could not be built or started."""


class RunError(AuthgateError):
    """A run that could not start, or a run folder that can't be read."""
