"""Files that are whole or not there."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

import harness
from harness.system.files import whole, write_whole

PACKAGE = Path(harness.__file__).parent


def test_text_and_bytes_are_written_as_they_are_and_the_path_comes_back(tmp_path: Path) -> None:
    assert write_whole(tmp_path / "verdict.json", "µs\n") == tmp_path / "verdict.json"
    assert (tmp_path / "verdict.json").read_bytes() == "µs\n".encode()
    write_whole(tmp_path / "report.png", b"\x89PNG\r\n")
    assert (tmp_path / "report.png").read_bytes() == b"\x89PNG\r\n"


def test_what_fails_half_way_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "manifest.json", "before")
    with pytest.raises(OSError, match="No space left"), whole(path) as beside:
        beside.write_text("half of")
        raise OSError("No space left on device")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_interrupted_before_its_end_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "attempts.parquet"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_two_that_write_one_file_at_once_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with whole(path) as one, whole(path) as other:
        one.write_text("one" * 1000)
        other.write_text("other")
    assert path.read_text() == "one" * 1000
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_its_owners_alone_from_its_first_byte_even_in_place_of_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text("old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        with whole(path, private=True) as beside:
            assert beside.stat().st_mode & 0o777 == 0o600
            beside.write_text("u1,secret\n")
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_file_that_is_not_private_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert write_whole(tmp_path / "summary.md", "").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_other_module_moves_a_file_to_the_place_of_another(path: Path) -> None:
    if path == PACKAGE / "system" / "files.py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_path = node.func.attr == "replace" and len(node.args) == 1 and not node.keywords
            assert not of_path, f"{path}:{node.lineno} uses Path.replace: write by harness.system.files"
            assert ast.unparse(node.func) not in ("os.replace", "os.rename", "shutil.move"), f"{path}:{node.lineno}"
