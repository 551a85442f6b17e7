"""What tests of reports share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.model.evidence import Evidence
from harness.report.write import write_all


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[], Evidence]], list[Path]]:
    """The reports of a kind of run, in the order they were written; once for all tests, since figures take seconds."""
    return functools.cache(lambda make: write_all(make(), tmp_path_factory.mktemp("reports")))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's figures are made, with headings and captions, and not drawn, which takes seconds and adds no word."""
    monkeypatch.setattr("harness.report.plates.svg", lambda figure: b"<?xml")


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without any figure, for tests of what stands around them."""
    monkeypatch.setattr("harness.report.html.plates", lambda *of: ())
    monkeypatch.setattr("harness.report.write.poster", lambda evidence: None)
    monkeypatch.setattr("harness.report.write.png", lambda figure: b"")
