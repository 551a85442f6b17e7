"""The exit codes of every command but those of verdicts, which are the values of ``harness.model.verdict.Kind``."""

from __future__ import annotations

CRASH = 1
"""What an unexpected exception gives, and a run that did not come to its end; no verdict uses it."""
USAGE_ERROR = 2
"""What the user can fix before any load: usage, configuration, a machine or an arm that is not ready."""
INTERRUPTED = 130
"""As a shell reports SIGINT: 128 and the signal's number."""
