"""What a lab keeps on disk, all of it in the user's cache folder.

authgate/lab/<digest>/   a built domain, immutable, shared by every lab of this user
authgate/run/<owner>/    the clones of a running lab, named after the process that owns them
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.lab import changes, directory, hospital, kdc, keytab, pki
from harness.lab.tools import Tools, run
from harness.system import cache
from harness.system.cache import cache_home, private_folder
from harness.system.files import write_whole
from harness.system.process import environment

CLINICIANS_CSV = "clinicians.csv"
KEPT = 4
"""So many built folders stay for the next lab, of all kinds and versions together; they take 4 to 120 MB each."""
_held: dict[Path, int] = {}


def built(tools: Tools) -> Path:
    """The folder of the built embedded domain, built now if it wasn't; raises LabError."""

    def build(folder: Path) -> None:
        password = secrets.token_hex(16)
        kdc.build(tools, folder, password)
        directory.build(tools, folder, password)
        pki.build(folder, hospital.REALM, hospital.KDC_HOST, hospital.CLINICIANS)
        lines = "".join(f"{user},{password}\n" for user in hospital.CLINICIANS)
        write_whole(folder / CLINICIANS_CSV, lines, private=True)

    modules = (changes, hospital, kdc, keytab, directory, pki)
    sources = (__file__, *(str(module.__file__) for module in modules))
    return built_once(recipe_digest(sources, tools.digest), build)


def password(folder: Path) -> str:
    """The clinicians' password in a clone."""
    with (folder / CLINICIANS_CSV).open(encoding="utf-8") as lines:
        return lines.readline().rstrip("\n").partition(",")[2]


def recipe_digest(sources: Iterable[str], programs: str) -> str:
    """The name of a built folder: what these source files say and which programs, by their digest, do it."""
    recipe = b"".join(Path(source).read_bytes() for source in sources)
    return hashlib.sha256(recipe + programs.encode()).hexdigest()[:16]


def built_once(digest: str, build: Callable[[Path], None]) -> Path:
    """The built folder of this digest, filled by ``build`` if there is none yet; raises what ``build`` does.

    One process builds while others wait for it; a build that was broken off leaves nothing that counts. The folder
    stays as long as this process lives; of those that no process uses, the ones used last stay.
    """
    labs = private_folder(cache_home() / "lab")
    folder = labs / digest
    with _locked(labs / f"{digest}.lock"):
        _remove_broken_off(labs, digest)
        if not folder.is_dir():
            beside = Path(tempfile.mkdtemp(prefix=f"{digest}.tmp", dir=labs))
            try:
                build(beside)
                beside.rename(folder)
            except BaseException:
                shutil.rmtree(beside)
                raise
        _use(folder)
    _prune(labs)
    return folder


def _use(folder: Path) -> None:
    """Note the use, and hold the folder as long as this process lives, against every other's pruning."""
    os.utime(folder)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    if (before := _held.get(folder)) is not None:
        os.close(before)
    _held[folder] = handle


def _prune(labs: Path) -> None:
    """Remove the folders whose last use is the longest ago, but for KEPT and those that some process uses."""
    by_use = sorted((path for path in labs.iterdir() if "." not in path.name), key=_last_use, reverse=True)
    for folder in by_use[KEPT:]:
        # BlockingIOError: somebody builds or uses it; FileNotFoundError: somebody else has just removed it.
        with suppress(BlockingIOError, FileNotFoundError), _locked(labs / f"{folder.name}.lock", wait=False):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder.rename(labs / f"{folder.name}.tmp-unused")  # whole or not at all, should this be broken off
                _remove_broken_off(labs, folder.name)
            finally:
                os.close(handle)


def _last_use(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # another process has just removed it
        return 0.0


def _remove_broken_off(labs: Path, digest: str) -> None:
    for broken_off in labs.glob(f"{digest}.tmp*"):
        shutil.rmtree(broken_off)


def new_run_folder() -> Path:
    """A private folder for this process's clones, after those of processes that are dead have been removed."""
    remove_stale()
    folder = _runs() / f"{cache.owner()}{secrets.token_hex(4)}"
    folder.mkdir(0o700)
    return folder


def remove_stale() -> None:
    """Remove the clones whose owner is dead."""
    cache.remove_stale(_runs())


def remove(folder: Path) -> None:
    """Remove a run folder; another lab may be removing it too."""
    shutil.rmtree(folder, ignore_errors=True)


def clone(built_folder: Path, folder: Path) -> None:
    """Copy the built domain into ``folder``, which must not exist; raises LabError.

    The cards are not copied but linked to: nobody changes them, and 2,000 files take longer than all the rest.
    """
    copied = [str(path) for path in built_folder.iterdir() if path.name != pki.CARDS]
    folder.mkdir()
    shutil.copystat(built_folder, folder)
    # slapd's database is a sparse file of 256 MB with 2 MB in it; shutil would write the holes too.
    run(["cp", "-a", *copied, str(folder)], environment())
    (folder / pki.CARDS).symlink_to(built_folder / pki.CARDS)


def _runs() -> Path:
    return private_folder(cache_home() / "run")


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock within; BlockingIOError where another holds it and this one doesn't wait."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
