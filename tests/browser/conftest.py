"""The browser, and the real servers that pages are driven against."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import LabError
from harness.lab.domain import Lab
from harness.lab.tools import find_tools
from tests.helpers.browser import Page, browser
from tests.helpers.needs import missing


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser; where CI is set its absence is a failure."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        missing("no chromium on the PATH: Debian's package chromium has it")
    return found


@pytest.fixture
def new_page(chromium: str, tmp_path: Path) -> Iterator[Callable[[], Page]]:
    """A browser's pages, in English."""
    with browser(chromium, tmp_path) as new:
        yield new


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The embedded domain with both arms, in a cache folder of these tests."""
    try:
        find_tools()
    except LabError as error:
        missing(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with Lab() as running:
            yield running
