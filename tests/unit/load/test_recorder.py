"""What a worker has measured, on its way to the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MEASURED = """
import sys
from pathlib import Path
import gevent
from harness.load.health import HealthMeter
from harness.load.recorder import Recorder
from harness.model.attempt import OK, Attempt

recorder = Recorder(Path("attempts"), Path("health"))
before = set(sys.modules)
recorder.keep(Attempt(0, "baseline", 0, 0, "u", "cold", 0, 1, 2, OK, ()))
running = gevent.spawn(recorder.run, HealthMeter("baseline", 0), lambda: 0)
gevent.sleep(1.3)
recorder.close()
assert Path("attempts").stat().st_size > 0 and Path("health").stat().st_size > 0
print(*sorted(name for name in set(sys.modules) - before if not name.startswith("encodings.")))
"""


def test_nothing_is_imported_once_a_worker_measures(tmp_path: Path) -> None:
    """Arrow imports pandas (these tests' own) at its first rows, which takes half a second of the event loop's."""
    done = subprocess.run([sys.executable, "-c", MEASURED], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stdout + done.stderr
