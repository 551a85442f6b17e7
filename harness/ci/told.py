"""A verdict as it lies in a run's folder, for what a pipeline shows of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.errors import RunError
from harness.report.verdict_json import VerdictDocument


@dataclass(frozen=True, slots=True)
class Told:
    """A run's folder, and its verdict."""

    folder: Path
    verdict: VerdictDocument


def read_told(path: Path) -> Told:
    """The verdict in a run's folder, or of the last run in a folder of runs; raises RunError where there is none."""
    folder = path if (path / "verdict.json").is_file() else _last(path)
    file = folder / "verdict.json"
    try:
        return Told(folder, VerdictDocument.model_validate_json(file.read_bytes()))
    except OSError as error:
        raise RunError(f"{file}: expected a verdict, got: {error.strerror}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise RunError(f"{file}: {where}: expected a verdict by this version of authgate; judge it again") from None


def _last(path: Path) -> Path:
    """The run of a folder that was judged last; runs are named by when they began."""
    judged = sorted(path.glob("*/verdict.json"))
    if not judged:
        raise RunError(f"{path}: expected a judged run, or a folder with one in it, got none")
    return judged[-1].parent
