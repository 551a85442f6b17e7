"""The locustfile, scenarios, policies and catalogued updates that come with authgate, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.model.scenario import Scenario
    from harness.model.update import Update

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "shipped"
"""Where a wheel has them; a checkout has them at its top level."""
HOME = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
LOCUSTFILE = HOME / "locustfiles" / "clinician_login.py"
SCENARIOS = HOME / "scenarios"
POLICIES = SCENARIOS / "policies"
UPDATES = SCENARIOS / "updates"


def find(name: str, folder: Path) -> Path:
    """The file that a user names by path or by a shipped name; raises ConfigError with the names that there are."""
    given = Path(name)
    if given.suffix in (".yaml", ".yml") or given.name != name:
        return given
    shipped = folder / f"{name}.yaml"
    if not shipped.exists():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        raise ConfigError(f"{name}: expected a YAML file, or one of {known}")
    return shipped


def scenarios() -> list[Scenario]:
    """Every shipped scenario, by name."""
    from harness.config.load import load_scenario  # to know where the files lie takes no reader of them

    return [load_scenario(path) for path in sorted(SCENARIOS.glob("*.yaml"))]


def updates() -> list[Update]:
    """Every entry of the catalogue, by name."""
    from harness.config.load import load_update

    return [load_update(path) for path in sorted(UPDATES.glob("*.yaml"))]
