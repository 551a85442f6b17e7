"""The tests' own second chance: only for what failed while the machine stood still."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FAILING = """
import os, signal, subprocess, sys, time
from pathlib import Path

def test_it(tmp_path):
    tries = Path({tries!r})
    with tries.open("a") as file:
        file.write("x")
    if {stands}:
        wakes = f"import os, signal, time; time.sleep(0.6); os.kill({{os.getpid()}}, signal.SIGCONT)"
        subprocess.Popen([sys.executable, "-c", wakes])
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.1)
    assert len(tries.read_text()) > {fails}
"""


@pytest.mark.parametrize(
    ("stands", "fails", "tries", "code"),
    [(True, 1, 2, 0), (True, 9, 3, 1), (False, 1, 1, 1), (True, 0, 1, 0)],
    ids=["stood still once", "fails in any case", "the machine ran", "passes"],
)
def test_what_failed_is_run_anew_only_where_the_machine_stood_still(
    tmp_path: Path, stands: bool, fails: int, tries: int, code: int
) -> None:
    counted, test = tmp_path / "tries", tmp_path / "test_it.py"
    test.write_text(FAILING.format(tries=str(counted), stands=stands, fails=fails), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.helpers.stalls", "-p", "no:cacheprovider", str(test)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command += ["--rootdir", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(counted.read_text())) == (code, tries), done.stdout + done.stderr
