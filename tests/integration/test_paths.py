"""The lab works wherever its folders lie: a user's name, and so a path, may hold what a configuration file quotes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lab.domain import Lab
from tests.helpers.running import AUTHGATE, finished

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", ["two words", 'it\'s "quoted"'])
def test_a_login_succeeds_in_a_cache_folder_whose_name_has_to_be_quoted(
    require_domain: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
    targets = tmp_path / name / "targets.yaml"
    with Lab(("baseline",)) as lab:
        lab.write_targets(targets)
        done = finished([*AUTHGATE, "login", "clin00007", "--targets", str(targets), "--arm", "baseline"])
    assert done.returncode == 0, done.stderr
    assert "login: ok" in done.stdout
