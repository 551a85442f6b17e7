"""One measurement given as both arms, or each of its logins twice, is refused; two equal systems are not."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.importers.attempts_csv import COLUMNS, read_attempts
from harness.importers.two_files import Importing, read_two
from tests.helpers.foreign_files import WRITERS, Row, jtl, jtl_xml


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own for the files that are read."""
    monkeypatch.chdir(tmp_path)


def rows(seed: int, since_s: float = 0.0, count: int = 400) -> list[Row]:
    rng = np.random.default_rng(seed)
    starts = since_s + np.sort(rng.uniform(0, 60, count))
    return [Row(at, ms) for at, ms in zip(starts, 200 * np.exp(rng.normal(0, 0.2, count)), strict=True)]


def read(before: str | bytes, after: str | bytes, names: tuple[str, str] = ("b.log", "a.log")) -> None:
    for name, content in zip(names, (before, after), strict=True):
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    read_two(Path(names[0]), Path(names[1]), Importing())


def shuffled(text: str) -> str:
    header, *lines = text.splitlines()
    random.Random(1).shuffle(lines)
    return "\n".join([header, *lines]) + "\n"


@pytest.mark.parametrize("tool", WRITERS)
@pytest.mark.parametrize(
    "copy",
    [str.encode, lambda text: gzip.compress(text.encode()), lambda text: text.replace("\n", "\r\n").encode()],
    ids=["copy", "packed", "line ends"],
)
def test_a_file_and_its_copy_are_no_two_arms(tool: str, copy: Callable[[str], bytes]) -> None:
    text = WRITERS[tool](rows(1))
    with pytest.raises(ConfigError, match=r"^b.log and a.log: expected a measurement of each arm, got "):
        read(text, copy(text))


@pytest.mark.parametrize("tool", ["jtl", "k6-csv", "locust-csv"])
def test_a_copy_in_another_order_is_no_other_arm(tool: str) -> None:
    text = WRITERS[tool](rows(1))
    with pytest.raises(ConfigError, match=r"got 400 of 400 logins that begin and last alike on both$"):
        read(text, shuffled(text))


def test_one_path_twice_and_a_link_are_no_two_arms() -> None:
    Path("b.log").write_text(jtl(rows(1)))
    Path("a.log").symlink_to("b.log")
    for after in ("b.log", "a.log"):
        with pytest.raises(ConfigError, match=r"expected a measurement of each arm, got the same one twice$"):
            read_two(Path("b.log"), Path(after), Importing())


def test_a_copy_in_another_format_or_with_part_of_it_changed_is_no_other_arm() -> None:
    with pytest.raises(ConfigError, match=r"got 400 of 400 logins that begin and last alike"):
        read(jtl(rows(1)), jtl_xml(rows(1)))
    changed = [row._replace(elapsed_ms=row.elapsed_ms + 50) if i % 5 == 0 else row for i, row in enumerate(rows(1))]
    with pytest.raises(ConfigError, match=r"got 320 of 400 logins that begin and last alike"):
        read(jtl(rows(1)), jtl(changed))


def test_a_copy_with_its_times_moved_is_no_other_arm() -> None:
    with pytest.raises(ConfigError, match=r"got the same 400 times in the same order, begun at another time$"):
        read(jtl(rows(1)), jtl(rows(1, since_s=3600)))


def test_a_file_to_which_the_other_arm_was_appended_is_no_other_arm() -> None:
    with pytest.raises(ConfigError, match=r"got 400 of 400 logins that begin and last alike"):
        read(jtl(rows(1)), jtl([*rows(1), *rows(2, since_s=70)]))


def test_equal_systems_are_no_copies_however_coarse_their_clocks() -> None:
    for seed in range(20):
        read(jtl(rows(seed)), jtl(rows(seed + 100)))
        # Whole milliseconds of 3 to 5, sent at the same instants on both arms.
        rng = np.random.default_rng(seed)
        starts = np.sort(rng.uniform(0, 60, 400))
        arms = [[Row(at, ms) for at, ms in zip(starts, rng.integers(3, 6, 400), strict=True)] for _ in range(2)]
        read(jtl(arms[0]), jtl(arms[1]))
    # Whole seconds, and a row of equal times on either arm.
    read(WRITERS["k6-csv"](rows(1)), WRITERS["k6-csv"](rows(2)))
    read(jtl([Row(i, 5) for i in range(60)]), jtl([Row(i + 0.5, 5) for i in range(60)]))


def test_each_login_twice_in_a_file_is_refused() -> None:
    doubled = [row for row in rows(1) for _ in range(2)]
    with pytest.raises(ConfigError, match=r"^b.log: expected each login once, got 400 of 800 again$"):
        read(jtl(doubled), jtl(rows(2)))
    steady = [Row(i // 10, 5) for i in range(400)]
    read(jtl(steady), jtl([row._replace(start_s=row.start_s + 0.5) for row in steady]))


def attempts(times_s: tuple[np.ndarray, np.ndarray], blocks: int = 8, twice: bool = False) -> Path:
    lines = [",".join(COLUMNS)]
    for block in range(blocks):
        arm = block % 2
        for place, latency in enumerate(times_s[arm][block // 2]):
            row = f"{('baseline', 'candidate')[arm]},{block},{15 * block + 0.2 * place:.3f},login,{latency:.6f},1"
            lines += [row] * (1 + twice)
    path = Path("attempts.csv")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_attempts_of_one_measurement_under_both_names_are_refused_and_those_of_two_are_not() -> None:
    rng = np.random.default_rng(1)
    one, other = 0.2 * np.exp(rng.normal(0, 0.2, (2, 4, 50)))
    with pytest.raises(ConfigError, match=r"^attempts.csv: .* the same 200 times in the same order"):
        read_attempts(attempts((one, one)), 0.0, 10.0)
    with pytest.raises(ConfigError, match=r"^attempts.csv: expected each login once, got 200 of 400 again$"):
        read_attempts(attempts((one, other), twice=True), 0.0, 10.0)
    assert len(read_attempts(attempts((one, other)), 0.0, 10.0).table) == 400
