"""The errors a user can mend; each says where, what was expected, and what was found."""


def one_line(text: str) -> str:
    """The text with whatever would break a line, or speak to a terminal, written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class AuthgateError(Exception):
    """Something the user can mend; the command line prints its message and exits with 2."""


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
