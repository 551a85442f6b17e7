"""Which terms a file is under is said in it, where they are not those of the rest."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GPL = "# SPDX-License-Identifier: GPL-3.0-or-later\n"


def test_exactly_the_scripts_that_import_sambas_bindings_are_under_their_licence() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "harness").rglob("*.py"))}
    importing = {path for path, text in sources.items() if re.search(r"^\s*(import|from) (samba|ldb)\b", text, re.M)}
    assert {path for path, text in sources.items() if text.startswith(GPL)} == importing
    assert importing
    for path in importing:
        assert path.name in (ROOT / "LICENSE").read_text(encoding="utf-8")
        assert (path.parent / "COPYING.GPL-3.0").is_file()
