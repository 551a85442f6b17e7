"""A terminal that can't be written to costs the words, and neither the verdict nor what is on disk."""

from __future__ import annotations

import functools
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import tell as tell_module
from harness.config import shipped
from harness.report import write
from harness.system.secrets import environment_without, no_core_dumps
from tests.helpers.evidence_samples import blocked
from tests.helpers.stored import stored_run

pytestmark = pytest.mark.slow

REPORTS = ("verdict.json", "junit.xml", "summary.md", "report.png", "report.html")
ENVIRONMENTS = {
    "UTF-8": {"LC_ALL": "C.UTF-8"},
    "POSIX": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
}


def command(*argv: str) -> list[str]:
    return [sys.executable, "-m", "harness", *argv]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(shipped.HOME), **more}


def shell(text: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """What a line of a shell says, where ``authgate`` stands for the command."""
    line = f'authgate() {{ "{sys.executable}" -m harness "$@"; }}; {text}'
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=120, cwd=folder, env=environment(**more),
        check=False,
    )  # fmt: skip


@functools.cache
def code_of(line: str, folder: Path) -> int:
    """What a command ends with that can say what it has to."""
    return shell(line, folder).returncode


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is blocked."""
    return stored_run(tmp_path_factory.mktemp("results"), slower=3.0).path


@pytest.fixture
def unwritten(run: Path) -> Path:
    for name in REPORTS:
        (run / name).unlink(missing_ok=True)
    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    "where",
    [">/dev/full", ">&-", ">&- 2>&-", "2>/dev/full >/dev/full", "<&- >&- 2>&-", "| true", "| head -1"],
)
def test_output_that_goes_nowhere_leaves_reports_and_exit_code_as_they_are(unwritten: Path, where: str) -> None:
    done = shell(f"authgate compare {unwritten} {where}; exit ${{PIPESTATUS[0]}}", unwritten.parent)
    assert done.returncode == 10, done.stderr
    assert done.stderr == ""
    assert json.loads((unwritten / "verdict.json").read_text())["verdict"] == "BLOCK"
    assert all((unwritten / name).stat().st_size for name in REPORTS)


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "encoding"), [*(("compare", name) for name in ENVIRONMENTS), ("report", "POSIX")])
def test_a_terminal_in_any_encoding_is_told_the_verdict(unwritten: Path, encoding: str, verb: str) -> None:
    done = subprocess.run(
        command(verb, str(unwritten)), capture_output=True, timeout=120, env=environment(**ENVIRONMENTS[encoding]),
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (10 if verb == "compare" else 0, b"")
    assert b"BLOCK" in done.stdout and b"Report: " in done.stdout
    assert (b"->" if encoding in ("POSIX", "ascii") else b"BLOCK") in done.stdout
    assert (unwritten / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("argv", ["scenarios", "updates list", "updates show uppsala-2016", "doctor", "schema verdict",
                                  "--help", "--version", "locustfile", "no-such-command"])  # fmt: skip
@pytest.mark.parametrize("where", [">/dev/full 2>&1", ">&- 2>&-", "2>&1 | true"])
def test_no_command_stumbles_over_its_own_output(run: Path, argv: str, where: str) -> None:
    done = shell(f"authgate {argv} {where}; exit ${{PIPESTATUS[0]}}", run)
    assert (done.returncode, done.stdout, done.stderr) == (code_of(f"authgate {argv}", run), "", "")


def test_the_reports_are_written_before_a_word_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(*_: object) -> None:
        assert all((tmp_path / name).exists() for name in REPORTS)
        raise BrokenPipeError

    monkeypatch.setattr(tell_module, "print_verdict", printed)
    tell_module.tell(blocked(), tmp_path)


def test_a_report_that_can_not_be_made_costs_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_figure(*_: object) -> bytes:
        raise RuntimeError("no figure")

    monkeypatch.setattr(write, "png", no_figure)
    with pytest.raises(RuntimeError, match="no figure"):
        tell_module.tell(blocked(), tmp_path)
    assert (tmp_path / "verdict.json").exists()
    assert "BLOCK" in capsys.readouterr().out


def test_a_reader_that_waits_does_not_hold_up_the_progress(tmp_path: Path) -> None:
    """A full pipe that nobody empties: what is shown of a run's progress is left out until there is room."""
    code = (
        "import sys; from rich.console import Console; from harness.report.progress import progress\n"
        "from harness.system.output import protect_output; protect_output()\n"
        "from harness.config import load, shipped; from harness.model.policy import Policy\n"
        "from harness.model.progress import Preparing\n"
        "scenario = load.load_scenario(shipped.find('morning-rush', shipped.SCENARIOS))\n"
        "with progress(Console(), False) as display:\n"
        "    for i in range(20_000): display(Preparing(str(i), scenario, Policy(), ('baseline',)))\n"
        "open('done', 'w').close()\n"
    )
    reading, writing = os.pipe()
    try:
        subprocess.run(
            [sys.executable, "-c", code], stdout=writing, timeout=120, check=True, cwd=tmp_path, env=environment()
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert (tmp_path / "done").exists()


def test_an_error_of_a_hundred_kilobytes_is_cut_and_speaks_to_no_terminal(tmp_path: Path) -> None:
    name = "x" * 100_000 + "\x1b[31m"
    (tmp_path / "s.yaml").write_text(f'name: "{name}"\n"{name}": 1\n')
    for argv in ("plan s.yaml --noise none", "login zoe --targets s.yaml", "no-such-$(printf 'a\\033[31mb')"):
        said = shell(f"authgate {argv}", tmp_path).stderr
        assert said and len(said) < 10_000
        assert "\x1b" not in said


def test_no_core_is_left_of_a_process_that_may_hold_a_secret() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    said = subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main.main = lambda *_: print("
         "open('/proc/self/limits').read(), open('/proc/self/coredump_filter').read())\nmain.run_main()"],
        capture_output=True, text=True, timeout=60, env=environment(), 
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)), check=False,
    ).stdout  # fmt: skip
    (core,) = (line for line in said.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4] == "0"
    assert said.split()[-1] == "00000000"


def test_an_environment_without_a_secret_has_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARD_ACCOUNTS", "zoe,secret")
    found = environment_without({"WARD_ACCOUNTS"})
    assert found == {name: value for name, value in os.environ.items() if name != "WARD_ACCOUNTS"}
    no_core_dumps()
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
