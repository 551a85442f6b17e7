"""The cache of built domains: built once, kept while they are of use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.config.shipped import HOME
from harness.lab import store
from harness.system import cache

MANY = store.KEPT + 3


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "authgate" / "lab"


def build(folder: Path) -> None:
    (folder / "content").write_text("built")


def kept(labs: Path) -> set[str]:
    return {path.name for path in labs.iterdir() if path.is_dir()}


def built_elsewhere(labs: Path, *digests: str) -> None:
    """Folders that a process built, each used a minute after the one before it, and that nobody uses any more."""
    code = (
        "import sys; from harness.lab import store\n"
        "for digest in sys.argv[1:]: store.built_once(digest, lambda folder: (folder / 'content').write_text('built'))"
    )
    subprocess.run([sys.executable, "-c", code, *digests], cwd=HOME, check=True, timeout=60)
    for place, digest in enumerate(digests):
        used = (labs / digest).stat().st_mtime - 60 * (len(digests) - place)
        os.utime(labs / digest, (used, used))


def test_the_folders_used_last_stay_and_the_others_go(labs: Path) -> None:
    digests = [f"{number:016x}" for number in range(MANY)]
    built_elsewhere(labs, *digests)
    assert kept(labs) == set(digests), "the process that built them held them"
    store.built_once(digests[0], lambda folder: pytest.fail("built again"))
    assert kept(labs) == {digests[0], *digests[-store.KEPT + 1 :]}
    assert all((labs / name / "content").read_text() == "built" for name in kept(labs))


def test_a_folder_that_a_process_uses_stays_however_old(labs: Path) -> None:
    mine = store.built_once("a" * 16, build)
    os.utime(mine, (0, 0))
    built_elsewhere(labs, *(f"{number:016x}" for number in range(MANY)))
    assert mine.is_dir()


def test_a_build_that_fails_leaves_nothing(labs: Path) -> None:
    def fail(folder: Path) -> None:
        build(folder)
        raise RuntimeError("no disk")

    with pytest.raises(RuntimeError, match="no disk"):
        store.built_once("b" * 16, fail)
    assert kept(labs) == set()
    assert store.built_once("b" * 16, build).is_dir()


def test_what_a_killed_process_left_in_scratch_goes_with_the_next_one(labs: Path) -> None:
    code = "import os; from harness.system.cache import scratch; kept = scratch(); print(kept.name, flush=True); "
    code += "os._exit(1)"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, stdout=subprocess.PIPE, text=True, timeout=60)
    left = Path(done.stdout.strip())
    assert left.is_dir()
    with cache.scratch() as mine:
        assert not left.exists()
        with cache.scratch():
            assert Path(mine).is_dir(), "a living process's own stays"
