"""An arm's servers in namespaces of their own: they see their clone at one path, and none outlives its parent.

1. Processes: the kernel kills all of a pid namespace when its first process dies (pid_namespaces(7)). That one has a
   death signal from unshare(1), and unshare from this process's Family, so a SIGKILL anywhere up the line ends every
   server, those that forked and those that became daemons too.
2. Files: /tmp, /var/tmp and /dev/shm are the namespace's own and vanish with it; so does System V shared memory.
3. The network is the machine's own: the load generator, its safety check and a packet capture work on plain loopback.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.errors import LabError
from harness.lab.ad import region, single_sign_on
from harness.lab.ad.addresses import resolver_of
from harness.lab.ad.programs import SYSTEM_PYTHON, Programs
from harness.lab.ad.settings import FOLDERS, HOME, SMB_CONFS, Settings
from harness.lab.tools import run
from harness.system.process import Family, Identity, environment

_SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")

_NAMESPACES = ("--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
_PATIENCE_S = 180.0
"""An upper bound on steps of a build that take seconds; only a hang reaches it."""

_SEE_CLONE = f'mount --bind "$1" {HOME}'
_INIT = f"""set -eu
{_SEE_CLONE}
for folder in {" ".join(_SCRATCH)}; do mount -t tmpfs -o mode=1777 tmpfs "$folder"; done
mount --bind {HOME}/resolv.conf /etc/resolv.conf
mount --bind {HOME}/hosts /etc/hosts
cd /
{SYSTEM_PYTHON} -I {HOME}/forwarder.py $6 >{HOME}/logs/forwarder.out 2>&1 &
%s
setpriv --reuid=postgres --regid=postgres --clear-groups "$3" -D {HOME}/db/data >{HOME}/logs/db.out 2>&1 &
"$4" -D FOREGROUND -f {HOME}/web/httpd.conf >{HOME}/logs/web.out 2>&1 &
if [ -n "$7" ]; then
	LLNG_DEFAULTCONFFILE={single_sign_on.PORTAL_INI} setpriv --reuid=www-data --regid=www-data --clear-groups "$7" \
		-s FCGI --listen {single_sign_on.SOCKET} --nproc {single_sign_on.PORTAL_WORKERS} -E deployment \
		--no-default-middleware {single_sign_on.PORTAL} >{HOME}/logs/portal.out 2>&1 &
	"$4" -D FOREGROUND -f {HOME}/{single_sign_on.HTTPD_CONF} >{HOME}/logs/idp.out 2>&1 &
fi
wait
"""


def _start_controller(name: str) -> str:
    options = f'--interactive --no-process-group --configfile={HOME}/{SMB_CONFS[name]} --model="$5"'
    return f'"$2" {options} >{HOME}/logs/{FOLDERS[name]}.out 2>&1 &'


def run_inside(programs: Programs, folder: Path, argv: list[str], typed: str = "") -> str:
    """What a program prints that sees ``folder`` at the servers' path, and ends with it; raises LabError."""
    command = [programs["setpriv"], "--pdeathsig", "KILL", programs["unshare"], *_NAMESPACES]
    script = f'{_SEE_CLONE} && shift && exec "$@"'
    # Nothing of a build is worth a flush, nor an edit of a clone.
    env = environment(TDB_NO_FSYNC="1", KRB5_CONFIG=f"{HOME}/krb5.conf")
    return run([*command, "sh", "-c", script, "sh", str(folder), *argv], env, typed, _PATIENCE_S)


class Servers:
    """The running servers of one arm, with the domain controllers of these names."""

    def __init__(
        self, programs: Programs, family: Family, folder: Path, addresses: Mapping[str, str], settings: Settings
    ) -> None:
        # Replay caches would be locked files in /var/tmp that both arms wait for. Of OpenSSL's own authorities
        # a machine may have many or none: lasso (2.8) reads them all for each SAML message, 140 of them in 25 ms.
        env = environment(KRB5_CONFIG=f"{HOME}/krb5.conf", KRB5RCACHENAME="none:", SSL_CERT_FILE="/dev/null")
        servers = (programs["samba"], str(programs.postgresql / "postgres"), programs["apache2"])
        arguments = [str(folder), *servers, settings.process_model]
        forwarding = [resolver_of(addresses[region.DC_NAME]), str(settings.reverse_dns_delay_s), *addresses.values()]
        controllers = {f"{FOLDERS[name]}.out": name if len(addresses) > 1 else "dc" for name in addresses}
        self._names = {
            **controllers,
            "db.out": "database",
            **{f"{name}.out": name for name in ("web", "idp", "portal")},
        }
        start = _INIT % "\n".join(map(_start_controller, addresses))
        portal = programs["plackup"] if settings.single_sign_on else ""
        init = ["sh", "-c", start, "sh", *arguments, " ".join(forwarding), portal]
        self._family = family
        self._unshare = family.spawn([programs["unshare"], *_NAMESPACES, *init], env, folder / "logs" / "init.out")

    @property
    def running(self) -> bool:
        """Whether the servers' first process still runs."""
        return self._unshare.poll() is None

    def processes(self) -> dict[str, Identity]:
        """The servers by name (``dc``, or ``dc1`` and ``dc2``; ``database``, ``web``; with single sign-on ``idp`` and
        ``portal``), each by the process that forks its workers."""
        init = self._init()
        found: dict[str, Identity] = {}
        for pid in _children(init.pid) if init else ():
            try:
                # Some write over their command line, and two are the same program: the output of each is its own.
                name = self._names.get(Path(f"/proc/{pid}/fd/1").readlink().name)
                if name is not None:
                    found.setdefault(name, Identity.of(pid))
            except OSError:  # It ended as we looked.
                continue
        return found

    def close(self) -> None:
        """End every process of the arm, and return when they are gone."""
        init = self._init()
        if init is not None:
            init.end(0)  # It is gone only when all of its namespace is.
        self._family.end(self._unshare)

    def _init(self) -> Identity | None:
        for pid in _children(self._unshare.pid):
            try:
                return Identity.of(pid)
            except ProcessLookupError:
                continue
        return None


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return sorted(int(child) for child in text.split())


def check_namespaces(programs: Programs) -> None:
    """Raise LabError where the kernel or a container doesn't let this process make namespaces."""
    done = subprocess.run([programs["unshare"], *_NAMESPACES, "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(
            f"AD lab: expected the right to make namespaces (in a container: --cap-add SYS_ADMIN), got: "
            f"{done.stderr.strip()}"
        )
