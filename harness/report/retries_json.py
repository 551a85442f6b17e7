"""Tries that were given up, in verdict.json."""

from __future__ import annotations

from harness.report.document import Document


class ContrastDocument(Document):
    """A figure of each arm, and their difference with a 95 % interval."""

    baseline: float
    candidate: float
    added: float
    low: float
    high: float


class RetriesDocument(Document):
    """How often logins were given up and tried again; it takes no part in the verdict."""

    again: ContrastDocument
    """The share of logins that were tried again."""
    tries: ContrastDocument
    """Tries per login: the factor by which clients that come back amplify the load."""
    given_up: dict[str, ContrastDocument]
    """Tries per login that were given up in a step; they add up to the tries beyond the first."""
