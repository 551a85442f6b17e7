"""The AD lab's beginning and end: what it asks for before it starts, and that nothing of it outlives it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import LabError
from harness.lab import store, supervisor
from harness.lab.ad import namespace
from harness.lab.ad.domain import AdLab
from harness.model.target import Targets
from harness.system import packages
from tests.helpers.lab_ad import eventually, known_fields, tool

pytestmark = pytest.mark.integration


def test_without_root_or_a_program_or_namespaces_the_way_out_is_named(
    require_ad_lab: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(LabError, match="root"), AdLab():
            pass
    with monkeypatch.context() as patch:
        absent = packages.Need("ad", "libapache2-mod-wsgi-py3", ("/usr/lib/nowhere/mod_wsgi.so",))
        patch.setattr(packages, "needs", lambda: (absent,))
        with pytest.raises(LabError, match=r"mod_wsgi.so .*apt-get install .*libapache2-mod-wsgi-py3"), AdLab():
            pass
    with monkeypatch.context() as patch:
        patch.setattr(namespace, "_NAMESPACES", ("--nonsense",))
        with pytest.raises(LabError, match="SYS_ADMIN"), AdLab():
            pass


def test_options_of_the_other_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="kdc-writes"):
        supervisor.up(tmp_path, change="ehr-workers=1")
    with pytest.raises(LabError, match="ehr-workers=N"):
        supervisor.up(tmp_path, "ad", change="nonsense")
    with pytest.raises(LabError, match="expected kind ad for single sign-on"):
        supervisor.up(tmp_path, single_sign_on=True)


def namespace_of(pid: int) -> str:
    """The pid namespace of a process, which must not be this one's."""
    inside = str(Path(f"/proc/{pid}/ns/pid").readlink())
    assert inside != str(Path("/proc/self/ns/pid").readlink())
    return inside


def processes_of(namespace: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str((folder / "ns" / "pid").readlink()) == namespace:
                found.append(int(folder.name))
        except OSError:  # It ended as we looked, or is a zombie.
            continue
    return found


def left_over() -> tuple[set[str], str]:
    """What a lab's servers could leave outside its folder: files where theirs usually are, shared memory."""
    folders = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/samba", "/var/lib/samba/private", "/var/log/samba")
    theirs = re.compile("samba|smb|[lt]db|krb5|postgres|pgsql|apache|httpd|wsgi", re.IGNORECASE)
    files = {str(path) for name in folders if Path(name).is_dir() for path in Path(name).iterdir()}
    return {path for path in files if theirs.search(path)}, Path("/proc/sysvipc/shm").read_text()


@pytest.fixture
def no_trace(require_ad_lab: None, session_cache: Path) -> Iterator[None]:
    """Nothing is outside the labs' folders after a test that wasn't there before, and none of their own is stale."""
    before = left_over()
    yield
    store.remove_stale()
    mine = [folder for folder in (session_cache / "authgate" / "run").iterdir() if f"-{os.getpid()}-" in folder.name]
    assert len(list((session_cache / "authgate" / "run").iterdir())) == len(mine)
    assert left_over() == before


@pytest.mark.usefixtures("no_trace")
def test_a_supervisor_that_is_killed_while_it_starts_takes_every_server_along(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness.lab.supervisor", str(tmp_path), "--kind", "ad", "--arms", "baseline"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as starting:
        try:
            inside = namespace_of(first_inside(starting.pid, "samba", "postgres", "apache2"))
        finally:
            starting.kill()
    assert eventually(lambda: not processes_of(inside))


@pytest.mark.usefixtures("no_trace")
def test_a_supervisor_that_is_killed_takes_every_server_along(tmp_path: Path) -> None:
    lab = supervisor.up(tmp_path, "ad", ("baseline",))
    inside = namespace_of(lab.processes["baseline.dc"].pid)
    assert len(processes_of(inside)) > 10
    os.kill(lab.processes["supervisor"].pid, signal.SIGKILL)
    assert eventually(lambda: not processes_of(inside))
    found = supervisor.status(tmp_path)
    assert found is not None
    assert not any(found.alive.values())
    assert supervisor.down(tmp_path)
    assert supervisor.status(tmp_path) is None


def first_inside(parent: int, *names: str) -> int:
    """A process of one of these names below this one, in a pid namespace of its own, as soon as there is one."""
    outside = str(Path("/proc/self/ns/pid").readlink())
    found: list[int] = []

    def look() -> bool:
        waiting = [parent]
        while waiting:
            pid = waiting.pop()
            try:
                tasks = list(Path(f"/proc/{pid}/task").iterdir())
                waiting += [int(child) for task in tasks for child in (task / "children").read_text().split()]
                inside = str(Path(f"/proc/{pid}/ns/pid").readlink()) != outside
                if inside and Path(f"/proc/{pid}/comm").read_text().strip() in names:
                    found.append(pid)
            except OSError:
                continue
        return bool(found)

    assert eventually(look)
    return found[0]


def test_an_edit_of_a_clone_dies_with_the_process_that_asked_for_it(require_ad_lab: None, tmp_path: Path) -> None:
    code = (
        "from harness.lab.ad import namespace, programs; from pathlib import Path\n"
        f"namespace.run_inside(programs.find_ad_programs(), Path({str(tmp_path)!r}), ['sleep', '60'])"
    )
    asking = subprocess.Popen([sys.executable, "-c", code])
    try:
        inside = namespace_of(first_inside(asking.pid, "sleep"))
    finally:
        asking.kill()
        asking.wait()
    assert eventually(lambda: not processes_of(inside))


def test_leaving_a_lab_ends_its_servers_and_removes_its_clones(require_ad_lab: None) -> None:
    with AdLab(("candidate",), credentials="keytab") as lab:
        arm = lab.arms["candidate"]
        inside = namespace_of(arm.processes["dc"].pid)
        assert len(processes_of(inside)) > 10
        keytab = Targets.model_validate(known_fields(lab.targets)).arms["candidate"].credentials.keytab
        assert keytab is not None and "clin01999@REGION.TEST" in tool(arm, "klist", "-k", keytab)
    assert not processes_of(inside)
    assert not arm.folder.parent.exists()
