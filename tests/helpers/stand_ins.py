"""Another clock, or resolver, for one module: a patch of the standard library's reaches all threads of the process."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import pytest


def stand_in(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, **members: object) -> None:
    """Let ``module`` see another ``name``, a module that it imports, which has these members instead of its own."""
    monkeypatch.setattr(module, name, SimpleNamespace(**{**vars(getattr(module, name)), **members}))
