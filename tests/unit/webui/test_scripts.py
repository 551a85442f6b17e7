"""The pages' scripts, which share one global scope where a page loads several."""

from __future__ import annotations

import re

import pytest

from harness.webui.files import STATIC

_LOADED = re.compile(r'<script src="(?:authgate/)?static/([\w-]+\.js)"')
_DEFINED = re.compile(r"^(?:async )?(?:function|const|let|class) ([\w$]+)", re.MULTILINE)


@pytest.mark.parametrize("page", sorted(page.name for page in STATIC.glob("*.html")))
def test_scripts_of_one_page_define_each_name_once(page: str) -> None:
    loaded = _LOADED.findall((STATIC / page).read_text())
    names = [name for script in loaded for name in _DEFINED.findall((STATIC / script).read_text())]
    assert loaded and len(names) == len(set(names))


def test_no_function_stands_in_two_scripts_of_the_pages() -> None:
    """Locust's own page is another: its bar is loaded there alone."""
    scripts = [path.read_text() for path in STATIC.glob("*.js") if path.name != "bar.js"]
    found = [name for text in scripts for name in re.findall(r"^(?:async )?function (\w+)", text, re.MULTILINE)]
    known = [name for name in found if name not in _PAGES_OWN]
    assert "complain" in known and len(known) == len(set(known))


_PAGES_OWN = {"refresh"}
"""What each page calls so, and does otherwise."""
