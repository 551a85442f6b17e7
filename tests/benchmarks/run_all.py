"""Every benchmark of the instrument in turn, and what each printed, with host and versions, in a folder.

Run as ``python -m tests.benchmarks.run_all [--out FOLDER] [--short] [--only NAME …]``, on a machine that does nothing
else. ``--short`` shows that they run; its figures are not for keeping.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

BENCHMARKS: dict[str, tuple[list[str], list[str]]] = {
    "bench_compare": ([], ["--logins", "300000"]),
    "bench_report": ([], ["--logins", "100000"]),
    "bench_look": ([], ["--logins", "200000"]),
    "bench_relay": ([], []),
    "bench_start": ([], []),
    "bench_worker": ([], []),
    "bench_memory": ([], []),
    "fidelity": ([], []),
    "frozen": ([], []),
    "peers": ([], []),
}
"""Options of the whole form and of the short one; those without a short one are left out there."""
_VERSIONS_OF = ("authgate", "locust", "gevent", "krb5", "ldap3", "numpy", "pyarrow")


def host() -> str:
    """The machine and the versions, as lines."""
    facts = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "system": platform.platform(), "cores": str(os.cpu_count()),
             "python": platform.python_version(), **{name: version(name) for name in _VERSIONS_OF}}  # fmt: skip
    return "\n".join(f"{name}: {fact}" for name, fact in facts.items())


def main() -> int:
    """Run them; exit code 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="(%(default)s)")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in arguments.only:
        whole, short = BENCHMARKS[name]
        if arguments.short and not short:
            continue
        command = [sys.executable, "-m", f"tests.benchmarks.{name}", *(short if arguments.short else whole)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        (arguments.out / f"{name}.txt").write_text(f"{host()}\n\n{done.stdout}", encoding="utf-8")
        print(f"{name}: {'done' if done.returncode == 0 else done.stderr[-2000:]}", flush=True)
        failed += [name] * (done.returncode != 0)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
