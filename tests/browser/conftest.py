"""The browser, and the real servers that pages are driven against."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.errors import LabError
from harness.lab.domain import Lab
from harness.lab.tools import find_tools
from tests.helpers.browser import Browser, Page, browser
from tests.helpers.needs import missing


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser; where CI is set its absence is a failure."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        missing("no chromium on the PATH: Debian's package chromium has it")
    return found


@pytest.fixture(scope="module")
def browsers(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Browser]]:
    """The browser of a language, started once for the tests of a file."""
    folder = tmp_path_factory.mktemp("browsers")
    with ExitStack() as stack:
        yield functools.cache(lambda language: stack.enter_context(browser(chromium, folder, language)))


@pytest.fixture
def pages_in(browsers: Callable[[str], Browser]) -> Iterator[Callable[[str], Page]]:
    """A browser's pages, in the language that is asked for; none shares cookies with another test's."""
    with ExitStack() as stack:
        sessions = functools.cache(lambda language: stack.enter_context(browsers(language).session()))
        yield lambda language: sessions(language)()


@pytest.fixture
def new_page(pages_in: Callable[[str], Page]) -> Callable[[], Page]:
    """A browser's pages, in English."""
    return lambda: pages_in("en-GB")


@pytest.fixture(scope="session")
def lab(session_cache: Path) -> Iterator[Lab]:
    """The embedded domain with both arms, for all of these tests."""
    try:
        find_tools()
    except LabError as error:
        missing(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(session_cache))
        with Lab() as running:
            yield running
